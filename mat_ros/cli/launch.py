# Copyright 2026 The mat_ros Authors
# SPDX-License-Identifier: Apache-2.0
"""mat-ros launch: start the graph of a launch file with our own process supervisor, where ROS's launch is missing."""

from __future__ import annotations

import argparse
import os
import sys
import textwrap
from collections.abc import Mapping
from functools import partial

from mat_ros.core.options import read
from mat_ros.core.wire.seal import SECRET
from mat_ros.graph import launcher, ros_environment
from mat_ros.graph.build import environment
from mat_ros.graph.deployment import (
    DEPLOYMENTS,
    Planned,
    check_plan,
    check_start,
    deployment,
    launch_options,
    parse,
    plan,
)
from mat_ros.graph.process import Sink
from mat_ros.graph.settings import LaunchSettings
from mat_ros.nodes.preload import preload

COLOURS = (36, 32, 33, 35, 34, 96, 92, 93, 95, 94)  # ANSI codes for node names on a terminal


def parser() -> argparse.ArgumentParser:
    """Declare the arguments of `mat-ros launch`."""
    parser = argparse.ArgumentParser(
        prog="mat-ros launch", usage="mat-ros launch NAME [name:=value ...]", description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        epilog="\n".join([*(f"  {d.name:<12}{d.help}" for d in DEPLOYMENTS.values()), "",
                          "`mat-ros launch NAME --help` lists the arguments of one."]))
    parser.add_argument("deployment", metavar="NAME", help="deployment to start, one of the list below")
    parser.add_argument("launch_arguments", nargs="*", metavar="name:=value", help="launch arguments")
    parser.add_argument("--dry-run", action="store_true", help="print the nodes and their parameters, and start none")
    parser.add_argument("--env", action="store_true",
                        help="print the variables with which `ros2 topic` in another shell receives from this graph")
    return parser


def main(arguments: list[str]) -> int:
    """Run `mat-ros launch NAME name:=value ...`."""
    if len(arguments) >= 2 and arguments[0] in DEPLOYMENTS and set(arguments) & {"-h", "--help", "-s", "--show-args"}:
        print(help_text(arguments[0]))
        return 0
    given = parser().parse_intermixed_args(arguments)
    values = parse(given.launch_arguments, given.deployment)
    if given.env:
        print("\n".join(f"export {name}={value}" for name, value in reach(given.deployment, values).items()))
        return 0
    planned = plan(given.deployment, values)
    if given.dry_run:
        check_plan(planned)
        print(describe(planned))
        return 0
    check_start(planned)
    ros_environment.set_defaults()
    return launcher.run(planned.graph, printer([node.name for node in planned.graph.nodes]),
                        partial(preload, planned.bundle, planned.settings.backend))


def reach(name: str, values: Mapping[str, str]) -> dict[str, str]:
    """Return the variables that let a process of another shell reach a graph.

    A graph without a policy is not laid out. Its variables are those of its network; only a large graph has more.
    """
    if values.get("policy") or deployment(name).policy:
        variables = plan(name, values).graph.environment
    else:
        variables = environment(read(LaunchSettings, values).network)
    domain = {"ROS_DOMAIN_ID": os.environ["ROS_DOMAIN_ID"]} if os.environ.get("ROS_DOMAIN_ID") else {}
    return domain | {name: value for name, value in variables.items() if name.startswith(("ROS_", "FASTDDS_"))}


def help_text(name: str) -> str:
    """Return the help text with the launch arguments of a deployment."""
    lines = [f"mat-ros launch {name} [name:=value ...]", "", f"Start {DEPLOYMENTS[name].help}.", ""]
    for option in launch_options(name):
        default = str(option.default).lower() if isinstance(option.default, bool) else str(option.default)
        words = f"{option.description} (one of: {option.range.strip(' |')})" if option.choices else option.description
        lines += textwrap.wrap(f"{words} [{default}]" if default else words, 116,
                               initial_indent=f"  {option.name + ':=':<20}", subsequent_indent=" " * 22)
    return "\n".join(lines)


def describe(planned: Planned) -> str:
    """Return text that lists the nodes of a graph, their parameters and the environment."""
    lines = [f"policy {planned.bundle.folder} ({planned.bundle.digest[:16]})"]
    for node in planned.graph.nodes:
        manner = "essential" if node.essential else "respawned" if node.respawn else "once"
        lines += ["", f"{node.name}  ({node.executable}, {manner})"]
        lines += [f"    {key}: {value!r}" for key, value in node.parameters.items()]
    shown = {**planned.graph.environment, SECRET: "(not shown)"}
    return "\n".join([*lines, "", *(f"{k}={v}" for k, v in shown.items())])


def printer(names: list[str]) -> Sink:
    """Return a sink that prints each line after the name of its node. On a terminal, each name has a colour."""
    width = max(map(len, [*names, "launcher"]))
    colour = {name: COLOURS[k % len(COLOURS)] for k, name in enumerate(names)}

    def show(name: str, line: str) -> None:
        label = f"{name:>{width}}"
        if sys.stdout.isatty():
            label = f"\x1b[{colour.get(name, 2)}m{label}\x1b[0m"
        print(f"{label} | {line}", flush=True)

    return show

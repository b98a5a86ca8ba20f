# Copyright 2026 The mat_ros Authors
# SPDX-License-Identifier: Apache-2.0
"""mat-ros faults: list the kinds of faults, inject faults into a running graph, and clear them."""

from __future__ import annotations

import argparse
import json
import math
import re
import textwrap
from collections.abc import Iterable
from dataclasses import asdict
from typing import Any

from mat_ros.cli.service import call
from mat_ros.core import shipped
from mat_ros.core.faults.injection import Answer
from mat_ros.core.faults.schedule import fault_kinds
from mat_ros.core.faults.targets import targets
from mat_ros.core.policy.bundle import Bundle

SHOWN = 8  # largest number of elements of a term, or of receivers of a sender, in a printed list


def parser() -> argparse.ArgumentParser:
    """Declare the arguments of `mat-ros faults`."""
    parser = argparse.ArgumentParser(prog="mat-ros faults", description=__doc__)
    verbs = parser.add_subparsers(dest="verb", required=True)
    listing = verbs.add_parser("list", help="list the kinds of faults; with a policy, also the targets")
    listing.add_argument("--policy", default="", help="bundle, by name or folder")
    listing.add_argument("--json", action="store_true", help="print JSON, with all targets")
    breaking = verbs.add_parser("inject", help="inject a fault into the running graph, from the next tick on")
    breaking.add_argument("what", help="level:kind, as in actuator:off")
    breaking.add_argument("target", help="joint, term/element, sender->receiver or node; shell patterns select several")
    breaking.add_argument("--severity", type=float, default=math.nan, help="severity of the fault; default: the kind's")
    breaking.add_argument("--duration", type=float, default=math.inf, metavar="S",
                          help="seconds until the fault ends; default: it lasts until it is cleared")
    breaking.add_argument("--id", default="", help="name for `clear`; default: kind/target")
    mending = verbs.add_parser("clear", help="end faults")
    mending.add_argument("pattern", nargs="?", default="*", help="shell pattern of the ids; default: all")
    for verb in (breaking, mending):
        verb.add_argument("--namespace", default="", help="namespace of the graph")
    return parser


def main(arguments: list[str]) -> int:
    """Run `mat-ros faults`; the status is 1 where a request was not accepted."""
    given = parser().parse_args(arguments)
    return {"list": _list, "inject": _inject, "clear": _clear}[given.verb](given)


def _list(given: argparse.Namespace) -> int:
    names: dict[str, tuple[str, ...]] = {}
    if given.policy:
        names = asdict(targets(Bundle.load(shipped.policy_folder(given.policy)).manifest))
    if given.json:
        print(json.dumps({"kinds": fault_kinds(), "targets": names}))
        return 0
    for kind in fault_kinds():
        unit = {"1": "", "of the sensor": " in the sensor's unit"}.get(kind["unit"], f" {kind['unit']}")
        degree = f"  severity: {kind['severity']}, {kind['range'][0]:g} to {kind['range'][1]:g}{unit}, " \
                 f"default {kind['default']:g}" if kind["severity"] else ""
        print(f"{kind['level'] + ':' + kind['kind']:<20}{kind['meaning']}.{degree}")
    for level, found in names.items():
        groups = _grouped(found)
        cut = any(group and len(members) > SHOWN for group, members in groups.items())
        print(f"\n{level}s: {len(found)}" + (", all with --json" if cut else ""))
        for group, members in groups.items():
            few = [*members[:SHOWN - 2], "...", members[-1]] if group and len(members) > SHOWN else members
            print(textwrap.fill(", ".join(few), 116, initial_indent=f"    {group}", subsequent_indent="        ",
                                break_long_words=False))
    return 0


def _grouped(names: Iterable[str]) -> dict[str, list[str]]:
    """Group names: the elements by their term, and the receivers by their sender."""
    found: dict[str, list[str]] = {}
    for name in names:
        group, sign, member = re.split(r"(/|->)", name, maxsplit=1) if re.search(r"/|->", name) else ("", "", name)
        found.setdefault(group + sign, []).append(member)
    return found


def _inject(given: argparse.Namespace) -> int:
    from mat_ros.srv import InjectFault  # ROS is an extra, and `list` works without it

    level, _, kind = given.what.partition(":")
    request = InjectFault.Request(id=given.id or f"{kind}/{given.target}", level=level, kind=kind, target=given.target,
                                  severity=given.severity, duration_s=given.duration)
    response = _call(given.namespace, InjectFault, "inject_fault", request)
    print(Answer(response.result).name + (f": {response.message}" if response.message else ""))
    return int(response.result != Answer.ACCEPTED)


def _clear(given: argparse.Namespace) -> int:
    from mat_ros.srv import ClearFaults  # as in _inject

    response = _call(given.namespace, ClearFaults, "clear_faults", ClearFaults.Request(pattern=given.pattern))
    print(f"faults cleared: {response.cleared}")
    return 0


def _call(namespace: str, kind: Any, service: str, request: Any) -> Any:
    """Send a request to the injector of a graph and return the answer."""
    return call(namespace, kind, service, request, "an injector",
                "launch with inject:=true, in the same namespace and ROS domain")

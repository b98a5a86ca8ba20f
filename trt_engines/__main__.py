# Copyright 2026 The mat_ros Authors
# SPDX-License-Identifier: Apache-2.0
"""Build and verify TensorRT engines: `mat-ros engines build BUNDLE --flavour tensorrt_rtx`."""

from __future__ import annotations

import argparse
import json
import shutil
import sys
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path

from mat_ros.backends.tensorrt_fingerprint import checked_plan, read
from mat_ros.backends.tensorrt_flavour import MODULES, load_flavour, present
from mat_ros.backends.tensorrt_machine import this_machine
from mat_ros.backends.tensorrt_opening import engines_folder
from mat_ros.core.errors import Missing, Refused
from mat_ros.core.files import replaced
from mat_ros.core.policy.bundle import Bundle
from trt_engines.build import build_engines, graphs_with_operator
from trt_engines.verify import verify_engines


def build(given: argparse.Namespace) -> int:
    """Build a plan for each graph of a bundle."""
    bundle = Bundle.load(given.bundle)
    flavour = load_flavour(given.flavour)
    folder = given.engines or engines_folder(bundle)
    build_engines(bundle, folder, flavour, limit_s=given.limit, capabilities=tuple(given.capability),
                  wkv_plugin=given.wkv_plugin)
    print(f"{folder}: built with {flavour.name} {flavour.version}; `mat-ros engines verify {bundle.folder} --flavour "
          f"{flavour.name}` is the next step, on the robot's machine")
    return 0


def graphs(given: argparse.Namespace) -> int:
    """Write the graphs of a bundle with the operator mat_ros::WKV, after ONNX Runtime reproduced the golden ticks."""
    bundle = Bundle.load(given.bundle)
    for name, onnx in graphs_with_operator(bundle).items():
        path = (given.engines or engines_folder(bundle)) / f"{name}.wkv.onnx"
        with replaced(path) as beside:
            beside.write_bytes(onnx)
        print(path)
    return 0


def verify(given: argparse.Namespace) -> int:
    """Run the golden ticks on the engines of a bundle."""
    bundle = Bundle.load(given.bundle)
    verdict, marks = verify_engines(bundle, given.flavour, given.engines)
    print(f"{verdict.ticks} golden ticks reproduced, max error {verdict.max_error:.1e}, "
          f"step {marks[0].step_us_p50:.1f} µs p50, {marks[0].step_us_p99:.1f} µs p99; "
          "compare with `mat-ros check` before you choose an engine")
    return 0


def list_engines(given: argparse.Namespace) -> int:
    """List the engines of a bundle, and whether they fit this machine."""
    bundle = Bundle.load(given.bundle)
    folder, machine = given.engines or engines_folder(bundle), this_machine()
    versions = {flavour.name: flavour.version for flavour in present()}
    for path in sorted(folder.glob("*.plan")):
        try:
            mark = read(path)
            line = f"{mark.graph}: {mark.flavour} {mark.version}, {mark.kernels} kernels, {mark.precision}"
            line += "".join(f", with {plugin}" for plugin in mark.plugins)
            checked_plan(path, bundle, versions.get(mark.flavour, "not installed"), machine)
            print(f"fits     {line}")
        except Refused as error:
            print(f"refused  {error}")
    return 0


def doctor(given: argparse.Namespace) -> int:
    """Print the installed and the missing parts, and how to install the missing ones."""
    machine = this_machine()
    report: dict[str, object] = {"machine": asdict(machine), "nvcc": shutil.which("nvcc") or ""}
    for name in MODULES:
        try:
            flavour = load_flavour(name)
            known = getattr(flavour.module, "ComputeCapability", None)
            targets = sorted(item for item in dir(known) if item[:2] == "SM")
            report[name] = {"version": flavour.version, "targets": targets,
                            "plugins": hasattr(flavour.module, "QuickPluginCreationRequest")}
        except Missing as error:
            report[name] = str(error)
    if given.json:
        print(json.dumps(report, indent=1))
        return 0
    print(f"GPU           {machine.gpu or 'none: tensorrt_rtx can build engines here, and no engine can run here'}")
    for name in MODULES:
        print(f"{name:13} {report[name]}")
    return 0


def parser() -> argparse.ArgumentParser:
    """Declare the arguments of `mat-ros engines`."""
    parser = argparse.ArgumentParser(prog="mat-ros engines", description=(__doc__ or "").splitlines()[0])
    commands = parser.add_subparsers(required=True, metavar="build | graphs | verify | list | doctor")
    for name, command in (("build", build), ("graphs", graphs), ("verify", verify), ("list", list_engines),
                          ("doctor", doctor)):
        sub = commands.add_parser(name, help=command.__doc__, description=command.__doc__)
        sub.set_defaults(command=command)
        if name == "doctor":
            sub.add_argument("--json", action="store_true", help="print JSON")
            continue
        sub.add_argument("bundle", type=Path, help="folder of the bundle")
        sub.add_argument("--engines", type=Path, help="folder of the engines; default: BUNDLE.engines")
        if name in ("build", "verify"):
            sub.add_argument("--flavour", choices=list(MODULES), required=True)
        if name == "build":
            sub.add_argument("--limit", type=float, default=600.0, help="longest time for a graph in seconds")
            sub.add_argument("--capability", action="append", default=[],
                             help="GPU to build for, as in 8.9; may be repeated; tensorrt_rtx only")
            sub.add_argument("--wkv-plugin", action="store_true",
                             help="compute RWKV-4's recurrence in a plugin; enterprise TensorRT only; more kernels")
    return parser


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line; every error message is one sentence."""
    given = parser().parse_args(arguments)
    try:
        status: int = given.command(given)
    except (Missing, Refused) as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    return status


if __name__ == "__main__":
    raise SystemExit(main())

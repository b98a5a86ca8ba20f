# Copyright 2026 The mat_ros Authors
# SPDX-License-Identifier: Apache-2.0
"""Check a bundle before it goes to a robot, or a robot file: `mat-ros check DIR --robot FILE`, `mat-ros check FILE`.

Hashes, schema and names are verified by loading; then every installed backend has to reproduce the golden ticks.
"""

from __future__ import annotations

import argparse
import difflib
import json
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

from rich.console import Console
from rich.markup import escape
from rich.table import Table

from mat_ros.backends.choose import BACKENDS, installed, load_backend
from mat_ros.backends.golden import verify
from mat_ros.backends.timing import time_backend
from mat_ros.core import named
from mat_ros.core.errors import Missing, Refused
from mat_ros.core.policy.bundle import MANIFEST, Bundle
from mat_ros.core.progress import StepProgress
from mat_ros.core.robot.description import RobotDescription
from mat_ros.core.robot.joints import Joint
from mat_ros.core.robot.limits import Rule, rules
from mat_ros.core.shipped import config_file, install_command, policy_folder
from mat_ros.view.console import console

SLACK = 1e-9  # tolerance in a joint's unit, for the rounding of offset + scale


@dataclass(frozen=True)
class BackendCheck:
    """The result of one backend."""

    device: str
    step_us_p50: float
    step_us_p99: float
    tick_us_p50: float
    tick_us_p99: float
    max_err: float
    equality: str
    ok: bool
    reason: str


@dataclass(frozen=True)
class CheckReport:
    """The result of a check."""

    ok: bool
    reason: str
    backends: dict[str, BackendCheck]
    bundle: Bundle | None
    notes: tuple[str, ...] = ()  # facts that are allowed and may be mistakes
    robot: RobotDescription | None = None  # the robot, if a robot file was checked
    rules: tuple[Rule, ...] = ()  # the limits of robot file and bundle, if a bundle was checked with a robot file


def check(folder: Path, robot: Path | None, names: Sequence[str] = ()) -> CheckReport:
    """Verify a bundle in the named backends, or in all installed ones; `robot` names a robot file that has to fit."""
    rows: dict[str, BackendCheck] = {}
    try:
        bundle = Bundle.load(folder)
        bundle.golden()
        own = RobotDescription.load(robot) if robot is not None else None
        notes = _fits(bundle, own) if own is not None else ()
        held = tuple(rules(bundle.manifest.joints, own)) if own is not None else ()
    except Refused as error:
        return CheckReport(False, str(error), rows, None)
    chosen = names or installed()
    with StepProgress("check", len(chosen)) as progress:
        for name in chosen:
            progress.step(f"run the golden ticks on {name}")
            try:
                rows[name] = _run(name, bundle)
            except (Refused, Missing) as error:
                return CheckReport(False, str(error), rows, bundle)
    failed = [f"{name}: {row.reason}" for name, row in rows.items() if not row.ok]
    if not rows:
        return CheckReport(False, f"no backend is installed; run {install_command('onnx')}", rows, bundle)
    return CheckReport(not failed, "; ".join(failed), rows, bundle, notes, rules=held)


def _fits(bundle: Bundle, robot: RobotDescription) -> tuple[str, ...]:
    """Refuse a robot whose joints or rate differ from the policy's; return a note where only its name differs."""
    bundle.manifest.check_robot(robot)
    if robot.name == bundle.manifest.robot:
        return ()
    return (f"the policy was trained on {bundle.manifest.robot}, this robot is called {robot.name}; joints, units and "
            "rate agree",)


def check_robot_file(path: Path) -> CheckReport:
    """Check a robot file; the report names a mistake in the file."""
    try:
        robot = RobotDescription.load(path)
    except Refused as error:
        return CheckReport(False, str(error), {}, None)
    notes = (*_without_world(robot), *(note for joint in robot.joints for note in _cut_off(joint)))
    return CheckReport(True, "", {}, None, notes, robot)


def _without_world(robot: RobotDescription) -> Iterator[str]:
    """Yield a note about a world that no package registers. A world such as `module:World` is not imported here."""
    if robot.world and ":" not in robot.world and robot.world not in (known := named.names(named.WORLDS)):
        yield (f"no installed package registers the world {robot.world} (known: {', '.join(known)}): the robot runs on "
               "hardware, and cannot be simulated")


def _cut_off(joint: Joint) -> Iterator[str]:
    low, high = sorted((joint.offset - joint.scale, joint.offset + joint.scale))
    if low < joint.lower - SLACK or high > joint.upper + SLACK:
        yield (f"joint {joint.name}: actions from -1 to 1 mean {low:g} to {high:g} {joint.unit}, of which all outside "
               f"{joint.lower:g} to {joint.upper:g} is cut off")


def _nothing_to_check(given: str, folder: Path) -> CheckReport:
    found = "a folder without one" if folder.is_dir() else "a graph alone" if folder.is_file() else "nothing there"
    near = difflib.get_close_matches(folder.name, [path.name for path in folder.parent.glob("*")], n=1)
    remedy = "correct the path, or export the policy"
    if near and not folder.exists():
        remedy = f"did you mean {folder.with_name(near[0])}?"
    return CheckReport(False, str(Refused(given, "a robot file, or a policy bundle: a folder with manifest.yaml", found,
                                     remedy)), {}, None)


def _run(name: str, bundle: Bundle) -> BackendCheck:
    backend = load_backend(name, bundle)
    verdict, timing, info = verify(backend, bundle), time_backend(backend, bundle), backend.info()
    return BackendCheck(
        device=f"{info.version} on {info.device}", step_us_p50=timing.step.p50, step_us_p99=timing.step.p99,
        tick_us_p50=timing.tick.p50, tick_us_p99=timing.tick.p99, max_err=verdict.max_error,
        equality=bundle.manifest.equality, ok=verdict.ok, reason=verdict.difference,
    )


def to_json(report: CheckReport) -> str:
    """Return the report as JSON, for programs."""
    plain = {"ok": report.ok, "reason": report.reason, "notes": report.notes,
             "limits": [asdict(rule) | {"ruler": rule.ruler} for rule in report.rules],
             "backends": {name: asdict(row) for name, row in report.backends.items()}}
    return json.dumps(plain, indent=1)


def show(report: CheckReport, console: Console) -> None:
    """Print the report as text, for people."""
    if report.bundle is not None:
        manifest = report.bundle.manifest
        network = manifest.network
        console.print(f"[bold]{escape(manifest.name)}[/]  {network.encoder} → {network.decoder}, {network.agents} "
                      f"agents of {escape(manifest.robot)}, width {network.width}, equality {manifest.equality}, "
                      f"sha256 {report.bundle.digest[:16]}…", soft_wrap=True, highlight=False)
    if report.backends:
        table = Table("backend", "version", "µs/step\np50 p99", "µs/tick\np50 p99", "max error", "golden")
        for name, row in report.backends.items():
            table.add_row(name, row.device, f"{row.step_us_p50:.1f} {row.step_us_p99:.1f}",
                          f"{row.tick_us_p50:.1f} {row.tick_us_p99:.1f}", f"{row.max_err:.1e}",
                          "[green]same[/]" if row.ok else "[red]differ[/]")
        console.print(table)
    if report.rules:
        _show_rules(report.rules, console)
    if report.robot is not None:
        _show_robot(report.robot, console)
    for note in report.notes:
        console.print(f"note  {escape(note)}", soft_wrap=True, highlight=False)
    verdict = "[green]ok[/]" if report.ok else f"[red]refused[/]  {escape(report.reason)}"
    console.print(verdict, soft_wrap=True, highlight=False)


def _show_rules(held: Sequence[Rule], console: Console) -> None:
    """Print the limits in which robot and bundle differ, and the one that rules."""
    differing = [rule for rule in held if rule.ruler != "both"]
    if not differing:
        console.print("robot file and bundle give the same limits")
        return
    table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0), header_style="dim")
    for name in ("joint", "limit", "robot file", "bundle", "rules"):
        table.add_column(name, no_wrap=True)
    for rule in differing:
        values = [value if isinstance(value, str) else f"{value:g}" for value in (rule.robot, rule.bundle)]
        table.add_row(escape(rule.joint), rule.field, *values, rule.ruler)
    console.print(table)


def _show_robot(robot: RobotDescription, console: Console) -> None:
    """Print the content of a robot file, so that a second person can compare it with the data sheet."""
    console.print(f"[bold]{escape(robot.name)}[/]  {len(robot.joints)} joints at {1e9 / robot.period_ns:g} Hz, split "
                  f"by {escape(', '.join(robot.splits))}", soft_wrap=True, highlight=False)
    table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0), header_style="dim")
    for name in ("joint", "unit", "limits", "rate/s", "effort", "action", "default", "fallback"):
        table.add_column(name, no_wrap=True)
    for j in robot.joints:
        table.add_row(escape(j.name), j.unit, f"{j.lower:g} to {j.upper:g}", f"{j.rate:g}", f"{j.effort:g}",
                      f"{j.offset - j.scale:g}, {j.offset + j.scale:g}", f"{j.default:g}", str(j.fallback))
    console.print(table)


def parser() -> argparse.ArgumentParser:
    """Declare the arguments of `mat-ros check`."""
    parser = argparse.ArgumentParser(prog="mat-ros check", description=(__doc__ or "").splitlines()[0])
    parser.add_argument("bundle", help="a bundle: shipped name or folder; or a robot file")
    parser.add_argument("--robot", help="robot that the bundle has to fit: shipped name or YAML file")
    parser.add_argument("--backend", action="append", default=[],
                        help=f"check this backend only, one of {', '.join(BACKENDS)}; may be repeated")
    parser.add_argument("--json", action="store_true", help="print the report as JSON")
    return parser


def main(arguments: Sequence[str] | None = None) -> int:
    """Run `mat-ros check`; return 0 if the bundle may run or the robot file is valid, else 1."""
    given = parser().parse_args(arguments)
    if Path(given.bundle).is_file() and Path(given.bundle).suffix == ".onnx":
        report = _nothing_to_check(given.bundle, Path(given.bundle))
    elif Path(given.bundle).is_file():
        report = check_robot_file(Path(given.bundle))
    elif Path(given.bundle).suffix in (".yaml", ".yml") and not Path(given.bundle).exists():
        report = _nothing_to_check(given.bundle, Path(given.bundle))
    elif not ((folder := policy_folder(given.bundle)) / MANIFEST).is_file():
        report = _nothing_to_check(given.bundle, folder)
    else:
        robot = config_file("robots", given.robot) if given.robot else None
        report = check(folder, robot, given.backend)
    if given.json:
        print(to_json(report))
    else:
        show(report, console())
    return 0 if report.ok else 1


if __name__ == "__main__":
    raise SystemExit(main())

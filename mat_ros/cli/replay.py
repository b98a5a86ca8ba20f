# Copyright 2026 The mat_ros Authors
# SPDX-License-Identifier: Apache-2.0
"""mat-ros replay: decide a recording again and compare bits."""

from __future__ import annotations

import argparse
import json
from pathlib import Path

from mat_ros.backends.backend import Backend
from mat_ros.backends.choose import BACKENDS, open_backend
from mat_ros.core import shipped
from mat_ros.core.errors import Refused
from mat_ros.core.policy.bundle import Bundle
from mat_ros.core.progress import StepProgress
from mat_ros.core.record.comparison import Report
from mat_ros.core.record.recording import Recording
from mat_ros.core.record.replay import replay

HEADLINE = ("ticks", "compared", "undecided", "differing", "first", "equality", "truncated", "unmatched", "gate")


def parser() -> argparse.ArgumentParser:
    """Declare the arguments of `mat-ros replay`."""
    parser = argparse.ArgumentParser(prog="mat-ros replay", description="Decide every recorded tick again from its "
                                     "observation, with the same backend, run the safety gate again, and compare the "
                                     "bits.")
    parser.add_argument("file", type=Path, help="recording (.mcap)")
    parser.add_argument("--policy", default="",
                        help="bundle, by name or folder; default: the recorded one, if it is shipped")
    parser.add_argument("--backend", default="", choices=("", *BACKENDS),
                        help="backend that decides; default: the recorded one")
    parser.add_argument("--from", type=float, default=0.0, dest="start_s", metavar="SECONDS",
                        help="decide only observations from this time on, in seconds after the first message")
    parser.add_argument("--to", type=float, dest="stop_s", metavar="SECONDS",
                        help="decide only observations before this time")
    parser.add_argument("--json", action="store_true", help="print the result as JSON")
    return parser


def main(arguments: list[str]) -> int:
    """Run `mat-ros replay`; the status is 1 where anything differs."""
    given = parser().parse_args(arguments)
    with StepProgress("replay", 3) as progress:
        progress.step(f"read {given.file}")
        recording = Recording.load(given.file, start_s=given.start_s, stop_s=given.stop_s)
        progress.step("open the policy")
        bundle = find_bundle(given.policy, recording)
        backend, tolerance = same_class(given.backend, recording, bundle)
        progress.step("decide every tick again")
        report = replay(recording, bundle, backend, tolerance)
    until = "the end" if given.stop_s is None else f"{given.stop_s:g} s"
    part = f" from {given.start_s:g} s to {until}" if given.start_s or given.stop_s is not None else ""
    show(report, given.json, "decided again", given.file.name + part)
    return int(report.differing > 0 or not report.compared)


def find_bundle(name: str, recording: Recording) -> Bundle:
    """Return the bundle of the recording: the named bundle, or the shipped bundle with the recorded digest."""
    if name:
        return Bundle.load(shipped.policy_folder(name))
    digest = recording.facts.get("digest", "")
    for known in shipped.policy_names():
        bundle = Bundle.load(shipped.policy_folder(known))
        if bundle.digest == digest:
            return bundle
    raise Refused("policy of the recording", f"a shipped policy with the digest {digest[:16] or '?'}…",
                  shipped.policy_names(), "name its folder with --policy")


def same_class(name: str, recording: Recording, bundle: Bundle) -> tuple[Backend, float | None]:
    """Return a backend, with the bundle's tolerance where the backend or its version differs from the recorded one."""
    recorded = recording.facts.get("backend", [name or "auto", "", ""])
    backend = open_backend(name or recorded[0], bundle)
    info = backend.info()
    bits = [info.name, info.version] == list(recorded[:2])
    return backend, None if bits or not recorded[1] else bundle.manifest.tolerance


def show(report: Report, as_json: bool, done: str, name: str) -> None:
    """Print the report of a replay or of a comparison."""
    if as_json:
        print(json.dumps({key: report.to_dict()[key] for key in HEADLINE}))
        return
    held = "to the bit" if report.equality == "bit" else "within the bundle's tolerance"
    same = report.compared - report.differing
    print(f"{name}: {report.ticks} ticks, {report.compared} {done}, {same} equal {held} ({report.values} numbers)")
    if report.first is not None:
        where = "" if report.first["slot"] < 0 else f", slot {report.first['slot']}"
        where += f", joint {report.first['joint']}" if report.first.get("joint") else ""
        print(f"first difference: tick {report.first['tick']}{where}, {report.first['field']}"
              + (f" (by at most {report.worst:.3g} anywhere)" if report.worst else ""))
    if report.undecided:
        print(f"{report.undecided} ticks not compared, since no node decided in them")
    if report.unmatched:
        print(f"{report.unmatched} messages or ticks have no counterpart")
    for note in report.notes:
        print(note)

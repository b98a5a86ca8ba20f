# Copyright 2026 The mat_ros Authors
# SPDX-License-Identifier: Apache-2.0
"""mat-ros report: draw a recording as one page."""

from __future__ import annotations

import argparse
import json
from pathlib import Path

from mat_ros.cli.replay import find_bundle
from mat_ros.core.record.recording import Recording
from mat_ros.core.shipped import check_writable
from mat_ros.view import recording_report


def parser() -> argparse.ArgumentParser:
    """Declare the arguments of `mat-ros report`."""
    parser = argparse.ArgumentParser(prog="mat-ros report", description="Write one page about a recording: joints, "
                                     "decisions, latency, events, what the gate did and why, and a film where the "
                                     "world is known. A truncated recording is shown up to its cut.")
    parser.add_argument("file", type=Path, help="recording (.mcap)")
    parser.add_argument("--out", type=Path, help="page to write; default: the recording with the ending .html")
    parser.add_argument("--policy", default="",
                        help="bundle, by name or folder; default: the recorded one, if it is shipped")
    parser.add_argument("--json", action="store_true", help="print the main figures as JSON")
    return parser


def main(arguments: list[str]) -> int:
    """Run `mat-ros report`."""
    given = parser().parse_args(arguments)
    recording = Recording.load(given.file, required=())
    bundle = find_bundle(given.policy, recording)
    out = given.out or given.file.with_suffix(".html")
    check_writable(out)
    found = recording_report.write(recording, bundle, out, " ".join(["mat-ros report", *arguments]))
    if given.json:
        print(json.dumps({**found, "report": str(out)}))
        return 0
    for sentence in found["missing"]:
        print(sentence)
    print(f"report: {out}")
    return 0

# Copyright 2026 The mat_ros Authors
# SPDX-License-Identifier: Apache-2.0
"""Measure every installed backend for policies of several sizes: `mat-ros bench backends --json`.

The policies have random weights, which take as long as trained weights. Each round is timed separately, and the fastest
one counts, because other programs can only slow a round down.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import sys
import tempfile
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table

from mat_ros.backends.choose import BACKENDS, installed, open_backend
from mat_ros.backends.golden import verify
from mat_ros.backends.timing import multiply_rate, step_multiplications, time_backend
from mat_ros.core.errors import Missing, Refused
from mat_ros.core.policy.bundle import Bundle
from mat_ros.core.program import run_python
from mat_ros.core.shipped import install_command
from mat_ros.view.console import console

KINDS = ("mat", "rwkv4")  # kinds of policies, in the words of training.exporting.sample
AGENTS, WIDTHS = (6, 26, 52), (64, 128, 256)


@dataclass(frozen=True)
class Result:
    """Hold the figures of one backend for one policy."""

    step_us_p50: float
    step_us_p99: float
    tick_us_p50: float
    tick_us_p99: float
    max_err: float  # largest difference of an action from torch
    floor_us: float  # time of a step's multiply-adds at the rate of a plain matrix-vector product
    floor_ratio: float  # step_us_p50 / floor_us
    state_bytes: int  # bytes of the largest state that hops to a slot


def bench(agents: Sequence[int], widths: Sequence[int], kinds: Sequence[str], backends: Sequence[str], folder: Path,
          say: Callable[[str], None]) -> dict[str, Any]:
    """Return the results as backend -> policy -> agents -> width -> plain values."""
    make_policies(folder, kinds, agents, widths)
    rate = multiply_rate()
    found: dict[str, Any] = {name: {kind: {str(n): {} for n in agents} for kind in kinds} for name in backends}
    for kind in kinds:
        for n in agents:
            for width in widths:
                bundle = Bundle.load(folder / f"{kind}_{n}_{width}")
                floor = step_multiplications(bundle) / rate
                for name in backends:
                    say(f"{name}: {kind}, {n} agents, width {width}")
                    backend = open_backend(name, bundle)
                    timing, verdict = time_backend(backend, bundle), verify(backend, bundle)
                    result = Result(
                        timing.step.p50, timing.step.p99, timing.tick.p50, timing.tick.p99, verdict.max_error, floor,
                        timing.step.p50 / floor, 4 * bundle.manifest.state.size(n - 1),
                    )
                    found[name][kind][str(n)][str(width)] = asdict(result)
    machine = {"processor": platform.machine(), "cores": os.cpu_count(), "load_average": os.getloadavg(),
               "multiply_adds_per_us": rate}
    return {"machine": machine, "backends": found}


def make_policies(folder: Path, kinds: Sequence[str], agents: Sequence[int], widths: Sequence[int]) -> None:
    """Export the policies that the folder lacks with a program of training, which the runtime must not import."""
    run_python(["-m", "training.exporting.sample", "policies", str(folder), "--kinds", *kinds, "--agents",
                *map(str, agents), "--widths", *map(str, widths)], "the program that writes the policies",
               f"run {install_command('train')}")


def show(found: dict[str, Any], console: Console) -> None:
    """Print the results as a table."""
    table = Table("backend", "policy", "n", "d", "µs/step\np50 p99", "µs/tick\np50 p99", "max error", "of floor")
    for name, kinds in found["backends"].items():
        for kind, sizes in kinds.items():
            for n, widths in sizes.items():
                for width, row in widths.items():
                    table.add_row(name, kind, n, width, f"{row['step_us_p50']:.1f} {row['step_us_p99']:.1f}",
                                  f"{row['tick_us_p50']:.0f} {row['tick_us_p99']:.0f}", f"{row['max_err']:.0e}",
                                  f"{row['floor_ratio']:.1f}x")
    console.print(table)


def parser() -> argparse.ArgumentParser:
    """Declare the arguments of `mat-ros bench backends`."""
    parser = argparse.ArgumentParser(prog="mat-ros bench backends", description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--agents", type=int, nargs="+", default=list(AGENTS), help="numbers of agents")
    parser.add_argument("--widths", type=int, nargs="+", default=list(WIDTHS), help="widths of the layers")
    parser.add_argument("--policies", nargs="+", choices=list(KINDS), default=list(KINDS))
    parser.add_argument("--backends", nargs="+", choices=BACKENDS, default=list(installed()),
                        help="backends to measure; default: all installed ones")
    parser.add_argument("--bundles", type=Path, help="folder of the policies; only missing ones are made")
    parser.add_argument("--json", action="store_true", help="print JSON")
    return parser


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line."""
    given = parser().parse_args(arguments)
    try:
        with tempfile.TemporaryDirectory() as scratch:
            found = bench(given.agents, given.widths, given.policies, given.backends, given.bundles or Path(scratch),
                          lambda line: print(line, file=sys.stderr))
    except (Missing, Refused) as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    if given.json:
        print(json.dumps(found, indent=1))
    else:
        show(found, console())
    return 0


if __name__ == "__main__":
    raise SystemExit(main())

# Copyright 2026 The mat_ros Authors
# SPDX-License-Identifier: Apache-2.0
"""Compare whole ticks of many robots in one GPU launch with one processor core: `mat-ros bench decode --json`.

The encodings come from a counter, because their values do not change the time. The time of a launch includes the copies
to and from the GPU, for which a training loop or a server also waits. The fastest of several rounds counts.
"""

from __future__ import annotations

import argparse
import json
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from mat_ros.backends.backend import Float32
from mat_ros.backends.choose import open_backend
from mat_ros.backends.cuda_driver import Driver
from mat_ros.backends.fused_decode import WIDTH, FusedDecode
from mat_ros.backends.timing import measure
from mat_ros.core import randomness
from mat_ros.core.errors import Missing, Refused
from mat_ros.core.policy.bundle import Bundle
from mat_ros.core.shipped import policy_folder
from mat_ros.core.tick.decide import Decider
from mat_ros.core.tick.messages import Validity

SOURCE = Path(__file__).parents[2] / "cuda" / "decode.cu"


def compile_kernel(capability: tuple[int, int]) -> bytes:
    """Return cuda/decode.cu compiled for a GPU's capability."""
    if shutil.which("nvcc") is None or not SOURCE.is_file():
        raise Missing("nvcc or cuda/decode.cu", "install the CUDA toolkit and run this in a checkout")
    with tempfile.TemporaryDirectory() as scratch:
        target = Path(scratch) / "decode.cubin"
        subprocess.run(["nvcc", "-std=c++17", "-O3", f"-arch=sm_{capability[0]}{capability[1]}", "-cubin",
                        str(SOURCE), "-o", str(target)], check=True)
        return target.read_bytes()


def encodings(bundle: Bundle, batch: int) -> Float32:
    """Return encodings (batch, n, 64) of about the size of a LayerNorm's outputs."""
    n = bundle.manifest.network.agents
    drawn = randomness.uniform(randomness.stream(0, "encodings"), 0, batch * n * WIDTH)
    return (3.4 * (drawn - 0.5)).astype(np.float32).reshape(batch, n, WIDTH)


def decide_one_by_one(decider: Decider, enc: Float32) -> Float32:
    """Return the actions for encodings (batch, n, 64), decided on the processor robot by robot."""
    return np.array([decider.extend(decider.start(), 0, len(robot), robot, Validity.OWN)[1] for robot in enc])


def bench(bundle: Bundle, batches: Sequence[int]) -> dict[str, Any]:
    """Return times of launches of several sizes, and their error against the processor."""
    driver = Driver()
    code = compile_kernel(driver.capability)
    decider = Decider(open_backend("native", bundle), bundle.manifest.network, bundle.manifest.state)
    one = encodings(bundle, 1)
    core = measure(lambda: decide_one_by_one(decider, one)).p50
    found = {}
    for batch in batches:
        fused, enc = FusedDecode(bundle, code, batch), encodings(bundle, batch)
        decided, _ = fused.decide(enc)
        few = min(batch, 64)
        error = float(np.abs(decided[:few] - decide_one_by_one(decider, enc[:few])).max())
        launch = measure(lambda fused=fused, enc=enc: fused.decide(enc))  # type: ignore[misc]
        found[str(batch)] = {"launch_us_p50": launch.p50, "launch_us_p99": launch.p99,
                             "us_per_robot": launch.p50 / batch, "max_err": error}
    return {"capability": list(driver.capability), "multiprocessors": driver.multiprocessors,
            "agents": bundle.manifest.network.agents, "native_us_per_robot": core, "launches": found}


def parser() -> argparse.ArgumentParser:
    """Declare the arguments of `mat-ros bench decode`."""
    parser = argparse.ArgumentParser(prog="mat-ros bench decode", description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--policy", default="dexhands_door_marwkv4", help="bundle, by name or folder")
    parser.add_argument("--batches", type=int, nargs="+", default=[1, 40, 132, 1024, 8192], help="robots per launch")
    parser.add_argument("--json", action="store_true", help="print JSON")
    return parser


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line."""
    given = parser().parse_args(arguments)
    try:
        found = bench(Bundle.load(policy_folder(given.policy)), given.batches)
    except (Missing, Refused) as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    if given.json:
        print(json.dumps(found, indent=1))
        return 0
    print(f"native, one core: {found['native_us_per_robot']:.1f} µs per robot")
    for batch, row in found["launches"].items():
        print(f"{batch:>6} robots: {row['launch_us_p50']:.0f} µs a launch, {row['us_per_robot']:.2f} per robot, "
              f"max error {row['max_err']:.0e}")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())

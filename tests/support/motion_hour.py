# Copyright 2026 The mat_ros Authors
# SPDX-License-Identifier: Apache-2.0
"""Healthy robots in made-up time, whose motion is watched: how many stops are false?

`PYTHONPATH=tests python -m support.motion_hour` drives the simulated hands with a shipped policy for an hour of their
time, under the checks of their file. `--default-limits` takes the default limits instead. `--arm FOLDER` drives the
tutorial's arm with a policy of `docs/tutorials/arm/arm_task.py`. `--cost` measures a judgement's time.
"""

from __future__ import annotations

import argparse
import dataclasses
import importlib
import itertools
import json
import sys
import time
import timeit
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np

from mat_ros import Chain, Robot
from mat_ros.core import randomness
from mat_ros.core.robot.description import RobotDescription as Description
from mat_ros.core.robot.guard import MotionSettings
from mat_ros.core.robot.limits import ruling_joints
from mat_ros.core.shipped import config_file
from mat_ros.core.tick.central import Central
from mat_ros.core.tick.keeper import Keeper, Keeping
from mat_ros.core.tick.messages import Observation
from mat_ros.core.tick.motion import Monitor
from mat_ros.core.tick.safety import Gate
from support.places import ROOT

ARM = ROOT / "docs" / "tutorials" / "arm"
TARGET_TICKS = 100  # so long the arm has each target


def stops_of_simulated(policy: str, ticks: int, seed: int = 0, **motion: object) -> list[str]:
    """Return the cause of each stop of a policy in its simulated robot, whose file says what is allowed."""
    from mat_ros.hardware.simulated import SimulatedRobot

    class Episodes(SimulatedRobot):
        """The next episode begins where one is over."""

        def read(self):
            if self.ended:
                self.reset()
            return super().read()

    chain = Chain(policy, seed=seed)
    file = Description.load(config_file("robots", chain.manifest.robot))
    guard = replace(file.guard, motion=replace(file.guard.motion, **{"watch": "all", **motion}))
    robot = Robot(Episodes(chain.manifest, seed=seed), file, guard, lockstep=True)
    return list(_causes(robot, chain, ticks))


def _causes(robot: Robot, chain: Chain, ticks: int) -> Iterator[str]:
    """Yield the cause of each stop; a stop ends with its episode."""
    stopped = False
    for step in chain.run(robot, ticks):
        if step.applied.stopped and not stopped:
            yield robot.keeper.cause
        stopped = step.applied.stopped


def stops_of_arm(policy: Path, ticks: int, seed: int = 0) -> list[str]:
    """Return the cause of each stop of the tutorial's arm, as a real robot, while it reaches for drawn targets."""
    sys.path.insert(0, str(ARM))
    arm = importlib.import_module("arm")
    chain, file = Chain(policy), Description.load(ARM / "arm.yaml")
    manifest, period_ns = chain.manifest, chain.manifest.period_ns
    gate = Gate(ruling_joints(manifest.joints, file), period_ns, file.guard)
    keeper = Keeper(manifest, gate, Keeping(lockstep=False, simulated=False))
    keeper.take_over()
    central = Central(manifest, chain.backend)
    angles, key, causes = np.zeros(len(arm.JOINTS)), randomness.stream(seed, "targets"), []
    for tick in range(ticks):
        radius, swing = randomness.uniform(key, tick // TARGET_TICKS, 2) * (0.35, 1.8) + (0.45, -0.9)
        signals = np.array([*angles, radius * np.cos(swing), radius * np.sin(swing)], np.float32)
        start_ns = (tick + 10) * period_ns
        seen = Observation(tick, start_ns, start_ns + period_ns, start_ns, 0, signals)
        for outcome in central.tick(keeper, seen).outcomes:
            angles = arm.turn(angles, outcome.applied.applied)
            if outcome.applied.stopped:
                causes.append(keeper.cause)
                keeper.release()
    return causes


def cost_us(policy: str, **motion: object) -> float:
    """Return what a judgement of all joints takes on this machine, in µs: the median of 300 means over 100."""
    manifest = Chain(policy).manifest
    monitor = Monitor(manifest.layout, manifest.joints, manifest.period_ns, replace(MotionSettings(), **motion))
    signals = np.zeros(manifest.layout.signal_count, np.float32)
    command, stamps = np.full(len(manifest.joints), 0.5), itertools.count(1, manifest.period_ns)
    times_s = timeit.repeat(lambda: monitor.judge(signals, command, next(stamps)), number=100, repeat=300)
    return round(float(np.median(times_s)) * 1e4, 1)


def main() -> None:
    """Drive healthy robots and print the stops, which are all false."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--seconds", type=float, default=3600.0, help="of the robot's time")
    parser.add_argument("--policy", default="dexhands_door_mat", help="a shipped policy")
    parser.add_argument("--arm", type=Path, help="folder of a policy of the tutorial's arm")
    parser.add_argument("--default-limits", action="store_true", help="in place of those of the robot file")
    parser.add_argument("--cost", action="store_true", help="measure the time of a judgement instead")
    given = parser.parse_args()
    if given.cost:
        print(json.dumps({"nothing beyond a limit, us": cost_us(given.policy, error=9, drift=9, stall=9),
                          "every joint beyond a limit, us": cost_us(given.policy, error_s=1e9, stall_s=1e9)}))
        return
    begun = time.monotonic()
    chain = Chain(given.arm or given.policy)
    ticks = round(given.seconds * 1e9 / chain.manifest.period_ns)
    limits = dataclasses.asdict(MotionSettings(watch="all")) if given.default_limits else {}
    stops = stops_of_arm(given.arm, ticks) if given.arm else stops_of_simulated(given.policy, ticks, **limits)
    print(json.dumps({"policy": chain.manifest.name, "robot_s": given.seconds, "ticks": ticks,
                      "false_stops": len(stops), "first": stops[:1],
                      "seconds": round(time.monotonic() - begun, 1)}))


if __name__ == "__main__":
    main()

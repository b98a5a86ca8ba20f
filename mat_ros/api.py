# Copyright 2026 The mat_ros Authors
# SPDX-License-Identifier: Apache-2.0
"""Run a policy from plain Python, without ROS and without launch files.

    from mat_ros import Chain, Robot

    chain = Chain("dexhands_door_mat")
    with Robot.simulated(chain, seed=1) as robot:
        for step in chain.run(robot, ticks=250):
            print(step.tick, step.applied.applied)

This module runs the core of the nodes in one process, behind the same safety gate. The decisions have the same bits.
"""

from __future__ import annotations

import itertools
import time
import warnings
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from mat_ros.backends.choose import open_backend
from mat_ros.core import shipped
from mat_ros.core.errors import Refused
from mat_ros.core.policy.bundle import Bundle
from mat_ros.core.policy.manifest import Manifest
from mat_ros.core.robot.description import RobotDescription
from mat_ros.core.robot.guard import GuardSettings
from mat_ros.core.robot.limits import ruling_joints
from mat_ros.core.tick.central import Central
from mat_ros.core.tick.decide import Sampling
from mat_ros.core.tick.keeper import Keeper, Keeping
from mat_ros.core.tick.latch import Stop, StopLatch
from mat_ros.core.tick.messages import Applied, Float32, Observation, Outcome
from mat_ros.core.tick.safety import Gate
from mat_ros.core.tick.walk import paced
from mat_ros.hardware.io import HardwareIO, HearsActions, check_reading

Float = NDArray[np.float64]
FIRST_S = 5.0  # longest wait for the first measurement of a robot


@dataclass(frozen=True)
class Step:
    """The measurements, actions and commands of one tick."""

    tick: int
    signals: Float32  # (signal,): the measurements, ordered as the policy's terms
    actions: Float32  # (slot, act_dim): the decisions, in policy units; NaN without a decision
    applied: Applied  # (joint,) each: the commands after the safety gate, with the reasons for changes


class Chain:
    """A policy whose slots all decide in this process."""

    def __init__(self, policy: str | Path, backend: str = "auto", seed: int = 0, sampled: bool = False) -> None:
        """Load a shipped policy or a folder, and refuse a backend that does not reproduce the policy's golden ticks."""
        self.bundle = Bundle.load(shipped.policy_folder(str(policy)))
        self.manifest = self.bundle.manifest
        self.backend = open_backend(backend, self.bundle)
        sampling = Sampling(seed, np.array(self.manifest.action_std, np.float32)) if sampled else None
        self._central = Central(self.manifest, self.backend, sampling)

    def decide(self, signals: Float32, tick: int = 0) -> Float32 | None:
        """Return the actions (slot, act_dim) for measurements (signal,); None when a measurement is not finite."""
        encoded = self._central.encode(Observation(tick, tick, tick + 1, 0, 0, np.asarray(signals, np.float32)))
        return None if encoded is None else self._central.decide(encoded[0]).actions

    def command(self, actions: Float32) -> Float:
        """Return the command (joint,) for actions (slot, act_dim), inside the limits of each joint."""
        return self.manifest.action_map.to_command(actions)

    def run(self, robot: Robot, ticks: int | None = None) -> Iterator[Step]:
        """Drive a robot tick by tick and yield each step. A tick runs when the caller takes the next step."""
        robot.check(self.manifest)
        joints = ruling_joints(self.manifest.joints, robot.description)
        keeper = Keeper(self.manifest, Gate(joints, self.manifest.period_ns, robot.guard),
                        Keeping(robot.lockstep, simulated=robot.lockstep))
        robot.take_over(keeper, self.manifest.robot)
        begun_ns, steps = time.monotonic_ns(), 0
        for tick in itertools.count() if ticks is None else range(ticks):
            start_ns = time.monotonic_ns()
            for step in self._tick(robot, keeper, tick, start_ns):
                steps += 1
                yield step
            if not steps and (tick + 1 == ticks or time.monotonic_ns() - begun_ns > FIRST_S * 1e9):
                raise Refused("robot", "a first measurement", keeper.refusal or f"none in {tick + 1} ticks",
                              "start the robot, or correct where its adapter looks for it")
            if not robot.lockstep:
                time.sleep(max(0, start_ns + self.manifest.period_ns - time.monotonic_ns()) * 1e-9)

    def _tick(self, robot: Robot, keeper: Keeper, tick: int, start_ns: int) -> Iterator[Step]:
        end_ns = start_ns + self.manifest.period_ns
        reading, outcomes = robot.hardware.read(), tuple[Outcome, ...]()
        signals: Float32 = np.full(self.manifest.layout.signal_count, np.nan, np.float32)
        if reading is not None:
            check_reading(reading, self.manifest)
            signals = np.asarray(reading.signals, np.float32)  # the precision of the messages
            observation = Observation(tick, start_ns, end_ns, reading.source_ns, reading.episode, signals)
            outcomes = self._central.tick(keeper, observation).outcomes
        if not outcomes:  # no measurement or no decision came: the gate acts without them
            outcomes = tuple(keeper.miss(start_ns))
        for outcome in outcomes[-1:]:
            if isinstance(robot.hardware, HearsActions):
                robot.hardware.decided(outcome.actions)
            try:
                robot.hardware.write(outcome.applied.applied)
            except BaseException:
                keeper.not_taken()
                raise
            robot.note_stop(outcome)
            yield Step(tick, signals, outcome.actions, outcome.applied)


class Robot:
    """A robot behind its safety gate; the end of the `with` block walks the robot to its fallback."""

    def __init__(self, hardware: HardwareIO, description: str | Path | RobotDescription | None = None,
                 guard: GuardSettings | None = None, lockstep: bool = False) -> None:
        """Take a robot's adapter and its description: a shipped name or a YAML file.

        Of the limits of the description and those of the policy, the stricter ones rule.
        """
        if isinstance(description, (str, Path)):
            description = RobotDescription.load(shipped.config_file("robots", str(description)))
        self.hardware = hardware
        self.description = description
        self.guard = guard or (description.guard if description is not None else GuardSettings())
        self.lockstep = lockstep  # the robot waits for every command; otherwise ticks follow the wall clock
        self.keeper: Keeper | None = None
        self.latch: StopLatch | None = None  # None: a simulated robot, whose stops end with the episode

    @classmethod
    def simulated(cls, chain: Chain, task: str = "", seed: int = 0) -> Robot:
        """Return the simulated robot that a policy was trained on."""
        from mat_ros.hardware.simulated import SimulatedRobot

        return cls(SimulatedRobot(chain.manifest, task, seed), lockstep=True)

    def check(self, manifest: Manifest) -> None:
        """Refuse the policy of another robot."""
        if self.description is not None:
            manifest.check_robot(self.description)
        expected, got = tuple(joint.name for joint in manifest.joints), self.hardware.describe().joints
        if got != expected:
            raise Refused("robot", f"the joints {list(expected)}", list(got), "choose the robot of the policy")

    def take_over(self, keeper: Keeper, trained_on: str) -> None:
        """Let a keeper command the robot. A stop that is latched on disk stays latched."""
        self.keeper = keeper
        if not self.lockstep:
            self.latch = StopLatch(self.description.name if self.description is not None else trained_on)
            keeper.take_over(latched=self.latch.read() is not None)

    def note_stop(self, outcome: Outcome) -> None:
        """Put a new stop on disk before the caller sees the outcome with the stop."""
        assert self.keeper is not None
        if outcome.applied.stopped and not self.keeper.stopped and self.latch is not None:
            stop = self.latch.write(self.keeper.cause)
            if self.latch.read() is None:
                warnings.warn(f"stopped: {stop.cause}", stacklevel=2)
        self.keeper.stopped = outcome.applied.stopped

    def resume(self, name: str) -> Stop | None:
        """Undo a latched stop for an operator who names the robot, and return the stop; None if none was latched.

        `mat-ros resume` does the same while no program runs.
        """
        if self.latch is None or self.keeper is None:
            raise Refused("resume", "a robot that runs in real time", "a simulated robot, or one that is not driven",
                          "call it while `Chain.run` drives the robot")
        stop = self.latch.release(name)
        self.keeper.release()
        return stop

    def __enter__(self) -> Robot:
        """Return the robot itself."""
        return self

    def __exit__(self, *_: object) -> None:
        """Walk every joint to its fallback, and release the robot."""
        if self.keeper is not None:
            steps, period_ns = self.keeper.rest(), self.keeper.gate.period_ns
            for outcome in steps if self.lockstep else paced(steps, period_ns):
                self.hardware.write(outcome.applied.applied)
        self.hardware.close()

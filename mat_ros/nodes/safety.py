# Copyright 2026 The mat_ros Authors
# SPDX-License-Identifier: Apache-2.0
"""Check every command and send it to the robot. Only this node commands the hardware, in a process of its own."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from mat_ros.core.errors import foreign
from mat_ros.core.options import option
from mat_ros.core.robot.limits import ruling_joints
from mat_ros.core.tick.collect import NONE
from mat_ros.core.tick.keeper import Keeper
from mat_ros.core.tick.messages import Outcome
from mat_ros.core.tick.safety import Gate, GateSettings
from mat_ros.core.tick.walk import paced
from mat_ros.core.wire import tick as wire
from mat_ros.hardware.io import Float, HardwareIO
from mat_ros.hardware.open import ADAPTERS, find_robot, open_hardware
from mat_ros.hardware.ros_link import RosLink
from mat_ros.hardware.ros_robot import RobotTopics
from mat_ros.nodes import topics
from mat_ros.nodes.alarm import Alarm
from mat_ros.nodes.latency import Latency
from mat_ros.nodes.shell import NodeSettings, Shell

DEFAULTS = GateSettings()


@dataclass(frozen=True)
class SafetySettings(NodeSettings):
    """Set how the gate bridges missed ticks, and which robot the gate commands."""

    hardware: str = option("sim", f"what is commanded: {', '.join(ADAPTERS)}, or module:Class")
    robot: str = option("", "robot: a shipped name or a YAML file; empty: the one the policy was trained on")
    command_topic: str = option("", "where the robot's controllers take commands; empty: their usual names")
    lockstep: bool = option(True, "the simulated robot waits for every command")
    rate_hz: float = option(0.0, "ticks per second; 0: the policy's own rate", 0.0, 1000.0)
    deadline: float = option(0.8, "when the gate applies what it has, as a share of the period", 0.05, 1.0)
    hold_ticks: int = option(DEFAULTS.hold_ticks, "missed ticks during which the last command stays", 0, 10**6)
    stop_ticks: int = option(DEFAULTS.stop_ticks, "missed ticks after which a stop is latched; 0: never", 0, 10**6)
    stop_all: bool = option(DEFAULTS.stop_all, "a latched stop of one joint stops every joint")
    trace: str = option("", "file for the times of every tick, an array (tick, 5) in ns; empty: none")
    blend_s: float = option(DEFAULTS.blend_s, "time to go over to the requests after activation", 0.0, 60.0)


class SafetyNode(Shell):
    """Run the safety gate: observation, decision -> applied, and the robot."""

    role = "safety"
    settings_type = SafetySettings
    _hardware: HardwareIO | None = None  # None: a simulated robot, which receives the applied commands

    def set_up(self) -> None:
        """Build the gate and open the hardware."""
        s = self.settings
        period_ns = round(1e9 / s.rate_hz) if s.rate_hz else self.manifest.period_ns
        robot = find_robot(s.robot, self.manifest) if s.robot else None
        gate = Gate(ruling_joints(self.manifest.joints, robot), period_ns,
                    GateSettings(s.hold_ticks, s.stop_ticks, s.stop_all, s.blend_s))
        self.keeper = Keeper(self.manifest, gate, s.lockstep and s.hardware == "sim", period_ns)
        self._latency, self._slots = Latency(), self.manifest.action_map.slot_of_joint
        # Tick, joints without a decision, and times in ns from the tick's start: observation, first decision, applied.
        self._trace: list[tuple[int, ...]] = []
        self._start_ns = self._heard_ns = self._first_ns = 0
        if s.hardware != "sim":
            self._hardware = open_hardware(s.hardware, RosLink(self), self.manifest, s.robot,
                                           RobotTopics(command=s.command_topic))
        self._signals = self.manifest.layout.signal_count
        self._alarm = Alarm(self, self._woken)
        self._publish = self.announce(topics.APPLIED)
        self.hear(topics.OBSERVATION, self._heard_observation)
        self.hear(topics.DECISION, self._heard_decision)

    def start(self) -> None:
        """Take over the robot at the next observation. This also releases a latched stop."""
        self.keeper.forget_episode()

    def stop(self) -> None:
        """Bring the robot to its fallback."""
        self._alarm.clear()
        self._rest()

    def leave(self) -> None:
        """Leave the robot in its fallback."""
        if self.active:
            self._rest()
        if self._hardware is not None:
            self._hardware.close()
        if self._trace:
            np.save(self.settings.trace, np.array(self._trace, np.int64))

    def _rest(self) -> None:
        """Walk every joint to its fallback at the rate that the gate allows, within a bounded time."""
        steps = self.keeper.rest()
        for outcome in steps if self._hardware is None else paced(steps, self.keeper.gate.period_ns):
            self._do([outcome])

    def facts(self) -> Mapping[str, object]:
        """Return the counts of the gate, the latencies of the commands, and the silent slots."""
        if not self.configured:
            return {}
        silent = self.keeper.collector.silent
        return {**self.keeper.counts, **self.keeper.collector.counts, **self._latency.summary(),
                "stopped": self.keeper.stopped, "silent_slots": ",".join(map(str, np.flatnonzero(silent > 2)))}

    def _heard_observation(self, data: bytes) -> None:
        observation, now_ns = wire.read_observation(data, self._signals), self.now_ns()
        self._start_ns, self._heard_ns, self._first_ns = observation.start_ns, now_ns, 0
        self._do(self.keeper.on_observation(observation, now_ns))
        self._alarm.set(self.keeper.wake_ns, self.now_ns())

    def _heard_decision(self, data: bytes) -> None:
        decision = wire.read_decision(data, self.manifest.network.act_dim)
        now_ns = self.now_ns()
        self._first_ns = self._first_ns or now_ns
        self._do(self.keeper.on_decision(decision, now_ns))

    def _woken(self) -> None:
        if self.active:
            self._do(self.keeper.poll(self.now_ns()))
            self._alarm.set(self.keeper.wake_ns, self.now_ns())

    def _command(self, command: Float) -> None:
        """Command the hardware. The gate outlives a failing adapter, and tries again with the next command."""
        if self._hardware is None:
            return
        try:
            self._hardware.write(command)
        except Exception as error:
            self.counts["unwritten"] += 1
            self.fail(f"the adapter does not write: {foreign(error)}")
        else:
            self.reason = ""

    def _do(self, outcomes: list[Outcome]) -> None:
        for outcome in outcomes:
            self._command(outcome.applied.applied)
            self._publish(wire.write_applied(outcome, self.now_ns(), self.bundle.hash64))
            self._latency.add(outcome.latency_ns)
            if self.settings.trace:
                missed, start_ns = int((outcome.validity[self._slots] == NONE).sum()), self._start_ns
                self._trace.append((outcome.tick, missed, self._heard_ns - start_ns, self._first_ns - start_ns,
                                    outcome.latency_ns))
            if outcome.applied.stopped != self.keeper.stopped:
                self.keeper.stopped = outcome.applied.stopped
                self.report()

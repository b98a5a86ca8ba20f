# Copyright 2026 The mat_ros Authors
# SPDX-License-Identifier: Apache-2.0
"""Be the robot: physics that waits for every command (lock-step), or that runs against the wall clock."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
from builtin_interfaces.msg import Time
from rosgraph_msgs.msg import Clock

from mat_ros.core import cdr
from mat_ros.core.errors import Refused
from mat_ros.core.keeper import Observation, Outcome
from mat_ros.core.options import option
from mat_ros.hardware.fake import FakeBus
from mat_ros.nodes import topics, wire
from mat_ros.nodes.alarm import Alarm
from mat_ros.nodes.shell import NodeSettings, Shell

# A lock-step tick has at least so long: enough for a slow machine, so that no clock enters any number.
LOCKSTEP_PERIODS, LOCKSTEP_NS = 50, 2_000_000_000


@dataclass(frozen=True)
class SimSettings(NodeSettings):
    """What is simulated, and against which time."""

    task: str = option("", "task of the robot; empty: the one the policy was trained on")
    lockstep: bool = option(True, "wait for every command")
    rate_hz: float = option(0.0, "ticks per second; 0: the policy's own rate", 0.0, 1000.0)
    deadline: float = option(0.8, "when the safety gate applies what it has, as a share of the period", 0.05, 1.0)
    seed: int = option(0, "seed of the world", 0, 2**31 - 1)
    episodes: int = option(0, "end the process after so many episodes; 0: never", 0, 10**9)
    faults: str = option("", "fault plan: a shipped name or a YAML file; empty: none")
    inject: bool = option(False, "allow faults to be injected while the graph runs")
    results: str = option("", "file for the results of the episodes, one JSON object per line; empty: none")


class SimNode(Shell):
    """applied -> observation."""

    role = "sim"
    settings_type = SimSettings

    def set_up(self) -> None:
        """Build the world."""
        s = self.settings
        self.robot = open_robot(self.manifest, s.task, s.seed)
        self._breaking = open_breaking(self.robot, self.manifest, s.faults, s.inject)
        self._period_ns = round(1e9 / s.rate_hz) if s.rate_hz else self.manifest.period_ns
        in_lockstep = max(LOCKSTEP_PERIODS * self._period_ns, LOCKSTEP_NS)
        self._allowed_ns = in_lockstep if s.lockstep else round(s.deadline * self._period_ns)
        self._tick, self._episodes = 0, 0
        self._last = np.array([joint.default for joint in self.manifest.joints])
        self._publish = self.announce(topics.OBSERVATION)
        self._time: Any = None
        if self.get_parameter("use_sim_time").value:
            self._time = self.create_publisher(topics.CLOCK.type, topics.CLOCK.name, topics.CLOCK.qos)
            self._entities.append(lambda: self.destroy_publisher(self._time))
        if self._breaking is not None:
            self._tell_truth = self.announce(topics.FAULT_STATE)
        if s.inject and self._breaking is not None:
            self.hear_messages(topics.INJECTION, self._broken)
        self._alarm = Alarm(self, self._woken)
        self.hear(topics.APPLIED, self._applied)
        kind, service = topics.RESET_WORLD[1], topics.RESET_WORLD[0]
        reset = self.create_service(kind, service, self._reset)
        self._entities.append(lambda: self.destroy_service(reset))

    def start(self) -> None:
        """Give the first observation a period from now."""
        self._due_ns = self.now_ns() + self._period_ns
        self._alarm.set(self._due_ns, self.now_ns())

    def stop(self) -> None:
        """Stand still."""
        self._alarm.clear()

    def facts(self) -> Mapping[str, object]:
        """Give how far the simulation has come."""
        if self.reason:
            return {}
        result = getattr(self.robot, "result", None)
        return {"tick": self._tick, "episodes": self._episodes, **(asdict(result()) if result else {})}

    def _broken(self, message: Any) -> None:
        try:
            if message.manifest == self.bundle.hash64:
                self._breaking.hear(message, self.now_ns())
        except Refused:
            self.counts["refused"] += 1

    def _observe(self) -> None:
        if self._time is not None:
            sec, nanosec = divmod(self._tick * self.manifest.period_ns, wire.SECOND_NS)
            self._time.publish(Clock(clock=Time(sec=sec, nanosec=nanosec)))
        if self._breaking is not None:
            self._breaking.look(self.now_ns())
            state = self._breaking.state(self._tick, self.settings.inject)
            self._tell_truth(cdr.encode("mat_ros/msg/FaultState", state))
        reading, now_ns = self.robot.read(), self.now_ns()
        self._source_ns = reading.source_ns + 1_000_000_000 * reading.episode
        self._sent_ns = now_ns
        self._publish(wire.write_observation(
            Observation(self._tick, now_ns, now_ns + self._allowed_ns, self._source_ns, reading.episode,
                        reading.signals), self.bundle.hash64))

    def _applied(self, data: bytes) -> None:
        outcome, _ = wire.read_applied(data, self.manifest.network.act_dim)
        if outcome.tick != self._tick or outcome.source_ns != self._source_ns:
            self.counts["late"] += 1
            return
        self._last = outcome.applied.applied
        if self.settings.lockstep:
            self._step(outcome)

    def _step(self, outcome: Outcome | None) -> None:
        if outcome is not None and hasattr(self.robot, "decided"):
            self.robot.decided(outcome.actions)
        self.robot.write(self._last)
        self._tick += 1
        ended = getattr(self.robot, "ended", None)
        if ended is not None:
            self._finish(asdict(ended))
            if self.settings.episodes and self._episodes >= self.settings.episodes:
                self.active = False
                self.report()
                self.ends.set_result(0)
                return
            self.robot.reset()
            if self._breaking is not None:
                self._breaking.begin(self.now_ns())
        if self.settings.lockstep:
            self._observe()
            self._alarm.set(self._sent_ns + 2 * self._allowed_ns, self.now_ns())

    def _woken(self) -> None:
        """Go on: at each period, or where nothing was applied to a lock-step tick for twice its time."""
        if self.settings.lockstep:
            if self._tick or hasattr(self, "_sent_ns"):
                self.counts["unanswered"] += 1
            self._observe()
            self._alarm.set(self._sent_ns + 2 * self._allowed_ns, self.now_ns())
            return
        if hasattr(self, "_sent_ns"):
            self._step(None)
        self._observe()
        self._due_ns += self._period_ns
        self._alarm.set(self._due_ns, self.now_ns())

    def _finish(self, result: dict[str, Any]) -> None:
        self._episodes += 1
        if self.settings.results:
            with Path(self.settings.results).open("a", encoding="utf-8") as file:
                file.write(json.dumps(result) + "\n")

    def _reset(self, request: Any, response: Any) -> Any:
        self.robot.reset(int(request.seed) & 0x7FFFFFFF)
        if self._breaking is not None:
            self._breaking.begin(self.now_ns())
        response.success = True
        return response


def open_robot(manifest: Any, task: str, seed: int) -> Any:
    """Open the simulated robot of a policy; a policy of no world moves the joints of a fake bus."""
    if not manifest.world:
        return FakeBus(manifest, seed)
    from mat_ros.hardware.simulated import SimulatedRobot  # MuJoCo is large: only where it is used

    return SimulatedRobot(manifest, task, seed)


def open_breaking(robot: Any, manifest: Any, faults: str, inject: bool) -> Any:
    """Get ready to break the robot, where it is simulated and that was asked for."""
    if not faults and not inject:
        return None
    if not hasattr(robot, "faulty"):
        if faults:
            raise Refused("faults", "a simulated robot", "a bus without physics", "leave the fault plan out")
        return None
    from mat_ros.hardware.breaking import Breaking

    return Breaking(robot, manifest, faults)

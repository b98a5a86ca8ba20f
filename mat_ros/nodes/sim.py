# Copyright 2026 The mat_ros Authors
# SPDX-License-Identifier: Apache-2.0
"""Simulate the robot: the physics waits for every command (lock-step), or runs against the wall clock."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from builtin_interfaces.msg import Time
from rosgraph_msgs.msg import Clock

from mat_ros.core.errors import Refused
from mat_ros.core.options import option
from mat_ros.core.tick.order import horizon_ns
from mat_ros.core.wire import cdr
from mat_ros.core.wire import tick as wire
from mat_ros.hardware.open import open_breaking, open_simulated
from mat_ros.hardware.simulation import Simulation
from mat_ros.nodes import topics
from mat_ros.nodes.alarm import Alarm
from mat_ros.nodes.shell import NodeSettings, Shell


@dataclass(frozen=True)
class SimSettings(NodeSettings):
    """Set the task, the clock, the episodes and the faults of the simulated robot."""

    task: str = option("", "task of the robot; empty: the one the policy was trained on")
    lockstep: bool = option(True, "wait for every command")
    rate_hz: float = option(0.0, "ticks per second; 0: the policy's own rate", 0.0, 1000.0)
    deadline: float = option(0.8, "when the safety gate applies what it has, as a share of the period", 0.05, 1.0)
    seed: int = option(0, "seed of the world", 0, 2**31 - 1)
    number: int = option(0, "number of this robot in a benchmark's batch, whose starts are then its own", 0, 10**6)
    ticks: int = option(0, "length of an episode; 0: the task's", 0, 10**9)
    scatter_rad: float = option(0.0, "how far driven hinges may start from where the task places them", 0.0, 10.0)
    episodes: int = option(0, "end the process after so many episodes; 0: never", 0, 10**9)
    faults: str = option("", "fault plan: a shipped name or a YAML file; empty: none")
    inject: bool = option(False, "allow faults to be injected while the graph runs")
    results: str = option("", "file for the results of the episodes, one JSON object per line; empty: none")


class SimNode(Shell):
    """Simulate the robot: applied -> observation."""

    role = "sim"
    settings_type = SimSettings

    def set_up(self) -> None:
        """Build the simulated robot and open the topics."""
        s = self.settings
        robot = open_simulated(self.manifest, s.task, s.seed, s.number, s.scatter_rad, s.ticks)
        if not self.manifest.world:
            self.get_logger().warning(f"no world simulates {self.manifest.robot}: a stand-in without physics does as "
                                      "told; for the robot itself say sim:=none hardware:=...")
        breaking = open_breaking(robot, self.manifest, s.faults)
        self._period_ns = round(1e9 / s.rate_hz) if s.rate_hz else self.manifest.period_ns
        self._allowed_ns = horizon_ns(self._period_ns, True) if s.lockstep else round(s.deadline * self._period_ns)
        self.simulation = Simulation(robot, breaking, self.manifest, lockstep=s.lockstep, allowed_ns=self._allowed_ns,
                                     episodes=s.episodes, results=s.results, tell=self.get_logger().info)
        self._publish = self.announce(topics.OBSERVATION)
        self._tell_time: Any = None
        if self.get_parameter("use_sim_time").value:
            self._tell_time = self.create_publisher(topics.CLOCK.type, topics.CLOCK.name, topics.CLOCK.qos)
            self._entities.append(lambda: self.destroy_publisher(self._tell_time))
        injected = s.inject and bool(self.manifest.world)  # a robot without physics has no part that can break
        self._breakable = injected or bool(s.faults)
        if self._breakable:
            self._tell_truth = self.announce(topics.FAULT_STATE)
        if injected:
            self.hear_messages(topics.INJECTION, self._broken)
        self._alarm = Alarm(self, self._woken)
        self.hear(topics.APPLIED, self._applied)
        kind, service = topics.RESET_WORLD[1], topics.RESET_WORLD[0]
        reset = self.create_service(kind, service, self._reset)
        self._entities.append(lambda: self.destroy_service(reset))

    def start(self) -> None:
        """Send the first observation a period from now."""
        self._due_ns = self.now_ns() + self._period_ns
        self._alarm.set(self._due_ns, self.now_ns())

    def stop(self) -> None:
        """Stop the simulation."""
        self._alarm.clear()

    def facts(self) -> Mapping[str, object]:
        """Return the tick, the number of episodes and the present result."""
        return {} if self.reason else self.simulation.facts()

    def _broken(self, message: Any) -> None:
        try:
            if message.manifest == self.bundle.hash64:
                self.simulation.breaking.hear(message, self.now_ns())
        except Refused:
            self.counts["refused"] += 1

    def _observe(self) -> None:
        simulation = self.simulation
        if self._tell_time is not None:
            sec, nanosec = divmod(simulation.tick * self.manifest.period_ns, wire.SECOND_NS)
            self._tell_time.publish(Clock(clock=Time(sec=sec, nanosec=nanosec)))
        observation = simulation.observe(self.now_ns())
        if self._breakable:
            truth = simulation.breaking.state(simulation.tick, self.settings.inject)
            self._tell_truth(cdr.encode("mat_ros/msg/FaultState", truth))
        self._publish(wire.write_observation(observation, self.bundle.hash64))

    def _applied(self, data: bytes) -> None:
        outcome, _ = wire.read_applied(data, self.manifest.network.act_dim)
        if self.simulation.answer(outcome, self.now_ns()) and self.settings.lockstep:
            self._go_on()

    def _woken(self) -> None:
        """Begin the next tick: after each period, or when a lock-step tick has had no command for twice its time."""
        begun = self.simulation.sent_ns is not None
        if self.settings.lockstep:
            self.counts["unanswered"] += begun
        elif begun:
            self.simulation.step(self.now_ns())
        self._go_on()

    def _go_on(self) -> None:
        """Begin the next tick, or end the process where all episodes are over."""
        if self.simulation.done:
            self.active = False
            self.report()
            self.ends.set_result(0)
            return
        self._observe()
        if self.settings.lockstep:
            self._due_ns = self.now_ns() + 2 * self._allowed_ns
        else:
            self._due_ns += self._period_ns
        self._alarm.set(self._due_ns, self.now_ns())

    def _reset(self, request: Any, response: Any) -> Any:
        self.simulation.reset(int(request.seed) & 0x7FFFFFFF, self.now_ns())
        response.success = True
        return response

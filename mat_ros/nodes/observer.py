# Copyright 2026 The mat_ros Authors
# SPDX-License-Identifier: Apache-2.0
"""Begin the ticks of a real robot: read its measurements by name and publish an observation once per period."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from mat_ros.core.errors import Refused, foreign
from mat_ros.core.options import option
from mat_ros.core.robot.topics import JOY_SPEED, SOURCES, TOPIC_TEXTS, RobotTopics
from mat_ros.core.tick.messages import Observation
from mat_ros.core.wire import tick as wire
from mat_ros.hardware.commands import COMMANDS
from mat_ros.hardware.guest import DrivenRobot, driver_address
from mat_ros.hardware.io import Counting, HardwareIO, HearsCommands, Listening, Reading, check_reading
from mat_ros.hardware.open import adapters, open_hardware
from mat_ros.hardware.ros_link import RosLink
from mat_ros.nodes import topics
from mat_ros.nodes.alarm import Alarm
from mat_ros.nodes.shell import NodeSettings, Shell


@dataclass(frozen=True)
class ObserverSettings(NodeSettings):
    """Set which robot the observer reads, and how often."""

    hardware: str = option("ros2_control", f"what is observed: {', '.join(adapters())}, or module:Class")
    robot: str = option("", "robot: a shipped name or a YAML file; empty: the one the policy was trained on")
    rate_hz: float = option(0.0, "ticks per second; 0: the policy's own rate", 0.0, 1000.0)
    deadline: float = option(0.8, "when the safety gate applies what it has, as a share of the period", 0.05, 1.0)
    state_topic: str = option("", TOPIC_TEXTS["state_topic"])
    poses: str = option("", TOPIC_TEXTS["poses"])
    odometry: str = option("", TOPIC_TEXTS["odometry"])
    imu: str = option("", TOPIC_TEXTS["imu"])
    command: str = option("", TOPIC_TEXTS["command"])
    goal_topic: str = option("", TOPIC_TEXTS["goal_topic"])
    joy: str = option("", TOPIC_TEXTS["joy"])
    joy_speed: float = option(0.5, JOY_SPEED, 0.0, 10.0)


class ObserverNode(Shell):
    """Observe a robot: the measurements of an adapter -> observation."""

    role = "observer"
    settings_type = ObserverSettings
    _robot: HardwareIO

    def set_up(self) -> None:
        """Open the robot and begin to receive its measurements."""
        s = self.settings
        self._period_ns = round(1e9 / s.rate_hz) if s.rate_hz else self.manifest.period_ns
        # This node itself subscribes to the topics of a robot on ROS. The driver owns the adapter of any other robot.
        if s.hardware in COMMANDS:
            own = RobotTopics.read("parameter", {name: getattr(s, name) for name in (*SOURCES, "state_topic")})
            self._robot = open_hardware(s.hardware, RosLink(self), self.manifest, s.robot, own, self._period_ns,
                                        s.joy_speed)
        else:
            self._robot = DrivenRobot(self.manifest, driver_address(self.get_namespace()))
        if isinstance(self._robot, Listening):
            self._robot.listen()
        self._tick = 0
        self._publish = self.announce(topics.OBSERVATION)
        self._alarm = Alarm(self, self._woken)
        self.hear(topics.APPLIED, self._heard_applied)

    def start(self) -> None:
        """Begin the ticks, one period from now."""
        self._due_ns = self.now_ns() + self._period_ns
        self._alarm.set(self._due_ns, self.now_ns())

    def stop(self) -> None:
        """End the ticks."""
        self._alarm.clear()

    def facts(self) -> Mapping[str, object]:
        """Return the number of ticks, and the counts of rejected measurements."""
        if not self.configured:
            return {}
        return {"tick": self._tick, **(self._robot.counts if isinstance(self._robot, Counting) else {})}

    def _woken(self) -> None:
        """Begin a tick unless a measurement is missing or too old; the gate then acts without an observation."""
        now_ns, reading = self.now_ns(), self._read()
        if reading is not None:
            self._publish(wire.write_observation(
                Observation(self._tick, now_ns, now_ns + round(self.settings.deadline * self._period_ns),
                            reading.source_ns, reading.episode, reading.signals), self.bundle.hash64))
            self._tick += 1
        # The next due time counts from this due time, so that lateness does not add up. Missed ticks are left out.
        self._due_ns += self._period_ns * max(1, -(-(now_ns - self._due_ns) // self._period_ns))
        self._alarm.set(self._due_ns, self.now_ns())

    def _read(self) -> Reading | None:
        """Return the measurements of the robot. Store a reason when measurements are missing or wrong."""
        reading: Reading | None = None
        missing = wrong = ""
        try:
            reading = self._robot.read()
            if reading is not None:
                check_reading(reading, self.manifest)
            if isinstance(self._robot, Listening):
                missing = self._robot.missing()
            elif reading is None:
                missing = "the robot"
        except Refused as error:
            wrong = str(error)
        except Exception as error:  # an adapter of the user may raise any error; the node outlives it
            wrong = f"the adapter does not read: {foreign(error)}"
        if wrong:
            self.fail(wrong)
            return None
        self.reason = f"no fresh measurement of {missing}; start it, or see where its adapter looks" if missing else ""
        return reading

    def _heard_applied(self, data: bytes) -> None:
        outcome, _ = wire.read_applied(data, self.manifest.network.act_dim)
        if isinstance(self._robot, HearsCommands):
            try:
                self._robot.applied(outcome.applied.applied)
            except Exception as error:  # an adapter of the user may raise any error; the node outlives it
                self.fail(f"the adapter does not take what was applied: {foreign(error)}")

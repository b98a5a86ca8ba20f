# Copyright 2026 The mat_ros Authors
# SPDX-License-Identifier: Apache-2.0
"""Break the motors and sensors of the simulated robot, from a fault plan and from injections at run time.

A robot without faults has an empty plan and receives no injection.
"""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

from mat_ros.core.faults.injection import Lease
from mat_ros.core.faults.schedule import Schedule
from mat_ros.core.faults.targets import find_plan, targets
from mat_ros.core.policy.manifest import Manifest
from mat_ros.hardware.io import SimulatedRobotIO

LEVELS = ("actuator", "sensor")


class Breaking:
    """The faults of one simulated robot."""

    def __init__(self, robot: SimulatedRobotIO, manifest: Manifest, plan: str = "") -> None:
        self._robot, self._plan = robot, find_plan(plan, manifest.period_ns, targets(manifest))
        self._lease = Lease(LEVELS, targets(manifest))
        self.schedule = self.planned = Schedule(0)
        self.begin(0)

    def begin(self, now_ns: int) -> None:
        """Begin an episode; a fault whose injection is renewed goes on in the new episode."""
        drawn = self._plan.schedule(self._robot.episode)
        self.planned = Schedule(drawn.seed, [fault for fault in drawn.faults if fault.level in LEVELS])
        self._lease.restart()
        self._follow(self._lease.schedule(now_ns, self.planned.faults) or self.planned)

    def hear(self, message: Any, now_ns: int) -> None:
        """Take an injection; its faults hold from the next tick on."""
        self._lease.renew(message.seed, message.ids, message.levels, message.kinds, message.targets,
                          message.severities, message.ticks, message.lease_ms, self._robot.tick + 1, now_ns)

    def look(self, now_ns: int) -> None:
        """Start and end the faults that are due. Call this method before each step."""
        wanted = self._lease.schedule(now_ns, self.planned.faults) or self.planned
        if wanted is not self.schedule:
            self._follow(wanted)

    def state(self, tick: int, enabled: bool) -> SimpleNamespace:
        """Return the fields of a FaultState, which is for the recording alone. `tick` is the tick of the graph."""
        active = self.schedule.active(self._robot.tick)
        return SimpleNamespace(tick=tick, enabled=enabled, ids=[f.id for f in active],
                               kinds=[f"{f.level}: {f.kind}" for f in active], targets=[f.target for f in active],
                               severities=[f.severity for f in active])

    def _follow(self, schedule: Schedule) -> None:
        self.schedule = schedule
        self._robot.follow(schedule)

# Copyright 2026 The mat_ros Authors
# SPDX-License-Identifier: Apache-2.0
"""An arm of position servos in made-up time, whose joints may move as they should not."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np

from mat_ros.core.robot.joints import Joint
from mat_ros.core.robot.observe import Layout, Term

Float = np.ndarray
Motion = Callable[[Float, Float], Float]  # places and commands (joint,) -> places a period later


def servo(name: str, **changes: object) -> Joint:
    """Return a joint of the arm: 3 rad of range, 4 rad/s, as the tutorial's."""
    values = {"quantity": "position", "unit": "rad", "lower": -1.5, "upper": 1.5, "rate": 4.0, "effort": 5.0,
              "scale": 1.5, "offset": 0.0, "default": 0.0, "fallback": "hold", **changes}
    return Joint(name=name, **values)  # type: ignore[arg-type]


def layout_of(joints: Sequence[Joint], timed: bool = False) -> Layout:
    """Return a layout of joint positions and, where it is `timed`, of joint speeds."""
    names = tuple(joint.name for joint in joints)
    speeds = (Term("joint_velocity", "rad/s", names),) if timed else ()
    return Layout((Term("joint_position", "rad", names), *speeds), ())


class ServoArm:
    """Joints that go a share of the way to their commands in each period, unless `motion` moves them otherwise."""

    def __init__(self, joints: Sequence[Joint], period_ns: int, timed: bool = False, share: float = 0.5) -> None:
        self.joints, self.period_ns, self.timed = tuple(joints), period_ns, timed
        self.place, self.speed = np.zeros((2, len(self.joints)))
        self.motion: Motion = lambda place, command: place + share * (command - place)

    def move(self, command: Float) -> None:
        """Let a period pass under a command (joint,)."""
        before, self.place = self.place, np.array(self.motion(self.place, command), np.float64)
        self.speed = (self.place - before) / (self.period_ns * 1e-9)

    def measure(self) -> Float:
        """Return the signals of the arm's layout."""
        return np.concatenate([self.place, self.speed] if self.timed else [self.place]).astype(np.float32)

# Copyright 2026 The mat_ros Authors
# SPDX-License-Identifier: Apache-2.0
"""Hold what a person or a planner wants of a robot on ROS: a speed, a goal, or the sticks of a joystick.

A speed holds for half a second, then the robot is to stand still: whoever stops to send has let go. A goal holds until
the next one. A joystick counts while its button is held. It takes the place of a speed, or moves the goal of its name.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from mat_ros.core.robot.topics import TopicSource
from mat_ros.hardware.link import Heard

HOLDS_NS = 500_000_000  # time for which a speed holds
STEP_NS = 100_000_000  # longest time by which one message of a joystick moves a goal
BUTTON = 4  # held while the joystick counts: the left shoulder of most pads
# Rows: quantity -> axes of the joystick that give its x, y and z; -1: none. A stick forward or to the left counts up.
STICKS = {"velocity": (1, 0, 4), "rate": (-1, -1, 3)}
STILL = Heard({"velocity": (0.0, 0.0, 0.0), "rate": (0.0, 0.0, 0.0)})


@dataclass(frozen=True)
class _Speed:
    """The newest speed, and whether a joystick has given it."""

    heard: Heard = STILL
    at_ns: int = 0
    by_stick: bool = False


class Operator:
    """Follow the speeds and goals by name. Times are of a clock that never stops."""

    def __init__(self, full_speed: float) -> None:
        """Take the speed at a full stick, in m/s and rad/s."""
        self._full = full_speed
        self._speeds: dict[str, _Speed] = {}
        self._goals: dict[str, Heard] = {}
        self._sticks: dict[str, tuple[tuple[float, ...], int]] = {}  # velocity of a held stick, and when it came

    def hear(self, source: TopicSource, heard: Heard, now_ns: int) -> None:
        """Take a message of a twist, a goal or a joystick."""
        if source.kind == "goal":
            self._goals[source.name] = heard
        elif source.kind == "joy":
            self._hear_stick(source.name, heard, now_ns)
        elif not self._speeds.get(source.name, _Speed()).by_stick:
            self._speeds[source.name] = _Speed(heard, now_ns)

    def _hear_stick(self, name: str, heard: Heard, now_ns: int) -> None:
        buttons, axes = heard.values["buttons"], heard.values["axes"]
        if len(buttons) <= BUTTON or not buttons[BUTTON]:
            self._sticks.pop(name, None)
            if self._speeds.get(name, _Speed()).by_stick:
                self._speeds[name] = _Speed(STILL, now_ns)
            return
        wanted = {quantity: tuple(self._full * axes[k] if 0 <= k < len(axes) else 0.0 for k in sticks)
                  for quantity, sticks in STICKS.items()}
        if name in self._goals:
            self._move_goal(name, wanted["velocity"], now_ns)
        else:
            self._speeds[name] = _Speed(Heard(wanted), now_ns, by_stick=True)

    def _move_goal(self, name: str, velocity: Sequence[float], now_ns: int) -> None:
        """Move a goal by the stick's speed of the time since its last message."""
        before, at_ns = self._sticks.get(name, (tuple(velocity), now_ns))
        self._sticks[name] = tuple(velocity), now_ns
        goal, way_s = self._goals[name], min(now_ns - at_ns, STEP_NS) * 1e-9
        moved = np.asarray(goal.values["position"]) + np.asarray(before) * way_s
        self._goals[name] = replace(goal, values={**goal.values, "position": tuple(map(float, moved))})

    def wants(self, source: TopicSource, now_ns: int) -> Heard | None:
        """Return what counts for a source now; None: no goal has come."""
        if source.kind == "goal":
            return self._goals.get(source.name)
        speed = self._speeds.get(source.name, _Speed())
        if now_ns - speed.at_ns <= HOLDS_NS:
            return speed.heard
        self._speeds.pop(source.name, None)  # a joystick that has fallen silent does not keep others out
        return STILL

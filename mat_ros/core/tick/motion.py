# Copyright 2026 The mat_ros Authors
# SPDX-License-Identifier: Apache-2.0
"""Watch the measured motion of joints: hold it against what the robot file and the commands allow.

The gate limits commands. This module judges what the joints really do, in four ways:

    astray    The joint is far from its command.
    fast      The joint is faster than its commands may be.
    unasked   The command is constant, and the joint moves away from it.
    stalled   The joint is away from its command, or asked for all its effort, and stands still.

Each of these becomes a breach once it has lasted for a time of its own.

A joint that is commanded in position has all four checks. A joint that is commanded in speed has the first three, with
speeds in place of positions, since it stands astray where it stalls. A joint that is commanded in effort has none: an
effort says nothing about where a joint should be or how fast it should move.

One bogus sample is no breach: a breach takes at least three samples in a row. Every distance is a share of the
joint's range, upper - lower, so that one set of thresholds fits all joints.
"""

from __future__ import annotations

import enum
import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from mat_ros.core.robot.guard import MotionSettings
from mat_ros.core.robot.joints import Joint
from mat_ros.core.robot.observe import Layout
from mat_ros.core.tick.messages import Float, Float32

POSITIONS, VELOCITIES = "joint_position", "joint_velocity"  # the terms that hold where joints are, and how fast
APART_NS = 1_000_000_000  # samples further apart than this are not compared
SAMPLES = 2.5  # a breach lasts longer than so many distances between samples, which makes three of them
QUANTITIES = ("position", "velocity", "effort")
FULL = 0.9  # share of its effort at which a servo with a known stiffness is asked for all of it


class Check(enum.IntEnum):
    """Name the checks of a motion, in the order in which their breaches are reported."""

    ASTRAY = 0
    FAST = 1
    UNASKED = 2
    STALLED = 3


TEXTS = {
    Check.ASTRAY: "is far from its command",
    Check.FAST: "is too fast",
    Check.UNASKED: "moves away from a constant command",
    Check.STALLED: "stands still away from its command",
}


@dataclass(frozen=True)
class Breach:
    """Hold which joints move otherwise than allowed, and the cause of the stop in words."""

    joints: NDArray[np.bool_]  # (joint,)
    check: Check  # of the first joint
    cause: str  # names the first joint, what it does, and what is measured and allowed


class Monitor:
    """Judge the motion of one robot's joints, sample by sample. Arrays are (..., watched joint), in ranges."""

    def __init__(self, layout: Layout, joints: Sequence[Joint], period_ns: int, settings: MotionSettings) -> None:
        self._joints = tuple(joints)
        names = [joint.name for joint in joints]
        speeds = layout.places(VELOCITIES, names)
        place = np.choose([QUANTITIES.index(joint.quantity) for joint in joints],
                          [layout.places(POSITIONS, names), speeds, np.full(len(names), -1)])
        self._watched = np.flatnonzero(place >= 0)  # (watched joint,): which of all joints
        watched = [self._joints[k] for k in self._watched]
        self._untimed = speeds[self._watched] < 0  # the robot does not measure the joint's speed
        self._every_timed = not self._untimed.any()
        # Signals and commands, one after the other -> joint, its command, joint, and its speed where that is measured.
        asked = layout.signal_count + np.arange(len(names))
        self._places = np.stack([place, asked, place, np.where(speeds >= 0, speeds, place)])[:, self._watched]
        self._range = np.array([joint.upper - joint.lower for joint in watched])
        self._limits = _limits(watched, settings) / self._range
        self._times_s = np.array([[settings.error_s], [settings.speed_s], [settings.drift_s], [settings.stall_s]])
        self._still = settings.still
        self._least_ns = period_ns // 2  # samples nearer to each other than this would only measure their noise
        self._begun = False
        self._source_ns = 0  # when the newest sample was taken
        n = len(watched)
        # All arrays of a judgement are kept, and the slices of them: making them anew would double its time.
        self._all = np.zeros(layout.signal_count + len(names))
        self._scale = np.tile(1.0 / self._range, (4, 1))
        self._now = np.zeros((4, n))
        # Joint and command when they last moved, the command, and the joint's place before (0 where speed is measured).
        self._then = np.zeros((4, n))
        self._away = np.zeros((len(Check) + 1, n))  # |now - then|, and how far the joint has moved from its command
        self._error, self._speed, self._drift = self._away[2:]
        self._nearest = np.zeros(n)  # least error since the command last moved
        self._moved, self._over = np.zeros((2, n), dtype=bool), np.zeros((len(Check), n), dtype=bool)
        self._held_s = np.zeros((len(Check), n))  # for how long each value has been beyond its limit
        self._slices = (self._away[:4], self._away[:2], self._now[:2], self._then[:2], self._moved[0], self._moved[1],
                        self._away[2:], self._limits[:3], self._limits[3], self._over[:3], self._over[3])

    @property
    def watches(self) -> bool:
        """Return whether the motion of any joint can be judged."""
        return bool(self._watched.size)

    def begin(self) -> None:
        """Forget all samples, because the robot has been found, or placed."""
        self._begun = False

    def judge(self, signals: Float32, command: Float, source_ns: int) -> Breach | None:
        """Return what is wrong with the motion up to a sample; `command` (joint,) is the last one before the sample."""
        elapsed_ns = source_ns - self._source_ns
        if self._begun and 0 <= elapsed_ns < self._least_ns:
            return None  # the sample is not a new one
        now, then = self._now, self._then
        np.concatenate((signals, command), out=self._all)
        self._all.take(self._places, out=now, mode="clip")
        now *= self._scale
        if not math.isfinite(np.vdot(now, now)):
            self._begun = False
            return None
        joined = self._begun and 0 < elapsed_ns <= APART_NS
        self._begun, self._source_ns = True, source_ns
        then[2] = now[1]
        if joined:
            return self._compare(elapsed_ns * 1e-9)
        then[:2] = now[:2]
        np.copyto(then[3], now[3], where=self._untimed)
        np.abs(now[2] - then[2], out=self._nearest)
        self._held_s[:] = 0.0
        return None

    def _compare(self, dt_s: float) -> Breach | None:
        """Hold a sample against the one before it and against the limits."""
        (away, shifts, places, anchors, joint_moved, command_moved, values, limits, stall_limit, over,
         stalled) = self._slices
        error, nearest = self._error, self._nearest
        np.subtract(self._now, self._then, out=away)
        np.abs(away, out=away)
        if not self._every_timed:
            np.divide(self._speed, dt_s, out=self._speed, where=self._untimed)
            np.copyto(self._then[3], self._now[3], where=self._untimed)
        np.greater(shifts, self._still, out=self._moved)
        np.copyto(anchors, places, where=self._moved)
        np.copyto(nearest, error, where=command_moved)
        np.minimum(nearest, error, out=nearest)
        np.subtract(error, nearest, out=self._drift)
        np.greater(values, limits, out=over)
        np.greater(error, stall_limit, out=stalled)
        np.greater(stalled, joint_moved, out=stalled)  # far from its command, and not moved
        if not np.count_nonzero(self._over):
            self._held_s.fill(0.0)
            return None
        self._held_s += dt_s
        self._held_s *= self._over
        late = self._held_s > np.maximum(self._times_s, SAMPLES * dt_s)
        return self._breach(late) if np.count_nonzero(late) else None

    def _breach(self, late: NDArray[np.bool_]) -> Breach:
        """Return the breaches (check, watched joint) that have lasted for too long, as one."""
        check, k = map(int, np.argwhere(late)[0])
        joints = np.zeros(len(self._joints), dtype=bool)
        joints[self._watched[late.any(axis=0)]] = True
        joint = self._joints[self._watched[k]]
        measured = (self._error, self._speed, self._drift, self._error)[check][k] * self._range[k]
        allowed = self._limits[check, k] * self._range[k]
        unit = f"{joint.unit}/s" if check == Check.FAST and joint.quantity == "position" else joint.unit
        return Breach(joints, Check(check),
                      f"joint {joint.name} {TEXTS[Check(check)]}: {measured:.4g} {unit} measured, "
                      f"{allowed:.4g} {unit} allowed for {self._times_s[check, 0]:g} s")


def _limits(joints: Sequence[Joint], settings: MotionSettings) -> Float:
    """Return the limits (check, joint) in the unit of each joint; infinite where a check is off."""
    s = settings
    limits = np.full((len(Check), len(joints)), np.inf)
    for k, joint in enumerate(joints):
        servo, span = joint.quantity == "position", joint.upper - joint.lower
        top = joint.rate if servo else max(abs(joint.lower), abs(joint.upper))
        lead = joint.effort / joint.stiffness if joint.stiffness > 0.0 else math.inf  # the way that takes all effort
        limits[:, k] = (s.error * span if s.error else math.inf,
                        s.speed * top if s.speed else math.inf,
                        s.drift * span if s.drift else math.inf,
                        min(s.stall * span, FULL * lead) if s.stall and servo else math.inf)
    return limits

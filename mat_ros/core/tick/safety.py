# Copyright 2026 The mat_ros Authors
# SPDX-License-Identifier: Apache-2.0
"""Keep unsafe commands from every joint: finite -> position -> blend -> effort -> latched stop -> rate.

The gate is the last check before the hardware and assumes nothing about its inputs. Every applied command is inside the
position limits and differs from the last command by at most rate * period, whatever the request is. The gate checks
the rate against the *previous command* and not against the measured position. The measured position would slow a
lagging joint down further.
"""

from __future__ import annotations

import enum
from collections.abc import Sequence
from dataclasses import dataclass, fields

import numpy as np
from numpy.typing import NDArray

from mat_ros.core.errors import Refused
from mat_ros.core.robot.joints import Joint
from mat_ros.core.tick.messages import Applied, Float


class Reason(enum.IntFlag):
    """Name the reasons why applied differs from requested. Each joint has one mask per tick."""

    NOT_FINITE = 1  # the request was NaN or infinite, and counts as missing
    MISSING = 2  # no request came in time
    POSITION = 4  # the request was outside the position (or torque) limits
    RATE = 8  # the request was further from the last command than the rate allows
    EFFORT = 16  # the request would have driven the servo over its effort limit
    FALLBACK = 32  # requests were missing for too long, and the joint moves to its fallback
    STOPPED = 64  # a stop is latched
    BLEND = 128  # the gate still blends in after activation


@dataclass(frozen=True)
class GateSettings:
    """Set how the gate reacts to missing requests and to an activation."""

    hold_ticks: int = 3  # missed ticks for which a joint keeps its last command; then it ramps to its fallback
    stop_ticks: int = 50  # missed ticks after which a stop is latched; 0: never
    stop_all: bool = True  # a latched stop of one joint stops every joint
    blend_s: float = 0.5  # time after activation in which commands go from the present position to the requests

    def __post_init__(self) -> None:
        """Refuse negative or infinite values."""
        if self.hold_ticks < 0 or self.stop_ticks < 0 or not 0.0 <= self.blend_s < float("inf"):
            raise Refused("gate settings", "numbers of at least 0", [getattr(self, f.name) for f in fields(self)],
                          "correct the safety file")


class Gate:
    """Guard the joints of one robot. Every joint is stopped until `activate` is called."""

    def __init__(self, joints: Sequence[Joint], period_ns: int, settings: GateSettings | None = None) -> None:
        self.settings = settings or GateSettings()
        self.joint_names = tuple(joint.name for joint in joints)
        self._lower, self._upper = (np.array([getattr(j, side) for j in joints]) for side in ("lower", "upper"))
        self.period_ns = period_ns
        self._step = np.array([j.rate for j in joints]) * (period_ns * 1e-9)  # greatest change of a command in a tick
        servo = [j.quantity == "position" and j.stiffness > 0.0 and np.isfinite(j.effort) for j in joints]
        self._lead = np.array([j.effort / j.stiffness if s else np.inf for j, s in zip(joints, servo, strict=True)])
        self._hold = np.array([j.fallback == "hold" for j in joints])
        self._fallback = np.array([j.default if j.fallback == "default" else 0.0 for j in joints])
        self._blend_step = 1.0 if self.settings.blend_s == 0.0 else period_ns * 1e-9 / self.settings.blend_s
        self.default = np.array([j.default for j in joints])
        self._last = self.default.copy()  # the last command that left the gate
        self._missed: NDArray[np.int64] = np.zeros(len(joints), dtype=np.int64)
        self._stopped = np.ones(len(joints), dtype=bool)
        self._blend = 0.0  # weight of the request; 0: the present position alone, 1: the request alone

    @property
    def last(self) -> Float:
        """Return a copy of the last command."""
        return self._last.copy()

    def activate(self, present: NDArray[np.float64]) -> None:
        """Release a stop, and start to blend in from the present positions (joint,), which must be finite."""
        if present.shape != self._last.shape or not np.isfinite(present).all():
            raise Refused("gate activation", f"{self._last.size} finite positions", present,
                          "wait until every joint is measured")
        self._last = np.clip(present, self._lower, self._upper)
        self._missed[:] = 0
        self._stopped[:] = False
        self._blend = 0.0

    def settle(self, present: NDArray[np.float64]) -> None:
        """Set the last command of stopped joints to their present positions (joint,), NaN where unknown.

        After a loss of measurements, stopped joints then hold or ramp from their real positions.
        """
        found = self._stopped & np.isfinite(present)
        self._last = np.where(found, np.clip(present, self._lower, self._upper), self._last)

    def stop(self, joints: Sequence[str] | None = None) -> None:
        """Latch a stop of the named joints, or of all. Each joint ramps to its fallback and stays until `activate`."""
        if joints is None:
            self._stopped[:] = True
            return
        for name in joints:
            if name not in self.joint_names:
                raise Refused("stop", f"one of {self.joint_names}", name, "name a joint of this robot")
            self._stopped[self.joint_names.index(name)] = True

    def apply(
        self,
        requested: NDArray[np.float64],
        present: NDArray[np.bool_] | None = None,
        measured: NDArray[np.float64] | None = None,
    ) -> Applied:
        """Return the applied command for a request (joint,).

        `present` (joint,) marks the joints whose request came in time (default: all). The `measured` positions (joint,)
        serve only the effort check, and are NaN where unknown.
        """
        if requested.shape != self._last.shape:
            raise Refused("request", f"{self._last.size} values", requested.shape, "send one value per joint")
        reasons = np.zeros(requested.shape, dtype=np.uint16)
        arrived = np.ones(requested.shape, dtype=bool) if present is None else present
        _mark(reasons, ~arrived, Reason.MISSING)
        _mark(reasons, arrived & ~np.isfinite(requested), Reason.NOT_FINITE)
        finite = arrived & np.isfinite(requested)
        self._missed = np.where(finite, 0, self._missed + 1)
        self._latch()

        wanted = np.where(finite, requested, self._last)
        lost = (self._missed > self.settings.hold_ticks) & ~self._hold
        wanted = np.where(lost, self._fallback, wanted)
        _mark(reasons, self._missed > self.settings.hold_ticks, Reason.FALLBACK)

        inside = np.clip(wanted, self._lower, self._upper)
        _mark(reasons, inside != wanted, Reason.POSITION)
        if self._blend < 1.0 and not self._stopped.all():
            self._blend = min(1.0, self._blend + self._blend_step)
            blended = self._last + self._blend * (inside - self._last)
            _mark(reasons, finite & (blended != inside), Reason.BLEND)
            inside = blended
        wanted = self._limit_effort(inside, measured)
        _mark(reasons, wanted != inside, Reason.EFFORT)

        resting = np.where(self._hold, self._last, self._fallback)
        wanted = np.where(self._stopped, resting, wanted)
        _mark(reasons, self._stopped, Reason.STOPPED)
        near = np.clip(wanted, self._last - self._step, self._last + self._step)
        _mark(reasons, near != wanted, Reason.RATE)
        self._last = np.clip(near, self._lower, self._upper)  # `near` may leave the limits by a rounding error
        return Applied(requested.copy(), self._last.copy(), reasons, bool(self._stopped.any()))

    def _latch(self) -> None:
        if self.settings.stop_ticks == 0:
            return
        late = self._missed > self.settings.stop_ticks
        if late.any():
            self._stopped |= True if self.settings.stop_all else late

    def _limit_effort(self, wanted: Float, measured: NDArray[np.float64] | None) -> Float:
        """Return targets so near to the measured positions that position servos stay inside their effort limits."""
        if measured is None:
            return wanted
        known = np.where(np.isfinite(measured), measured, np.nan)
        low, high = known - self._lead, known + self._lead  # NaN or infinite where there is no effort limit to check
        limited = np.where(wanted < low, low, np.where(wanted > high, high, wanted))
        return np.clip(limited, self._lower, self._upper)


def _mark(reasons: NDArray[np.uint16], where: NDArray[np.bool_], reason: Reason) -> None:
    reasons[where] |= np.uint16(reason)

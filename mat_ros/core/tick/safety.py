# Copyright 2026 The mat_ros Authors
# SPDX-License-Identifier: Apache-2.0
"""Keep unsafe commands from every joint: finite -> position -> blend -> latched stop -> effort -> rate.

The gate assumes nothing about its inputs. Every applied command lies inside the position limits. It differs from the
last command that the hardware took by at most rate * the time since then, and this time counts as one period at most.
The limits come from the robot (`mat_ros.core.robot.limits`). The gate checks the rate against the last *command* and
not against the measured position. The measured position would slow a lagging joint down further.
"""

from __future__ import annotations

import enum
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from mat_ros.core.errors import Refused
from mat_ros.core.robot.guard import GuardSettings
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
    BLEND = 128  # still blending in after activation
    SETTLED = 256  # the joint was found elsewhere by several samples and is commanded to where it stands
    MOTION = 512  # a stop is latched because the measured motion of this joint is not the one that is allowed


class GateEvent(enum.IntFlag):
    """Name what happens to a gate between two commands. A replay repeats the events in the order of this list."""

    NOT_TAKEN = 1  # `not_taken`
    ACTIVATED = 2  # `activate`: the robot was taken over where it stood
    FOUND = 4  # `settle`: several samples found joints elsewhere
    TAKEN_BACK = 8  # `not_taken`, after the robot was taken over or found
    LATCHED = 16  # `stop` of every joint, after the last activation
    DISTRUSTED = 32  # `distrust`: the measured motion of joints was wrong, after the last activation


class Gate:
    """Guard the joints of one robot. Every joint is stopped until `activate` is called."""

    def __init__(self, joints: Sequence[Joint], period_ns: int, settings: GuardSettings | None = None) -> None:
        self.settings = settings or GuardSettings()
        self.joints = tuple(joints)
        self.joint_names = tuple(joint.name for joint in joints)
        self.period_ns = period_ns
        self._lower, self._upper = (np.array([getattr(j, side) for j in joints]) for side in ("lower", "upper"))
        self._rate = np.array([j.rate for j in joints])  # greatest change per second
        self._unlimited = np.isinf(self._rate)  # joints whose command may jump
        servo = [j.quantity == "position" and j.stiffness > 0.0 and np.isfinite(j.effort) for j in joints]
        self._lead = np.array([j.effort / j.stiffness if s else np.inf for j, s in zip(joints, servo, strict=True)])
        self._placed = np.array([j.quantity == "position" for j in joints])
        self._hold = np.array([j.fallback == "hold" for j in joints])
        self._fallback = np.array([j.default if j.fallback == "default" else 0.0 for j in joints])
        self._last = np.array([j.default for j in joints])  # the last command that the hardware took
        self._before = self._last  # the one before it
        self._missed: NDArray[np.int64] = np.zeros(len(joints), dtype=np.int64)
        self._stopped = np.ones(len(joints), dtype=bool)
        self._settled = np.zeros(len(joints), dtype=bool)  # joints that were found elsewhere since the last command
        self._distrusted = np.zeros(len(joints), dtype=bool)  # joints that were stopped for their measured motion
        self._blend = 0.0  # 0: all present position, 1: all request
        self._number, self._events = 0, GateEvent(0)  # commands so far; what happened since the last one

    @property
    def last(self) -> Float:
        """Return a copy of the last command that the hardware took."""
        return self._last.copy()

    @property
    def missed(self) -> NDArray[np.int64]:
        """Return for how many ticks in a row nothing valid was requested, (joint,)."""
        return self._missed.copy()

    @property
    def stopped(self) -> NDArray[np.bool_]:
        """Return for which joints a stop is latched, (joint,)."""
        return self._stopped.copy()

    def clip(self, command: Float) -> Float:
        """Return the nearest command (joint,) inside the position limits."""
        return np.clip(command, self._lower, self._upper)

    def activate(self, present: NDArray[np.float64]) -> None:
        """Release a stop, and start to blend in from the present positions (joint,), which must be finite.

        A joint that is far outside its limits is refused, because a command inside the limits would be a jump.
        """
        if present.shape != self._last.shape or not np.isfinite(present).all():
            raise Refused("gate activation", f"{self._last.size} finite positions", present,
                          "wait until every joint is measured")
        inside = np.clip(present, self._lower, self._upper)
        slack = self.settings.outside * (self._upper - self._lower)
        far = self._placed & (np.abs(present - inside) > slack)
        if far.any():
            k = int(np.flatnonzero(far)[0])
            raise Refused(f"gate activation, joint {self.joint_names[k]}",
                          f"a position in [{self._lower[k]:g}, {self._upper[k]:g}]", f"{present[k]:g}",
                          "move the joint inside its limits by hand")
        self._last = self._before = inside
        self._missed[:] = 0
        self._stopped[:] = self._settled[:] = self._distrusted[:] = False
        self._blend = 0.0
        self._events = (self._events | GateEvent.ACTIVATED) & ~(GateEvent.LATCHED | GateEvent.DISTRUSTED)

    def settle(self, present: NDArray[np.float64]) -> None:
        """Make the positions (joint,) at which joints were found their next commands; NaN leaves a joint as it is.

        The caller has found the positions by several samples that agree.
        """
        found = np.isfinite(present)
        place = np.clip(present, self._lower, self._upper)
        self._last, self._before = np.where(found, place, self._last), np.where(found, place, self._before)
        self._settled |= found
        self._blend = 0.0
        self._events |= GateEvent.FOUND

    def stop(self, joints: Sequence[str] | None = None) -> None:
        """Latch a stop of the named joints, or of all. Each joint ramps to its fallback and stays until `activate`."""
        if joints is None:
            self._stopped[:] = True
            self._events |= GateEvent.LATCHED
            return
        for name in joints:
            if name not in self.joint_names:
                raise Refused("stop", f"one of {self.joint_names}", name, "name a joint of this robot")
            self._stopped[self.joint_names.index(name)] = True

    def distrust(self, joints: NDArray[np.bool_]) -> None:
        """Latch a stop because of the measured motion of joints (joint,): of these, or of all with `stop_all`."""
        self._distrusted |= joints
        self._events |= GateEvent.DISTRUSTED
        self._stopped |= True if self.settings.stop_all else joints

    def apply(
        self,
        requested: NDArray[np.float64],
        present: NDArray[np.bool_] | None = None,
        measured: NDArray[np.float64] | None = None,
        elapsed_ns: int | None = None,
    ) -> Applied:
        """Return the applied command for a request (joint,). Call `not_taken` if the hardware does not take it.

        `present` (joint,) marks the joints whose request came in time (default: all). The `measured` positions (joint,)
        serve only the effort check, and are NaN where unknown. `elapsed_ns` is the monotonic time since the hardware
        took the last command (default: one period, as in lock-step).
        """
        if requested.shape != self._last.shape:
            raise Refused("request", f"{self._last.size} values", requested.shape, "send one value per joint")
        elapsed_ns = self.period_ns if elapsed_ns is None else min(max(elapsed_ns, 0), self.period_ns)
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
            self._blend = min(1.0, self._blend + self._blend_step(elapsed_ns))
            blended = self._last + self._blend * (inside - self._last)
            _mark(reasons, finite & (blended != inside), Reason.BLEND)
            inside = blended
        resting = np.where(self._hold, self._last, self._fallback)
        kept = np.where(self._stopped, resting, inside)
        kept = np.where(self._settled, self._last, kept)  # one command for the place itself, before the joint moves on
        _mark(reasons, self._stopped, Reason.STOPPED)
        _mark(reasons, self._settled, Reason.SETTLED)
        _mark(reasons, self._distrusted, Reason.MOTION)
        wanted = self._limit_effort(kept, measured)
        _mark(reasons, wanted != kept, Reason.EFFORT)

        step = np.where(self._unlimited, np.inf, self._rate * (elapsed_ns * 1e-9))
        near = np.clip(wanted, self._last - step, self._last + step)
        _mark(reasons, near != wanted, Reason.RATE)
        self._before = self._last
        self._last = np.clip(near, self._lower, self._upper)  # `near` may leave the limits by a rounding error
        self._settled[:] = False
        applied = Applied(requested.copy(), self._last.copy(), reasons, bool(self._stopped.any()), self._number,
                          elapsed_ns, self._blend, int(self._events))
        self._number, self._events = self._number + 1, GateEvent(0)
        return applied

    def not_taken(self) -> None:
        """Take the last command back, which the hardware did not take. The next command starts from the one before."""
        self._last = self._before
        placed = self._events & (GateEvent.ACTIVATED | GateEvent.FOUND)
        self._events |= GateEvent.TAKEN_BACK if placed else GateEvent.NOT_TAKEN

    def continue_from(self, applied: Applied) -> None:
        """Take over the state that a command of another gate left, in which no joint lacked a request."""
        self._last = self._before = applied.applied.copy()
        self._stopped = (applied.reasons & Reason.STOPPED) != 0
        self._distrusted = (applied.reasons & Reason.MOTION) != 0
        self._settled[:], self._missed[:] = False, 0
        self._blend, self._number, self._events = applied.blend, applied.number + 1, GateEvent(0)

    def _blend_step(self, elapsed_ns: int) -> float:
        return 1.0 if self.settings.blend_s == 0.0 else elapsed_ns * 1e-9 / self.settings.blend_s

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

# Copyright 2026 The mat_ros Authors
# SPDX-License-Identifier: Apache-2.0
"""Detect broken joints from commands and measurements. The detector never receives the list of injected faults.

The detector first learns a healthy robot: a linear model of how each joint's motion changes in a tick, from all
measurements and commands. Afterwards the detector checks every joint in every tick in four ways:

    follows    The share of its own command's learned effect that the joint's motion still shows (1 healthy, 0 off or
               stuck, -1 the wrong way). A regression over the last ticks estimates the share and its uncertainty.
    moves      The joint's velocity, against the least velocity of a healthy run.
    frozen     Readings that repeat to the bit while the robot moves.
    plausible  The change of position, against the velocity. A spoiled reading contradicts the other one.

Two more checks concern the joint's node: decisions that are missing, and readings that are old.
"""

from __future__ import annotations

import enum
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from mat_ros.core.errors import Refused
from mat_ros.core.policy.manifest import Manifest
from mat_ros.core.tick.messages import Override, Validity

Float = NDArray[np.float64]
RESOLUTION = 1e-6  # resolution of float32 readings; a smaller motion may leave the reading unchanged
RIDGE = 1e-3  # weight of the ridge term, for standardised columns
SHARE_STEPS = 4  # overrides round shares to quarters, so that overrides change seldom


class Health(enum.IntEnum):
    """Name the health of a joint by the levels of diagnostic_msgs."""

    OK = 0
    WARN = 1
    ERROR = 2
    STALE = 3


class Cause(enum.IntFlag):
    """Name the evidence that a joint is broken."""

    FOLLOWS = 1  # the joint does not follow its commands
    STILL = 2  # the joint does not move
    FROZEN = 4  # a reading repeats
    IMPLAUSIBLE = 8  # position and velocity contradict each other
    MISSING = 16  # no node decides for the joint
    AGED = 32  # the joint's readings are old


ACTUATOR = Cause.FOLLOWS | Cause.STILL


@dataclass(frozen=True)
class DetectorSettings:
    """Set how much evidence the detector requires."""

    memory_ticks: float = 12.0  # time constant of the regression's exponential memory
    certainty: float = 3.0  # standard errors between the estimated share and the limit that the share must stay below
    share_error: float = 0.5  # a joint that follows a smaller share of its commands is broken
    share_warn: float = 0.8
    frozen_ticks: int = 4
    implausible: float = 2.0  # limit, as a multiple of the worst contradiction of a healthy run over `memory_ticks`
    still: float = 0.2  # limit, as a share of the least velocity of a healthy run over `memory_ticks`
    moving: float = 0.5  # share of the same velocity; where the median joint is slower, motors are not judged
    missing_ticks: int = 3
    age_ticks: float = 3.0
    confirm_ticks: int = 3  # ticks in a row before a level rises; ten times as many before a level falls

    def __post_init__(self) -> None:
        """Refuse settings with which the detector would find every joint broken, or none."""
        if min(self.memory_ticks, self.certainty, self.frozen_ticks, self.confirm_ticks) < 1 or not (
                0.0 < self.share_error <= self.share_warn < 1.0):
            raise Refused("detector settings", "memory, certainty, ticks >= 1 and 0 < error <= warn < 1", self,
                          "correct them")


@dataclass(frozen=True)
class Places:
    """Hold the index of each joint's readings in the signals; -1 where not measured."""

    position: NDArray[np.intp]  # (joint,)
    velocity: NDArray[np.intp]  # (joint,)
    follows_velocity: NDArray[np.bool_]  # (joint,): a command changes the velocity (effort) or the position (servo)
    period_s: float

    @classmethod
    def of(cls, manifest: Manifest) -> Places:
        """Return the places of a policy's joints, found by name."""
        names, layout = [joint.name for joint in manifest.joints], manifest.layout
        return cls(layout.places("joint_position", names), layout.places("joint_velocity", names),
                   np.array([joint.quantity == "effort" for joint in manifest.joints]), manifest.period_ns * 1e-9)

    @property
    def measured(self) -> NDArray[np.bool_]:
        """Return which joints (joint,) have both position and velocity, so that their motion can be judged."""
        return (self.position >= 0) & (self.velocity >= 0)

    def motion(self, before: Float, after: Float) -> Float:
        """Return the change that a command causes (..., joint): of the velocity, or of the position."""
        return np.where(self.follows_velocity, after[..., self.velocity] - before[..., self.velocity],
                        after[..., self.position] - before[..., self.position])

    def contradiction(self, before: Float, after: Float) -> Float:
        """Return the change of position minus the integrated velocity, (..., joint)."""
        velocity = 0.5 * (before[..., self.velocity] + after[..., self.velocity])
        return np.asarray(after[..., self.position] - before[..., self.position] - self.period_s * velocity)


@dataclass(frozen=True)
class Model:
    """Describe how a healthy robot moves. The model is learned from a run of the robot."""

    mean: Float  # (feature,)
    std: Float  # (feature,)
    weights: Float  # (feature + 1, joint): standardised features and one -> motion
    gain: Float  # (joint,): effect of the joint's own standardised command
    deviation: Float  # (joint,): standard deviation of the motion that the model does not explain
    contradiction: Float  # (joint,): standard deviation of `Places.contradiction`
    oddest: Float  # (joint,): greatest mean square of contradiction / standard deviation over the memory
    slowest: Float  # (joint,): least mean |velocity| over the memory

    @classmethod
    def learn(cls, places: Places, signals: Sequence[Float], commands: Sequence[Float], memory_ticks: float) -> Model:
        """Return the model of a healthy robot.

        Each episode has signals (tick + 1, signal) and the commands (tick, joint) between them.
        """
        x = np.concatenate([np.hstack([s[:-1], u]) for s, u in zip(signals, commands, strict=True)])
        y = np.concatenate([places.motion(s[:-1], s[1:]) for s in signals])
        c = np.concatenate([places.contradiction(s[:-1], s[1:]) for s in signals])
        if len(x) < 3 * x.shape[1]:
            raise Refused("learning a healthy robot", f"at least {3 * x.shape[1]} ticks", len(x),
                          "run the robot for longer")
        mean, std = x.mean(axis=0), np.maximum(x.std(axis=0), 1e-9)
        a = np.hstack([(x - mean) / std, np.ones((len(x), 1))])
        weights = np.linalg.solve(a.T @ a + RIDGE * len(x) * np.eye(a.shape[1]), a.T @ y)
        joints = y.shape[1]
        own = np.arange(a.shape[1] - 1 - joints, a.shape[1] - 1)
        window = max(1, round(memory_ticks))
        spread = np.maximum(c.std(axis=0), 1e-9)
        oddest = np.stack([_running_mean((places.contradiction(s[:-1], s[1:]) / spread) ** 2, window).max(axis=0)
                           for s in signals]).max(axis=0)
        slowest = np.stack([_running_mean(np.abs(s[1:, places.velocity]), window).min(axis=0)
                            for s in signals]).min(axis=0)
        return cls(mean, std, weights, weights[own, np.arange(joints)], np.maximum((y - a @ weights).std(axis=0), 1e-9),
                   spread, oddest, slowest)


class Detector:
    """Judge the joints of one or several robots in every tick. Arrays are (robot, joint)."""

    def __init__(self, places: Places, model: Model, settings: DetectorSettings | None = None, robots: int = 1) -> None:
        self.settings = settings or DetectorSettings()
        self.places, self.model = places, model
        self._shape = (robots, len(places.position))
        self.health: NDArray[np.int64] = np.zeros(self._shape, np.int64)  # Health
        self.causes: NDArray[np.int64] = np.zeros(self._shape, np.int64)  # Cause, of the present tick
        self.share: Float = np.ones(self._shape)  # share of its commands that each joint follows
        self._keep = 1.0 - 1.0 / self.settings.memory_ticks
        self.reset()

    def reset(self) -> None:
        """Begin an episode: forget measurements, evidence and health."""
        shape = self._shape
        self._before: Float | None = None
        self._command: Float = np.zeros(shape)
        self._xy, self._xx, self._rr = np.zeros((3, *shape))
        self._odd: Float = np.zeros(shape)
        self._speed = np.tile(self.model.slowest, (shape[0], 1))
        self._ticks = 0
        self._repeats, self._missing, self._raised, self._calm, self._last_causes = np.zeros((5, *shape), np.int64)
        self._told: Float = np.ones(shape)
        self._doubt = np.zeros(shape, dtype=bool)
        self.health[:], self.causes[:], self.share[:] = 0, 0, 1.0

    def observe(self, signals: Float, age_ticks: float = 0.0) -> NDArray[np.int64]:
        """Judge the measurements (robot, signal) after the last command, and return the health (robot, joint)."""
        s, m, p = self.settings, self.model, self.places
        signals = np.atleast_2d(np.asarray(signals, np.float64))
        causes = np.zeros_like(self.causes)
        if self._before is not None:
            x = (np.hstack([self._before, self._command]) - m.mean) / m.std
            own = x[:, -len(m.gain):] * m.gain  # learned effect of each joint's own command
            seen = p.motion(self._before, signals) - (x @ m.weights[:-1] + m.weights[-1] - own)
            self._xx = self._keep * self._xx + own * own
            self._xy = self._keep * self._xy + own * seen
            self._rr = self._keep * self._rr + (seen - self.share * own) ** 2
            self._judge_share(causes)
            moved = np.abs(signals[:, p.velocity])
            self._speed = self._keep * self._speed + (1 - self._keep) * moved
            causes |= np.where(self._speed < s.still * m.slowest, Cause.STILL, 0)
            at_rest = np.median(self._speed / np.maximum(m.slowest, 1e-9), axis=-1) < s.moving
            causes[at_rest], self._doubt[at_rest] = 0, False  # the motion of a robot at rest is no evidence on motors
            odd = (p.contradiction(self._before, signals) / m.contradiction) ** 2
            limit = s.implausible * m.oddest
            self._odd = self._keep * self._odd + (1 - self._keep) * np.minimum(odd, 10.0 * limit)  # cuts off one jump
            causes |= np.where(self._odd > limit, Cause.IMPLAUSIBLE, 0)
            same = signals == self._before
            moving = moved * p.period_s > RESOLUTION * (1.0 + np.abs(signals[:, p.position]))
            repeats = moving & (same[:, p.position] | same[:, p.velocity])  # readings of a joint at rest may repeat
            self._repeats = np.where(repeats, self._repeats + 1, 0)
            causes |= np.where(self._repeats >= s.frozen_ticks, Cause.FROZEN, 0)
            causes = np.where(p.measured, causes, 0)
        causes |= np.where(self._missing >= s.missing_ticks, Cause.MISSING, 0)
        if age_ticks > s.age_ticks:
            causes |= Cause.AGED
        self._before = signals.copy()
        self._ticks += 1
        self._decide(causes)
        return self.health

    def commanded(self, command: Float, present: NDArray[np.bool_]) -> None:
        """Store the applied commands (robot, joint). `present` marks the joints with a decision."""
        self._command = np.atleast_2d(np.array(command, np.float64))
        self._missing = np.where(present, 0, self._missing + 1)

    def overrides(self, slot_of_joint: NDArray[np.intp], column_of_joint: NDArray[np.intp], act_dim: int,
                  robot: int = 0) -> dict[int, Override]:
        """Return the override of each slot with a broken joint, for the chain of one robot."""
        causes = self._last_causes[robot]
        broken = (self.health[robot] == Health.ERROR) & ((causes & ACTUATOR) != 0)
        found: dict[int, Override] = {}
        for joint in np.flatnonzero(broken):
            slot = int(slot_of_joint[joint])
            share = found[slot].share.copy() if slot in found else np.ones(act_dim, np.float32)
            still = bool(causes[joint] & Cause.STILL)
            share[column_of_joint[joint]] = 0.0 if still else self._told[robot, joint]
            found[slot] = Override(share, Validity.HELD if still else Validity.ZERO)
        return found

    def _judge_share(self, causes: NDArray[np.int64]) -> None:
        s = self.settings
        evidence = self._xx / self.model.deviation**2  # effect of the commands against the noise
        ready = (evidence > 1.0) & (self._ticks >= s.memory_ticks)
        share = np.divide(self._xy, self._xx, out=np.ones_like(self._xy), where=self._xx > 0)
        self.share = np.where(ready, share, 1.0)
        spread = np.maximum(self._rr / s.memory_ticks, self.model.deviation**2)
        highest = self.share + s.certainty * np.sqrt(spread / np.maximum(self._xx, 1e-30))  # upper bound
        causes |= np.where(ready & (highest < s.share_error), Cause.FOLLOWS, 0)
        self._doubt = ready & (highest < s.share_warn)

    def _decide(self, causes: NDArray[np.int64]) -> None:
        """Raise the level of a joint with confirmed causes. Lower a level only after a long time without causes."""
        s = self.settings
        self._raised = np.where(causes != 0, self._raised + 1, 0)
        self._calm = np.where(causes != 0, 0, self._calm + 1)
        confirmed = self._raised >= s.confirm_ticks
        new = confirmed & (self.health < Health.ERROR)
        self._told = np.where(new, np.round(np.clip(self.share, -1, 1) * SHARE_STEPS) / SHARE_STEPS, self._told)
        self._last_causes = np.where(confirmed, self._last_causes | causes, self._last_causes)
        recovered = self._calm >= 10 * s.confirm_ticks
        self._last_causes[recovered] = 0
        level = np.where(confirmed, np.where(causes & Cause.AGED, Health.STALE, Health.ERROR), self.health)
        level = np.where(recovered, np.where(self._doubt, Health.WARN, Health.OK), level)
        self.health, self.causes = level.astype(np.int64), causes


def _running_mean(values: Float, window: int) -> Float:
    """Return the mean of (tick, joint) over each `window` ticks in a row. A shorter episode has one mean."""
    window = min(window, len(values))
    total = np.cumsum(np.vstack([np.zeros((1, values.shape[1])), values]), axis=0)
    return np.asarray((total[window:] - total[:-window]) / window)

# Copyright 2026 The mat_ros Authors
# SPDX-License-Identifier: Apache-2.0
"""Run the tick of the safety gate: gather decisions until the last one arrives or the deadline passes, then apply.

The keeper never waits past the deadline. It applies no decision that comes after the deadline or that is based on other
measurements. As in `chain`, the caller passes in each message and the time; the keeper has no thread and no socket.

The keeper takes over a robot, and finds it again after an outage, only when several samples in a row agree on its
position. Only an operator undoes a latched stop (`release`). In between, `mat_ros.core.tick.motion` watches the
measured motion. A simulated robot is different: each episode places it anew, so the first observation of an episode
activates the gate at once.
"""

from __future__ import annotations

from collections import Counter, deque
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from mat_ros.core.errors import Refused
from mat_ros.core.policy.manifest import Manifest
from mat_ros.core.tick.collect import NONE, Collector
from mat_ros.core.tick.messages import Decision, Observation, Outcome, Validity
from mat_ros.core.tick.motion import Monitor
from mat_ros.core.tick.order import Order, Turn
from mat_ros.core.tick.placement import Placement
from mat_ros.core.tick.safety import Gate

REST_NS = 2_000_000_000  # longest ramp to the fallback that `rest` returns


@dataclass(frozen=True)
class Keeping:
    """Describe the kind of robot that a keeper commands."""

    lockstep: bool  # the robot waits for every command, so each tick lasts one period, whatever the clock shows
    simulated: bool  # each episode places the robot anew, and the robot can hurt nobody
    period_ns: int = 0  # time between commands; 0: the policy's period


class Keeper:
    """Compute one command per tick from observations and decisions."""

    def __init__(self, manifest: Manifest, gate: Gate, keeping: Keeping, collector: Collector | None = None) -> None:
        """Take the collector of the decisions; None: one that hears them from `on_decision`."""
        self.gate, self.keeping = gate, keeping
        self.collector = collector or Collector(manifest.network.agents, manifest.network.act_dim)
        # ticks, missed, redecided, unheard, settling, motion; observations that are late, early, old, refused
        self._counts: Counter[str] = Counter()
        self.stopped = False  # a stop was latched at the last tick
        self.refusal = ""  # why the keeper does not take over the robot; empty when nothing prevents it
        self._map = manifest.action_map
        self._period_ns = keeping.period_ns or manifest.period_ns
        self._order = Order(self._period_ns, keeping.lockstep)
        self._placement = Placement(manifest, keeping.lockstep, keeping.simulated)
        self._samples: deque[NDArray[np.float64]] = deque(maxlen=gate.settings.agree_samples)
        self._sampled_ns = 0  # start of the newest sample's tick
        self._observation: Observation | None = None
        self._applied = True  # the command of the present tick was applied
        self._active = False  # the keeper has taken over the robot
        self._latched = False  # the stop outlasts the next activation
        self._lost = False  # no measurement came for a while, and the robot has to be found again
        self._episode: int | None = None
        self._unheard = 0  # ticks in a row
        self._taken_ns: int | None = None  # when the hardware took the last command
        self._moved = ""  # which measured motion has latched the stop; empty where another cause did
        motion = gate.settings.motion
        monitor = Monitor(manifest.layout, gate.joints, self._period_ns, motion)
        watched = motion.watch == "all" or (motion.watch == "real" and not keeping.simulated)
        self._monitor = monitor if watched and monitor.watches else None

    # -- taking over, stopping, releasing ------------------------------------------------------------------------

    def take_over(self, latched: bool = False) -> None:
        """Activate the gate as soon as the robot is found. With a latched stop, the robot then only holds."""
        self._active, self._latched, self._moved = False, latched, ""
        self._samples.clear()
        if not self.keeping.simulated:
            self.gate.stop()  # the robot holds until it is found; this is no stop that has to be put on disk
            self.stopped = True

    @property
    def counts(self) -> Counter[str]:
        """Return the counts of the keeper and of its collector."""
        return self._counts + self.collector.counts

    @property
    def active(self) -> bool:
        """Return whether the keeper has taken over the robot."""
        return self._active

    def stop(self) -> None:
        """Latch a stop of every joint, which also outlasts an activation that is due."""
        self.gate.stop()
        self.stopped = self._latched = True

    def release(self) -> None:
        """Undo a latched stop for an operator. The robot moves only after it was found again."""
        self.take_over(latched=False)

    @property
    def overdue(self) -> list[str]:
        """Return the names of the joints without a decision for more than `hold_ticks` ticks."""
        late = self.gate.missed > self.gate.settings.hold_ticks
        return [name for name, is_late in zip(self.gate.joint_names, late, strict=True) if is_late]

    @property
    def cause(self) -> str:
        """Return why the gate has latched a stop by itself."""
        return self._moved or f"missed ticks: {', '.join(self.overdue)}"

    def rest(self) -> Iterator[Outcome]:
        """Stop, and yield one outcome per period that moves every joint to its fallback."""
        if self._observation is None or not self._active:
            return
        self.gate.stop()
        self.stopped = True  # the robot only comes to rest; this is no stop that has to be put on disk
        before = None
        for step in range(REST_NS // self._period_ns + 1):
            self.collector.begin_again()
            outcome = self._apply(self._observation.deadline_ns + step * self._period_ns, self._period_ns)
            if before is not None and (outcome.applied.applied == before).all():
                return
            yield outcome
            before = outcome.applied.applied

    def not_taken(self) -> None:
        """Take back the last command, which the hardware did not take."""
        self.gate.not_taken()

    # -- the tick ------------------------------------------------------------------------------------------------

    @property
    def wake_ns(self) -> int | None:
        """Return the time at which `poll` has to be called; None while the keeper waits for nothing."""
        if self._observation is None:
            return None
        if not self._applied:
            return self._observation.deadline_ns
        # A free-running robot gets a command in every period, also without measurements.
        return None if self.keeping.lockstep else self._next_ns

    def on_observation(self, observation: Observation, now_ns: int) -> list[Outcome]:
        """Begin a tick, and take over the robot if that is due. Return the outcome of an unfinished tick."""
        turn = self._order.judge(observation.start_ns, observation.deadline_ns, now_ns)
        if turn is not Turn.NEW:
            self._counts[turn.value] += 1
            return []
        asked = self.gate.last  # the command under which the measurements were taken
        done = [] if self._applied else [self._apply(now_ns, self._elapsed_ns(now_ns))]
        if not self._find(observation):
            return done
        self._watch(observation, asked)
        self._order.note(observation.start_ns)
        self._unheard = 0
        self._observation, self._applied = observation, False
        self.collector.begin(observation.tick, observation.source_ns, observation.deadline_ns, now_ns)
        return done + self.settle(now_ns)

    def on_decision(self, decision: Decision, now_ns: int) -> list[Outcome]:
        """Take a decision, and apply the command as soon as the last decision of the tick is there."""
        return self.settle(now_ns) if self.collector.hear(decision, now_ns) else []

    def settle(self, now_ns: int) -> list[Outcome]:
        """Apply the command where the collector has ended the tick."""
        if self._applied or self.collector.open:
            return []
        return [self._apply(now_ns, self._elapsed_ns(now_ns))]

    def poll(self, now_ns: int) -> list[Outcome]:
        """Apply the decisions that are there at the deadline. Without an observation, apply an empty tick."""
        return [] if self.wake_ns is None or now_ns < self.wake_ns else self.miss(now_ns)

    def miss(self, now_ns: int) -> list[Outcome]:
        """Apply what is there, or an empty tick: the caller knows that nothing more comes in this period."""
        if self._observation is None:
            return []
        if not self._applied:
            return [self._apply(now_ns, self._elapsed_ns(now_ns))]
        self._counts["unheard"] += 1
        self._unheard += 1
        self._lost |= self._unheard > self.gate.settings.hold_ticks
        self.collector.begin_again()
        return [self._apply(now_ns, self._elapsed_ns(now_ns))]

    def _watch(self, observation: Observation, asked: NDArray[np.float64]) -> None:
        """Latch a stop where the measured motion is not the one that is allowed."""
        if self._monitor is None or (stopped := self.gate.stopped).all():
            return
        breach = self._monitor.judge(observation.signals, asked, observation.source_ns)
        if breach is not None and (breach.joints & ~stopped).any():
            self._counts["motion"] += 1
            self._moved = self._moved or breach.cause
            self.gate.distrust(breach.joints)

    def _elapsed_ns(self, now_ns: int) -> int:
        """Return the time since the hardware took the last command; for a lock-step robot, one period."""
        if self.keeping.lockstep or self._taken_ns is None:
            return self._period_ns
        return now_ns - self._taken_ns

    def _apply(self, now_ns: int, elapsed_ns: int) -> Outcome:
        observation = self._observation
        assert observation is not None
        # This process did not run for more than a period: the requests of the tick are no longer valid.
        expired = not self.keeping.lockstep and now_ns - observation.start_ns > 2 * self._period_ns
        if expired and not self._applied:
            self.collector.begin_again()
        actions, validity = self.collector.close()
        applied = self.gate.apply(self._map.to_command(actions), (validity != NONE)[self._map.slot_of_joint],
                                  self._placement.positions(observation.signals), elapsed_ns)
        self._applied, self._next_ns = True, now_ns + self._period_ns + (self._period_ns >> 1)
        self._taken_ns = now_ns
        self._counts["ticks"] += 1
        self._counts["missed"] += int((validity == NONE).any())
        self._counts["redecided"] += int((validity == Validity.REDECIDED).sum())
        return Outcome(observation.tick, observation.source_ns, actions, validity, applied,
                       now_ns - observation.start_ns)

    # -- the position of the robot -------------------------------------------------------------------------------

    def _find(self, observation: Observation) -> bool:
        """Take the robot over, or find it again, if that is due. Return whether the keeper may command the robot."""
        present = self._placement.positions(observation.signals)
        if self.keeping.simulated and (observation.episode != self._episode or not self._active):
            return self._activate(present, observation)
        if self._active and not self._lost:
            return True
        if observation.start_ns - self._sampled_ns > 2 * self._period_ns:
            self._samples.clear()  # the samples must come in a row, and one was left out
        self._sampled_ns = observation.start_ns
        self._samples.append(present)
        if not self._agreed():
            self._counts["settling"] += 1
            return False
        if not self._active:
            return self._activate(present, observation)
        self._lost = False
        self._samples.clear()
        self._begin_watch()
        self._placement.settle(self.gate, present)
        return True

    def _activate(self, present: NDArray[np.float64], observation: Observation) -> bool:
        if not self._placement.is_measured(present):
            self._counts["refused"] += 1  # the keeper takes over no robot before every joint is measured
            return False
        try:
            self._placement.activate(self.gate, present, commanded=self._taken_ns is not None)
        except Refused as error:
            self._counts["refused"] += 1
            self.refusal = str(error)
            return False
        self._moved = ""
        self._begin_watch()
        if self._latched:
            self.gate.stop()
        self._active, self._lost, self.refusal = True, False, ""
        self._episode = observation.episode
        self._samples.clear()
        return True

    def _begin_watch(self) -> None:
        """Watch the motion anew: the robot has been found, or placed."""
        if self._monitor is not None:
            self._monitor.begin()

    def _agreed(self) -> bool:
        """Return whether the newest samples agree on the position of every position-controlled joint."""
        return len(self._samples) == self.gate.settings.agree_samples and self._placement.agreed(self._samples)

# Copyright 2026 The mat_ros Authors
# SPDX-License-Identifier: Apache-2.0
"""Run the tick of the safety gate: gather decisions until the last one arrives or the deadline passes, then apply.

Nothing waits past the deadline. Nothing is applied that came after it, or that was decided on other measurements. A
keeper is told what arrives and what time it is, as a chain node is; it has no thread and no socket.

A robot is taken over, and found again after an outage, only where several samples in a row agree on where it stands. A
latched stop is an operator's to undo (`release`). A simulated robot is different: each episode places it anew, so its
first observation activates the gate at once.
"""

from __future__ import annotations

from collections import Counter, deque
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from mat_ros.core.errors import Refused
from mat_ros.core.policy.manifest import Manifest
from mat_ros.core.tick.chain import HORIZON
from mat_ros.core.tick.collect import NONE, Collector
from mat_ros.core.tick.messages import Decision, Observation, Outcome, Validity
from mat_ros.core.tick.order import Order, Turn
from mat_ros.core.tick.placement import Placement
from mat_ros.core.tick.safety import Gate

REST_NS = 2_000_000_000  # the longest way to a fallback that is walked at once
AHEAD = 4096  # decisions that are kept for a tick whose observation has not come yet


@dataclass(frozen=True)
class Keeping:
    """What kind of robot is kept."""

    lockstep: bool  # it waits for every command, so that a tick lasts one period whatever a clock says
    simulated: bool  # each episode places it anew; nobody is hurt by it
    period_ns: int = 0  # between commands; 0: the policy's


class Keeper:
    """Compute one command per tick from observations and decisions."""

    def __init__(self, manifest: Manifest, gate: Gate, keeping: Keeping) -> None:
        self.gate, self.keeping = gate, keeping
        self.collector = Collector(manifest.network.agents, manifest.network.act_dim)
        # ticks, missed, redecided, late, early, old, refused, unheard, settling
        self.counts: Counter[str] = Counter()
        self.stopped = False  # a stop was latched in the last tick
        self.refusal = ""  # why the robot is not taken over; empty where it is
        self._map = manifest.action_map
        self._period_ns = keeping.period_ns or manifest.period_ns
        self._order = Order(self._period_ns, keeping.lockstep)
        self._placement = Placement(manifest, keeping.lockstep, keeping.simulated)
        self._samples: deque[NDArray[np.float64]] = deque(maxlen=gate.settings.agree_samples)
        self._sampled_ns = 0  # start of the newest sample's tick
        self._observation: Observation | None = None
        self._applied = True  # the present tick is done
        self._active = False  # the robot has been taken over
        self._latched = False  # a stop outlasts the next activation
        self._lost = False  # the robot was not measured for a while and has to be found again
        self._episode: int | None = None
        self._ahead: list[Decision] = []
        self._unheard = 0  # ticks in a row
        self._taken_ns: int | None = None  # when the hardware took the last command

    # -- taking over, stopping, releasing ------------------------------------------------------------------------

    def take_over(self, latched: bool = False) -> None:
        """Activate the gate when the robot is found; a latched stop stays latched, and the robot then only holds."""
        self._active, self._latched = False, latched
        self._samples.clear()
        if not self.keeping.simulated:
            self.gate.stop()  # until the robot is found it holds; that is no new stop to be latched
            self.stopped = True

    def stop(self) -> None:
        """Latch a stop of every joint; it outlasts the activation that may be due."""
        self.gate.stop()
        self.stopped = self._latched = True

    def release(self) -> None:
        """Undo a latched stop, as an operator asks; the robot is found again before it moves."""
        self.take_over(latched=False)

    @property
    def overdue(self) -> list[str]:
        """Return the joints that nobody has decided for, for longer than the gate waits."""
        late = self.gate.missed > self.gate.settings.hold_ticks
        return [name for name, is_late in zip(self.gate.joint_names, late, strict=True) if is_late]

    def rest(self) -> Iterator[Outcome]:
        """Stop, and give tick by tick what walks every joint to its fallback; each step takes a period."""
        if self._observation is None or not self._active:
            return
        self.gate.stop()
        before = None
        for step in range(REST_NS // self._period_ns + 1):
            self.collector.begin(self._observation.tick)
            outcome = self._apply(self._observation.deadline_ns + step * self._period_ns, self._period_ns)
            if before is not None and (outcome.applied.applied == before).all():
                return
            yield outcome
            before = outcome.applied.applied

    def not_taken(self) -> None:
        """Hear that the hardware did not take the last command: the next one starts from the one before."""
        self.gate.not_taken()

    # -- the tick ------------------------------------------------------------------------------------------------

    @property
    def wake_ns(self) -> int | None:
        """Return the time at which `poll` has to be called; None while the keeper waits for nothing."""
        if self._observation is None:
            return None
        if not self._applied:
            return self._observation.deadline_ns
        # A free-running robot gets a command in every period, whether anybody measures or not.
        return None if self.keeping.lockstep else self._next_ns

    def on_observation(self, observation: Observation, now_ns: int) -> list[Outcome]:
        """Begin a tick; the robot is taken over where it is found."""
        turn = self._order.judge(observation.start_ns, observation.deadline_ns, now_ns)
        if turn is not Turn.NEW:
            self.counts[turn.value] += 1
            return []
        done = [] if self._applied else [self._apply(now_ns, self._elapsed_ns(now_ns))]
        if not self._find(observation):
            return done
        self._order.note(observation.start_ns)
        self._unheard = 0
        self._observation, self._applied = observation, False
        self.collector.begin(observation.tick)
        waiting, self._ahead = self._ahead, []
        for decision in waiting:
            done += self.on_decision(decision, now_ns)
        return done

    def on_decision(self, decision: Decision, now_ns: int) -> list[Outcome]:
        """Take a decision, and apply the command as soon as the last decision of the tick is there."""
        observation = self._observation
        tick = None if observation is None else observation.tick
        if tick is None or tick < decision.tick <= tick + HORIZON:
            if len(self._ahead) < AHEAD:
                self._ahead.append(decision)
            return []
        if observation is None or (decision.tick == tick and decision.source_ns != observation.source_ns):
            self.counts["refused"] += 1
            return []
        if now_ns > observation.deadline_ns and not self._applied:
            self.counts["late"] += 1
            return self.poll(now_ns)  # the deadline has passed while this process did not run
        # Also after the command: an owner that was late once is waited for in the next tick.
        if not self.collector.add(decision) or self._applied:
            self.counts["late" if decision.tick <= observation.tick else "refused"] += 1
            return []
        return [self._apply(now_ns, self._elapsed_ns(now_ns))] if self.collector.complete else []

    def poll(self, now_ns: int) -> list[Outcome]:
        """Apply the decisions that are there at the deadline. Without an observation, apply an empty tick."""
        if self._observation is None or self.wake_ns is None or now_ns < self.wake_ns:
            return []
        if not self._applied:
            return [self._apply(now_ns, self._elapsed_ns(now_ns))]
        self.counts["unheard"] += 1
        self._unheard += 1
        self._lost |= self._unheard > self.gate.settings.hold_ticks
        self.collector.begin(self._observation.tick)
        return [self._apply(now_ns, self._elapsed_ns(now_ns))]

    def _elapsed_ns(self, now_ns: int) -> int:
        """Return the time since the hardware took the last command; a lock-step robot counts in periods."""
        if self.keeping.lockstep or self._taken_ns is None:
            return self._period_ns
        return now_ns - self._taken_ns

    def _apply(self, now_ns: int, elapsed_ns: int) -> Outcome:
        observation, collector = self._observation, self.collector
        assert observation is not None
        # A tick that is applied after its period is over was slept through: what was asked for then is not valid now.
        expired = not self.keeping.lockstep and now_ns - observation.start_ns > 2 * self._period_ns
        if expired and not self._applied:
            collector.begin(observation.tick)
        validity, actions = collector.validity.copy(), collector.actions.copy()
        applied = self.gate.apply(self._map.to_command(actions), collector.present[self._map.slot_of_joint],
                                  self._placement.positions(observation.signals), elapsed_ns)
        self._applied, self._next_ns = True, now_ns + self._period_ns + (self._period_ns >> 1)
        self._taken_ns = now_ns
        self.counts["ticks"] += 1
        self.counts["missed"] += int((validity == NONE).any())
        self.counts["redecided"] += int((validity == Validity.REDECIDED).sum())
        return Outcome(observation.tick, observation.source_ns, actions, validity, applied,
                       now_ns - observation.start_ns)

    # -- where the robot stands ----------------------------------------------------------------------------------

    def _find(self, observation: Observation) -> bool:
        """Take the robot over, or find it again, where that is due; say whether it may be commanded."""
        present = self._placement.positions(observation.signals)
        if self.keeping.simulated and (observation.episode != self._episode or not self._active):
            return self._activate(present, observation)
        if self._active and not self._lost:
            return True
        if observation.start_ns - self._sampled_ns > 2 * self._period_ns:
            self._samples.clear()  # samples in a row are wanted, and one was left out
        self._sampled_ns = observation.start_ns
        self._samples.append(present)
        if not self._agreed():
            self.counts["settling"] += 1
            return False
        if not self._active:
            return self._activate(present, observation)
        self._lost = False
        self._samples.clear()
        self._placement.settle(self.gate, present)
        return True

    def _activate(self, present: NDArray[np.float64], observation: Observation) -> bool:
        if not self._placement.is_measured(present):
            self.counts["refused"] += 1  # a robot is not taken over before every joint is measured
            return False
        try:
            self._placement.activate(self.gate, present, commanded=self._taken_ns is not None)
        except Refused as error:
            self.counts["refused"] += 1
            self.refusal = str(error)
            return False
        if self._latched:
            self.gate.stop()
        self._active, self._lost, self.refusal = True, False, ""
        self._episode = observation.episode
        self._samples.clear()
        return True

    def _agreed(self) -> bool:
        """Say whether the newest samples agree on where every placed joint stands."""
        return (len(self._samples) == self.gate.settings.agree_samples
                and self._placement.agreed(self._samples))

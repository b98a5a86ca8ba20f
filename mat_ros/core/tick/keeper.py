# Copyright 2026 The mat_ros Authors
# SPDX-License-Identifier: Apache-2.0
"""Run the tick of the safety gate: gather decisions until the last one arrives or the deadline passes, then apply.

The keeper never waits past the deadline. The keeper applies no decision that is based on other measurements. As in
`chain`, the caller passes in each message and the time; the keeper has no thread and no socket.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from mat_ros.core.policy.manifest import Manifest
from mat_ros.core.tick.chain import HORIZON
from mat_ros.core.tick.collect import NONE, Collector
from mat_ros.core.tick.messages import Decision, Float32, Observation, Outcome, Validity
from mat_ros.core.tick.safety import Gate

REST_NS = 2_000_000_000  # longest ramp to the fallback that `rest` returns
AHEAD = 4096  # decisions that the keeper stores for ticks whose observation has not come yet
POSITIONS = "joint_position"  # the term that holds the joints' positions


class Keeper:
    """Compute one command per tick from observations and decisions."""

    def __init__(self, manifest: Manifest, gate: Gate, lockstep: bool, period_ns: int = 0) -> None:
        self.gate = gate
        self.collector = Collector(manifest.network.agents, manifest.network.act_dim)
        self.counts: Counter[str] = Counter()  # ticks, missed, redecided, late, refused, unheard
        self._map = manifest.action_map
        self._lockstep = lockstep
        self._period_ns = period_ns or manifest.period_ns
        self._placed = np.array([joint.quantity == "position" and not lockstep for joint in manifest.joints])
        self._places = _places(manifest)  # (joint,): index of each position in the signals, -1 where not measured
        self._observation: Observation | None = None
        self._applied = True  # whether the present tick has its command
        self._episode: int | None = None
        self._ahead: list[Decision] = []
        self.stopped = False  # a stop was latched in the last tick
        self._unheard = 0  # periods in a row without an observation

    def forget_episode(self) -> None:
        """Activate the gate at the next observation. The activation releases a latched stop."""
        self._episode = None

    def rest(self) -> Iterator[Outcome]:
        """Stop, and return tick by tick the outcomes that move every joint to its fallback."""
        if self._observation is None:
            return
        self.gate.stop()
        before = None
        for _ in range(REST_NS // self._period_ns + 1):
            self.collector.begin(self._observation.tick)
            outcome = self._apply(self._observation.deadline_ns)
            if before is not None and (outcome.applied.applied == before).all():
                return
            yield outcome
            before = outcome.applied.applied

    @property
    def wake_ns(self) -> int | None:
        """Return the time at which `poll` has to be called; None while the keeper waits for nothing."""
        if self._observation is None:
            return None
        if not self._applied:
            return self._observation.deadline_ns
        # A free-running robot receives a command in every period, also when no observation comes.
        return None if self._lockstep else self._next_ns

    def on_observation(self, observation: Observation, now_ns: int) -> list[Outcome]:
        """Begin a tick, and return the finished ones. The first tick of an episode activates the gate.

        The gate starts from the measured positions of the joints.
        """
        last = self._observation
        if last is not None and observation.start_ns <= last.start_ns:
            self.counts["late"] += 1
            return []
        done = [] if self._applied else [self._apply(now_ns)]
        present = self._positions(observation.signals)
        if observation.episode != self._episode:
            if not np.isfinite(present[self._placed]).all():
                self.counts["refused"] += 1  # the gate is not activated before every joint is measured
                return done
            self.gate.activate(np.where(np.isfinite(present), present, self.gate.default))
            self._episode = observation.episode
        elif self._unheard > self.gate.settings.hold_ticks:
            # A robot that reports again may have been moved or switched off. A stop must not pull it to its old place.
            self.gate.settle(np.where(self._placed, present, np.nan))
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
        # The collector also receives decisions after the command: it waits again for an owner that was late once.
        if not self.collector.add(decision) or self._applied:
            self.counts["late" if decision.tick <= observation.tick else "refused"] += 1
            return []
        return [self._apply(now_ns)] if self.collector.complete else []

    def poll(self, now_ns: int) -> list[Outcome]:
        """Apply the decisions that are there at the deadline. Without an observation, apply an empty tick."""
        if self._observation is None or self.wake_ns is None or now_ns < self.wake_ns:
            return []
        if not self._applied:
            return [self._apply(now_ns)]
        self.counts["unheard"] += 1
        self._unheard += 1
        self.collector.begin(self._observation.tick)
        return [self._apply(now_ns)]

    def _apply(self, now_ns: int) -> Outcome:
        observation, collector = self._observation, self.collector
        assert observation is not None
        validity, actions = collector.validity.copy(), collector.actions.copy()
        applied = self.gate.apply(self._map.to_command(actions), collector.present[self._map.slot_of_joint],
                                  self._positions(observation.signals))
        self._applied, self._next_ns = True, now_ns + self._period_ns + (self._period_ns >> 1)
        self.counts["ticks"] += 1
        self.counts["missed"] += int((validity == NONE).any())
        self.counts["redecided"] += int((validity == Validity.REDECIDED).sum())
        return Outcome(observation.tick, observation.source_ns, actions, validity, applied,
                       now_ns - observation.start_ns)

    def _positions(self, signals: Float32) -> NDArray[np.float64]:
        """Return the positions of the joints (joint,), NaN where not measured."""
        return np.where(self._places >= 0, signals[self._places].astype(np.float64), np.nan)


def _places(manifest: Manifest) -> NDArray[np.intp]:
    """Return the index (joint,) of each position-controlled joint's position in the signals, -1 for other joints."""
    names = [(term.name, element) for term in manifest.layout.terms for element in term.elements]
    place = {element: k for k, (term, element) in enumerate(names) if term == POSITIONS}
    return np.array([place.get(joint.name, -1) if joint.quantity == "position" else -1 for joint in manifest.joints])

# Copyright 2026 The mat_ros Authors
# SPDX-License-Identifier: Apache-2.0
"""Run a simulated robot tick by tick and episode by episode; the caller carries the messages."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import asdict
from pathlib import Path

import numpy as np

from mat_ros.core.files import named
from mat_ros.core.policy.manifest import Manifest
from mat_ros.core.tick.messages import Observation, Outcome
from mat_ros.hardware.breaking import Breaking
from mat_ros.hardware.io import SimulatedRobotIO

EPISODE_NS = 1_000_000_000  # added to the source times per episode, so that times of two episodes differ


class Simulation:
    """One robot and its ticks. In lock-step, `answer` steps the robot; against the wall clock, the caller steps it."""

    def __init__(self, robot: SimulatedRobotIO, breaking: Breaking, manifest: Manifest, *, lockstep: bool,
                 allowed_ns: int, episodes: int = 0, results: str = "",
                 tell: Callable[[str], object] = lambda line: None) -> None:
        self.robot, self.breaking, self.lockstep, self._tell = robot, breaking, lockstep, tell
        self.counts: Counter[str] = Counter()  # late: commands of another tick
        self.tick = self.episodes = 0
        self.sent_ns: int | None = None  # when the present tick was last observed
        self._allowed_ns, self._wanted, self._results = allowed_ns, episodes, results
        self._source_ns = 0
        self._last = np.array([joint.default for joint in manifest.joints])
        self._tell_broken()

    def observe(self, now_ns: int) -> Observation:
        """Return the observation of the present tick, with the present faults."""
        self.breaking.look(now_ns)
        reading = self.robot.read()
        self.sent_ns, self._source_ns = now_ns, reading.source_ns + EPISODE_NS * reading.episode
        return Observation(self.tick, now_ns, now_ns + self._allowed_ns, self._source_ns, reading.episode,
                           reading.signals)

    def answer(self, outcome: Outcome, now_ns: int) -> bool:
        """Take the command of the present tick. Return False for a command of another tick, which moves no robot."""
        if outcome.tick != self.tick or outcome.source_ns != self._source_ns:
            self.counts["late"] += 1
            return False
        self._last = outcome.applied.applied
        self.robot.decided(outcome.actions)
        if self.lockstep:
            self.step(now_ns)
        return True

    def step(self, now_ns: int) -> None:
        """Move by the newest command, and begin a new episode when one has ended."""
        self.robot.write(self._last)
        self.tick += 1
        ended = self.robot.ended
        if ended is None:
            return
        self.episodes += 1
        self._tell(f"episode {ended.number}: return {ended.total:.1f} in {ended.ticks} ticks"
                   + (", success" if ended.success else ", reached but not held" if ended.reached else ""))
        if self._results:
            results = Path(self._results)
            with named(results), results.open("a", encoding="utf-8") as file:
                file.write(json.dumps(asdict(ended)) + "\n")
        if not self.done:
            self.reset(None, now_ns)

    @property
    def done(self) -> bool:
        """Return whether all requested episodes are over."""
        return 0 < self._wanted <= self.episodes

    def reset(self, seed: int | None, now_ns: int) -> None:
        """Begin an episode; a seed restarts the sequence of episodes."""
        self.robot.reset(seed)
        self.breaking.begin(now_ns)
        self._tell_broken()

    def _tell_broken(self) -> None:
        """Log the faults that the fault plan has drawn for the episode."""
        broken: dict[str, list[str]] = {}
        for fault in self.breaking.planned.faults:
            words = f"{fault.target} from tick {fault.start}" if fault.start else fault.target
            broken.setdefault(f"{fault.level}:{fault.kind}", []).append(words)
        if broken:
            kinds = "; ".join(f"{kind} of {', '.join(targets)}" for kind, targets in broken.items())
            self._tell(f"episode {self.robot.episode}: {kinds}")

    def facts(self) -> Mapping[str, object]:
        """Return the tick, the number of episodes and the present result."""
        result = self.robot.result()
        return {"tick": self.tick, "episodes": self.episodes, **self.counts, **(asdict(result) if result else {})}

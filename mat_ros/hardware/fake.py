# Copyright 2026 The mat_ros Authors
# SPDX-License-Identifier: Apache-2.0
"""Stand in for a robot, without physics: for tests, for latency measurements, and where no simulator is installed."""

from __future__ import annotations

import numpy as np

from mat_ros.core import randomness
from mat_ros.core.faults.schedule import Schedule
from mat_ros.core.policy.manifest import Manifest
from mat_ros.core.tick.messages import Float32
from mat_ros.hardware.io import Description, Float, Reading, check_command, description_of

REACH = 0.5  # share of the way to its target that a joint moves in one tick
SPREAD = 0.5  # standard deviation of the drawn measurements, in their units


class FakeBus:
    """A simulated robot without a task; see `mat_ros.hardware.io.SimulatedRobotIO`.

    Its joints follow their commands. Every other measurement is drawn from the seed, so that runs are equal.
    """

    ended = None  # an episode goes on until a reset

    def __init__(self, manifest: Manifest, seed: int = 0) -> None:
        self._description = description_of(manifest)
        self._terms = manifest.layout.terms
        self._key = randomness.stream(seed, "fake bus")
        self._size = manifest.layout.signal_count
        self._default = np.array([joint.default for joint in manifest.joints])
        place = {(term.name, element): 0 for term in self._terms for element in term.elements}
        place = {name: k for k, name in enumerate(place)}
        names = self._description.joints
        self._at = {term: [(k, place[term, name]) for k, name in enumerate(names) if (term, name) in place]
                    for term in ("joint_position", "joint_velocity")}
        self.written = self._default.copy()  # the last command
        self.episode = -1
        self.reset()

    def reset(self, seed: int | None = None) -> None:
        """Begin a new episode with all joints at rest; a seed restarts the drawn measurements."""
        if seed is not None:
            self._key = randomness.stream(seed, "fake bus")
        self._position, self._moved = self._default.copy(), np.zeros_like(self._default)
        self.tick = 0  # tick of the episode
        self.episode += 1

    def read(self) -> Reading:
        """Return the present measurements."""
        signals = SPREAD * randomness.normal(self._key, self.tick, self._size)
        for term, values in (("joint_position", self._position),
                             ("joint_velocity", self._moved / (self._description.period_ns * 1e-9))):
            for joint, column in self._at[term]:
                signals[column] = values[joint]
        return Reading(signals.astype(np.float32), self.tick * self._description.period_ns, self.episode)

    def write(self, command: Float) -> None:
        """Move the joints for one tick."""
        check_command(command, self._description)
        self.written = command.copy()
        self._moved = REACH * (command - self._position)
        self._position = self._position + self._moved
        self.tick += 1

    def decided(self, actions: Float32) -> None:
        """Ignore the actions: the fake robot has no task that charges for them."""

    def result(self) -> None:
        """Return None: the fake robot has no task that counts rewards."""

    def follow(self, schedule: Schedule) -> None:
        """Ignore the schedule: no physics can break. `open_breaking` has refused every plan with faults."""

    def applied(self, command: Float) -> None:
        """Move by a command that another process has written, because each process has a fake robot of its own."""
        self.write(command)

    def describe(self) -> Description:
        """Return the joints, the limits and the period of the robot."""
        return self._description

    def close(self) -> None:
        """Release nothing: the fake robot holds no resource."""

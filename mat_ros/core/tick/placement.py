# Copyright 2026 The mat_ros Authors
# SPDX-License-Identifier: Apache-2.0
"""Compute where the joints of a robot stand, and place its gate there. A keeper and a replay run the same code."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from mat_ros.core.policy.manifest import Manifest
from mat_ros.core.tick.messages import Float, Float32
from mat_ros.core.tick.motion import POSITIONS
from mat_ros.core.tick.safety import Gate

AGREE = 0.02  # samples of a joint agree if they lie within this share of the joint's range


class Placement:
    """Place the gate of one robot where measurements find its joints."""

    def __init__(self, manifest: Manifest, lockstep: bool, simulated: bool) -> None:
        self.simulated = simulated
        self._default = np.array([joint.default for joint in manifest.joints])
        self._placed = np.array([joint.quantity == "position" and not lockstep for joint in manifest.joints])
        self._places = joint_places(manifest)  # (joint,): index of its position in the signals; -1: not measured
        self._agree = AGREE * np.array([joint.upper - joint.lower for joint in manifest.joints])

    def positions(self, signals: Float32) -> Float:
        """Return the positions of the joints (joint,), NaN where not measured."""
        return np.where(self._places >= 0, signals[self._places].astype(np.float64), np.nan)

    def is_measured(self, present: Float) -> bool:
        """Return whether every joint that has to be placed is measured."""
        return bool(np.isfinite(present[self._placed]).all())

    def agreed(self, samples: Sequence[Float]) -> bool:
        """Return whether samples (joint,) agree on the position of every joint that has to be placed."""
        found = np.array(samples)[:, self._placed]  # (sample, joint)
        return bool(np.isfinite(found).all() and (np.ptp(found, axis=0) <= self._agree[self._placed]).all())

    def activate(self, gate: Gate, present: Float, commanded: bool) -> None:
        """Activate a gate where the robot stands. `commanded` states that the hardware has had a command before."""
        # A joint without a position command keeps its last command; a simulated robot was reset to its default.
        unplaced = gate.last if commanded and not self.simulated else self._default
        place = np.where(np.isfinite(present), present, unplaced)
        gate.activate(gate.clip(place) if self.simulated else place)
        if not self.simulated:
            gate.settle(np.where(self._placed, present, np.nan))

    def settle(self, gate: Gate, present: Float) -> None:
        """Place the joints that stand elsewhere than their last command."""
        # A joint that lags a little counts as being at its last command. Otherwise it would sink at each outage.
        elsewhere = self._placed & (np.abs(present - gate.last) > self._agree)
        if elsewhere.any():
            gate.settle(np.where(elsewhere, present, np.nan))


def joint_places(manifest: Manifest) -> NDArray[np.intp]:
    """Return the index in the signals of each position-controlled joint's position; -1 where it is not measured."""
    places = manifest.layout.places(POSITIONS, [joint.name for joint in manifest.joints])
    return np.where([joint.quantity == "position" for joint in manifest.joints], places, -1)

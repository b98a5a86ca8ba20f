# Copyright 2026 The mat_ros Authors
# SPDX-License-Identifier: Apache-2.0
"""Show how much each slot's action moves those of its successors, by deciding a tick again without it.

This is a counterfactual of the decisions and not of the robot: nothing is said about what an action was worth. So it is
no advantage, and a slot that moves nobody may still matter most.
"""

from __future__ import annotations

import numpy as np

from mat_ros.core.tick.decide import Decider
from mat_ros.core.tick.messages import Float32, Override, Validity


def influence(decider: Decider, enc: Float32, tick: int = 0) -> Float32:
    """Give (slot, slot): by how much the column's action changes, in policy units, when the row's is told as zero.

    Exact; it costs one decision of the whole chain for each slot. Nothing stands on or below the diagonal, since nobody
    hears a successor.
    """
    slots = len(enc)
    _, healthy = decider.extend(decider.start(), tick, slots, enc, Validity.OWN)
    moved = np.zeros((slots, slots), np.float32)
    for slot in range(slots - 1):
        silenced = {slot: Override(np.zeros(decider.act_dim, np.float32), Validity.ZERO)}
        _, without = decider.extend(decider.start(), tick, slots, enc, Validity.OWN, silenced)
        moved[slot] = np.abs(without - healthy).max(axis=1)
    return moved

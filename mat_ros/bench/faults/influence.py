# Copyright 2026 The mat_ros Authors
# SPDX-License-Identifier: Apache-2.0
"""Measure the influence of each slot's action on its successors' actions by deciding a tick again without the action.

The influence is a counterfactual of the decisions and not of the robot. The influence does not measure how much an
action contributed to the return. So it is not an advantage, and a slot without influence may still matter most.
"""

from __future__ import annotations

import numpy as np

from mat_ros.core.tick.decide import Decider
from mat_ros.core.tick.messages import Float32, Override, Validity


def influence(decider: Decider, enc: Float32, tick: int = 0) -> Float32:
    """Return (slot, slot): the change of the column's action, in policy units, when the row's action is sent as zero.

    The result is exact and costs one decision of the whole chain for each slot. The entries on and below the diagonal
    are zero, because no slot receives the action of a successor.
    """
    slots = len(enc)
    _, healthy = decider.extend(decider.start(), tick, slots, enc, Validity.OWN)
    moved = np.zeros((slots, slots), np.float32)
    for slot in range(slots - 1):
        silenced = {slot: Override(np.zeros(decider.act_dim, np.float32), Validity.ZERO)}
        _, without = decider.extend(decider.start(), tick, slots, enc, Validity.OWN, silenced)
        moved[slot] = np.abs(without - healthy).max(axis=1)
    return moved

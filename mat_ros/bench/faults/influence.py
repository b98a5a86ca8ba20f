# Copyright 2026 The mat_ros Authors
# SPDX-License-Identifier: Apache-2.0
"""Measure how much the action of each slot moves the actions of its successors.

For each slot in turn, the successors receive zero instead of the slot's action, and decide the same tick again. The
result compares decisions only. It does not measure how much an action contributes to the return: a slot that moves no
other slot may still matter most.
"""

from __future__ import annotations

import numpy as np

from mat_ros.core.tick.decide import Decider
from mat_ros.core.tick.messages import Float32, Override, Validity


def influence_on_successors(decider: Decider, enc: Float32) -> Float32:
    """Return (slot, slot): the change of the column's action, in policy units, when the row's action is sent as zero.

    An action may have several numbers; the number that changes most counts. The result is exact and costs one decision
    of the whole chain per slot. It is zero on and below the diagonal, because no slot receives a successor's action.
    """
    slots = len(enc)
    _, healthy = decider.extend(decider.start(), 0, slots, enc, Validity.OWN)
    moved = np.zeros((slots, slots), np.float32)
    for slot in range(slots - 1):
        silenced = {slot: Override(np.zeros(decider.act_dim, np.float32), Validity.ZERO)}
        _, without = decider.extend(decider.start(), 0, slots, enc, Validity.OWN, silenced)
        moved[slot] = np.abs(without - healthy).max(axis=1)
    return moved

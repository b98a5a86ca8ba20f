# Copyright 2026 The mat_ros Authors
# SPDX-License-Identifier: Apache-2.0
"""Measure how much the action of each slot moves the actions of its successors.

Each slot is silenced in turn: its successors are told zero instead of its action, and decide the same tick again. The
result compares decisions and not what the robot does: it says nothing about what an action was worth. A slot that moves
no other slot may still matter most.
"""

from __future__ import annotations

import numpy as np

from mat_ros.core.tick.decide import Decider
from mat_ros.core.tick.messages import Float32, Override, Validity


def influence_on_successors(decider: Decider, enc: Float32) -> Float32:
    """Return (slot, slot): by how much the column's action changes, in policy units, when the row's is told as zero.

    The change is that of the column's action that changes most. The result is exact and costs one decision of the whole
    chain per slot. It is zero on and below the diagonal, since no slot hears a successor.
    """
    slots = len(enc)
    _, healthy = decider.extend(decider.start(), 0, slots, enc, Validity.OWN)
    moved = np.zeros((slots, slots), np.float32)
    for slot in range(slots - 1):
        silenced = {slot: Override(np.zeros(decider.act_dim, np.float32), Validity.ZERO)}
        _, without = decider.extend(decider.start(), 0, slots, enc, Validity.OWN, silenced)
        moved[slot] = np.abs(without - healthy).max(axis=1)
    return moved

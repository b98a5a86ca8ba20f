# Copyright 2026 The mat_ros Authors
# SPDX-License-Identifier: Apache-2.0
"""The influence of a slot is the change of its successors' actions, here on a policy whose influence is known."""

import numpy as np

from mat_ros.bench.faults.influence import influence_on_successors
from mat_ros.core.policy.manifest import StateLayout
from mat_ros.core.tick.decide import Decider
from support.chain_world import ACT_DIM, ENC_DIM, ROW, network


class Half:
    """Decide each slot's encoding plus half of the action of the slot before."""

    def step(self, slot, enc, previous, state):
        return enc[:ACT_DIM] + np.float32(0.5) * previous, state


def test_influence_halves_from_slot_to_slot_and_never_reaches_back():
    decider = Decider(Half(), network(4), StateLayout(False, ROW, ("none",)))
    enc = np.zeros((4, ENC_DIM), np.float32)
    enc[0] = 1.0
    assert influence_on_successors(decider, enc).tolist() == [[0.0, 0.5, 0.25, 0.125], [0.0, 0.0, 0.25, 0.125],
                                                [0.0, 0.0, 0.0, 0.125], [0.0, 0.0, 0.0, 0.0]]


def test_nobody_moves_anybody_where_nothing_is_heard():
    class Deaf(Half):
        def step(self, slot, enc, previous, state):
            return enc[:ACT_DIM].copy(), state

    decider = Decider(Deaf(), network(3), StateLayout(False, ROW, ("none",)))
    assert not influence_on_successors(decider, np.ones((3, ENC_DIM), np.float32)).any()

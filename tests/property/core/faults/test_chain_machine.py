# Copyright 2026 The mat_ros Authors
# SPDX-License-Identifier: Apache-2.0
"""A chain with its safety gate, driven through any history of trouble: no joint is ever without a safe command."""

import numpy as np
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from mat_ros.core.robot.guard import GuardSettings
from mat_ros.core.robot.joints import ActionMap, Joint
from mat_ros.core.tick.chain import MODES
from mat_ros.core.tick.collect import NONE
from mat_ros.core.tick.safety import Gate, Reason
from support.chain_world import ACT_DIM, DEADLINE_NS, FATES, PERIOD_NS, Bench, decide_centrally

SPEAKING = ("on time", "duplicated", "reordered", "restart")  # fates of a node whose word reaches the gate in time


class ChainUnderTrouble(RuleBasedStateMachine):
    """Ticks with any mixture of fates, in any order, for any chain of up to eight slots."""

    @initialize(slots=st.integers(2, 8), mode=st.sampled_from(MODES), grows=st.booleans(),
                reach=st.integers(1, 3))
    def build(self, slots, mode, grows, reach):
        self.bench = Bench(slots, mode, grows=grows, reach=reach)
        names = [[f"{slot}/{k}" for k in range(ACT_DIM)] for slot in range(slots)]
        joints = [Joint(name, "position", "rad", -0.3, 0.3, 5.0, 1.0, 0.5, 0.0, 0.0, "hold")
                  for agent in names for name in agent]
        self.slots, self.mode, self.grows = slots, mode, grows
        self.map = ActionMap(joints, names)
        self.gate = Gate(joints, PERIOD_NS, GuardSettings(hold_ticks=2, stop_ticks=6, stop_all=False, blend_s=0.0))
        self.gate.activate(np.zeros(len(joints)))
        self.step, self.tick, self.missed = 5.0 * PERIOD_NS * 1e-9, 0, np.zeros(slots, int)
        self.before = self.after = self.gate.last
        self.applied = self.fates = None

    @rule(data=st.data(), calm=st.booleans())
    def pass_a_tick(self, data, calm):
        some = st.just("on time") if calm else st.sampled_from(FATES)
        self.run([data.draw(some) for _ in range(self.slots)])

    @rule(node=st.integers(0, 7), ticks=st.integers(1, 9))
    def keep_a_node_down(self, node, ticks):
        for _ in range(ticks):
            self.run(["crash" if k == node % self.slots else "on time" for k in range(self.slots)])

    @rule()
    def silence_everybody(self):
        self.run(["lost"] * self.slots)

    def run(self, fates):
        self.actions, self.fates = self.bench.tick(self.tick, fates), fates
        present = self.bench.collector.validity != NONE
        self.missed = np.where(present, 0, self.missed + 1)
        self.before = self.gate.last
        self.applied = self.gate.apply(self.map.to_command(self.actions), present[self.map.slot_of_joint])
        self.after, self.tick = self.gate.last, self.tick + 1

    @invariant()
    @precondition(lambda self: self.applied is not None)
    def every_joint_has_a_command_inside_its_limits_and_its_rate(self):
        assert np.isfinite(self.after).all()
        assert (np.abs(self.after) <= 0.3).all()
        assert (np.abs(self.after - self.before) <= self.step + 1e-12).all()

    @invariant()
    @precondition(lambda self: self.applied is not None)
    def whatever_is_decided_has_the_bits_of_this_tick_and_of_no_other(self):
        right = decide_centrally(self.tick - 1, self.slots, self.grows)
        for slot in np.flatnonzero(self.bench.collector.validity != NONE):
            assert self.actions[slot].tobytes() == right[slot].tobytes()

    @invariant()
    @precondition(lambda self: self.applied is not None)
    def whoever_hears_and_speaks_in_time_is_decided_before_the_deadline(self):
        assert self.bench.last_decision_ns < DEADLINE_NS
        if self.mode == "strict":
            return
        speaking = [k for k, fate in enumerate(self.fates) if fate in SPEAKING]
        present = self.bench.collector.validity != NONE
        assert present[:max(speaking, default=-1) + 1].all()  # also those before the last speaker

    @invariant()
    @precondition(lambda self: self.applied is not None)
    def a_joint_stops_for_good_after_as_many_silent_ticks_as_were_allowed(self):
        stopped = (self.applied.reasons & Reason.STOPPED) != 0
        assert stopped[(self.missed > 6)[self.map.slot_of_joint]].all()


TestChainUnderTrouble = ChainUnderTrouble.TestCase
TestChainUnderTrouble.settings = settings(max_examples=40, stateful_step_count=12, deadline=None)

# Copyright 2026 The mat_ros Authors
# SPDX-License-Identifier: Apache-2.0
"""A joint map and its inverse are the identity on everything that the policy can actuate."""

import numpy as np
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from mat_ros.core.robot.joints import ActionMap, Joint, JointMap

NUMBER = st.floats(-5.0, 5.0)


@settings(max_examples=100, deadline=None)
@given(st.integers(1, 6), st.integers(0, 3), st.data())
def test_to_hardware_and_back_is_the_identity(actuated, coupled, data):
    rng = np.random.default_rng(data.draw(st.integers(0, 2**32 - 1)))
    matrix = rng.normal(size=(actuated + coupled, actuated))
    assume(np.linalg.cond(matrix) < 1e6)
    joints = JointMap(tuple(f"p{k}" for k in range(actuated)), tuple(f"h{k}" for k in range(len(matrix))), matrix,
                      rng.normal(size=len(matrix)))
    q = rng.normal(size=(4, actuated))
    np.testing.assert_allclose(joints.to_policy(joints.to_hardware(q)), q, atol=1e-8)


@settings(max_examples=100, deadline=None)
@given(st.lists(st.integers(1, 4), min_size=1, max_size=5), st.randoms(use_true_random=False))
def test_actions_to_commands_and_back_is_the_identity_inside_the_limits(sizes, random):
    names = [f"j{k}" for k in range(sum(sizes))]
    split, rest = [], list(names)
    random.shuffle(rest)
    for size in sizes:
        split.append(tuple(rest[:size]))
        rest = rest[size:]
    joints = [Joint(n, "position", "rad", -9.0, 9.0, 1.0, 1.0, random.choice([-1, 1]) * random.uniform(0.1, 3.0),
                    random.uniform(-1.0, 1.0), 0.0, "hold") for n in names]
    actions = ActionMap(joints, split)
    asked = np.array([[random.uniform(-1, 1) for _ in range(actions.act_dim)] for _ in sizes]) * actions.mask
    np.testing.assert_allclose(actions.to_actions(actions.to_command(asked)), asked, atol=1e-12)

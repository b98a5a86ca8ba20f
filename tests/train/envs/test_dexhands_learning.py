# Copyright 2026 The mat_ros Authors
# SPDX-License-Identifier: Apache-2.0
"""Two hands learn to move to a door and push, in a minute or two."""

import numpy as np
import pytest

pytest.importorskip("torch", reason="needs the train extra")
pytest.importorskip("mujoco", reason="needs the sim extra")

from training.envs import make
from training.evaluate import run_episodes
from training.loop.trainer import Trainer
from training.run.config import TrainConfig

pytestmark = pytest.mark.train
TASK, LOOKS = "door_open_outward_hand", (45_000, 65_000, 85_000)  # steps


def test_two_hands_learn_to_go_to_the_door_and_push(tmp_path):
    config = TrainConfig(task=TASK, reward="shaped", envs=128, ticks=16, epochs=4, minibatches=4, learning_rate=5e-4,
                         clip=0.2, gamma=0.96, entropy=0.0, seed=1, run=tmp_path)
    trainer = Trainer(config)

    def paid():
        """Return the mean return of the published reward of the policy without noise."""
        return run_episodes(make(TASK, 2), trainer.learner, trainer.normaliser, 0, deterministic=True).returns.mean()

    trainer.collect()  # fill the observation statistics of an untrained policy
    untrained, found = paid(), []
    for steps in LOOKS:  # the return of a policy that learns this fast varies: three looks are fairer than one
        while trainer.steps < steps:
            trainer.iterate()
        found.append(paid())
    assert np.mean(found) > untrained + 80.0

# Copyright 2026 The mat_ros Authors
# SPDX-License-Identifier: Apache-2.0
"""A policy imitates another policy of the same robot, which may divide the joints differently."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

torch = pytest.importorskip("torch", reason="needs the train extra")
pytest.importorskip("mujoco", reason="needs the sim extra")

from mat_ros.core import shipped  # noqa: E402
from mat_ros.core.errors import Refused  # noqa: E402
from mat_ros.core.policy.bundle import Bundle  # noqa: E402
from training.deployed import run_bundle  # noqa: E402
from training.envs import make  # noqa: E402
from training.loop.teacher import Teacher  # noqa: E402
from training.loop.trainer import Trainer  # noqa: E402
from training.run.config import TrainConfig  # noqa: E402

pytestmark = pytest.mark.train
TEACHER = "dexhands_door_mat"  # twelve fingers
STUDENT = TrainConfig(task="door_open_outward_hand", policy="marwkv4", envs=4, ticks=250, epochs=8, minibatches=10,
                      learning_rate=1e-3, log_std=-2.0, imitate=3000, steps=3000, teacher=TEACHER)


def test_a_teacher_of_fingers_opens_the_door_of_an_environment_of_joints():
    environment = make("door_open_outward_joint", 1, reward="shaped")
    teacher = Teacher(TEACHER, environment)
    environment.reset(7)
    info = {}
    while not len(info.get("ended", ())):
        info = environment.step(teacher.shown())[-1]
    own = run_bundle(Bundle.load(shipped.policy_folder(TEACHER)), make("door_open_outward_finger", 1, reward="shaped"),
                     7, deterministic=True, gated=False)
    # One action is rounded to float32 once more where the joints are divided anew.
    assert info["episode_return"][0] == pytest.approx(own.returns[0], rel=1e-3)
    assert info["episode_length"][0] == own.lengths[0]


def test_a_student_of_another_kind_and_split_comes_near_to_its_teacher(tmp_path: Path):
    trainer = Trainer(replace(STUDENT, run=tmp_path))
    missed = [trainer.iterate()["policy_loss"] for _ in range(3)]  # whole episodes
    assert missed[-1] < 0.5 * missed[0]
    assert not np.isnan(trainer.imitation.shown).any()


@pytest.mark.parametrize(("settings", "words"), [
    ({"task": "halfcheetah_6x1"}, "joints of halfcheetah"), ({"task": "matrix_climb"}, "task of a robot"),
    ({"teacher": "nobody"}, "nobody"), ({"imitate": 0}, "add --imitate")])
def test_a_teacher_that_cannot_teach_here_is_refused(settings: dict, words: str, tmp_path: Path):
    with pytest.raises(Refused, match=words):
        Trainer(replace(STUDENT, run=tmp_path, **settings))

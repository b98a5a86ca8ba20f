# Copyright 2026 The mat_ros Authors
# SPDX-License-Identifier: Apache-2.0
"""A policy imitates a task's script and then learns without the script."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

torch = pytest.importorskip("torch", reason="needs the train extra")
pytest.importorskip("mujoco", reason="needs the sim extra")

from mat_ros.core.errors import Refused  # noqa: E402
from training.loop.checkpoint import newest_checkpoint, read_checkpoint  # noqa: E402
from training.loop.trainer import Trainer  # noqa: E402
from training.run.config import TrainConfig  # noqa: E402
from training.train import train  # noqa: E402

pytestmark = pytest.mark.train
SMALL = TrainConfig(task="door_close_outward_hand", reward="shaped", envs=8, ticks=64, epochs=4, minibatches=8,
                    learning_rate=1e-3, gamma=0.98, entropy=0.0, log_std=-2.0, imitate=8 * 64 * 5, steps=8 * 64 * 6)


@pytest.fixture
def trainer(tmp_path: Path) -> Trainer:
    return Trainer(replace(SMALL, run=tmp_path))


def test_what_is_shown_is_learned_and_the_policy_is_alone_after_that(trainer: Trainer) -> None:
    shown = trainer.imitation.shown
    missed = [trainer.iterate()["policy_loss"] for _ in range(5)]
    assert missed[-1] < 0.5 * missed[0]
    kept = shown.copy()
    trainer.iterate()
    assert (shown == kept).all()


def test_half_of_the_copies_follow_the_script_and_half_the_policy(trainer: Trainer) -> None:
    trainer.collect(trainer.imitation)
    aside = np.abs(trainer.rollout.actions - trainer.imitation.shown).mean(axis=(0, 2, 3))  # by copy
    assert (aside[::2] < 0.25).all()  # the nudge has a deviation of at most 0.2
    assert (aside[1::2] > 0.4).all()  # the actions of an untrained policy
    assert not np.isnan(trainer.rollout.actions).any()


def test_the_script_leads_a_copy_that_follows_it_to_the_end(trainer: Trainer) -> None:
    environment = trainer.environment
    environment.reset(0)
    reached = np.zeros(environment.count, bool)
    for _ in range(environment.task.horizon):
        info = environment.step(environment.shown())[-1]
        reached[info["ended"]] |= info.get("reached", False)
    assert reached.all()


@pytest.mark.parametrize("engine", ["torch", "fused"])
def test_a_run_resumed_while_imitating_equals_the_uninterrupted_one_bit_for_bit(tmp_path: Path, engine: str) -> None:
    for name, parts in (("whole", [6]), ("parts", [2, 6])):
        for k, updates in enumerate(parts):
            train(replace(SMALL, run=tmp_path / name, engine=engine, steps=8 * 64 * updates, resume=k > 0))
    one, other = (read_checkpoint(newest_checkpoint(tmp_path / name)) for name in ("whole", "parts"))
    assert one.policy.keys() == other.policy.keys()
    assert all(torch.equal(tensor, other.policy[name]) for name, tensor in one.policy.items())
    assert all(torch.equal(tensor, other.training[name]) for name, tensor in one.training.items())


@pytest.mark.parametrize("settings", [{"task": "halfcheetah_6x1", "reward": "paper"}, {"algorithm": "mappo"},
                                      {"task": "lift_underarm_hand"}],
                         ids=lambda settings: "-".join(settings.values()))
def test_a_task_without_a_script_and_an_algorithm_that_cannot_imitate_are_refused(settings: dict, tmp_path: Path
                                                                                 ) -> None:
    with pytest.raises(Refused, match="script.*leave imitate at 0|script.*train without"):
        Trainer(replace(SMALL, run=tmp_path, **settings)).iterate()

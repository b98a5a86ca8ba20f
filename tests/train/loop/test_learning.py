# Copyright 2026 The mat_ros Authors
# SPDX-License-Identifier: Apache-2.0
"""Every algorithm learns, and the games have the results that the theory predicts."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

torch = pytest.importorskip("torch", reason="needs the train extra")

from training.algos.happo import Happo  # noqa: E402
from training.algos.mappo import Mappo  # noqa: E402
from training.envs.games import BEST, CLIMB, Game  # noqa: E402
from training.loop.trainer import Trainer  # noqa: E402
from training.run.config import TrainConfig  # noqa: E402
from training.run.rollout import Rollout  # noqa: E402

pytestmark = pytest.mark.train
MEAN = 0.03  # mean action at the start of the product game
TEAMS = ("mat", "mappo", "ippo", "happo", "hatrpo", "maa2c", "ia2c")


def game_run(algorithm: str, task: str, updates: int, **settings: object) -> Trainer:
    config = TrainConfig(task=task, algorithm=algorithm, envs=64, ticks=4, epochs=5, minibatches=2, clip=0.2,  # type: ignore[arg-type]
                         learning_rate=3e-3, critic_learning_rate=3e-3, width=32, run=Path("unused"),
                         **settings)  # type: ignore[arg-type]
    trainer = Trainer(config)
    for _ in range(updates):
        trainer.iterate()
    return trainer


def payoff(trainer: Trainer) -> float:
    """Return the reward of the deterministic policy."""
    game = trainer.environment
    actions, _, _ = trainer.learner.act(game.reset(0), torch.Generator(), True)
    return float(game.step(actions)[1].mean())


@pytest.mark.parametrize("algorithm", TEAMS)
def test_every_algorithm_climbs_far_above_chance(algorithm: str) -> None:
    chance = float(CLIMB.mean())
    updates = 150 if algorithm in ("maa2c", "ia2c") else 40
    assert payoff(game_run(algorithm, "matrix_climb", updates)) >= 5.0 > chance


def test_agents_that_know_their_predecessors_choice_find_pairs_that_simultaneous_ones_miss() -> None:
    sequence = [payoff(game_run("mat", "matrix_climb", 40, seed=seed, entropy=0.02)) for seed in (1, 2, 3)]
    apart = [payoff(game_run("ippo", "matrix_climb", 40, seed=seed, entropy=0.02)) for seed in (1, 2, 3)]
    assert np.mean(sequence) > np.mean(apart)
    assert max(sequence) == pytest.approx(BEST["climb"])


@pytest.mark.parametrize("algorithm", ["mat", "mappo", "happo", "hatrpo", "ppo"])
def test_every_algorithm_agrees_on_a_sign_in_the_product_game(algorithm: str) -> None:
    trainer = game_run(algorithm, "matrix_product", 60 if algorithm == "hatrpo" else 30)
    assert payoff(trainer) > 0.6


def product_step(kind: type[Mappo] | type[Happo], seed: int) -> float:
    """Return the change of the expected product after one large update from means of opposite sign.

    With means (x, y), moving one mean gains y dx or x dy. Moving both adds dx dy, which is negative here.
    """
    config = TrainConfig(task="matrix_product", algorithm="mappo" if kind is Mappo else "happo", envs=16000, ticks=1,
                         epochs=20, minibatches=1, clip=0.8, learning_rate=5e-2, entropy=0.0, width=8, seed=seed,
                         gradient_norm=10.0, run=Path("unused"))
    game = Game("product", config.envs)
    learner = kind(config, game.spec)
    for actor, mean in zip(learner.network.actors, (MEAN, -MEAN), strict=True):
        for parameter in actor.parameters():
            parameter.requires_grad_(parameter is actor.mean.layers[-1].bias)  # only the mean may move
        with torch.no_grad():
            actor.mean.layers[-1].weight.zero_()
            actor.mean.layers[-1].bias.fill_(mean)
    obs = game.reset(0)
    actions, log_probs, _ = learner.act(obs, torch.Generator().manual_seed(seed))
    product = actions[:, 0, 0] * actions[:, 1, 0]
    rollout = Rollout.empty(game.spec, 1, config.envs)
    rollout.obs[0], rollout.actions[0], rollout.log_probs[0] = obs, actions, log_probs
    rollout.advantages = np.repeat((product - product.mean())[None, :, None], 2, axis=2).astype(np.float32)
    whole = {name: torch.from_numpy(rollout.flat(name)) for name in ("obs", "actions", "log_probs", "advantages")}
    learner.update_actors(whole, torch.Generator().manual_seed(seed))
    means, _, _ = learner.act(obs[:1], torch.Generator(), True)
    return float(means[0, 0, 0] * means[0, 1, 0]) - MEAN * -MEAN


def test_simultaneous_updates_can_make_the_product_worse_where_sequential_ones_improve_it() -> None:
    together = [product_step(Mappo, seed) for seed in range(3)]
    in_turn = [product_step(Happo, seed) for seed in range(3)]
    assert np.mean(together) < 0.0 < np.mean(in_turn)


@pytest.mark.parametrize("algorithm", ["mat", "mappo", "happo", "hatrpo", "ppo"])
def test_every_algorithm_makes_the_hopper_stand_longer_than_chance(algorithm: str, tmp_path: Path) -> None:
    pytest.importorskip("mujoco", reason="needs the sim extra")
    learning_rate = 5e-4
    config = TrainConfig(task="hopper_3x1", algorithm=algorithm, envs=16, ticks=128, epochs=6, minibatches=8, clip=0.2,  # type: ignore[arg-type]
                         learning_rate=learning_rate, critic_learning_rate=1e-3, run=tmp_path, kl_limit=0.02)
    trainer = Trainer(config)
    trainer.iterate()
    chance = trainer.episodes.summary()["return"]
    for _ in range(7):
        trainer.iterate()
    assert trainer.episodes.summary()["return"] > 5.0 * chance

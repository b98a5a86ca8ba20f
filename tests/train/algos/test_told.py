# Copyright 2026 The mat_ros Authors
# SPDX-License-Identifier: Apache-2.0
"""A chain that is told the truth receives what a broken joint really does, whichever engine decides and learns."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

torch = pytest.importorskip("torch", reason="needs the train extra")

from training.algos import build_learner  # noqa: E402
from training.algos.fused import FusedPpo  # noqa: E402
from training.algos.sequence import SequencePpo  # noqa: E402
from training.envs.protocol import Spec  # noqa: E402
from training.fused.library import compiler  # noqa: E402
from training.run.config import TrainConfig  # noqa: E402
from training.run.rollout import Rollout  # noqa: E402

pytestmark = pytest.mark.train
ENGINES = [pytest.param("torch", id="torch"),
           pytest.param("fused", id="fused",
                        marks=pytest.mark.skipif(compiler() is None, reason="needs a C++ compiler"))]
POLICIES = ("mat", "marwkv4", "hybrid")
BATCH, AGENTS, OBS_DIM, ACT_DIM = 29, 4, 7, 3
NEAR = {"rtol": 0.0, "atol": 5e-5}
both_engines = pytest.mark.parametrize("engine", ENGINES)
every_policy = pytest.mark.parametrize("policy", POLICIES)


def learner_of(engine: str, policy: str = "mat", **settings: object) -> SequencePpo:
    """Return a learner with moved weights for four agents, of which the second has one joint."""
    mask = np.ones((AGENTS, ACT_DIM), bool)
    mask[1, 1:] = False
    seen = np.ones((AGENTS, OBS_DIM), bool)
    spec = Spec("task", "", "", None, ("a", "b", "c", "d"), OBS_DIM, ACT_DIM, seen, seen, mask, 100,
                information="truth")
    config = TrainConfig(policy=policy, engine=engine, run=Path("unused"), **settings)  # type: ignore[arg-type]
    learner = build_learner(config, spec)
    assert type(learner) is {"torch": SequencePpo, "fused": FusedPpo}[engine]
    shake(learner)
    return learner


@torch.no_grad()
def shake(learner: SequencePpo) -> None:
    """Move every weight, since the decisions of a new policy hardly depend on the predecessors' actions."""
    for parameter in learner.policy.parameters():
        parameter.add_(0.1 * torch.randn_like(parameter))


def observations() -> np.ndarray:
    return np.random.default_rng(1).normal(size=(BATCH, AGENTS, OBS_DIM)).astype(np.float32)


def shares() -> np.ndarray:
    """Return a share for each action: joints are off, weak or whole at random."""
    return np.random.default_rng(2).choice([0.0, 0.3, 1.0], (BATCH, AGENTS, ACT_DIM)).astype(np.float32)


@both_engines
@every_policy
def test_a_chain_is_decided_as_a_loop_that_hands_on_action_times_share(engine: str, policy: str) -> None:
    learner, obs, share = learner_of(engine, policy), observations(), shares()
    found, _, values = learner.act(obs, torch.Generator(), deterministic=True, share=share)
    network = learner.policy
    with torch.no_grad():
        enc, expected_values = network.encode_with_values(torch.from_numpy(obs))
        state, heard, actions = network.initial_state(BATCH), torch.zeros(BATCH, ACT_DIM), []
        for slot in range(AGENTS):
            mean, state = network.step(enc[:, slot], heard, state)
            actions.append(mean * network.action_mask[slot])
            heard = actions[-1] * torch.from_numpy(share[:, slot])
    np.testing.assert_allclose(found, torch.stack(actions, 1).numpy(), **NEAR)
    np.testing.assert_allclose(values, expected_values[..., 0].numpy(), **NEAR)


@both_engines
@every_policy
def test_a_slot_hears_what_its_predecessors_do_and_not_what_they_intend(engine: str, policy: str) -> None:
    learner, obs, share = learner_of(engine, policy), observations(), shares()
    actions, log_probs, _ = learner.act(obs, torch.Generator().manual_seed(3), share=share)
    with torch.no_grad():
        of_truth, of_intent = (learner.policy.evaluate(*map(torch.from_numpy, (obs, actions)), told=told)[0].numpy()
                               for told in (torch.from_numpy(actions * share), torch.from_numpy(actions)))
    np.testing.assert_allclose(log_probs, of_truth, **NEAR)
    np.testing.assert_allclose(log_probs[:, 0], of_intent[:, 0], **NEAR)  # the first slot has no predecessor
    assert all(np.abs(log_probs[:, slot] - of_intent[:, slot]).max() > 1e-2 for slot in range(1, AGENTS))


@both_engines
def test_a_broken_joint_changes_what_its_successors_decide_and_nothing_else(engine: str) -> None:
    learner, obs = learner_of(engine), observations()
    share = np.ones((BATCH, AGENTS, ACT_DIM), np.float32)
    whole, broken = [], share.copy()
    broken[:, 1] = 0.0
    for given in (None, share, broken):
        whole.append(learner.act(obs, torch.Generator().manual_seed(3), share=given)[0])
    np.testing.assert_array_equal(whole[1], whole[0])  # the chain of a whole robot is told the intentions, bit for bit
    np.testing.assert_array_equal(whole[2][:, :2], whole[0][:, :2])
    assert np.abs(whole[2][:, 1]).min(axis=0)[0] > 0.0  # the broken joint still decides
    assert (np.abs(whole[2][:, 2:] - whole[0][:, 2:]).max(axis=(0, 2)) > 1e-3).all()


@both_engines
@pytest.mark.parametrize("way", ["update", "imitate"])
def test_what_is_learned_depends_on_what_was_told(engine: str, way: str) -> None:
    rollout, moved = None, []
    for truth in (True, False):
        learner = learner_of(engine, envs=BATCH, ticks=1, minibatches=1, epochs=1, learning_rate=1e-2)
        rollout = rollout or experience(learner)
        rollout.told[:] = rollout.actions * (shares() if truth else 1.0)
        before = learner.policy_tensors()["decoder.embed.weight"].clone()
        more = () if way == "update" else (np.zeros_like(rollout.actions),)  # what is shown
        getattr(learner, way)(rollout, *more, torch.Generator().manual_seed(4))
        moved.append((learner.policy_tensors()["decoder.embed.weight"] - before).numpy())
    assert np.abs(moved[0]).max() > 0.0 and np.abs(moved[0] - moved[1]).max() > 1e-3


def experience(learner: SequencePpo) -> Rollout:
    """Return one tick of every copy with random returns."""
    rollout, rng = Rollout.empty(learner.spec, 1, BATCH), np.random.default_rng(5)
    rollout.obs[0] = observations()
    rollout.actions[0], rollout.log_probs[0], rollout.values[0] = learner.act(
        rollout.obs[0], torch.Generator().manual_seed(3), share=shares())
    rollout.returns, rollout.advantages = rng.normal(size=(2, 1, BATCH, AGENTS)).astype(np.float32)
    return rollout


@both_engines
def test_a_training_collects_intended_actions_and_tells_what_the_joints_do(engine: str, tmp_path: Path) -> None:
    pytest.importorskip("mujoco", reason="needs the sim extra")
    from training.loop.trainer import Trainer

    trainer = Trainer(TrainConfig(envs=2, ticks=5, minibatches=1, epochs=1, engine=engine, run=tmp_path,  # type: ignore[arg-type]
                                  faults="bthigh:off", information="truth"))
    shake(trainer.learner)
    trainer.collect()
    slot = trainer.spec.agents.index("bthigh")
    rollout, others = trainer.rollout, np.arange(trainer.spec.agent_count) != slot
    assert (rollout.actions[:, :, slot] != 0.0).all() and (rollout.told[:, :, slot] == 0.0).all()
    np.testing.assert_array_equal(rollout.told[:, :, others], rollout.actions[:, :, others])
    obs, told, actions = (torch.from_numpy(rollout.flat(name)) for name in ("obs", "told", "actions"))
    with torch.no_grad():
        log_probs, _, _ = trainer.learner.policy.evaluate(obs, actions, told=told)
    np.testing.assert_allclose(rollout.flat("log_probs"), log_probs.numpy(), **NEAR)

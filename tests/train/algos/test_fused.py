# Copyright 2026 The mat_ros Authors
# SPDX-License-Identifier: Apache-2.0
"""The compiled loop computes torch's arithmetic faster."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

torch = pytest.importorskip("torch", reason="needs the train extra")

from training.algos.fused import FusedPpo, can_fuse  # noqa: E402
from training.algos.sequence import LEARNED_FROM, SequencePpo  # noqa: E402
from training.envs.protocol import Spec  # noqa: E402
from training.fused.library import compiler, parameter_names  # noqa: E402
from training.models.policy import build_policy, policy_config  # noqa: E402
from training.run.config import TrainConfig  # noqa: E402
from training.run.normalise import ValueNormaliser  # noqa: E402
from training.run.rollout import Rollout  # noqa: E402

pytestmark = [pytest.mark.train, pytest.mark.skipif(compiler() is None, reason="needs a C++ compiler")]

TICKS, COPIES = 8, 10
APART = (-0.3, -0.01, 0.01, 0.3)  # distances from the new policy; the clip range is 0.05
ADAM_MEMORY = 0.9  # share of the first moment that Adam keeps at each step
SHARES = (0.0, 0.5, 1.0)  # shares of an action that a joint really does: off, weak and whole
INFORMATION = ("intent", "truth")


def spec(agents: int, obs_dim: int, act_dim: int, information: str = "intent") -> Spec:
    mask = np.ones((agents, act_dim), bool)
    if act_dim > 1:
        mask[1, act_dim // 2:] = False  # the second agent has fewer joints
    everything = np.ones((agents, obs_dim), bool)
    names = tuple(map(str, range(agents)))
    return Spec("task", "", "", None, names, obs_dim, act_dim, everything, everything, mask, 100,
                information=information)


def pair(policy: str, agents: int, obs_dim: int, act_dim: int, information: str = "intent", **settings: object
         ) -> tuple[SequencePpo, FusedPpo]:
    """Return torch's learner and the compiled learner with the same weights, moved from their initial values."""
    common = {"policy": policy, "envs": COPIES, "ticks": TICKS, "minibatches": 4, "epochs": 2, "learning_rate": 1e-4}
    config = TrainConfig(**{**common, **settings})  # type: ignore[arg-type]
    torch.manual_seed(0)
    task = spec(agents, obs_dim, act_dim, information)
    slow, fast = SequencePpo(config, task), FusedPpo(config, task)
    with torch.no_grad():
        for parameter in slow.policy.parameters():
            parameter.add_(0.1 * torch.randn_like(parameter))
    fast.load_policy(slow.policy_tensors())
    return slow, fast


def experience(fast: FusedPpo) -> Rollout:
    """Return a rollout with some ratios and values well inside the clip range and others well outside.

    At the edge of the range the gradient jumps, and the last bit of a ratio would decide the side. Where the task tells
    the truth, joints are broken at random.
    """
    rng, of = np.random.default_rng(5), fast.spec
    rollout = Rollout.empty(of, TICKS, COPIES)
    rollout.obs[:] = rng.normal(size=rollout.obs.shape)
    shape = rollout.actions.shape
    share = None
    if of.information == "truth":
        share = np.random.default_rng(6).choice(SHARES, (rollout.samples, *shape[2:])).astype(np.float32)
    actions, log_probs, values = fast.act(rollout.flat("obs"), torch.Generator().manual_seed(1), share=share)
    rollout.actions[:] = actions.reshape(shape)
    rollout.told[:] = (actions if share is None else actions * share).reshape(shape)
    rollout.log_probs[:] = (log_probs + rng.choice(APART, log_probs.shape) * of.act_mask).reshape(shape)
    rollout.values[:-1] = (values + rng.choice(APART, values.shape)).reshape(shape[:3])
    rollout.returns = (3.0 * rng.normal(size=shape[:3])).astype(np.float32)
    rollout.advantages = rng.normal(size=shape[:3]).astype(np.float32)
    return rollout


SIZES = [("mat", 6, 13, 1, {}), ("mat", 3, 20, 5, {"width": 32, "blocks": 2, "heads": 2, "ratio": "agent"}),
         ("mat", 2, 130, 17, {"blocks": 2}), ("marwkv4", 6, 13, 1, {}), ("marwkv4", 3, 20, 5, {"blocks": 2}),
         ("marwkv4", 4, 9, 3, {"bidirectional": True}), ("hybrid", 6, 13, 1, {}), ("mat", 1, 7, 1, {})]


@pytest.mark.parametrize(("policy", "agents", "obs_dim", "act_dim", "settings"), SIZES)
def test_decoding_equals_evaluating_the_same_actions(policy: str, agents: int, obs_dim: int, act_dim: int,
                                                     settings: dict) -> None:
    slow, fast = pair(policy, agents, obs_dim, act_dim, **settings)
    obs = np.random.default_rng(1).normal(size=(29, agents, obs_dim)).astype(np.float32)
    actions, log_probs, values = fast.act(obs, torch.Generator().manual_seed(2))
    expected, _, expected_values = slow.policy.evaluate(torch.from_numpy(obs), torch.from_numpy(actions))
    np.testing.assert_allclose(log_probs, expected.detach().numpy(), atol=5e-5)
    np.testing.assert_allclose(values, expected_values[..., 0].detach().numpy(), atol=1e-5)
    np.testing.assert_array_equal(fast.values(obs), values)


@pytest.mark.parametrize("information", INFORMATION)
@pytest.mark.parametrize(("policy", "agents", "obs_dim", "act_dim", "settings"), SIZES)
def test_hand_written_gradients_equal_autograd(policy: str, agents: int, obs_dim: int, act_dim: int, settings: dict,
                                               information: str, monkeypatch: pytest.MonkeyPatch) -> None:
    unclipped = {**settings, "gradient_norm": 1e9}
    slow, fast = pair(policy, agents, obs_dim, act_dim, information, **unclipped)
    rollout = experience(fast)
    arrays = {name: np.ascontiguousarray(rollout.flat(name)) for name in LEARNED_FROM}
    order = np.random.default_rng(3).permutation(rollout.samples)[:20].astype(np.int64)
    fast.loop.train(arrays, order, minibatches=1, steps=0)
    found = fast.parameters.first / (1.0 - ADAM_MEMORY)  # Adam's first moment, which was zero, holds the gradient
    monkeypatch.setattr(slow.optimiser, "step", lambda: None)
    slow._minibatch({name: torch.from_numpy(block[order]) for name, block in arrays.items()})
    # Where the true gradient is zero (a query among one key), both sides are rounding errors. The tolerance is
    # therefore a share of the whole gradient.
    whole, place = np.linalg.norm(found), 0
    for name, parameter in slow.policy.named_parameters():
        assert parameter.grad is not None
        expected = parameter.grad.flatten().numpy()
        mine = found[place:place + expected.size]
        assert np.linalg.norm(mine - expected) < 1e-4 * np.linalg.norm(expected) + 1e-6 * whole, name
        place += expected.size


# Nothing is clipped, so no gradient jumps. Adam's epsilon is large beside any gradient: a small epsilon divides the
# rounding of gradients that are truly zero (a key's bias) by its own size, and moves both engines by a whole step.
SMOOTH = {"clip": 10.0, "adam_epsilon": 1.0, "learning_rate": 0.02}


@pytest.mark.parametrize("information", INFORMATION)
@pytest.mark.parametrize("policy", ["mat", "marwkv4", "hybrid"])
@pytest.mark.parametrize("threads", [1, 2])
def test_a_whole_update_lands_on_the_same_weights(policy: str, threads: int, information: str) -> None:
    slow, fast = pair(policy, 6, 13, 1, information, threads=threads, **SMOOTH)
    rollout = experience(fast)
    start = {name: tensor.clone() for name, tensor in slow.policy_tensors().items()}
    expected = slow.update(rollout, torch.Generator().manual_seed(4))
    found = fast.update(rollout, torch.Generator().manual_seed(4))
    assert found == pytest.approx(expected, rel=1e-3, abs=1e-5)
    assert_near(fast, slow, start)


def test_both_engines_take_the_numbers_of_the_value_normaliser_from_one_place(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in (("FORGET", 0.9), ("LEAST_WEIGHT", 0.95), ("LEAST_VARIANCE", 30.0)):
        monkeypatch.setattr(ValueNormaliser, name, value)
    slow, fast = pair("mat", 6, 13, 1, **SMOOTH)
    rollout = experience(fast)
    start = {name: tensor.clone() for name, tensor in slow.policy_tensors().items()}
    expected = slow.update(rollout, torch.Generator().manual_seed(4))
    assert fast.update(rollout, torch.Generator().manual_seed(4)) == pytest.approx(expected, rel=1e-3, abs=1e-5)
    torch.testing.assert_close(fast.value_normaliser.moments, slow.value_normaliser.moments)
    assert_near(fast, slow, start)


def assert_near(fast: FusedPpo, slow: SequencePpo, start: dict[str, torch.Tensor]) -> None:
    """Assert that both learners moved in the same way."""
    moved = torch.cat([(tensor - start[name]).flatten() for name, tensor in slow.policy_tensors().items()])
    found = torch.cat([(tensor - start[name]).flatten() for name, tensor in fast.policy_tensors().items()])
    assert (found - moved).norm() < 1e-4 * moved.norm()


def test_either_engine_resumes_what_the_other_saved() -> None:
    slow, fast = pair("mat", 6, 13, 1, **SMOOTH)
    rollout = experience(fast)
    fast.update(rollout, torch.Generator().manual_seed(4))
    slow.load_policy(fast.policy_tensors())
    slow.load_training(fast.training_tensors())
    start = {name: tensor.clone() for name, tensor in slow.policy_tensors().items()}
    for learner in (slow, fast):
        learner.update(rollout, torch.Generator().manual_seed(6))
    assert_near(fast, slow, start)


def test_the_number_of_samples_decoded_together_changes_no_bit() -> None:
    _, fast = pair("mat", 6, 13, 1)
    obs = np.random.default_rng(1).normal(size=(40, 6, 13)).astype(np.float32)
    together = fast.loop.act(obs, None)
    for row in (0, 11, 12, 39):
        for mine, all_rows in zip(fast.loop.act(obs[row:row + 1], None), together, strict=True):
            np.testing.assert_array_equal(mine[0], all_rows[row])


@pytest.mark.parametrize("policy", ["mat", "marwkv4", "hybrid"])
def test_every_parameter_of_a_policy_is_known_to_the_loop(policy: str) -> None:
    built = build_policy(policy_config(policy, 3, 5, 2, blocks=2))
    names = parameter_names(built.config.encoder, built.config.decoder, 2)
    assert sorted(names) == sorted(name for name, _ in built.named_parameters())


def test_what_the_loop_does_not_cover_is_left_to_torch() -> None:
    config = TrainConfig(run=Path("unused"))
    assert can_fuse(config, spec(6, 13, 1))
    assert not can_fuse(replace(config, width=40), spec(6, 13, 1))
    assert not can_fuse(replace(config, policy="marwkv6"), spec(6, 13, 1))
    assert not can_fuse(config, replace(spec(6, 13, 1), discrete=True))

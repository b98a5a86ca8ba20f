# Copyright 2026 The mat_ros Authors
# SPDX-License-Identifier: Apache-2.0
"""Train MAT, MARWKV or the hybrid by the compiled loop: objective, minibatches and steps of `SequencePpo`.

The policy stays an ordinary torch module. Its parameters are views of one flat array, which the loop trains in place.
Checkpoints, exports and evaluation therefore work as with torch.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from training.algos.optimiser import load_optimiser
from training.algos.sequence import LEARNED_FROM, SequencePpo
from training.envs.protocol import Spec
from training.fused.library import CHUNK_TOKENS, LANES, Config, FusedLoop, Parameters, compiler, parameter_names
from training.run.config import TrainConfig
from training.run.normalise import ValueNormaliser
from training.run.rollout import Rollout

Float32 = NDArray[np.float32]
COVERED = ("mat", "marwkv4", "hybrid")


def can_fuse(config: TrainConfig, spec: Spec) -> bool:
    """Return whether the compiled loop covers a configuration."""
    return (config.policy in COVERED and config.algorithm == "mat" and config.device == "cpu" and not spec.discrete
            and config.width % LANES == 0 and (config.width // config.heads) % LANES == 0 and compiler() is not None)


class FusedPpo(SequencePpo):
    """Train a sequence policy by the compiled loop."""

    def __init__(self, config: TrainConfig, spec: Spec) -> None:
        super().__init__(config, spec)
        self.parameters = self._flatten()
        sizes = Config(
            slots=spec.agent_count, obs=spec.obs_dim, act=spec.act_dim, width=config.width, blocks=config.blocks,
            heads=config.heads, threads=config.threads, chunk=max(1, CHUNK_TOKENS // spec.agent_count),
            ratio_of_agent=config.ratio == "agent", encoder_attends=self.policy.config.encoder == "attention",
            decoder_attends=self.policy.config.decoder == "attention", encoder_causal=not config.bidirectional,
            learning_rate=config.learning_rate, epsilon=config.adam_epsilon,
            clip=config.clip, huber=config.huber, entropy=config.entropy, value_weight=config.value_weight,
            gradient_norm=config.gradient_norm, std_scale=self.policy.config.std_scale,
            forget=ValueNormaliser.FORGET, least_weight=ValueNormaliser.LEAST_WEIGHT,
            least_variance=ValueNormaliser.LEAST_VARIANCE)
        self.loop = FusedLoop(sizes, self.parameters, np.ascontiguousarray(spec.act_mask, np.float32),
                              self.value_normaliser.moments.numpy())
        self._steps = 0

    def _flatten(self) -> Parameters:
        named = dict(self.policy.named_parameters())
        size = sum(parameter.numel() for parameter in named.values())
        flat, place, starts = np.zeros((3, size), np.float32), 0, {}
        weights = torch.from_numpy(flat[0])
        for name, parameter in named.items():
            view = weights[place:place + parameter.numel()].view_as(parameter)
            view.copy_(parameter.data)
            parameter.data = view
            starts[name], place = place, place + parameter.numel()
        names = parameter_names(self.policy.config.encoder, self.policy.config.decoder, self.config.blocks)
        if sorted(names) != sorted(named):
            raise RuntimeError(f"expected the parameters {sorted(names)}, got {sorted(named)}; choose --engine torch")
        self._moments = torch.from_numpy(flat[1]), torch.from_numpy(flat[2])
        return Parameters(flat[0], flat[1], flat[2], np.array([starts[name] for name in names], np.int64))

    def act(self, obs: Float32, generator: torch.Generator, deterministic: bool = False,
            share: Float32 | None = None) -> tuple[NDArray[Any], Float32, Float32]:
        """Decide for obs (B, n, obs_dim): actions (B, n, act), log-probabilities (B, n, act), values (B, n)."""
        noise = None
        if not deterministic:
            noise = torch.randn((*obs.shape[:2], self.spec.act_dim), generator=generator).numpy()
        really = None if share is None else np.ascontiguousarray(share, np.float32)
        actions, log_probs, values = self.loop.act(np.ascontiguousarray(obs), noise, really)
        return actions, log_probs, values

    def values(self, obs: Float32) -> Float32:
        """Return the values (B, n) of obs (B, n, obs_dim) in the normalised space."""
        return self.loop.values(np.ascontiguousarray(obs))

    def update(self, rollout: Rollout, generator: torch.Generator) -> dict[str, float]:
        """Learn from a rollout and return scores for the log."""
        arrays = {name: np.ascontiguousarray(rollout.flat(name)) for name in LEARNED_FROM}
        totals, passes = np.zeros(5), 0
        for _ in range(self.config.epochs):
            order = torch.randperm(rollout.samples, generator=generator).numpy()
            self._steps, scores = self.loop.train(arrays, order, self.config.minibatches, self._steps)
            totals, passes = totals + scores, passes + self.config.minibatches
            if self.config.target_kl and totals[4] / passes > self.config.target_kl:
                break
        names = ("policy_loss", "value_loss", "entropy", "clip_fraction", "kl")
        return dict(zip(names, (totals / passes).tolist(), strict=True))

    def imitate(self, rollout: Rollout, shown: Float32, generator: torch.Generator) -> dict[str, float]:
        """Learn a script's actions by torch, which steps the same arrays. Adam's state moves to torch and back."""
        load_optimiser("adam", self.optimiser, self.policy, self.training_tensors())
        scores = super().imitate(rollout, shown, generator)
        self.load_training(super().training_tensors())
        return scores

    def training_tensors(self) -> dict[str, Tensor]:
        """Return Adam's state under the names of torch's optimiser, so that a run can resume with the other engine."""
        found = {"value_moments": self.value_normaliser.moments}
        place = 0
        for name, parameter in self.policy.named_parameters():
            end = place + parameter.numel()
            if self._steps:
                found[f"adam.{name}.step"] = torch.tensor(float(self._steps))
                for key, moment in zip(("exp_avg", "exp_avg_sq"), self._moments, strict=True):
                    found[f"adam.{name}.{key}"] = moment[place:end].view_as(parameter)
            place = end
        return found

    def load_training(self, tensors: dict[str, Tensor]) -> None:
        """Load Adam's state and the value normaliser of a checkpoint."""
        self.value_normaliser.moments.copy_(tensors["value_moments"])
        place = 0
        for name, parameter in self.policy.named_parameters():
            end = place + parameter.numel()
            if f"adam.{name}.step" in tensors:
                self._steps = int(tensors[f"adam.{name}.step"])
                for key, moment in zip(("exp_avg", "exp_avg_sq"), self._moments, strict=True):
                    moment[place:end].view_as(parameter).copy_(tensors[f"adam.{name}.{key}"])
            place = end

# Copyright 2026 The mat_ros Authors
# SPDX-License-Identifier: Apache-2.0
"""Train separate actors and a critic: the parts that MAPPO, HAPPO, HATRPO and their relatives share."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from training.algos.generator import generator_on
from training.algos.losses import clipped_value_loss
from training.algos.networks import Actor, Perceptron
from training.algos.optimiser import load_optimiser, optimiser_tensors
from training.envs.protocol import Spec
from training.run.config import TrainConfig
from training.run.distributed import ALONE, Team
from training.run.normalise import ValueNormaliser
from training.run.rollout import Rollout

Float32 = NDArray[np.float32]
NAMES = ("obs", "actions", "log_probs", "values", "returns", "advantages")


class ActorCritic(nn.Module):
    """Hold the weights: one actor per team member, and a critic of the joint observation or of each agent's own."""

    def __init__(self, config: TrainConfig, spec: Spec, *, one_actor: bool, own_critic: bool) -> None:
        super().__init__()
        n, self.one_actor, self.own_critic = spec.agent_count, one_actor, own_critic
        mask = torch.from_numpy(spec.act_mask.copy())
        if spec.discrete:
            mask = torch.ones_like(mask)
        if one_actor:
            members = [Actor(n * spec.obs_dim, n * spec.act_dim, config.width, spec.discrete, config.log_std,
                             mask.flatten())]
        else:
            members = [Actor(spec.obs_dim, spec.act_dim, config.width, spec.discrete, config.log_std, mask[i])
                       for i in range(n)]
        self.actors = nn.ModuleList(members)
        seen = spec.obs_dim if own_critic else n * spec.obs_dim
        self.critic = Perceptron(seen, 1, config.width, 1.0)

    def value(self, obs: Tensor) -> Tensor:  # (B, n, obs_dim) -> (B, n)
        if self.own_critic:
            found: Tensor = self.critic(obs)[..., 0]
            return found
        joint: Tensor = self.critic(obs.flatten(1))
        return joint.expand(-1, obs.shape[1])

    def views(self, block: Tensor) -> Iterator[tuple[Actor, Tensor]]:
        """Yield each actor with its part of a block (B, n, dim)."""
        for i, actor in enumerate(self.actors):
            assert isinstance(actor, Actor)
            yield actor, (block.flatten(1) if self.one_actor else block[:, i])


class SeparateLearner(ABC):
    """Train separate actors and a critic. A subclass defines how the actors learn."""

    one_actor = False  # True where one network decides for all agents
    own_critic = False  # True where the critic observes one agent's row and not all rows

    def __init__(self, config: TrainConfig, spec: Spec, team: Team = ALONE) -> None:
        if self.one_actor and spec.discrete:
            raise ValueError("expected continuous actions for single-agent PPO, got choices; use mappo")
        self.config, self.spec, self.team = config, spec, team
        self.device = torch.device(config.device)
        self.network = ActorCritic(config, spec, one_actor=self.one_actor, own_critic=self.own_critic).to(self.device)
        self.value_normaliser = ValueNormaliser()
        self.optimisers = {
            "actors": torch.optim.Adam(self.network.actors.parameters(), config.learning_rate, eps=config.adam_epsilon),
            "critic": torch.optim.Adam(self.network.critic.parameters(), config.critic_learning_rate,
                                       eps=config.adam_epsilon)}

    @torch.no_grad()
    def act(self, obs: Float32, generator: torch.Generator, deterministic: bool = False,
            share: Float32 | None = None) -> tuple[NDArray[Any], Float32, Float32]:
        """Decide for obs (B, n, obs_dim): actions (B, n, act), log-probabilities (B, n, act), values (B, n)."""
        seen = self._tensor(obs)
        chance = None if deterministic else generator_on(self.device, generator)
        decided = [actor.decide(view, chance, self.team) for actor, view in self.network.views(seen)]
        shape = (len(obs), self.spec.agent_count, -1)
        actions, log_probs = (torch.stack(part, 1).reshape(shape).cpu().numpy() for part in zip(*decided, strict=True))
        return actions, log_probs, self.network.value(seen).cpu().numpy()

    @torch.no_grad()
    def values(self, obs: Float32) -> Float32:
        """Return the values (B, n) of obs (B, n, obs_dim) in the normalised space."""
        found: Float32 = self.network.value(self._tensor(obs)).cpu().numpy()
        return found

    def update(self, rollout: Rollout, generator: torch.Generator) -> dict[str, float]:
        """Learn from a rollout and return scores for the log."""
        whole = {name: self._tensor(rollout.flat(name)) for name in NAMES}
        scores = self.update_actors(whole, generator)
        return {**scores, "value_loss": self._update_critic(whole, generator)}

    @abstractmethod
    def update_actors(self, whole: dict[str, Tensor], generator: torch.Generator) -> dict[str, float]:
        """Improve the actors from the whole rollout, each block (sample, agent, ...), and return scores."""

    @property
    def epochs(self) -> int:
        """Return the number of passes over the rollout."""
        return self.config.epochs

    @property
    def minibatches(self) -> int:
        """Return the number of minibatches in a pass."""
        return self.config.minibatches

    def parts(self, samples: int, generator: torch.Generator) -> Iterator[Tensor]:
        """Yield the rows of each minibatch of each pass."""
        for _ in range(self.epochs):
            yield from torch.randperm(samples, generator=generator).split(samples // self.minibatches)  # type: ignore[no-untyped-call]

    def _update_critic(self, whole: dict[str, Tensor], generator: torch.Generator) -> float:
        total, count = 0.0, 0
        for rows in self.parts(len(whole["obs"]), generator):
            returns = whole["returns"][rows]
            self.value_normaliser.update(returns)
            rows = self.team.own(rows)
            targets = self.value_normaliser.normalise(whole["returns"][rows])
            values = self.network.value(whole["obs"][rows])
            loss = clipped_value_loss(values, whole["values"][rows], targets, self.value_clip, self.config.huber).mean()
            self.descend("critic", loss * self.config.value_weight)
            total, count = total + float(loss.detach()), count + 1
        return float(self.team.mean(torch.tensor(total / count)))

    @property
    def value_clip(self) -> float:
        """Return the distance that a value may move before its gradient stops."""
        return self.config.clip

    def descend(self, part: str, loss: Tensor) -> None:
        """Take one optimiser step of the actors or of the critic."""
        optimiser = self.optimisers[part]
        optimiser.zero_grad(set_to_none=True)
        loss.backward()  # type: ignore[no-untyped-call]
        parameters = [p for group in optimiser.param_groups for p in group["params"]]
        self.team.average_gradients(parameters)
        torch.nn.utils.clip_grad_norm_(parameters, self.config.gradient_norm)
        optimiser.step()

    def _tensor(self, array: NDArray[Any]) -> Tensor:
        return torch.from_numpy(np.ascontiguousarray(array)).to(self.device)

    def policy_tensors(self) -> dict[str, Tensor]:
        """Return the weights of actors and critic by name."""
        return {name: tensor.detach() for name, tensor in self.network.state_dict().items()}

    def load_policy(self, tensors: dict[str, Tensor]) -> None:
        """Load weights by name."""
        self.network.load_state_dict(tensors)

    def training_tensors(self) -> dict[str, Tensor]:
        """Return the tensors that learning needs beside the weights, by name: optimisers and value normaliser."""
        found = {"value_moments": self.value_normaliser.moments}
        for label, optimiser in self.optimisers.items():
            found |= optimiser_tensors(label, optimiser, self.network)
        return found

    def load_training(self, tensors: dict[str, Tensor]) -> None:
        """Load the optimisers and the value normaliser of a checkpoint."""
        self.value_normaliser.moments.copy_(tensors["value_moments"])
        for label, optimiser in self.optimisers.items():
            load_optimiser(label, optimiser, self.network, tensors)

# Copyright 2026 The mat_ros Authors
# SPDX-License-Identifier: Apache-2.0
"""Train HalfCheetah 6x1 in the structure of the first public code: the yardstick of the benchmark.

Each environment has a process and a pipe. Python builds the observations agent by agent. The whole decoder runs once
per slot. An update reads numpy minibatches, computes unfused layers and fetches three numbers of every step. The
arithmetic is that of the fast path: the same hyperparameters and the same number of optimiser steps on minibatches of
one size.
"""

from __future__ import annotations

import multiprocessing
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from training.algos.losses import clipped_value_loss
from training.bench.plain_environment import AGENTS, OBS, serve
from training.models.policy import Policy, build_policy, policy_config
from training.models.reference import PlainMat
from training.run.config import TrainConfig
from training.run.normalise import ValueNormaliser
from training.run.rollout import generalised_advantages, standardise


class PlainEnvironments:
    """Step environments that each have a process of their own."""

    def __init__(self, count: int) -> None:
        context = multiprocessing.get_context("forkserver")
        context.set_forkserver_preload(["training.bench.plain_environment"])
        self.pipes, self.processes = [], []
        for k in range(count):
            here, there = context.Pipe()
            process = context.Process(target=serve, args=(there, k), daemon=True)
            process.start()
            self.pipes.append(here)
            self.processes.append(process)

    def reset(self) -> NDArray[np.float64]:
        """Start all environments anew and return observations (env, agent, obs)."""
        for pipe in self.pipes:
            pipe.send("reset")
        return np.stack([pipe.recv() for pipe in self.pipes])

    def step(self, actions: NDArray[np.float32]) -> tuple[NDArray[Any], NDArray[Any], NDArray[Any]]:
        """Step all environments; return obs (env, agent, obs), rewards (env, agent, 1), done (env, agent)."""
        for pipe, action in zip(self.pipes, actions, strict=True):
            pipe.send(action)
        obs, rewards, done, _ = zip(*(pipe.recv() for pipe in self.pipes), strict=True)
        return np.stack(obs), np.stack(rewards), np.stack(done)

    def close(self) -> None:
        """End the processes."""
        for pipe in self.pipes:
            pipe.send(None)
        for process in self.processes:
            process.join()


class PlainRwkv(nn.Module):
    """Decode a recurrent policy by running the whole sequence once per slot."""

    def __init__(self, policy: Policy) -> None:
        super().__init__()
        self.policy = policy

    @torch.no_grad()
    def act(self, obs: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Return actions, log-probabilities and values. Run the whole decoder once for every slot."""
        policy = self.policy
        enc, values = policy.encode_with_values(obs)
        actions = torch.zeros(len(obs), AGENTS, 1)
        log_probs = torch.zeros_like(actions)
        for slot in range(AGENTS):
            previous = torch.cat([torch.zeros(len(obs), 1, 1), actions[:, :-1]], 1)
            chance = torch.distributions.Normal(policy.decoder.parallel(enc, previous)[:, slot], self._std())
            actions[:, slot] = chance.sample()
            log_probs[:, slot] = chance.log_prob(actions[:, slot])
        return actions, log_probs, values

    def _std(self) -> Tensor:
        return torch.sigmoid(self.policy.actions.log_std) * self.policy.config.std_scale

    def evaluate(self, obs: Tensor, actions: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Return log-probabilities, entropy and values of known actions."""
        return self.policy.evaluate(obs, actions)


class PlainTrainer:
    """Collect and update in plain code."""

    def __init__(self, policy: str, seed: int = 1) -> None:
        torch.manual_seed(seed)
        self.config = TrainConfig()
        built = build_policy(policy_config(policy, AGENTS, OBS, 1))
        self.network: PlainMat | PlainRwkv = PlainMat(built) if policy == "mat" else PlainRwkv(built)
        self.optimiser = torch.optim.Adam(self.network.parameters(), self.config.learning_rate, eps=1e-5, foreach=False)
        self.values = ValueNormaliser()
        self.environments = PlainEnvironments(self.config.envs)
        self.obs = self.environments.reset()
        self.returns: list[float] = []
        self._running = np.zeros(self.config.envs)

    def iterate(self) -> None:
        """Collect a rollout and learn from it."""
        config, shape = self.config, (self.config.ticks, self.config.envs, AGENTS)
        obs, actions = np.zeros((*shape, OBS), np.float32), np.zeros((*shape, 1), np.float32)
        old, values = np.zeros((*shape, 1), np.float32), np.zeros((config.ticks + 1, *shape[1:]), np.float32)
        rewards, ended = np.zeros(shape, np.float32), np.zeros(shape[:2], bool)
        for t in range(config.ticks):
            obs[t] = self.obs
            found = self.network.act(torch.from_numpy(obs[t]))
            actions[t], old[t], values[t] = found[0].numpy(), found[1].numpy(), found[2][..., 0].numpy()
            self.obs, reward, done = self.environments.step(actions[t])
            rewards[t], ended[t] = reward[..., 0], done[:, 0]
            self._running += reward[:, 0, 0]
            self.returns += self._running[ended[t]].tolist()
            self._running[ended[t]] = 0.0
        values[-1] = self.network.act(torch.from_numpy(self.obs.astype(np.float32)))[2][..., 0].numpy()
        back = self.values.denormalise(values)
        advantages = generalised_advantages(rewards, back, ended, config.gamma, config.lam)
        flat = {"obs": obs, "actions": actions, "old": old, "values": values[:-1], "returns": advantages + back[:-1],
                "advantages": standardise(advantages)}
        self._update({name: block.reshape(-1, *block.shape[2:]) for name, block in flat.items()})

    def _update(self, flat: dict[str, NDArray[np.float32]]) -> None:
        config, size = self.config, self.config.samples // self.config.minibatches
        for _ in range(config.epochs):
            for rows in np.random.permutation(config.samples).reshape(config.minibatches, size):  # noqa: NPY002
                part = {name: torch.from_numpy(block[rows]) for name, block in flat.items()}
                log_probs, entropy, values = self.network.evaluate(part["obs"], part["actions"])
                ratio = torch.exp(log_probs - part["old"])
                gain = part["advantages"].unsqueeze(-1)
                clipped = torch.clamp(ratio, 1.0 - config.clip, 1.0 + config.clip) * gain
                policy_loss = -torch.sum(torch.min(ratio * gain, clipped), dim=-1).mean()
                self.values.update(part["returns"])
                value_loss = clipped_value_loss(values[..., 0], part["values"], self.values.normalise(part["returns"]),
                                                config.clip, config.huber).mean()
                loss = policy_loss - config.entropy * entropy.mean() + value_loss
                self.optimiser.zero_grad()
                loss.backward()
                nn.utils.clip_grad_norm_(self.network.parameters(), config.gradient_norm)
                self.optimiser.step()
                _ = value_loss.item(), policy_loss.item(), entropy.mean().item()

    def close(self) -> None:
        """End the environments."""
        self.environments.close()

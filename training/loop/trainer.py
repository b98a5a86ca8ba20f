# Copyright 2026 The mat_ros Authors
# SPDX-License-Identifier: Apache-2.0
"""Run the loop that all algorithms share: collect, value, update, log, save.

The random numbers of an update are drawn from (seed, update) and not from one long stream. A resumed run therefore
continues bit for bit, without a generator in the checkpoint.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from mat_ros.core import randomness
from mat_ros.core.errors import Refused
from training.algos import build_learner
from training.envs import make
from training.envs.protocol import RESULTS, Environment
from training.loop.checkpoint import Checkpoint, write_checkpoint
from training.loop.imitation import Imitation
from training.loop.metrics import MEANS, MetricLog, RecentEpisodes
from training.loop.provenance import manifest_of
from training.run.config import TrainConfig
from training.run.distributed import ALONE, Team
from training.run.normalise import ObservationNormaliser
from training.run.rollout import Rollout, generalised_advantages, standardise

# Settings that a resumed run may change: its length, its place and speed, and the learning rates, which people lower.
FREE = ("run", "resume", "steps", "start_from", "checkpoint_minutes", "keep", "threads", "physics_threads", "engine",
        "device", "learning_rate", "critic_learning_rate")
SEED_MASK = 2**63 - 1  # torch generators take 63 bits


class Diverged(RuntimeError):
    """Report a number that is not finite, and the file with the last batch."""


class Trainer:
    """Run one training."""

    def __init__(self, config: TrainConfig, environment: Environment | None = None, team: Team = ALONE) -> None:
        config.check()
        self.config, self.team = config, team
        copies = team.copies(config)
        options = environment_options(config) | ({"first": team.rank * copies} if team.size > 1 else {})
        self.environment = environment or make(config.task, copies, **options)
        spec = self.environment.spec
        self.spec = spec
        mask = spec.normalise_mask if config.normalise else np.zeros_like(spec.normalise_mask)
        self.normaliser = ObservationNormaliser(mask)
        self.learner = build_learner(config, spec, team)
        self.imitation = (Imitation(self.environment, self.learner, config.ticks, config.teacher)
                          if config.imitate else None)
        self.episodes = RecentEpisodes()
        self.steps = self.updates = 0
        self.rollout = Rollout.empty(spec, config.ticks, copies)
        self._finished = np.full((len(RESULTS), config.ticks, copies), np.nan)  # of ended episodes
        self.obs = self.environment.reset(config.seed)  # (env, agent, obs_dim), not normalised

    def generator(self, purpose: str) -> torch.Generator:
        """Return a generator for one purpose in this update."""
        key = randomness.stream(self.config.seed, f"{purpose}/{self.updates}")
        return torch.Generator().manual_seed(key & SEED_MASK)

    def collect(self, imitation: Imitation | None = None) -> None:
        """Fill the rollout with one block of ticks."""
        rollout, learner, gamma = self.rollout, self.learner, self.config.gamma
        self._finished[:] = np.nan
        noise = self.generator("noise")
        for t in range(self.config.ticks):
            self.normaliser.update(self.team.gather(self.obs, axis=0))
            seen = self.normaliser.apply(self.obs)
            share = self.environment.share() if self.spec.information == "truth" else None
            actions, log_probs, values = learner.act(seen, noise, share=share)
            if imitation is not None:
                actions = imitation.act(t, actions, noise)
            rollout.told[t] = actions if share is None else actions * share
            self.obs, reward, terminated, truncated, info = self.environment.step(actions)
            rollout.obs[t], rollout.actions[t], rollout.log_probs[t] = seen, actions, log_probs
            rollout.values[t], rollout.rewards[t] = values, reward[:, None]
            rollout.ended[t] = terminated | truncated
            if truncated.any():
                rollout.rewards[t] += gamma * self._cut_off(truncated, info)
            self._note(t, info)
        rollout.values[-1] = learner.values(self.normaliser.apply(self.obs))
        self.steps += rollout.samples * self.team.size
        self.episodes.take(self.team.gather(self._finished, axis=2))

    def _note(self, t: int, info: Mapping[str, Any]) -> None:
        for k, name in enumerate(RESULTS):
            if name in info:
                self._finished[k, t, info["ended"]] = info[name]

    def _cut_off(self, truncated: NDArray[np.bool_], info: Mapping[str, Any]) -> NDArray[np.float32]:
        """Return the values (env, agent) of the states in which episodes were truncated, and zero elsewhere.

        A time limit is not part of the task, so the return includes the value of the state after it.
        """
        ahead = np.zeros(self.rollout.rewards.shape[1:], np.float32)
        cut = truncated[info["ended"]]
        final = self.normaliser.apply(info["final_obs"][cut])
        values = self.learner.values(final)
        ahead[info["ended"][cut]] = self.learner.value_normaliser.denormalise(values)
        return ahead

    def estimate(self) -> None:
        """Compute returns and advantages of the rollout."""
        rollout = self.whole = self.rollout.joined(self.team)
        values = self.learner.value_normaliser.denormalise(rollout.values)
        raw = generalised_advantages(rollout.rewards, values, rollout.ended, self.config.gamma, self.config.lam)
        rollout.returns = raw + values[:-1]
        rollout.advantages = standardise(raw)

    def iterate(self) -> dict[str, float]:
        """Collect a rollout, learn from it, and return the metrics."""
        began = time.monotonic()
        imitation = self.imitation if self.steps < self.config.imitate else None
        self.collect(imitation)
        self.estimate()
        collected = time.monotonic()
        order = self.generator("order")
        metrics = imitation.learn(self.whole, order) if imitation else self.learner.update(self.whole, order)
        self.updates += 1
        metrics = {**self.episodes.summary(), **metrics, "explained_variance": self._explained_variance(),
                   "collect_s": round(collected - began, 4), "update_s": round(time.monotonic() - collected, 4)}
        self._check(metrics)
        return metrics

    def _explained_variance(self) -> float:
        returns = self.whole.returns
        values = self.learner.value_normaliser.denormalise(self.whole.values[:-1])
        spread = float(returns.var())
        return 1.0 - float((returns - values).var()) / spread if spread > 0.0 else 0.0

    def _check(self, metrics: Mapping[str, float]) -> None:
        """Stop at the first number that is not finite, and save the last batch."""
        bad = [name for name, value in metrics.items()
               if name not in MEANS and not math.isfinite(value)]
        if bad:
            self.config.run.mkdir(parents=True, exist_ok=True)
            dump = self.config.run / f"diverged_{self.steps}.npz"
            np.savez_compressed(dump, **{name: getattr(self.whole, name) for name in
                                         ("obs", "actions", "log_probs", "values", "rewards", "returns", "advantages")})
            raise Diverged(f"{bad[0]} at step {self.steps}: expected a finite number, got {metrics[bad[0]]}; "
                           f"lower the learning rate, or examine the last batch in {dump}")

    def train(self, log: MetricLog | None, stop: Callable[[], bool] = lambda: False) -> None:
        """Iterate until the steps are done or `stop` returns True. Save every few minutes and at the end.

        A stop waits for the end of the present update, because a run resumes bit for bit only between updates.
        """
        saved = time.monotonic()
        while self.steps < self.config.steps and not self._agree(stop()):
            metrics = self.iterate()
            if log is not None:
                log.write(self.steps, metrics)
            if self._agree(time.monotonic() - saved > 60.0 * self.config.checkpoint_minutes):
                self.save()
                saved = time.monotonic()
        self.save()

    def _agree(self, wish: bool) -> bool:
        """Return the wish of the leading rank, so that all ranks do the same."""
        return bool(self.team.gather(np.array([wish]), axis=0)[0])

    def save(self) -> Path | None:
        """Write a checkpoint of this moment. Ranks that do not lead only send the snapshots of their environments."""
        environment = self._environments()
        if not self.team.leads:
            return None
        training = {f"learner/{k}": v for k, v in self.learner.training_tensors().items()}
        for prefix, arrays in (("environment", environment),
                               ("normaliser", self.normaliser.snapshot()),
                               ("episodes", self.episodes.snapshot())):
            training |= {f"{prefix}/{name}": torch.from_numpy(np.array(array)) for name, array in arrays.items()}
        manifest = manifest_of(self.config, self.spec, self.normaliser, self.learner, self.steps, self.updates,
                               self.episodes.summary())
        return write_checkpoint(self.config.run, self.steps,
                                Checkpoint(manifest, self.learner.policy_tensors(), training), self.config.keep)

    def _environments(self) -> dict[str, NDArray[Any]]:
        """Return the snapshots of all ranks' environments, and the observations for their next decisions."""
        mine = {**self.environment.snapshot(), "last_obs": self.obs}
        return {name: self.team.gather(np.asarray(array)[None], axis=0) for name, array in mine.items()}

    def restore(self, checkpoint: Checkpoint) -> None:
        """Continue from a checkpoint, bit for bit."""
        if checkpoint.manifest["task"] != self.spec.task or checkpoint.manifest["algorithm"] != self.config.algorithm:
            raise Refused("checkpoint", f"{self.config.algorithm} on {self.spec.task}",
                          f"{checkpoint.manifest['algorithm']} on {checkpoint.manifest['task']}",
                          "resume it with its own settings")
        then, now = TrainConfig.from_dict(checkpoint.manifest["config"]).to_dict(), self.config.to_dict()
        if changed := [name for name in now if name not in FREE and then[name] != now[name]]:
            raise Refused("checkpoint", ", ".join(f"{name} {then[name]}" for name in changed),
                          ", ".join(f"{name} {now[name]}" for name in changed),
                          "resume it with the preset and the settings that it was begun with")
        self.learner.load_policy(checkpoint.policy)
        self.learner.load_training(checkpoint.part("learner"))
        kept = _arrays(checkpoint, "environment")
        if len(kept["last_obs"]) != self.team.size:
            raise Refused("checkpoint", f"{len(kept['last_obs'])} processes, as when it was written", self.team.size,
                          "resume with the same number of processes")
        mine = {name: array[self.team.rank] for name, array in kept.items()}
        self.obs = mine.pop("last_obs")
        self.environment.restore(mine)
        self.normaliser.restore(_arrays(checkpoint, "normaliser"))
        self.episodes.restore(_arrays(checkpoint, "episodes"))
        self.steps, self.updates = int(checkpoint.manifest["steps"]), int(checkpoint.manifest["updates"])

    def begin_from(self, checkpoint: Checkpoint) -> None:
        """Load the weights and the observation statistics of another run, and nothing else."""
        self.learner.load_policy(checkpoint.policy)
        self.normaliser.restore(_arrays(checkpoint, "normaliser"))


def environment_options(config: TrainConfig) -> dict[str, Any]:
    """Return the options that differ from their defaults, so that a family of tasks needs only its own options."""
    names = ("hops", "legacy", "observation", "reward", "randomisation", "faults", "information", "fault_flag",
             "curriculum")
    defaults = TrainConfig()
    options = {name: getattr(config, name) for name in names if getattr(config, name) != getattr(defaults, name)}
    return options if config.physics_threads == 1 else options | {"threads": config.physics_threads}


def _arrays(checkpoint: Checkpoint, prefix: str) -> dict[str, NDArray[Any]]:
    return {name: tensor.numpy() for name, tensor in checkpoint.part(prefix).items()}

# Copyright 2026 The mat_ros Authors
# SPDX-License-Identifier: Apache-2.0
"""Train the arm to reach a target and pack the policy: `python train_arm.py runs/arm policies/arm`."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import numpy as np
import torch
from arm import JOINTS, SPEED_RAD, TERMS, fingertip, turn
from numpy.typing import NDArray

from mat_ros.core import randomness
from mat_ros.core.policy.bundle import Bundle
from mat_ros.core.policy.manifest import Normaliser, Training
from mat_ros.core.robot.description import RobotDescription
from mat_ros.core.robot.observe import Layout, Observer, Part, View
from training.envs.protocol import Spec
from training.exporting.bundle import Origin, export_policy
from training.loop.metrics import MetricLog
from training.loop.provenance import command, commit, packages
from training.loop.trainer import Trainer
from training.run.config import TrainConfig

HORIZON = 60  # ticks
ROBOT = RobotDescription.load(Path(__file__).parent / "arm.yaml")
if (named := tuple(joint.name for joint in ROBOT.joints)) != JOINTS:
    sys.exit(f"joints of {ROBOT.name}: expected {JOINTS}, as the adapter has them, got {named}; rename or sort them")
AGENTS = ROBOT.agents("joint")
LAYOUT = Layout(TERMS, tuple(View(agent.name, (Part("joint_position"), Part("target"))) for agent in AGENTS),
                agent_id=True)
NEAR_M, FAR_M = 0.45, 0.8  # smallest and largest distance of a target from the shoulder
SWING_RAD = 0.9  # largest angle of a target to either side
MIDDLE_RAD = np.array([(joint.lower + joint.upper) / 2 for joint in ROBOT.joints])
START_RAD = 1.0  # largest distance of each joint's start from its middle
HASTE = 0.3  # m per rad^2 of the angle requested in a tick; without this term the joints would shake at the target
STILL_RAD = 0.003  # per tick, mean over the joints: a robot that moves more visibly shakes and makes noise
PER_TICK = np.array([joint.rate for joint in ROBOT.joints]) * ROBOT.period_ns * 1e-9  # the gate's largest change

if narrow := [joint.name for joint in ROBOT.joints if (joint.upper - joint.lower) / 2 < START_RAD]:
    sys.exit(f"START_RAD: expected starts inside all limits, got {START_RAD} rad beyond those of {narrow}; lower it")
if np.any(SPEED_RAD > PER_TICK * 1.001):
    sys.exit(f"SPEED_RAD: expected at most rate / rate_hz of the YAML, {PER_TICK}, got {SPEED_RAD}; correct either")


class Reach:
    """Step many arms, each with a target. The reward of a tick is minus the distance in m, less a term for haste."""

    def __init__(self, count: int) -> None:
        self.count = count
        self._observer, self._map = Observer(LAYOUT), ROBOT.action_map("joint")
        measured = self._observer.measured
        ones = np.ones_like(measured)
        self.spec = Spec(
            task="reach_joint", robot=ROBOT.name, split="joint", layout=LAYOUT, agents=tuple(a.name for a in AGENTS),
            obs_dim=measured.shape[1], act_dim=self._map.act_dim, obs_mask=ones, normalise_mask=measured,
            act_mask=self._map.mask, horizon=HORIZON)
        self._angles, self._target = np.zeros((count, len(JOINTS))), np.zeros((count, 2))
        self._ticks, self._return = np.zeros(count, np.int64), np.zeros(count)
        self._seed, self._episode = 0, np.zeros(count, np.int64)

    def reset(self, seed: int) -> NDArray[np.float32]:
        """Start all copies anew and return observations (env, agent, obs_dim)."""
        self._seed, self._episode[:] = seed, 0
        self._begin(np.arange(self.count))
        return self._observe()

    def step(self, actions: NDArray[Any]) -> tuple[Any, ...]:
        """Turn the arms by one tick; return observations, rewards, terminations, truncations and the info."""
        command = self._map.to_command(actions)
        haste = np.square(command - self._angles).sum(axis=-1)
        self._angles = turn(self._angles, command)
        reward = -np.linalg.norm(fingertip(self._angles) - self._target, axis=-1) - HASTE * haste
        self._return += reward
        self._ticks += 1
        truncated = self._ticks >= HORIZON
        rows = np.flatnonzero(truncated)
        obs, info = self._observe(), {"ended": rows}
        if rows.size:
            info |= {"final_obs": obs[rows].copy(), "episode_return": self._return[rows].copy(),
                     "episode_length": self._ticks[rows].copy()}
            self._begin(rows)
            obs = self._observe()
        return obs, reward.astype(np.float32), np.zeros_like(truncated), truncated, info

    def snapshot(self) -> dict[str, NDArray[Any]]:
        """Return everything that the future of the copies depends on."""
        return {"angles": self._angles.copy(), "target": self._target.copy(), "ticks": self._ticks.copy(),
                "returns": self._return.copy(), "episode": self._episode.copy(), "seed": np.array(self._seed)}

    def restore(self, kept: dict[str, NDArray[Any]]) -> None:
        """Continue from a snapshot."""
        self._angles, self._target, self._ticks = kept["angles"], kept["target"], kept["ticks"]
        self._return, self._episode, self._seed = kept["returns"], kept["episode"], int(kept["seed"])

    def _begin(self, rows: NDArray[np.intp]) -> None:
        keys = [randomness.stream(self._seed, f"reach/{row}") for row in rows]
        draws = np.array([randomness.uniform(key, int(self._episode[row]), 2 + len(JOINTS))
                          for key, row in zip(keys, rows, strict=True)])
        radius, swing = NEAR_M + (FAR_M - NEAR_M) * draws[:, 0], SWING_RAD * (2 * draws[:, 1] - 1)
        self._target[rows] = np.stack([radius * np.cos(swing), radius * np.sin(swing)], axis=-1)
        self._angles[rows] = MIDDLE_RAD + START_RAD * (2 * draws[:, 2:] - 1)
        self._ticks[rows], self._return[rows] = 0, 0.0
        self._episode[rows] += 1

    def _observe(self) -> NDArray[np.float32]:
        return self._observer.observe(np.concatenate([self._angles, self._target], axis=-1))


def train(run: Path, steps: int) -> Trainer:
    """Train a policy to reach the target."""
    config = TrainConfig(task="reach_joint", run=run, steps=steps, envs=64, ticks=32, epochs=6, minibatches=4,
                         learning_rate=1e-3, clip=0.2, gamma=0.9, entropy=0.0, width=32)
    torch.set_num_threads(config.threads)
    run.mkdir(parents=True, exist_ok=True)
    trainer = Trainer(config, Reach(config.envs))
    log = MetricLog(run, config.steps, None)
    try:
        trainer.train(log)
    finally:
        log.close()
    return trainer


def rest(trainer: Trainer) -> str:
    """Return one sentence about a hundred arms at the end of an episode, without the noise of training."""
    arms, noise = Reach(100), torch.Generator()
    obs = arms.reset(seed=2)
    for _ in range(HORIZON - 1):
        before = arms.snapshot()["angles"]
        actions, _, _ = trainer.learner.act(trainer.normaliser.apply(obs), noise, deterministic=True)
        obs = arms.step(actions)[0]
    after = arms.snapshot()
    far = np.linalg.norm(fingertip(after["angles"]) - after["target"], axis=-1)
    moving = np.abs(after["angles"] - before).mean()
    verdict = "it rests" if moving < STILL_RAD else "it shakes: train longer, then raise HASTE"
    return (f"at the end {np.median(far):.3f} m from the target, worst {far.max():.3f} m, "
            f"and moving by {moving:.4f} rad per tick: {verdict}")


def pack(trainer: Trainer, folder: Path) -> Bundle:
    """Write the policy bundle. Every installed backend has to reproduce its golden ticks."""
    normaliser, config = trainer.normaliser, trainer.config
    origin = Origin(
        name=folder.name, algorithm="mat", robot=ROBOT.name, world="", task="reach", period_ns=ROBOT.period_ns,
        split="joint", agents=AGENTS, joints=ROBOT.joints, layout=LAYOUT,
        normaliser=Normaliser(_rows(normaliser.mean), _rows(normaliser.std), normaliser.clip),
        training=Training(command(), config.seed, trainer.steps, commit(), packages()))
    observations = Reach(100).reset(seed=1)
    return export_policy(trainer.learner.policy, origin, observations, folder)


def _rows(values: Any) -> tuple[tuple[float, ...], ...]:
    return tuple(tuple(map(float, row)) for row in np.asarray(values))


def main(run: Path, folder: Path, steps: int = 400_000) -> None:
    """Train and pack. A folder with files is refused before the training and not after it."""
    for place in (run, folder):
        if place.exists() and any(place.iterdir()):
            sys.exit(f"folder {place}: expected an empty or a new one, got files in it; choose another, or remove it")
    try:
        trainer = train(run, steps)
    except KeyboardInterrupt:
        sys.exit(f"stopped, and nothing packed; remove {run} before the next training")
    print(rest(trainer))
    pack(trainer, folder)


if __name__ == "__main__":
    if len(sys.argv) not in (3, 4):
        sys.exit("expected two folders, as in: python train_arm.py runs/arm runs/arm_policy, and the steps if you like")
    main(Path(sys.argv[1]), Path(sys.argv[2]), *map(int, sys.argv[3:]))

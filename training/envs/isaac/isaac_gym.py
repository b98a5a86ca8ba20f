# Copyright 2026 The mat_ros Authors
# SPDX-License-Identifier: Apache-2.0
"""Run Bi-DexHands in Isaac Gym as an environment of ours: `server.py`, in a process under its own Python.

Names, splits and the order of observations and actions are those of our own task, which has the published layout. A
policy trained on one therefore runs on the other. Isaac Gym has three limits:

- An ended copy restarts at the start of the next step, so the first observation of its new episode is never seen. The
  row still holds the last observation of the old episode, and the first action of the new episode is chosen from it.
- There is no snapshot: a resumed run starts new episodes.
- The seed counts when the process starts. Later resets continue with the random numbers of the process.
"""

from __future__ import annotations

import contextlib
import os
import socket
import subprocess
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mat_ros.core.errors import Missing, Refused
from training.envs import make as make_task
from training.envs.isaac import server
from training.envs.protocol import Bool, Float32

PYTHON = "ISAAC_GYM_PYTHON"  # environment variable: path of an interpreter that has isaacgym and bidexhands
PUBLISHED: Mapping[str, str] = {
    "door_open_outward": "ShadowHandDoorOpenOutward", "door_open_inward": "ShadowHandDoorOpenInward",
    "door_close_outward": "ShadowHandDoorCloseOutward", "door_close_inward": "ShadowHandDoorCloseInward",
    "over": "ShadowHandOver", "catch_underarm": "ShadowHandCatchUnderarm",
    "catch_over2underarm": "ShadowHandCatchOver2Underarm", "lift_underarm": "ShadowHandLiftUnderarm",
}


class IsaacGymHands:
    """Step many copies of a published task; see `training.envs.protocol.Environment`."""

    def __init__(self, task: str, count: int, *, python: str = "", factory: str = "") -> None:
        """Make copies of a task such as `door_open_outward_finger`; `factory` (MODULE:FUNCTION) makes them instead."""
        name, _, _ = task.rpartition("_")
        ours = make_task(task, 1)  # for names, splits and sizes; the physics of this copy is not stepped
        self.spec, self.count = replace(ours.spec, task=f"isaacgym_{task}"), count
        self.robot = ours.robot
        agents = ours.robot.agents(self.spec.split)
        place = {joint: (i, k) for i, agent in enumerate(agents) for k, joint in enumerate(agent.joints)}
        joints = [joint.name for joint in ours.robot.joints]
        hands = tuple(dict.fromkeys(joint.split(":")[0] for joint in joints))
        self._agent_column = tuple(np.array([place[joint] for joint in joints]).T)
        self._hand = np.array([hands.index(agent.joints[0].split(":")[0]) for agent in agents])
        layout = ours.spec.layout
        self._ids = np.eye(len(agents), dtype=np.float32) if layout and layout.agent_id else np.zeros((len(agents), 0))
        self._python, self._factory, self._published = python or os.environ.get(PYTHON, ""), factory, PUBLISHED[name]
        self._process: subprocess.Popen[bytes] | None = None
        self._connection: socket.socket | None = None
        self._width = len(joints) // len(hands)
        self._return, self._length = np.zeros(count), np.zeros(count, dtype=np.int64)

    def _start(self, seed: int) -> None:
        """Start the process and compare its sizes with ours."""
        if not self._python:
            raise Missing("the Python of Isaac Gym", f"set {PYTHON} to an interpreter that has isaacgym and bidexhands")
        ours, theirs = socket.socketpair()
        command = [self._python, str(Path(server.__file__)), "--fd", str(theirs.fileno()), "--task", self._published,
                   "--envs", str(self.count), "--seed", str(seed)]
        if self._factory:
            command += ["--factory", self._factory]
        try:
            self._process = subprocess.Popen(command, pass_fds=[theirs.fileno()])
        except OSError as error:
            raise Missing(f"the interpreter {self._python}", f"correct {PYTHON} ({error.strerror})") from error
        finally:
            theirs.close()
        self._connection = ours
        verb, _, facts = self._receive()
        if verb == "failed":
            raise Missing(f"Bi-DexHands under {self._python}", f"its message is: {facts['error']}")
        hand_obs = self.spec.obs_dim - self._ids.shape[1]
        expected = {"envs": self.count, "agents": 2, "obs": hand_obs, "horizon": self.spec.horizon,
                    "acts": [self._width] * 2}
        if facts != expected:
            raise Refused(f"task {self._published}", expected, facts,
                          "use the published configuration, with full_state observations and two agents")

    def _receive(self) -> tuple[str, dict[str, NDArray[Any]], dict[str, Any]]:
        assert self._connection is not None
        try:
            found: tuple[str, dict[str, NDArray[Any]], dict[str, Any]] = server.receive(self._connection)
        except (EOFError, ConnectionError) as error:
            raise Missing(f"the process of {self._published}", "read the reason in its output above") from error
        return found

    def reset(self, seed: int) -> Float32:
        """Start all copies anew and return observations (env, agent, obs_dim)."""
        if self._connection is None:
            self._start(seed)
        assert self._connection is not None
        self._return[:], self._length[:] = 0.0, 0
        server.send(self._connection, "reset")
        return self._observe(self._receive()[1]["obs"])

    def _observe(self, obs: NDArray[Any]) -> Float32:
        """Return each agent's row: the observation (env, hand, number) of its hand, and its id."""
        own = obs[:, self._hand]
        ids = np.broadcast_to(self._ids, (len(obs), *self._ids.shape))
        return np.concatenate([own, ids], axis=-1).astype(np.float32)

    def step(self, actions: NDArray[Any]) -> tuple[Float32, Float32, Bool, Bool, dict[str, Any]]:
        """Apply actions (env, agent, act_dim); return obs, reward (env,), terminated (env,), truncated (env,), info."""
        if self._connection is None:
            raise Refused("environment", "a reset before the first step", "none", "call reset(seed)")
        joints = np.clip(actions[(slice(None), *self._agent_column)], -1.0, 1.0)  # (env, joint)
        server.send(self._connection, "step",
                    {"actions": joints.reshape(self.count, 2, self._width).astype(np.float32)})
        found = self._receive()[1]
        obs, reward = self._observe(found["obs"]), found["reward"].copy()
        self._return += reward
        self._length += 1
        done, truncated = found["done"], found["done"] & found["timed_out"]
        ended = np.flatnonzero(done)
        info: dict[str, Any] = {"ended": ended}
        if ended.size:
            info |= {"final_obs": obs[ended].copy(), "episode_return": self._return[ended].copy(),
                     "episode_length": self._length[ended].copy(), "reached": found["reached"][ended].copy()}
            self._return[ended], self._length[ended] = 0.0, 0
        return obs, reward, done & ~truncated, truncated, info

    def share(self) -> Float32:
        """Return ones (env, agent, act_dim): Isaac Gym has no faults."""
        return np.ones((self.count, *self.spec.act_mask.shape), np.float32)

    def snapshot(self) -> dict[str, NDArray[Any]]:
        """Return nothing: a simulation of Isaac Gym cannot be continued."""
        return {}

    def restore(self, kept: dict[str, NDArray[Any]]) -> None:
        """Ignore the snapshot: the next reset begins new episodes."""

    def close(self) -> None:
        """End the process."""
        if self._connection is not None:
            with contextlib.suppress(OSError):  # the process may have ended already
                server.send(self._connection, "goodbye")
            self._connection.close()
            self._connection = None
        if self._process is not None:
            try:
                self._process.wait(timeout=10)
            except subprocess.TimeoutExpired:
                self._process.kill()
                self._process.wait()
            self._process = None

    def __del__(self) -> None:
        """End the process when the environment is deleted."""
        self.close()


def make(task: str, count: int, **options: Any) -> IsaacGymHands:
    """Make copies of a task such as `isaacgym_door_open_outward_finger`."""
    return IsaacGymHands(task.removeprefix("isaacgym_"), count, **options)

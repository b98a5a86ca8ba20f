# Copyright 2026 The mat_ros Authors
# SPDX-License-Identifier: Apache-2.0
"""Serve Isaac Gym's Bi-DexHands to another process.

Isaac Gym runs under Python 3.6 to 3.8 only. `isaac_gym.py`, the other end, therefore starts this file by its path under
such a Python. This file imports nothing of this project; before Isaac Gym is made, it needs only NumPy and the standard
library.

One socket, inherited from the parent, is the whole connection. No port listens, so no other process can connect. A
message is a length, that many bytes of JSON, and the arrays that the JSON names, as raw little-endian numbers.
"""

from __future__ import annotations

import argparse
import importlib
import json
import socket
import struct
import sys

import numpy as np

LENGTH = struct.Struct("<I")
LONGEST_HEAD, LONGEST_ARRAY = 1 << 16, 1 << 31  # bytes
KINDS = {"float32": "<f4", "bool": "|b1"}


def send(connection, verb, arrays=None, **facts):
    """Send a verb, named arrays and plain facts."""
    blocks, named = [], []
    for name, array in (arrays or {}).items():
        array = np.ascontiguousarray(array)
        blocks.append(array.astype(KINDS[array.dtype.name], copy=False).tobytes())
        named.append([name, array.dtype.name, list(array.shape)])
    head = json.dumps({"verb": verb, "arrays": named, "facts": facts}).encode()
    connection.sendall(b"".join([LENGTH.pack(len(head)), head] + blocks))


def receive(connection):
    """Return one received message as (verb, arrays, facts)."""
    (length,) = LENGTH.unpack(_read(connection, LENGTH.size))
    if length > LONGEST_HEAD:
        raise ValueError(f"message head: expected at most {LONGEST_HEAD} bytes, got {length}")
    head = json.loads(_read(connection, length).decode())
    arrays = {}
    for name, kind, shape in head["arrays"]:
        numbers = np.dtype(KINDS[kind])
        size = int(np.prod(shape, dtype=np.int64)) * numbers.itemsize
        if not 0 <= size <= LONGEST_ARRAY:
            raise ValueError(f"array {name}: expected at most {LONGEST_ARRAY} bytes, got {size}")
        arrays[name] = np.frombuffer(_read(connection, size), numbers).reshape(shape)
    return head["verb"], arrays, head["facts"]


def _read(connection, size):
    found = bytearray(size)
    view, read = memoryview(found), 0
    while read < size:
        got = connection.recv_into(view[read:])
        if got == 0:
            raise EOFError("the other process has closed the connection")
        read += got
    return found


def bidexhands(task, envs, seed):
    """Return an environment of Bi-DexHands. The package reads its settings from the command line, so set them there."""
    sys.argv = [sys.argv[0], f"--task={task}", "--algo=mappo", f"--num_envs={envs}", f"--seed={seed}", "--headless"]
    importlib.import_module("isaacgym")  # isaacgym refuses to load after torch
    return importlib.import_module("bidexhands").make(task, "mappo")


class Hands:
    """Step a `MultiVecTaskPython`, whose agents are the two hands."""

    def __init__(self, environment):
        self.environment = environment
        self.torch = importlib.import_module("torch")

    def facts(self):
        """Return the number of copies, agents and columns, so that the other end can refuse a mismatch."""
        environment = self.environment
        return {"envs": int(environment.num_envs), "agents": int(environment.num_agents),
                "obs": int(environment.num_observations), "horizon": int(environment.task.max_episode_length),
                "acts": [int(space.shape[0]) for space in environment.action_space]}

    def reset(self):
        """Start every copy anew. The environment's own reset only takes a step, so mark each copy as ended before."""
        self.environment.task.reset_buf[:] = 1
        obs = self.environment.reset()[0]
        return {"obs": self._array(obs)}

    def step(self, actions):
        """Take one step with actions (env, hand, action) and return its results as arrays."""
        environment, task = self.environment, self.environment.task
        tensors = [self.torch.from_numpy(np.array(actions[:, k])).to(environment.rl_device)
                   for k in range(actions.shape[1])]
        obs, _, rewards, dones, _, _ = environment.step(tensors)
        successes = task.extras.get("successes")
        never = np.zeros(len(actions), dtype=bool)
        return {"obs": self._array(obs), "reward": self._array(rewards[:, 0, 0]),
                "done": self._array(dones[:, 0]).astype(bool),
                "timed_out": self._array(task.progress_buf >= task.max_episode_length).astype(bool),
                "reached": never if successes is None else self._array(successes) > 0}

    @staticmethod
    def _array(tensor):
        found = tensor.detach().cpu().numpy()
        return found.astype(np.float32) if found.dtype == np.float64 else found


def serve(hands, connection):
    """Answer requests until the other end sends "goodbye" or closes the connection."""
    send(connection, "ready", **hands.facts())
    while True:
        try:
            verb, arrays, _ = receive(connection)
        except (EOFError, ConnectionError):
            return
        if verb == "reset":
            send(connection, "stepped", hands.reset())
        elif verb == "step":
            send(connection, "stepped", hands.step(arrays["actions"]))
        else:
            return


def main(arguments=None):
    """Run the command line that `isaac_gym.py` starts."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--fd", type=int, required=True, help="number of the inherited socket")
    parser.add_argument("--task", required=True, help="class of the task, such as ShadowHandOver")
    parser.add_argument("--envs", type=int, required=True)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--factory", default="", help="MODULE:FUNCTION that makes the environment; empty: Bi-DexHands")
    parsed = parser.parse_args(arguments)
    connection = socket.socket(fileno=parsed.fd)
    try:
        make = bidexhands
        if parsed.factory:
            module, name = parsed.factory.split(":")
            make = getattr(importlib.import_module(module), name)
        hands = Hands(make(parsed.task, parsed.envs, parsed.seed))
    except Exception as error:  # whatever the error is, the other end must receive its text
        send(connection, "failed", error=f"{type(error).__name__}: {error}")
        raise
    serve(hands, connection)


if __name__ == "__main__":
    sys.path.pop(0)  # no file of this folder may hide a package that Isaac Gym imports
    main()

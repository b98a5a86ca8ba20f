# Copyright 2026 The mat_ros Authors
# SPDX-License-Identifier: Apache-2.0
"""Export policies of random weights, for benchmarks and tests. No robot should be driven by such a policy.

    python -m training.exporting.sample policies FOLDER --kinds mat rwkv4 --agents 6 26 --widths 64 128
    python -m training.exporting.sample arm FOLDER --agents 20

`mat-ros bench` runs these commands. Each policy has its own folder. An existing folder stays as it is.
"""

from __future__ import annotations

import argparse
import itertools
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from mat_ros.core.policy.bundle import MANIFEST, Bundle
from mat_ros.core.policy.manifest import Normaliser, Training
from mat_ros.core.robot.description import Agent
from mat_ros.core.robot.joints import Joint
from mat_ros.core.robot.observe import Layout, Observer, Part, Term, View
from training.exporting.bundle import Origin, export_policy
from training.models import Policy, PolicyConfig, build_policy

MILLISECOND = 1_000_000  # ns
KINDS = {"mat": "attention", "rwkv4": "rwkv4"}  # policy -> its mixers
OBS_DIM, ACT_DIM, GOLDEN_TICKS = 32, 1, 4  # constant sizes of `export_policies`
ARM_HZ, ARM_WIDTH = 60, 64


def make_bundle(folder: Path, encoder: str = "rwkv4", decoder: str = "rwkv4", *, agents: int = 5, obs_dim: int = 7,
                act_dim: int = 2, ticks: int = 6, ragged: bool = False, seed: int = 0, **config: Any) -> Bundle:
    """Export a random policy into `folder`. Further keywords go to PolicyConfig (width, blocks, heads, ...)."""
    origin = random_origin(agents, obs_dim, act_dim, ragged=ragged)
    return export_random(folder, origin, ticks, seed, encoder=encoder, decoder=decoder, **config)


def export_random(folder: Path, origin: Origin, ticks: int, seed: int, spread: float = 0.2, **config: Any) -> Bundle:
    """Export a random policy for a robot and a layout. `spread` is the deviation of parameters from a new policy's."""
    observer = Observer(origin.layout)
    act_dim = max(len(agent.joints) for agent in origin.agents)
    mask = tuple(tuple(k < len(agent.joints) for k in range(act_dim)) for agent in origin.agents)
    policy = random_policy(seed, spread, agents=len(origin.agents), obs_dim=observer.obs_dim, act_dim=act_dim,
                           action_mask=mask, **config)
    return export_policy(policy, origin, random_observations(origin, ticks, seed), folder)


def random_policy(seed: int, spread: float, **config: Any) -> Policy:
    """Return a policy in which every parameter counts. A new policy has many zeros."""
    torch.manual_seed(seed)
    policy = build_policy(PolicyConfig(**config)).eval()
    with torch.no_grad():
        for parameter in policy.parameters():
            parameter.add_(spread * torch.randn_like(parameter))
    return policy


def random_origin(agents: int, obs_dim: int, act_dim: int, *, ragged: bool = False) -> Origin:
    """Return a robot of `agents` x `act_dim` joints. If ragged, the last agent has one joint and a shorter term."""
    counts = [1 if ragged and i == agents - 1 else act_dim for i in range(agents)]
    members = tuple(Agent(f"agent_{i}", tuple(f"joint_{i}_{k}" for k in range(count)))
                    for i, count in enumerate(counts))
    joints = tuple(Joint(joint, "position", "rad", -1.5, 1.5, 10.0, 5.0, 1.2, 0.1, 0.0, "hold")
                   for agent in members for joint in agent.joints)
    seen = [obs_dim - 1 if ragged and i == agents - 1 else obs_dim for i in range(agents)]
    terms = tuple(Term(f"state_{i}", "rad", tuple(f"x{k}" for k in range(width))) for i, width in enumerate(seen))
    views = tuple(View(agent.name, (Part(term.name),)) for agent, term in zip(members, terms, strict=True))
    return describe("random", members, joints, 20 * MILLISECOND, "agent", Layout(terms, views))


def random_observations(origin: Origin, ticks: int, seed: int = 0) -> NDArray[np.float32]:
    """Return raw observations (tick, n, obs_dim) of one robot. Agents that observe one term read the same value."""
    observer = Observer(origin.layout)
    return observer.observe(2.0 * np.random.default_rng(seed).normal(size=(ticks, observer.signal_count)))


def describe(robot: str, agents: tuple[Agent, ...], joints: tuple[Joint, ...], period_ns: int, split: str,
            layout: Layout) -> Origin:
    observed = Observer(layout).measured
    rng = np.random.default_rng(observed.size)
    mean = np.where(observed, rng.normal(size=observed.shape), 0.0).astype(np.float32)
    std = np.where(observed, rng.uniform(0.5, 2.0, size=observed.shape), 1.0).astype(np.float32)
    return Origin(
        name="random", algorithm="mat", robot=robot, world="", task="random", period_ns=period_ns, split=split,
        agents=agents, joints=joints, layout=layout,
        normaliser=Normaliser(tuple(map(tuple, mean.tolist())), tuple(map(tuple, std.tolist())), 5.0),
        training=Training("random weights", 0, 0, "none"),
    )


def export_policies(folder: Path, kinds: Sequence[str], agents: Sequence[int], widths: Sequence[int]) -> None:
    """Export a policy of each kind and size into `folder/KIND_AGENTS_WIDTH`."""
    for kind, count, width in itertools.product(kinds, agents, widths):
        path = folder / f"{kind}_{count}_{width}"
        if not (path / MANIFEST).exists():
            make_bundle(path, KINDS[kind], KINDS[kind], agents=count, obs_dim=OBS_DIM, act_dim=ACT_DIM,
                        ticks=GOLDEN_TICKS, width=width, spread=4.0 / width)


def export_arm(folder: Path, joints: int) -> None:
    """Export a policy of an arm whose joints are each one agent and are each measured, into `folder/arm_JOINTS`."""
    path = folder / f"arm_{joints}"
    if (path / MANIFEST).exists():
        return
    origin = random_origin(joints, 3, 1)
    names = tuple(joint.name for joint in origin.joints)
    terms = (Term("joint_position", "rad", names), Term("joint_velocity", "rad/s", names))
    views = tuple(View(agent.name, tuple(Part(term.name, agent.joints) for term in terms)) for agent in origin.agents)
    origin = describe("arm", origin.agents, origin.joints, round(1e9 / ARM_HZ), "joint", Layout(terms, views))
    export_random(path, origin, GOLDEN_TICKS, 0, encoder="rwkv4", decoder="rwkv4", width=ARM_WIDTH)


def main() -> None:
    """Export the policies that a benchmark needs."""
    parser = argparse.ArgumentParser(prog="python -m training.exporting.sample", description=main.__doc__)
    commands = parser.add_subparsers(dest="command", required=True)
    policies = commands.add_parser("policies", help=export_policies.__doc__)
    policies.add_argument("--kinds", nargs="+", choices=list(KINDS), required=True)
    policies.add_argument("--widths", type=int, nargs="+", required=True)
    arm = commands.add_parser("arm", help=export_arm.__doc__)
    for command in (policies, arm):
        command.add_argument("folder", type=Path)
        command.add_argument("--agents", type=int, nargs="+", required=True)
    given = parser.parse_args()
    if given.command == "policies":
        export_policies(given.folder, given.kinds, given.agents, given.widths)
    else:
        for joints in given.agents:
            export_arm(given.folder, joints)


if __name__ == "__main__":
    main()

# Copyright 2026 The mat_ros Authors
# SPDX-License-Identifier: Apache-2.0
"""Make bundles of random policies for tests: `make_bundle(folder, "rwkv4", "rwkv4", agents=5)`; needs torch."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import torch

from mat_ros.core.bundle import Bundle
from mat_ros.core.joints import Joint
from mat_ros.core.manifest import Normaliser, Training
from mat_ros.core.observe import Layout, Part, Term, View
from mat_ros.core.robot import Agent
from training.export import Origin, export_policy
from training.models import Policy, PolicyConfig, build_policy

MILLISECOND = 1_000_000


def random_policy(seed: int, spread: float = 0.2, **config: Any) -> Policy:
    """Build a policy in which every parameter matters: fresh ones begin with many zeros."""
    torch.manual_seed(seed)
    policy = build_policy(PolicyConfig(**config)).eval()
    with torch.no_grad():
        for parameter in policy.parameters():
            parameter.add_(spread * torch.randn_like(parameter))
    return policy


def random_origin(agents: int, obs_dim: int, act_dim: int, *, ragged: bool = False, name: str = "random") -> Origin:
    """Describe a robot of `agents` x `act_dim` joints that sees its own angles. Ragged: the last agent has one joint."""
    counts = [1 if ragged and i == agents - 1 else act_dim for i in range(agents)]
    members = tuple(Agent(f"agent_{i}", tuple(f"joint_{i}_{k}" for k in range(count)))
                    for i, count in enumerate(counts))
    joints = tuple(Joint(joint, "position", "rad", -1.5, 1.5, 10.0, 5.0, 1.2, 0.1, 0.0, "hold")
                   for agent in members for joint in agent.joints)
    seen = [obs_dim - 1 if ragged and i == agents - 1 else obs_dim for i in range(agents)]
    terms = tuple(Term(f"state_{i}", "rad", tuple(f"x{k}" for k in range(width))) for i, width in enumerate(seen))
    views = tuple(View(agent.name, (Part(term.name),)) for agent, term in zip(members, terms, strict=True))
    rng = np.random.default_rng(agents * 1000 + obs_dim)
    mean = rng.normal(size=(agents, obs_dim)).astype(np.float32)
    std = rng.uniform(0.5, 2.0, size=(agents, obs_dim)).astype(np.float32)
    for i, width in enumerate(seen):
        mean[i, width:], std[i, width:] = 0.0, 1.0
    return Origin(
        name=name, algorithm="mat", robot="random", world="", task="random", period_ns=20 * MILLISECOND, split="agent",
        agents=members, joints=joints, layout=Layout(terms, views), normaliser=Normaliser(_rows(mean), _rows(std), 5.0),
        training=Training("random weights", 0, 0, "none"),
    )


def random_observations(origin: Origin, ticks: int, seed: int = 0) -> np.ndarray:
    """Draw raw observations (tick, n, obs_dim) such as the robot would give: padding is zero."""
    mean, std = np.array(origin.normaliser.mean), np.array(origin.normaliser.std)
    drawn = mean + 2.0 * std * np.random.default_rng(seed).normal(size=(ticks, *mean.shape))
    for i, view in enumerate(origin.layout.views):
        width = sum(len(term.elements) for term in origin.layout.terms if term.name == view.parts[0].term)
        drawn[:, i, width:] = 0.0
    return drawn.astype(np.float32)


def make_bundle(folder: Path, encoder: str = "rwkv4", decoder: str = "rwkv4", *, agents: int = 5, obs_dim: int = 7,
                act_dim: int = 2, ticks: int = 6, ragged: bool = False, seed: int = 0, **config: Any) -> Bundle:
    """Export a random policy into `folder`; further keywords go to PolicyConfig (width, blocks, heads, ...)."""
    origin = random_origin(agents, obs_dim, act_dim, ragged=ragged)
    mask = tuple(tuple(k < len(agent.joints) for k in range(act_dim)) for agent in origin.agents)
    policy = random_policy(seed, agents=agents, obs_dim=obs_dim, act_dim=act_dim, encoder=encoder, decoder=decoder,
                           action_mask=mask, **config)
    return export_policy(policy, origin, random_observations(origin, ticks, seed), folder)


def _rows(values: np.ndarray) -> tuple[tuple[float, ...], ...]:
    return tuple(tuple(map(float, row)) for row in values)

# Copyright 2026 The mat_ros Authors
# SPDX-License-Identifier: Apache-2.0
"""Hand a policy to deployment: `python -m training.export RUN -o DIR` writes a bundle and proves it.

The golden ticks come from the policy in torch, driving its own environment. The bundle is then loaded as a robot would
load it, and every backend that is installed has to reproduce those ticks; the first tick, slot and element that differ
are named, and nothing is left behind.
"""

from __future__ import annotations

import shutil
import sys
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Any, Literal

import numpy as np
import torch
import tyro
from numpy.typing import NDArray
from safetensors.torch import save_file

from mat_ros.backends import golden
from mat_ros.backends.choose import installed, open_backend
from mat_ros.core.bundle import Bundle, hash_files, write_manifest
from mat_ros.core.errors import Missing, Refused
from mat_ros.core.joints import Joint
from mat_ros.core.manifest import Manifest, Network, Normaliser, StateLayout, Training
from mat_ros.core.observe import Layout, Observer
from mat_ros.core.robot import Agent
from training.graphs import EncoderGraph, StepGraph, write_encoder, write_step
from training.models import Policy

TRACED_TICKS = 8  # golden ticks whose encodings and last state are kept as well: they are large


@dataclass(frozen=True)
class Origin:
    """What a manifest says besides the network: the robot, the task, and where the policy comes from."""

    name: str
    algorithm: str
    robot: str
    world: str
    task: str
    period_ns: int
    split: str
    agents: tuple[Agent, ...]
    joints: tuple[Joint, ...]
    layout: Layout
    normaliser: Normaliser
    training: Training
    chain_information: Literal["intent", "truth"] = "intent"
    faults: str = "none"
    tolerance: float = 1e-4  # policy units


def export_policy(policy: Policy, origin: Origin, observations: NDArray[np.float32], folder: Path) -> Bundle:
    """Write a bundle whose golden ticks answer the raw observations (tick, n, obs_dim), and prove it."""
    if policy.config.discrete:
        raise Refused("policy", "continuous actions", "a choice among alternatives",
                      "keep it in training: joints are commanded by numbers")
    if folder.exists() and any(folder.iterdir()):
        raise Refused(f"folder {folder}", "an empty or a new one", "files in it", "choose another with -o")
    folder.parent.mkdir(parents=True, exist_ok=True)
    policy = policy.cpu().eval()
    staging = Path(tempfile.mkdtemp(prefix=f".{folder.name}-", dir=folder.parent))
    try:
        encoder, step = EncoderGraph(policy, origin.normaliser), StepGraph(policy)
        write_encoder(encoder, staging / "encoder.onnx")
        write_step(step, staging / "step.onnx")
        save_file({name: tensor.contiguous() for name, tensor in policy.state_dict().items()},
                  staging / "weights.safetensors")
        np.savez_compressed(staging / "golden.npz", allow_pickle=False, **golden_ticks(encoder, step, observations))
        write_manifest(staging, manifest_of(policy, origin, hash_files(staging)))
        bundle = Bundle.load(staging)
        prove(bundle)
        staging.chmod(0o755)
        if folder.exists():
            folder.rmdir()
        staging.rename(folder)
    except BaseException:
        shutil.rmtree(staging, ignore_errors=True)
        raise
    return Bundle.load(folder)


@torch.no_grad()
def golden_ticks(encoder: EncoderGraph, step: StepGraph, observations: NDArray[np.float32]) -> dict[str, Any]:
    """Answer each observation slot by slot in torch, as a chain does."""
    policy = step.policy
    mask = policy.action_mask
    ticks: dict[str, list[torch.Tensor]] = {name: [] for name in ("enc", "values", "action", "state")}
    for observation in torch.from_numpy(observations):
        enc, values = encoder(observation.unsqueeze(0))
        state, action = policy.initial_state(1), policy.start_action(1)
        actions = []
        for slot in range(enc.shape[1]):
            action, state = step(enc[:, slot], action, state)
            action = action if mask is None else action * mask[slot]
            actions.append(action)
        for name, found in (("enc", enc), ("values", values), ("action", torch.stack(actions, 1)), ("state", state)):
            ticks[name].append(found[0].reshape(-1) if name == "state" else found[0])
    arrays = {name: torch.stack(found).numpy() for name, found in ticks.items()}
    for name in ("enc", "state"):
        arrays[name] = arrays[name][:TRACED_TICKS]
    return {"observation": observations, **arrays}


def manifest_of(policy: Policy, origin: Origin, files: Mapping[str, str]) -> Manifest:
    """Say everything about a policy that deployment has to know."""
    config, layout = policy.config, policy.state_layout()
    maxima = tuple(span for name, span in layout.offsets().items() if name.endswith(".max"))
    initial = next((part.initial for part in layout.parts if part.initial != 0.0), 0.0)
    described = {name: getattr(origin, name) for name in (
        "name", "algorithm", "robot", "world", "task", "period_ns", "split", "agents", "joints", "layout", "normaliser",
        "training", "chain_information", "faults", "tolerance")}
    return Manifest(
        **described,
        network=Network(
            encoder=config.encoder, decoder=config.decoder, bidirectional=config.encoder_bidirectional,
            agents=config.agents, obs_dim=config.obs_dim, act_dim=config.act_dim, width=config.width,
            enc_dim=config.enc_dim, blocks=config.blocks, heads=config.heads,
        ),
        state=StateLayout(grows=layout.kind == "rows", row=layout.width if layout.kind != "empty" else 0,
                          parts=tuple(part.name for part in layout.parts), initial=initial, maxima=maxima),
        action_std=tuple(policy.actions.std().tolist()),
        equality="tolerance",
        files=files,
    )


def prove(bundle: Bundle) -> None:
    """Hold every installed backend to the golden ticks; refuse with the first tick, slot and element that differ."""
    for name in installed():
        golden.require(open_backend(name, bundle), bundle)

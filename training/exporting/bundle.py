# Copyright 2026 The mat_ros Authors
# SPDX-License-Identifier: Apache-2.0
"""Write a policy bundle and prove it.

The policy in torch computes the golden ticks. The bundle is then loaded as a robot loads it, and every installed
backend has to reproduce those ticks. Where a backend does not, the error names the first tick, slot and element that
differ, and no file remains.
"""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

import numpy as np
import torch
from numpy.typing import NDArray
from safetensors import SafetensorError
from safetensors.torch import save_file

from mat_ros.backends import golden
from mat_ros.backends.choose import installed, load_backend
from mat_ros.core.errors import Refused
from mat_ros.core.named import CodeSource
from mat_ros.core.policy.bundle import Bundle, hash_files, write_manifest
from mat_ros.core.policy.manifest import Manifest, Network, Normaliser, StateLayout, Training
from mat_ros.core.progress import StepProgress
from mat_ros.core.robot.description import Agent
from mat_ros.core.robot.joints import ActionMap, Joint
from mat_ros.core.robot.observe import Layout
from training.exporting.graphs import EncoderGraph, StepGraph, write_encoder, write_step
from training.exporting.tick import write_tick
from training.models import Policy
from training.models.actions import GaussianActions

TRACED_TICKS = 8  # number of golden ticks whose encodings and last state are also kept; these arrays are large


@dataclass(frozen=True)
class Origin:
    """Hold the manifest's facts besides the network: the robot, the task, and the origin of the policy."""

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
    sources: Mapping[str, CodeSource] = field(default_factory=dict)  # code of the world and the task


def export_policy(policy: Policy, origin: Origin, observations: NDArray[np.float32], folder: Path) -> Bundle:
    """Write and prove a bundle whose golden ticks are the decisions for raw observations (tick, n, obs_dim)."""
    if not isinstance(policy.actions, GaussianActions):
        raise Refused("policy", "continuous actions", "a choice among alternatives",
                      "export a policy with continuous actions, because a joint needs a number")
    if folder.exists() and any(folder.iterdir()):
        raise Refused(f"folder {folder}", "an empty or a new one", "files in it", "choose another with -o")
    folder.parent.mkdir(parents=True, exist_ok=True)
    policy = policy.cpu().eval()
    staging = Path(tempfile.mkdtemp(prefix=f".{folder.name}-", dir=folder.parent))
    try:
        with StepProgress("export", 5) as progress:
            encoder, step = EncoderGraph(policy, origin.normaliser), StepGraph(policy)
            progress.step("write encoder.onnx")
            write_encoder(encoder, staging / "encoder.onnx")
            progress.step("write step.onnx")
            write_step(step, staging / "step.onnx")
            progress.step("write tick.onnx")
            mask = ActionMap(origin.joints, [agent.joints for agent in origin.agents]).mask
            write_tick(staging / "encoder.onnx", staging / "step.onnx", state_of(policy), mask, staging / "tick.onnx")
            progress.step("decide the golden ticks")
            save_file({name: tensor.contiguous() for name, tensor in policy.state_dict().items()},
                      staging / "weights.safetensors")
            np.savez_compressed(staging / "golden.npz", allow_pickle=False, **golden_ticks(encoder, step, observations))
            write_manifest(staging, manifest_of(policy, origin, hash_files(staging)))
            progress.step("prove the bundle with every installed backend")
            prove(Bundle.load(staging))
        staging.chmod(0o755)
        for file in staging.iterdir():
            file.chmod(0o644)
        if folder.exists():
            folder.rmdir()
        staging.rename(folder)
    except BaseException as error:
        shutil.rmtree(staging, ignore_errors=True)
        if isinstance(error, OSError | SafetensorError):
            raise Refused(f"bundle {folder}", "room and permission to write it", error,
                          "free space or choose another -o; nothing is left of this one") from error
        raise
    return Bundle.load(folder)


@torch.no_grad()
def golden_ticks(encoder: EncoderGraph, step: StepGraph, observations: NDArray[np.float32]) -> dict[str, Any]:
    """Return the golden ticks: each observation decided slot by slot in torch, as a chain decides it."""
    policy = step.policy
    mask = policy.action_mask
    ticks: dict[str, list[torch.Tensor]] = {name: [] for name in ("enc", "values", "action", "state")}
    for observation in torch.from_numpy(observations):
        enc, values = encoder.forward(observation.unsqueeze(0))
        state, action = policy.initial_state(1), policy.start_action(1)
        actions = []
        for slot in range(enc.shape[1]):
            action, state = step.forward(enc[:, slot], action, state)
            action = action if mask is None else action * mask[slot]
            actions.append(action)
        for name, found in (("enc", enc), ("values", values), ("action", torch.stack(actions, 1)), ("state", state)):
            ticks[name].append(found[0].reshape(-1) if name == "state" else found[0])
    arrays = {name: torch.stack(found).numpy() for name, found in ticks.items()}
    for name in ("enc", "state"):
        arrays[name] = arrays[name][:TRACED_TICKS]
    return {"observation": observations, **arrays}


def manifest_of(policy: Policy, origin: Origin, files: Mapping[str, str]) -> Manifest:
    """Return the manifest of a policy: everything that deployment needs to know about it."""
    config = policy.config
    action_std = policy.actions.std() if isinstance(policy.actions, GaussianActions) else torch.zeros(config.act_dim)
    described = {name: getattr(origin, name) for name in (
        "name", "algorithm", "robot", "world", "task", "period_ns", "split", "agents", "joints", "layout", "normaliser",
        "training", "chain_information", "faults", "tolerance", "sources")}
    return Manifest(
        **described,
        network=Network(
            encoder=config.encoder, decoder=config.decoder, bidirectional=config.encoder_bidirectional,
            agents=config.agents, obs_dim=config.obs_dim, act_dim=config.act_dim, width=config.width,
            enc_dim=config.enc_dim, blocks=config.blocks, heads=config.heads,
        ),
        state=state_of(policy),
        action_std=tuple(action_std.tolist()),
        equality="tolerance",
        files=files,
    )


def prove(bundle: Bundle) -> None:
    """Compare every installed backend with the golden ticks. Refuse with the first tick, slot and element in error."""
    for name in installed():
        golden.require(load_backend(name, bundle), bundle)


def state_of(policy: Policy) -> StateLayout:
    """Return the layout of the state that a step passes on, in the manifest's words."""
    layout = policy.state_layout()
    return StateLayout(
        grows=layout.kind == "rows",
        row=layout.width if layout.kind != "empty" else 0,
        parts=tuple(part.name for part in layout.parts),
        initial=next((part.initial for part in layout.parts if part.initial != 0.0), 0.0),
        maxima=tuple(span for name, span in layout.offsets().items() if name.endswith(".max")),
    )

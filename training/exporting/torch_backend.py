# Copyright 2026 The mat_ros Authors
# SPDX-License-Identifier: Apache-2.0
"""Decide with the trained network itself, in torch. This backend is the reference and too slow for most robots.

`pyproject.toml` registers `TorchBackend` as the backend `torch`, so the runtime finds it without an import of training.
"""

from __future__ import annotations

import numpy as np
import torch
from safetensors.torch import load as load_tensors
from torch import Tensor

from mat_ros.backends.backend import BackendInfo, Float32
from mat_ros.core.policy.bundle import Bundle
from training.models import Policy, PolicyConfig, build_policy


def load_policy(bundle: Bundle) -> Policy:
    """Return the policy that the manifest describes, with the bundle's weights."""
    manifest = bundle.manifest
    network = manifest.network
    tensors = load_tensors(bundle.read("weights.safetensors"))
    seen = len(tensors["encoder.observation_norm.weight"])
    config = PolicyConfig(
        agents=network.agents, obs_dim=network.obs_dim, act_dim=network.act_dim, encoder=network.encoder,
        decoder=network.decoder, width=network.width, blocks=network.blocks, heads=network.heads,
        encoder_bidirectional=network.bidirectional, agent_id=seen > network.obs_dim,
        observation_mask=tuple(map(tuple, manifest.observed.tolist())),
        action_mask=tuple(map(tuple, manifest.action_map.mask.tolist())),
    )
    policy = build_policy(config)
    policy.load_state_dict(tensors)
    return policy.eval()


class TorchBackend:
    """Run a bundle's weights in the training code's modules."""

    def __init__(self, bundle: Bundle, device: str = "cpu") -> None:
        """Load the policy of the bundle."""
        self._policy = load_policy(bundle).to(device)
        self._device = device
        manifest = bundle.manifest
        normaliser = manifest.normaliser
        self._mean, self._std = (torch.tensor(rows, device=device) for rows in (normaliser.mean, normaliser.std))
        self._clip = normaliser.clip
        self._mask = torch.tensor(manifest.action_map.mask, device=device)
        self._row = manifest.state.row if manifest.state.grows else 0

    def encode(self, obs: Float32) -> tuple[Float32, Float32]:
        """Return encodings (n, enc_dim) and values (n,) of the raw observation (n, obs_dim)."""
        with torch.inference_mode():
            normal = ((self._tensor(obs) - self._mean) / self._std).clamp(-self._clip, self._clip)
            enc, values = self._policy.encode_with_values(normal.unsqueeze(0))
            return _array(enc[0]), _array(values[0, :, 0])

    def step(self, slot: int, enc: Float32, previous: Float32, state: Float32) -> tuple[Float32, Float32]:
        """Decide one slot; see Backend.step."""
        with torch.inference_mode():
            before = self._tensor(state)
            before = before.reshape(1, -1, self._row) if self._row else before.unsqueeze(0)
            told = self._tensor(previous).unsqueeze(0)
            action, after = self._policy.step(self._tensor(enc).unsqueeze(0), told, before)
            return _array(action[0] * self._mask[slot]), _array(after.reshape(-1))

    def info(self) -> BackendInfo:
        """Return the name, the version and the device of this backend."""
        return BackendInfo("torch", str(torch.__version__), self._device)

    def _tensor(self, array: Float32) -> Tensor:
        return torch.tensor(array, device=self._device)


def _array(tensor: Tensor) -> Float32:
    found: Float32 = np.asarray(tensor.cpu().numpy()).copy()
    return found

# Copyright 2026 The mat_ros Authors
# SPDX-License-Identifier: Apache-2.0
"""Decide with the very network that was trained, in torch: the reference, too slow for most robots."""

from __future__ import annotations

import importlib
from typing import Any

from mat_ros.backends.backend import BackendInfo, Float32
from mat_ros.core.errors import Missing
from mat_ros.core.policy.bundle import Bundle

# Looked up by name when this backend is asked for: the runtime itself does not depend on training.
POLICIES = "training.models"


def load_policy(bundle: Bundle) -> Any:
    """Build the policy that the manifest describes and fill it with the bundle's weights."""
    try:
        from safetensors.torch import load as load_tensors

        models: Any = importlib.import_module(POLICIES)
    except ImportError as error:
        raise Missing(f"the torch backend ({error.name})", "run `pip install mat_ros[train]`") from error
    manifest = bundle.manifest
    network = manifest.network
    tensors = load_tensors(bundle.read("weights.safetensors"))
    seen = len(tensors["encoder.observation_norm.weight"])
    config = models.PolicyConfig(
        agents=network.agents, obs_dim=network.obs_dim, act_dim=network.act_dim, encoder=network.encoder,
        decoder=network.decoder, width=network.width, blocks=network.blocks, heads=network.heads,
        encoder_bidirectional=network.bidirectional, agent_id=seen > network.obs_dim,
        observation_mask=tuple(map(tuple, manifest.observed.tolist())),
        action_mask=tuple(map(tuple, manifest.action_map.mask.tolist())),
    )
    policy = models.build_policy(config)
    policy.load_state_dict(tensors)
    return policy.eval()


class TorchBackend:
    """Run a bundle's weights in the training code's modules."""

    def __init__(self, bundle: Bundle, device: str = "cpu") -> None:
        """Load the policy of the bundle."""
        self._policy = load_policy(bundle).to(device)
        self._torch: Any = importlib.import_module("torch")
        self._device = device
        manifest = bundle.manifest
        normaliser = manifest.normaliser
        self._mean, self._std = (self._torch.tensor(rows, device=device) for rows in (normaliser.mean, normaliser.std))
        self._clip = normaliser.clip
        self._mask = self._torch.tensor(manifest.action_map.mask, device=device)
        self._row = manifest.state.row if manifest.state.grows else 0

    def encode(self, obs: Float32) -> tuple[Float32, Float32]:
        """Map the raw observation (n, obs_dim) to encodings (n, enc_dim) and values (n,)."""
        with self._torch.inference_mode():
            normal = ((self._tensor(obs) - self._mean) / self._std).clamp(-self._clip, self._clip)
            enc, values = self._policy.encode_with_values(normal.unsqueeze(0))
            return self._array(enc[0]), self._array(values[0, :, 0])

    def step(self, slot: int, enc: Float32, previous: Float32, state: Float32) -> tuple[Float32, Float32]:
        """Decide one slot; see Backend.step."""
        with self._torch.inference_mode():
            before = self._tensor(state)
            before = before.reshape(1, -1, self._row) if self._row else before.unsqueeze(0)
            told = self._tensor(previous).unsqueeze(0)
            action, after = self._policy.step(self._tensor(enc).unsqueeze(0), told, before)
            return self._array(action[0] * self._mask[slot]), self._array(after.reshape(-1))

    def info(self) -> BackendInfo:
        """Say what this backend is."""
        return BackendInfo("torch", str(self._torch.__version__), self._device)

    def _tensor(self, array: Float32) -> Any:
        return self._torch.tensor(array, device=self._device)

    def _array(self, tensor: Any) -> Float32:
        return tensor.cpu().numpy().copy()

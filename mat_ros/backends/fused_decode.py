# Copyright 2026 The mat_ros Authors
# SPDX-License-Identifier: Apache-2.0
"""Decide whole ticks of many environments in one GPU launch of cuda/decode.cu (MARWKV-4, one block, width 64)."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from safetensors.numpy import load

from mat_ros.backends.backend import Float32
from mat_ros.backends.cuda_driver import Driver
from mat_ros.core.errors import Refused
from mat_ros.core.policy.bundle import Bundle
from mat_ros.core.policy.manifest import Network

KERNEL, WIDTH, THREADS, MAX_ACTIONS = "decode_rwkv4", 64, 256, 16
SHARED_FLOATS = (4 * WIDTH * (WIDTH + 4) + WIDTH * (4 * WIDTH + 4) + 2 * MAX_ACTIONS * WIDTH + 8 * WIDTH + 4 * WIDTH
                 + 3 * MAX_ACTIONS)
LOG_DECAY_LIMIT = 60.0  # the limit that training uses
PACKED = (  # names of the tensors, in the order of the kernel
    "embed.weight", "embed.bias", "blocks.0.mixer_norm.weight", "blocks.0.mixer.mix_key", "blocks.0.mixer.mix_value",
    "blocks.0.mixer.mix_receptance", "blocks.0.mixer.log_decay", "blocks.0.mixer.bonus", "blocks.0.mixer.key.weight",
    "blocks.0.mixer.value.weight", "blocks.0.mixer.receptance.weight", "blocks.0.mixer.out.weight",
    "blocks.0.channel_norm.weight", "blocks.0.channel.mix_key", "blocks.0.channel.mix_receptance",
    "blocks.0.channel.key.weight", "blocks.0.channel.receptance.weight", "blocks.0.channel.value.weight",
    "final_norm.weight", "final_norm.bias", "head.hidden.weight", "head.hidden.bias", "head.norm.weight",
    "head.norm.bias", "head.out.weight", "head.out.bias",
)


def pack_weights(tensors: Mapping[str, Float32]) -> Float32:
    """Return the decoder's tensors joined into the one array that the kernel reads."""
    parts = []
    for name in PACKED:
        tensor = tensors[f"decoder.{name}"]
        if name.endswith("log_decay"):
            tensor = np.exp(np.minimum(tensor, np.float32(LOG_DECAY_LIMIT)))
        parts.append(tensor.reshape(-1))
    packed: Float32 = np.concatenate(parts).astype(np.float32)
    return packed


def check_fits(network: Network) -> None:
    """Refuse a policy that the kernel does not support."""
    got = (network.decoder, network.blocks, network.width)
    if got != ("rwkv4", 1, WIDTH) or network.act_dim > MAX_ACTIONS:
        raise Refused("fused decode", f"a decoder (rwkv4, 1 block, width {WIDTH}) of at most {MAX_ACTIONS} actions",
                      (*got, network.act_dim), "choose the native backend")


class FusedDecode:
    """Hold a bundle's decoder on the GPU, with memory for a batch of environments."""

    def __init__(self, bundle: Bundle, code: bytes, batch: int = 1, device: int = 0) -> None:
        """Load the kernel from PTX (the output of `nvcc -ptx cuda/decode.cu`) or a cubin."""
        network = bundle.manifest.network
        check_fits(network)
        self._driver, self._network, self.batch = Driver(device), network, batch
        self._kernel = self._driver.kernel(code, KERNEL, 4 * SHARED_FLOATS)
        weights = pack_weights(load(bundle.read("weights.safetensors")))
        mask = bundle.manifest.action_map.mask.astype(np.float32)
        n = network.agents
        self._weights, self._mask = self._driver.allocate(weights.size), self._driver.allocate(mask.size)
        self._driver.upload(self._weights, weights)
        self._driver.upload(self._mask, mask)
        self._enc = self._driver.allocate(batch * n * WIDTH)
        self._decided = self._driver.allocate(batch * n * network.act_dim)
        self._handed = self._driver.allocate(batch * 5 * WIDTH)

    def decide(self, enc: Float32) -> tuple[Float32, Float32]:
        """Return actions (batch, n, act_dim) and the last slots' states (batch, 320) for encodings (batch, n, 64)."""
        n, actions = self._network.agents, self._network.act_dim
        if enc.shape != (self.batch, n, WIDTH):
            raise Refused("fused decode", f"encodings {(self.batch, n, WIDTH)}", enc.shape, "encode the whole batch")
        self._driver.upload(self._enc, enc)
        blocks = min(self.batch, self._driver.multiprocessors)
        self._driver.launch(self._kernel, blocks, THREADS, 4 * SHARED_FLOATS,
                            [self._weights, self._enc, self._mask, n, actions, self.batch, self._decided, self._handed])
        decided = np.empty((self.batch, n, actions), np.float32)
        handed = np.empty((self.batch, 5 * WIDTH), np.float32)
        self._driver.download(self._decided, decided)
        self._driver.download(self._handed, handed)
        return decided, handed

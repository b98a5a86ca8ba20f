# Copyright 2026 The mat_ros Authors
# SPDX-License-Identifier: Apache-2.0
"""Compile the fused loop once per machine and call it: plain C functions over numpy arrays, without copies."""

from __future__ import annotations

import ctypes
import functools
import hashlib
import os
import platform
import shutil
import subprocess
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mat_ros.core.errors import Missing

SOURCES = ("ppo.cpp", "network.hpp", "attention.hpp", "rwkv.hpp", "layers.hpp", "kernels.hpp")
FLAGS = ("-std=c++20", "-O3", "-march=native", "-ffp-contract=fast", "-fno-math-errno", "-fno-trapping-math",
         "-fopenmp-simd", "-shared", "-fPIC", "-pthread")
LANES = 16  # the compiled rows are padded to this many floats
CHUNK_TOKENS = 72  # up to this count, the activations of a chunk stay in a core's L2 cache


class Config(ctypes.Structure):
    """Mirror `Config` of ppo.cpp."""

    _fields_ = [(name, ctypes.c_int32) for name in ("slots", "obs", "act", "width", "blocks", "heads", "threads",
                                                    "chunk", "ratio_of_agent", "encoder_attends", "decoder_attends",
                                                    "encoder_causal")] + [
        (name, ctypes.c_float) for name in ("learning_rate", "epsilon", "clip", "huber", "entropy", "value_weight",
                                            "gradient_norm", "std_scale")] + [
        (name, ctypes.c_double) for name in ("forget", "least_weight", "least_variance")]


class Batch(ctypes.Structure):
    """Mirror `Batch` of ppo.cpp."""

    _fields_ = [(name, ctypes.c_void_p) for name in ("obs", "actions", "told", "log_probs", "values", "returns",
                                                     "advantages", "order")] + [
        ("minibatches", ctypes.c_int32), ("size", ctypes.c_int32)]


def parameter_names(encoder: str, decoder: str, blocks: int) -> list[str]:
    """Return a policy's parameter names in the order in which network.hpp builds its layers."""
    names = [*_affine("encoder.observation_norm"), *_affine("encoder.embed"), *_affine("encoder.embed_norm")]
    for k in range(blocks):
        at = f"encoder.blocks.{k}"
        names += [*_attention(at), *_mlp(at)] if encoder == "attention" else _rwkv(at)
    names += [] if encoder == "attention" else _affine("encoder.final_norm")
    names += [*_head("value_head"), *_affine("decoder.embed")]
    names += _affine("decoder.embed_norm") if decoder == "attention" else []
    for k in range(blocks):
        at = f"decoder.blocks.{k}"
        cross = [name for part in ("cross.query", "cross.key_value", "cross.out", "cross_norm")
                 for name in _affine(f"{at}.{part}")]
        names += [*_attention(at), *cross, *_mlp(at)] if decoder == "attention" else _rwkv(at)
    names += [] if decoder == "attention" else _affine("decoder.final_norm")
    return [*names, *_head("decoder.head"), "actions.log_std"]


def _affine(name: str) -> list[str]:
    return [f"{name}.weight", f"{name}.bias"]


def _head(name: str) -> list[str]:
    return [*_affine(f"{name}.hidden"), *_affine(f"{name}.norm"), *_affine(f"{name}.out")]


def _attention(name: str) -> list[str]:
    return [*_affine(f"{name}.mixer.query_key_value"), *_affine(f"{name}.mixer.out"), *_affine(f"{name}.mixer_norm")]


def _mlp(name: str) -> list[str]:
    return [*_affine(f"{name}.mlp.hidden"), *_affine(f"{name}.mlp.out"), *_affine(f"{name}.mlp_norm")]


def _rwkv(name: str) -> list[str]:
    mixer = ("mix_key", "mix_value", "mix_receptance", "log_decay", "bonus", "key.weight", "value.weight",
             "receptance.weight", "out.weight")
    channel = ("mix_key", "key.weight", "mix_receptance", "receptance.weight", "value.weight")
    return [f"{name}.mixer_norm.weight", *(f"{name}.mixer.{part}" for part in mixer),
            f"{name}.channel_norm.weight", *(f"{name}.channel.{part}" for part in channel)]


def compiler() -> str | None:
    """Return the path of a C++ compiler, or None. The environment variable CXX has precedence."""
    return shutil.which(os.environ.get("CXX", "g++")) or shutil.which("clang++")


@functools.cache
def load_library() -> ctypes.CDLL:
    """Return the loop, compiled for this processor now or by an earlier run."""
    found = compiler()
    if found is None:
        raise Missing("a C++ compiler for the fused update", "install g++, or choose --engine torch")
    here = Path(__file__).parent
    digest = hashlib.sha256(" ".join([*FLAGS, found, _processor()]).encode())
    for name in SOURCES:
        digest.update((here / name).read_bytes())
    cache = Path(os.environ.get("XDG_CACHE_HOME", Path.home() / ".cache")) / "mat_ros"
    library = cache / f"fused-{digest.hexdigest()[:16]}.so"
    if not library.exists():
        cache.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=cache) as folder:
            built = Path(folder) / "fused.so"
            command = [found, *FLAGS, str(here / SOURCES[0]), "-o", str(built)]
            done = subprocess.run(command, capture_output=True, text=True, check=False)
            if done.returncode:
                raise Missing("a C++20 compiler that can build the fused update",
                              f"choose --engine torch; {found} printed: {done.stderr.strip()[-400:]}")
            os.replace(built, library)
    loaded = ctypes.CDLL(str(library))
    loaded.fused_create.restype = ctypes.c_void_p
    loaded.fused_train.restype = ctypes.c_int64
    return loaded


def _processor() -> str:
    """Return the processor features that -march=native uses: machines that share a cache may differ in them."""
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
        return next(line for line in lines if line.startswith(("flags", "Features")))
    except (OSError, StopIteration):
        return f"{platform.machine()} {platform.processor()}"


@dataclass
class Parameters:
    """Hold the flat memory that torch's parameters and the compiled loop share."""

    weights: NDArray[np.float32]
    first: NDArray[np.float32]  # Adam's moments
    second: NDArray[np.float32]
    offsets: NDArray[np.int64]  # places of the named parameters, in building order


class FusedLoop:
    """Call one compiled learner, and keep the arrays alive that it points to."""

    def __init__(self, config: Config, parameters: Parameters, mask: NDArray[np.float32],
                 moments: NDArray[np.float64]) -> None:
        self._library = load_library()
        self.sizes, self._kept = config, (parameters, mask, moments)
        self.parameters = parameters
        self._handle = ctypes.c_void_p(self._library.fused_create(
            ctypes.byref(config), _at(parameters.offsets), _at(mask), _at(parameters.weights), _at(parameters.first),
            _at(parameters.second), _at(moments), ctypes.c_int64(parameters.weights.size)))

    def __del__(self) -> None:
        """Free the compiled learner."""
        if handle := getattr(self, "_handle", None):
            self._library.fused_destroy(handle)

    def act(self, obs: NDArray[np.float32], noise: NDArray[np.float32] | None,
            share: NDArray[np.float32] | None = None) -> tuple[NDArray[np.float32], ...]:
        """Return actions, log_probs and values for obs (B, n, obs_dim), with normal noise (B, n, act_dim) or without.

        `share` (B, n, act_dim) is the part of each action that its joint really does. The next slot receives action *
        share, or the action where no share is given.
        """
        shape = obs.shape[:2]
        actions, log_probs = np.empty((2, *shape, self.sizes.act), np.float32)
        values = np.empty(shape, np.float32)
        self._library.fused_act(self._handle, _at(obs), None if noise is None else _at(noise),
                                None if share is None else _at(share), ctypes.c_int32(shape[0]), _at(actions),
                                _at(log_probs), _at(values))
        return actions, log_probs, values

    def values(self, obs: NDArray[np.float32]) -> NDArray[np.float32]:
        """Return the values (B, n) of obs (B, n, obs_dim)."""
        values = np.empty(obs.shape[:2], np.float32)
        self._library.fused_values(self._handle, _at(obs), ctypes.c_int32(len(obs)), _at(values))
        return values

    def train(self, arrays: dict[str, NDArray[Any]], order: NDArray[np.int64], minibatches: int, steps: int
              ) -> tuple[int, NDArray[np.float64]]:
        """Take one optimiser step per minibatch; return the number of steps so far and the summed scores."""
        scores = np.zeros(5)
        batch = self._batch(arrays, order, minibatches)
        done = self._library.fused_train(self._handle, ctypes.byref(batch), ctypes.c_int64(steps), _at(scores))
        return int(done), scores

    @staticmethod
    def _batch(arrays: dict[str, NDArray[Any]], order: NDArray[np.int64], minibatches: int) -> Batch:
        names = ("obs", "actions", "told", "log_probs", "values", "returns", "advantages")
        return Batch(*(_at(arrays[name]) for name in names), _at(order), minibatches, len(order) // minibatches)


def _at(array: NDArray[Any]) -> ctypes.c_void_p:
    if not array.flags.c_contiguous:
        raise ValueError(f"expected a contiguous array, got strides {array.strides}; copy it first")
    return ctypes.c_void_p(array.ctypes.data)

# Copyright 2026 The mat_ros Authors
# SPDX-License-Identifier: Apache-2.0
"""Decide with the project's own C++: microseconds per step, and the same bits on every instruction set."""

from __future__ import annotations

import ctypes
import threading
import weakref

import numpy as np
from numpy.typing import NDArray

import mat_ros
from mat_ros.backends.backend import BackendInfo, Float32
from mat_ros.backends.native_library import FloatPointer, NetworkStruct, native_library
from mat_ros.core.errors import Refused
from mat_ros.core.policy.bundle import Bundle
from mat_ros.core.policy.manifest import Manifest

MIXER_NUMBERS = {"attention": 0, "rwkv4": 4, "rwkv5": 5, "rwkv6": 6, "rwkv7": 7, "none": -1}
WEIGHTS = "weights.safetensors"
CACHE_LINE = 64  # bytes
LONGEST_SENTENCE = 1024


class NativeBackend:
    """Run a bundle's weights in C++, without the bundle's graphs."""

    def __init__(self, bundle: Bundle, path: str = "auto") -> None:
        """Load the weights for one instruction set: "auto", or one of `native_library.instruction_sets()`."""
        self._library = native_library()
        self._policy = _open(self._library, bundle, path)
        weakref.finalize(self, self._library.mat_ros_close, self._policy)
        network = bundle.manifest.network
        self._agents, self._act_dim, self._enc_dim = network.agents, network.act_dim, network.enc_dim
        self._obs_shape = (network.agents, network.obs_dim)
        layout = bundle.manifest.state
        self._state_sizes = tuple(layout.size(slot) for slot in range(network.agents + 1))
        if any(self._library.mat_ros_state_size(self._policy, slot) != size
               for slot, size in enumerate(self._state_sizes)):
            raise Refused(f"bundle {bundle.folder}, state",
                          [self._library.mat_ros_state_size(self._policy, slot) for slot in (0, 1)],
                          list(self._state_sizes[:2]), "export the policy anew")
        # The small arrays have fixed addresses, because looking up an address costs more than copying an array.
        self._workspace = _aligned(self._library.mat_ros_workspace(self._policy))
        self._obs, self._enc = _aligned(network.agents * network.obs_dim), _aligned(network.agents * network.enc_dim)
        self._previous, self._actions = _aligned(network.act_dim), _aligned(network.agents * network.act_dim)
        self._values, self._state = _aligned(network.agents), _aligned(max(self._state_sizes))
        self._states = [self._state[:size] for size in self._state_sizes]
        self._obs_view = self._obs.reshape(self._obs_shape)
        self._enc_view = self._enc.reshape(network.agents, network.enc_dim)
        self._actions_view = self._actions.reshape(network.agents, network.act_dim)
        self._at = {name: getattr(self, f"_{name}").ctypes.data
                    for name in ("workspace", "obs", "enc", "previous", "actions", "values", "state")}
        self._slot_enc, self._slot_action = self._enc_view[0], self._actions_view[0]
        self._lock = threading.Lock()  # threads that share a backend take turns with the fixed arrays
        self._decide_in_c = self._library.mat_ros_decide
        self._from_there = tuple(self._at[name] for name in ("enc", "previous", "state", "actions", "state"))

    @property
    def policy(self) -> int:
        """Return the address of the open policy, which lives as long as this backend."""
        return self._policy

    def encode(self, obs: Float32) -> tuple[Float32, Float32]:
        """Map the raw observation (n, obs_dim) to encodings (n, enc_dim) and values (n,)."""
        if obs.shape != self._obs_shape:
            raise Refused("observation", f"shape {self._obs_shape}", obs.shape, "observe with the bundle's layout")
        at = self._at
        with self._lock:
            self._obs_view[...] = obs
            self._library.mat_ros_encode(self._policy, at["workspace"], at["obs"], at["enc"], at["values"])
            return self._enc_view.copy(), self._values.copy()

    def step(self, slot: int, enc: Float32, previous: Float32, state: Float32) -> tuple[Float32, Float32]:
        """Return the action and the next state of one slot; see Backend.step."""
        if enc.shape != (self._enc_dim,) or previous.shape != (self._act_dim,):
            self._refuse(slot, (enc.shape, previous.shape), ((self._enc_dim,), (self._act_dim,)))
        with self._lock:
            self._slot_enc[:] = enc
            handed = self._run(slot, slot + 1, previous, state)
            return self._slot_action.copy(), handed

    def decide(
        self, first: int, last: int, enc: Float32, previous: Float32, state: Float32
    ) -> tuple[Float32, Float32]:
        """Decide the slots first .. last - 1 in one call; see RunStepper.decide."""
        count = last - first
        if enc.shape != (count, self._enc_dim) or previous.shape != (self._act_dim,):
            self._refuse(first, (enc.shape, previous.shape), ((count, self._enc_dim), (self._act_dim,)))
        with self._lock:
            self._enc_view[:count] = enc
            handed = self._run(first, last, previous, state)
            return self._actions_view[:count].copy(), handed

    def info(self) -> BackendInfo:
        """Return the name and the device of this backend."""
        path = self._library.mat_ros_path(self._policy).decode()
        return BackendInfo("native", mat_ros.__version__, f"cpu ({path})")

    def _run(self, first: int, last: int, previous: Float32, state: Float32) -> Float32:
        """Decide slots whose encodings are already in the fixed array, and return the state for the next slot."""
        if not 0 <= first < last <= self._agents or state.shape != (self._state_sizes[first],):
            wanted = (f"slots of 0 .. {self._agents}", self._state_sizes[first:first + 1])
            self._refuse(first, (last, state.shape), wanted)
        self._states[first][:] = state
        self._previous[:] = previous
        self._decide_in_c(self._policy, self._at["workspace"], first, last, *self._from_there)
        return self._states[last].copy()

    @staticmethod
    def _refuse(slot: int, got: object, expected: object) -> None:
        raise Refused(f"step of slot {slot}", expected, got,
                      "pass the encoding, and the action and state of the slot before")


def _open(library: ctypes.PyDLL, bundle: Bundle, path: str) -> int:
    manifest = bundle.manifest
    network = manifest.network
    arrays = _arrays(manifest)
    struct = NetworkStruct(
        encoder=MIXER_NUMBERS[network.encoder], decoder=MIXER_NUMBERS[network.decoder],
        bidirectional=network.bidirectional, agents=network.agents, obs_dim=network.obs_dim, act_dim=network.act_dim,
        width=network.width, enc_dim=network.enc_dim, blocks=network.blocks, heads=network.heads,
        clip=manifest.normaliser.clip,
        **{name: array.ctypes.data_as(FloatPointer) for name, array in arrays.items()},
    )
    sentence = ctypes.create_string_buffer(LONGEST_SENTENCE)
    weights = bundle.read(WEIGHTS)  # the library never opens the file, which may have changed since the hash check
    policy = library.mat_ros_open(str(bundle.path(WEIGHTS)).encode(), weights, len(weights), ctypes.byref(struct),
                                  path.encode(), sentence, LONGEST_SENTENCE)
    if not policy:
        what, _, rest = sentence.value.decode(errors="replace").replace("\n", " ").partition(": expected ")
        expected, _, rest = rest.partition(", got ")
        got, _, remedy = rest.partition("; ")
        raise Refused(what, expected, got, remedy)
    return int(policy)


def _arrays(manifest: Manifest) -> dict[str, NDArray[np.float32]]:
    return {
        "mean": np.array(manifest.normaliser.mean, np.float32),
        "std": np.array(manifest.normaliser.std, np.float32),
        "observed": manifest.observed.astype(np.float32),
        "action_mask": manifest.action_map.mask.astype(np.float32),
    }


def _aligned(floats: int) -> NDArray[np.float32]:
    """Return an array of zeros that begins on a cache line, where the kernels read fastest."""
    raw = np.zeros(max(floats, 1) * 4 + CACHE_LINE, np.uint8)
    start = -raw.ctypes.data % CACHE_LINE
    return raw[start:start + floats * 4].view(np.float32)

# Copyright 2026 The mat_ros Authors
# SPDX-License-Identifier: Apache-2.0
"""Run the tick of a node in C++ (native/mat_ros_tick.h): bytes of messages in, bytes of messages out."""

from __future__ import annotations

import ctypes
import weakref
from collections import Counter
from collections.abc import Iterable, Mapping
from functools import lru_cache
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from mat_ros.backends.native_backend import LONGEST_SENTENCE, NativeBackend
from mat_ros.backends.native_library import FloatPointer, native_library
from mat_ros.core.errors import Refused
from mat_ros.core.policy.bundle import Bundle
from mat_ros.core.robot.observe import Observer
from mat_ros.core.tick.chain import MODES, Role
from mat_ros.core.tick.collect import NONE
from mat_ros.core.tick.messages import Float32, Observation, Override
from mat_ros.core.wire import tick as wire

OBSERVATION, ENCODING, BATON, DECISION, WAKE = range(5)  # enum mat_ros_topic
NEVER_NS = 2**63 - 1
_Sink = ctypes.CFUNCTYPE(None, ctypes.c_void_p, ctypes.c_int, ctypes.c_void_p, ctypes.c_size_t)
_Int = ctypes.POINTER(ctypes.c_int)
_Double = ctypes.POINTER(ctypes.c_double)


class ChainRoleStruct(ctypes.Structure):
    """Declare the struct mat_ros_chain_role."""

    _fields_ = [
        *[(name, ctypes.c_int) for name in ("first", "stop", "mode")],
        *[(name, ctypes.c_int64) for name in ("budget_ns", "period_ns")],
        *[(name, ctypes.c_int) for name in ("baton_on_deviation", "backup")],
        ("manifest", ctypes.c_uint64), ("secret", ctypes.c_char_p), ("secret_size", ctypes.c_size_t),
        ("start", FloatPointer), ("heard", _Int), ("heard_count", ctypes.c_int),
    ]


class EncoderRoleStruct(ctypes.Structure):
    """Declare the struct mat_ros_encoder_role."""

    _fields_ = [
        ("period_ns", ctypes.c_int64), ("manifest", ctypes.c_uint64), ("secret", ctypes.c_char_p),
        ("secret_size", ctypes.c_size_t), ("signals", ctypes.c_int), ("index", _Int), ("scale", _Double),
        ("bias", _Double), ("clip", ctypes.c_float),
    ]


class CollectorRoleStruct(ctypes.Structure):
    """Declare the struct mat_ros_collector_role."""

    _fields_ = [
        *[(name, ctypes.c_int) for name in ("slots", "act_dim", "signals")],
        ("manifest", ctypes.c_uint64), ("secret", ctypes.c_char_p), ("secret_size", ctypes.c_size_t),
    ]


class GatheringStruct(ctypes.Structure):
    """Declare the struct mat_ros_gathering."""

    _fields_ = [
        ("tick", ctypes.c_uint64), *[(name, ctypes.c_int64) for name in ("source_ns", "deadline_ns", "now_ns")],
        *[(name, ctypes.c_int) for name in ("open", "found")],
        *[(name, ctypes.c_int64) for name in ("first_ns", "heard_ns")],
        *[(name, ctypes.c_void_p) for name in ("actions", "validity", "silent", "observation")],
    ]


@lru_cache(maxsize=1)
def _library() -> ctypes.PyDLL:
    library = native_library()
    address, number = ctypes.c_void_p, ctypes.c_int
    for name, result, arguments in (
        ("chain_open", address, [address, ctypes.POINTER(ChainRoleStruct), ctypes.c_char_p, ctypes.c_size_t]),
        ("encoder_open", address, [address, ctypes.POINTER(EncoderRoleStruct), ctypes.c_char_p, ctypes.c_size_t]),
        ("collector_open", address, [ctypes.POINTER(CollectorRoleStruct), ctypes.c_char_p, ctypes.c_size_t]),
        *((f"collector_{name}", None, [address, ctypes.POINTER(GatheringStruct)])
          for name in ("begin", "begin_again", "close", "look", "take_observation")),
        ("machine_close", None, [address]),
        ("machine_hear", None, [address, number, number, ctypes.c_char_p, ctypes.c_size_t, ctypes.c_int64, _Sink,
                                address]),
        ("machine_poll", None, [address, ctypes.c_int64, _Sink, address]),
        ("machine_wake_ns", ctypes.c_int64, [address]),
        ("machine_count_names", ctypes.c_char_p, [address]),
        ("machine_counts", None, [address, ctypes.POINTER(ctypes.c_uint64)]),
        ("chain_notice", None, [address, ctypes.c_uint64, number, _Int, FloatPointer, ctypes.c_char_p]),
    ):
        function = getattr(library, f"mat_ros_{name}")
        function.restype, function.argtypes = result, arguments
    return library


class NativeMachine:
    """Hold an open machine. `NativeChain`, `NativeEncoder` and `NativeCollector` open it."""

    def __init__(self, backend: NativeBackend | None, kind: str, role: ctypes.Structure) -> None:
        self._library = _library()
        sentence = ctypes.create_string_buffer(LONGEST_SENTENCE)
        policy = () if backend is None else (backend.policy,)
        handle = getattr(self._library, f"mat_ros_{kind}_open")(*policy, ctypes.byref(role), sentence,
                                                               LONGEST_SENTENCE)
        if not handle:
            what, _, rest = sentence.value.decode().partition(": expected ")
            expected, _, rest = rest.partition(", got ")
            got, _, remedy = rest.partition("; ")
            raise Refused(what, expected, got, remedy)
        self.handle = int(handle)  # address of the machine, for a loop in C++
        self._backend = backend  # owns the policy that the machine uses
        weakref.finalize(self, self._library.mat_ros_machine_close, self.handle)
        self.count_names = self._library.mat_ros_machine_count_names(self.handle).decode().split()
        out: list[tuple[int, bytes]] = []
        self._out = out
        self._sink = _Sink(lambda user, topic, data, size: out.append((topic, ctypes.string_at(data, size))))

    def hear(self, topic: int, slot: int, data: bytes, now_ns: int) -> list[tuple[int, bytes]]:
        """Take a message of a topic, and return the messages to publish: topic and bytes.

        `slot` is the last slot in the name of a baton's topic, and 0 for the other topics.
        """
        self._library.mat_ros_machine_hear(self.handle, topic, slot, data, len(data), now_ns, self._sink, None)
        return self._taken()

    def poll(self, now_ns: int) -> list[tuple[int, bytes]]:
        """Decide without a baton when the patience is over, and return the messages to publish."""
        self._library.mat_ros_machine_poll(self.handle, now_ns, self._sink, None)
        return self._taken()

    @property
    def wake_ns(self) -> int | None:
        """Return the time at which `poll` has to be called; None where a call would change nothing."""
        wake_ns = self._library.mat_ros_machine_wake_ns(self.handle)
        return None if wake_ns == NEVER_NS else int(wake_ns)

    @property
    def counts(self) -> Counter[str]:
        """Return what the machine has counted, without the zeros."""
        counts = (ctypes.c_uint64 * len(self.count_names))()
        self._library.mat_ros_machine_counts(self.handle, counts)
        return Counter({name: count for name, count in zip(self.count_names, counts, strict=True) if count})

    def _taken(self) -> list[tuple[int, bytes]]:
        taken = self._out[:]
        self._out.clear()
        return taken


class NativeChain(NativeMachine):
    """Decide the slots of one node of the chain, as `core.tick.chain.ChainNode` does."""

    def __init__(self, backend: NativeBackend, bundle: Bundle, role: Role, secret: bytes,
                 heard: Iterable[int] = ()) -> None:
        """Take the last slots of the nodes whose batons this node receives, in `heard`."""
        network, start = bundle.manifest.network, bundle.manifest.state.start()
        if role.slots != network.agents:
            raise Refused("chain role", f"a chain of {network.agents} slots", role.slots, "correct the wiring")
        last_slots = np.array([*heard], dtype=np.intc)
        super().__init__(backend, "chain", ChainRoleStruct(
            first=role.first, stop=role.stop, mode=MODES.index(role.patience.mode),
            budget_ns=role.patience.budget_ns or 0, period_ns=bundle.manifest.period_ns,
            baton_on_deviation=role.baton == "on_deviation", backup=role.backup, manifest=bundle.hash64, secret=secret,
            secret_size=len(secret), start=start.ctypes.data_as(FloatPointer),
            heard=last_slots.ctypes.data_as(_Int), heard_count=len(last_slots)))
        self.act_dim = network.act_dim

    def notice(self, tick: int, overrides: Mapping[int, Override]) -> None:
        """Store a notice about broken joints: from a tick on, these overrides hold and no others."""
        slots, shares, validities = notice_arguments(overrides, self.act_dim)
        self._library.mat_ros_chain_notice(self.handle, tick, len(slots), slots.ctypes.data_as(_Int),
                                           shares.ctypes.data_as(FloatPointer), validities)


def notice_arguments(overrides: Mapping[int, Override], act_dim: int) -> tuple[NDArray[np.intc], Float32, bytes]:
    """Return overrides as mat_ros_chain_notice takes them: slots (count,), shares (count, act_dim), validities."""
    slots = np.array([*overrides], dtype=np.intc)
    shares = np.zeros((len(slots), act_dim), np.float32)
    for row, override in zip(shares, overrides.values(), strict=True):
        row[:] = override.share
    return slots, shares, bytes(int(override.validity) for override in overrides.values())


class NativeEncoder(NativeMachine):
    """Encode one observation per tick, as `core.tick.encode.Encoder` does."""

    def __init__(self, backend: NativeBackend, bundle: Bundle, secret: bytes) -> None:
        observer = Observer(bundle.manifest.layout)
        index = np.where(observer.measured, observer.index, -1).astype(np.intc)
        columns: dict[str, Any] = {
            "index": index.ctypes.data_as(_Int), "scale": observer.scale.ctypes.data_as(_Double),
            "bias": observer.bias.ctypes.data_as(_Double)}
        super().__init__(backend, "encoder", EncoderRoleStruct(
            period_ns=bundle.manifest.period_ns, manifest=bundle.hash64, secret=secret, secret_size=len(secret),
            signals=observer.signal_count, clip=bundle.manifest.layout.clip, **columns))


class Guard(Protocol):
    """A loop that feeds a machine from other threads, and whose lock guards the machine."""

    def gather(self, function: Any, gathering: GatheringStruct) -> None:
        """Let a function of the collector work while no message is handled."""

    def counts(self) -> Counter[str]:
        """Return what the machine and the loop have counted."""


class NativeCollector(NativeMachine):
    """Gather the decisions of one tick, as `core.tick.collect.Collector` does, and keep the observations for the gate.

    One thread at a time may use an object of this class. Its loop may feed the machine meanwhile.
    """

    def __init__(self, bundle: Bundle, secret: bytes) -> None:
        manifest = bundle.manifest
        slots, act_dim = manifest.network.agents, manifest.network.act_dim
        self._signals = manifest.layout.signal_count
        super().__init__(None, "collector", CollectorRoleStruct(
            slots=slots, act_dim=act_dim, signals=self._signals, manifest=bundle.hash64, secret=secret,
            secret_size=len(secret)))
        self.actions: Float32 = np.full((slots, act_dim), np.nan, np.float32)  # those of the last call, as all below
        self.validity = np.full(slots, NONE, np.uint8)
        self._silent = np.zeros(slots, np.int64)
        self._observation = ctypes.create_string_buffer(wire.OBSERVATION_BYTES + 4 * self._signals)
        self._gathering = GatheringStruct(
            actions=self.actions.ctypes.data, validity=self.validity.ctypes.data, silent=self._silent.ctypes.data,
            observation=ctypes.addressof(self._observation))
        self.guard: Guard | None = None  # the loop that feeds the machine

    def begin(self, tick: int, source_ns: int, deadline_ns: int, now_ns: int) -> None:
        """Begin a tick with the decisions that came before its observation."""
        given = self._gathering
        given.tick, given.source_ns, given.deadline_ns, given.now_ns = tick, source_ns, deadline_ns, now_ns
        self._call("begin")

    def begin_again(self) -> None:
        """Drop the decisions of the present tick, and wait for its owners once more."""
        self._call("begin_again")

    def close(self) -> tuple[Float32, NDArray[np.uint8]]:
        """End the tick, and return copies of the actions (slot, act_dim) and of their validity (slot,)."""
        self._call("close")
        return self.actions.copy(), self.validity.copy()

    def look(self) -> None:
        """Copy what the machine holds at present."""
        self._call("look")

    @property
    def open(self) -> bool:
        """Return whether a decision still counts for the command of the present tick."""
        self.look()
        return bool(self._gathering.open)

    @property
    def silent(self) -> NDArray[np.int64]:
        """Return the number of ticks in a row without each owner's decision (slot,), the present tick not counted."""
        self.look()
        return self._silent.copy()

    @property
    def first_ns(self) -> int:
        """Return the time of the first decision after the newest observation, at the last call; 0: there was none."""
        return int(self._gathering.first_ns)

    def observation(self) -> tuple[Observation, int] | None:
        """Take the oldest observation that waits, and the time at which it came; None where none waits."""
        self._call("take_observation")
        if not self._gathering.found:
            return None
        return wire.read_observation(self._observation.raw, self._signals), int(self._gathering.heard_ns)

    @property
    def counts(self) -> Counter[str]:
        """Return what the machine has counted, without the zeros."""
        return super().counts if self.guard is None else self.guard.counts()

    def _call(self, name: str) -> None:
        function = getattr(self._library, f"mat_ros_collector_{name}")
        if self.guard is None:
            function(self.handle, ctypes.byref(self._gathering))
        else:
            self.guard.gather(function, self._gathering)

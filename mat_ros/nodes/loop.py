# Copyright 2026 The mat_ros Authors
# SPDX-License-Identifier: Apache-2.0
"""Run the tick of a node in C++, in the process of the node (native/mat_ros_loop.h).

The loop has subscriptions and publishers of its own. So neither the executor of rclpy nor the interpreter's lock delays
a tick. Lifecycle, parameters and reports of the node stay in Python.
"""

from __future__ import annotations

import ctypes
import enum
from collections import Counter
from collections.abc import Callable, Mapping
from contextlib import ExitStack
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

from rclpy.impl.implementation_singleton import rclpy_implementation
from rclpy.node import Node
from rclpy.type_support import check_for_type_support

from mat_ros.backends.native_library import native_library
from mat_ros.backends.native_tick import GatheringStruct, NativeChain, NativeCollector, NativeMachine, notice_arguments
from mat_ros.core.errors import Missing, Refused
from mat_ros.core.tick.messages import Override
from mat_ros.nodes.topics import Topic

LIBRARY = Path(__file__).with_name("native") / "libmat_ros_loop.so"
LONGEST_SENTENCE = 1024


class Hearing(enum.IntEnum):
    """Name the thread that receives a message, decides and publishes (enum mat_ros_hearing)."""

    IN_LISTENER = 0  # the receiving thread of the middleware
    IN_THREAD = 1  # a thread of the loop, which waits for messages and for the end of the patience


# The listener saves a wake-up at each hop. Six slots in strict mode, SCHED_RR, six runs each on two busy cores: the
# median tick took 1.3 to 1.7 ms in the listener and 1.6 to 2.1 ms with a thread. Nine of ten ticks took at most 1.9 to
# 4.2 ms and 4.3 to 6.5 ms. Twenty slots in optimistic mode showed no difference beyond that of two runs.
# The middleware holds locks of a subscription during a listener, so a listener must not wait for long. It takes only
# the lock of its own loop, which Python holds for microseconds, and messages pass from slot to slot in one direction.
HEARING = Hearing.IN_LISTENER


class MachineStruct(ctypes.Structure):
    """Declare the struct mat_ros_loop_machine."""

    _fields_ = [(name, ctypes.c_void_p) for name in ("machine", "hear", "poll", "wake_ns", "counts", "notice")]


class CountsStruct(ctypes.Structure):
    """Declare the struct mat_ros_loop_counts."""

    _fields_ = [(name, ctypes.c_uint64) for name in ("handled", "handling_ns", "unsent", "unwaited")]


@dataclass(frozen=True)
class Handling:
    """Hold how many messages a loop has handled, and the time that this took."""

    messages: int
    ns: int


def lacking() -> str:
    """Return why no tick of this machine can run in C++; empty where one can."""
    try:
        _library()
        newest = hasattr(native_library(), "mat_ros_collector_open")
        return "" if newest else "the native backend is of an older version"
    except Missing as error:
        return str(error)


@lru_cache(maxsize=1)
def _library() -> ctypes.CDLL:
    """Return the loaded library. Its calls release the interpreter's lock, because some wait for another thread."""
    if not LIBRARY.exists():
        raise Missing("the compiled loop of the tick", "install g++ and run `pip install -e .` to compile it")
    try:
        library = ctypes.CDLL(str(LIBRARY))
    except OSError as error:
        raise Missing(f"a loop of the tick for this machine ({error})",
                      "run `pip install -e .` to compile it") from error
    address, text, number, size = ctypes.c_void_p, ctypes.c_char_p, ctypes.c_int, ctypes.c_size_t
    sentence = [text, size]
    for name, result, arguments in (
        ("open", address, [text, address, ctypes.POINTER(MachineStruct), number, number, *sentence]),
        ("announce", number, [address, number, text, address, size, *sentence]),
        ("hear", number, [address, number, number, text, address, size, number, *sentence]),
        ("ring", None, [address, number]),
        ("begin", number, [address, *sentence]),
        ("activate", None, [address, number]),
        ("ends", size, [address, text]),
        ("count", None, [address, ctypes.POINTER(CountsStruct), ctypes.POINTER(ctypes.c_uint64)]),
        ("notice", None, [address, ctypes.c_uint64, number, address, address, address]),
        ("gather", None, [address, address, ctypes.POINTER(GatheringStruct)]),
        ("close", None, [address]),
    ):
        function = getattr(library, f"mat_ros_loop_{name}")
        function.restype, function.argtypes = result, arguments
    return library


class Loop:
    """Feed a machine from the topics of a node, and publish what the machine decides."""

    def __init__(self, node: Node, machine: NativeMachine, hearing: Hearing, system_clock: bool = False) -> None:
        """Make a loop without topics."""
        self._library, self._machine = _library(), machine
        backend = native_library()
        functions = {name: ctypes.cast(getattr(backend, f"mat_ros_{function}"), ctypes.c_void_p).value
                     for name, function in (("hear", "machine_hear"), ("poll", "machine_poll"),
                                            ("wake_ns", "machine_wake_ns"), ("counts", "machine_counts"),
                                            ("notice", "chain_notice"))}
        struct = MachineStruct(machine=machine.handle, **functions)
        self._sentence = ctypes.create_string_buffer(LONGEST_SENTENCE)
        with ExitStack() as keep:
            keep.enter_context(node.handle)  # rclpy destroys the rcl node only after `close`
            self._loop = self._library.mat_ros_loop_open(
                rclpy_implementation.__file__.encode(), node.handle.pointer, ctypes.byref(struct), hearing,
                system_clock, self._sentence, LONGEST_SENTENCE)
            self._check(self._loop is None, "loop of the tick")
            self._keep = keep.pop_all()
        if isinstance(machine, NativeCollector):
            machine.guard = self

    def announce(self, topic: Topic, number: int) -> Callable[[], int]:
        """Make the publisher of a topic, which is the machine's `number`; return the count of its other ends."""
        self._check(self._library.mat_ros_loop_announce(
            self._loop, number, topic.name.encode(), _type_support(topic.type), topic.depth, self._sentence,
            LONGEST_SENTENCE), topic.name)
        return lambda: int(self._library.mat_ros_loop_ends(self._loop, topic.name.encode()))

    def hear(self, topic: Topic, number: int, slot: int, reliable: bool) -> Callable[[], int]:
        """Make the subscription of a topic; return the count of its other ends."""
        self._check(self._library.mat_ros_loop_hear(
            self._loop, number, slot, topic.name.encode(), _type_support(topic.type), topic.depth, reliable,
            self._sentence, LONGEST_SENTENCE), topic.name)
        return lambda: int(self._library.mat_ros_loop_ends(self._loop, topic.name.encode()))

    def ring(self, bell: int) -> None:
        """Write the eventfd `bell` whenever the machine has something for the node."""
        self._library.mat_ros_loop_ring(self._loop, bell)

    def begin(self) -> None:
        """Begin to receive; no topic can be added any more."""
        self._check(self._library.mat_ros_loop_begin(self._loop, self._sentence, LONGEST_SENTENCE), "loop of the tick")

    def activate(self, active: bool) -> None:
        """Begin or end the work. An inactive loop drops its messages, and publishes nothing."""
        self._library.mat_ros_loop_activate(self._loop, active)

    def notice(self, tick: int, overrides: Mapping[int, Override]) -> None:
        """Store a notice about broken joints: from a tick on, these overrides hold and no others."""
        assert isinstance(self._machine, NativeChain)
        slots, shares, validities = notice_arguments(overrides, self._machine.act_dim)
        self._library.mat_ros_loop_notice(self._loop, tick, len(slots), slots.ctypes.data, shares.ctypes.data,
                                          validities)

    def gather(self, function: Any, gathering: GatheringStruct) -> None:
        """Let a function of the collector work while no message is handled."""
        assert self._loop is not None
        self._library.mat_ros_loop_gather(self._loop, ctypes.cast(function, ctypes.c_void_p), ctypes.byref(gathering))

    def counts(self) -> Counter[str]:
        """Return what the machine and the loop have counted, without the zeros."""
        own, values = self._count()
        found = Counter({name: int(value) for name, value in zip(self._machine.count_names, values, strict=True)})
        found.update(unsent=own.unsent, unwaited=own.unwaited)
        return +found

    def handling(self) -> Handling:
        """Return the number of handled messages and their time, since the beginning."""
        own, _ = self._count()
        return Handling(own.handled, own.handling_ns)

    def close(self) -> None:
        """End the work and destroy the topics. The machine must live until then."""
        self._library.mat_ros_loop_close(self._loop)
        if isinstance(self._machine, NativeCollector):
            self._machine.guard = None
        self._loop = None
        self._keep.close()

    def _count(self) -> tuple[Any, Any]:
        own, values = CountsStruct(), (ctypes.c_uint64 * len(self._machine.count_names))()
        self._library.mat_ros_loop_count(self._loop, ctypes.byref(own), values)
        return own, values

    def _check(self, refused: object, what: str) -> None:
        if refused:
            raise Refused(what, "a topic end of rcl", self._sentence.value.decode(errors="replace"),
                          "run `mat-ros doctor`, or set tick:=python")


def _type_support(kind: Any) -> int:
    """Return the address of the type support that rclpy uses for a message class."""
    check_for_type_support(kind)
    capsule = type(kind)._TYPE_SUPPORT
    name, pointer = ctypes.pythonapi.PyCapsule_GetName, ctypes.pythonapi.PyCapsule_GetPointer
    name.restype, name.argtypes = ctypes.c_char_p, [ctypes.py_object]
    pointer.restype, pointer.argtypes = ctypes.c_void_p, [ctypes.py_object, ctypes.c_char_p]
    return int(pointer(capsule, name(capsule)))

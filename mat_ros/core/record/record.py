# Copyright 2026 The mat_ros Authors
# SPDX-License-Identifier: Apache-2.0
"""Record the messages of a graph: at once in a file, or in memory until something breaks.

A recording is an MCAP file of ROS 2 messages with their definitions. Foxglove, `mcap` and `rosbags` read the file
without mat_ros. The metadata holds the other facts that a replay needs: the bundle's digest, backend, seed, parameters
and versions.
"""

from __future__ import annotations

import functools
import json
import platform
from collections import deque
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

import mat_ros
from mat_ros.core.errors import Refused
from mat_ros.core.policy.bundle import Bundle
from mat_ros.core.record.writer import CHUNK_BYTES, Writer
from mat_ros.core.wire import cdr

FACTS = "mat_ros"  # name of the metadata record
TYPES: Mapping[str, str] = {
    "observation": "mat_ros/msg/Observation",
    "encoding": "mat_ros/msg/Encoding",
    "baton": "mat_ros/msg/Baton",  # the baton of slot k is on the topic `baton/slot_k`
    "decision": "mat_ros/msg/Decision",
    "applied": "mat_ros/msg/Applied",
    "overrides": "mat_ros/msg/OverrideSet",
    "descriptor": "mat_ros/msg/NodeDescriptor",
    "status": "mat_ros/msg/ChainStatus",
    "fault_state": "mat_ros/msg/FaultState",
    "diagnostics": "diagnostic_msgs/msg/DiagnosticArray",
}


@functools.lru_cache(maxsize=4096)  # every message needs its plain topic
def plain(topic: str) -> str:
    """Return a topic without its namespace, and a baton's topic also without its slot."""
    parts = topic.strip("/").split("/")
    name = parts[-2] if len(parts) > 1 and parts[-2] == "baton" else parts[-1]
    if name not in TYPES:
        raise Refused("topic", f"one of {sorted(TYPES)}", topic, "record a topic of the graph")
    return name


def facts(bundle: Bundle, backend: tuple[str, str, str], **more: object) -> dict[str, str]:
    """Return the facts about a new recording as JSON texts. `backend` is a name, a version and a device."""
    found = {"digest": bundle.digest, "policy": bundle.manifest.name, "task": bundle.manifest.task,
             "backend": list(backend), "mat_ros": mat_ros.__version__, "python": platform.python_version(),
             "numpy": np.__version__, "machine": platform.machine(), **more}
    return {name: json.dumps(value) for name, value in found.items()}


class Recorder:
    """Write a recording into a new file."""

    def __init__(self, path: Path, said: Mapping[str, str], chunk_bytes: int = CHUNK_BYTES) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        self._writer = Writer(path, chunk_bytes)
        self._writer.metadata(FACTS, said)

    def raw(self, topic: str, time_ns: int, data: bytes) -> None:
        """Add a message as serialised bytes."""
        kind = TYPES[plain(topic)]
        self._writer.write(topic, kind, cdr.schema(kind), time_ns, data)

    def write(self, topic: str, time_ns: int, message: Any) -> None:
        """Add a message given by its fields."""
        self.raw(topic, time_ns, cdr.encode(TYPES[plain(topic)], message))

    def parameters(self, node: str, values: Mapping[str, object]) -> None:
        """Add the parameters of a node."""
        self._writer.metadata(f"parameters/{node}", {name: json.dumps(value) for name, value in values.items()})

    def facts(self, said: Mapping[str, str]) -> None:
        """Write the facts about the recording again. The last record counts."""
        self._writer.metadata(FACTS, said)

    def flush(self) -> None:
        """Write the messages that wait in memory, so that they are in the file when the process is killed."""
        self._writer.flush()

    def close(self) -> None:
        """Finish the file."""
        self._writer.close()

    def abandon(self) -> None:
        """Close the file as it is, because the disk takes no more."""
        self._writer.abandon()


class FlightRecorder:
    """Keep the messages of the last seconds in memory, and write them when something breaks."""

    def __init__(self, said: Mapping[str, str], seconds: float = 10.0, megabytes: float = 64.0) -> None:
        self.said = dict(said)
        self._span_ns, self._limit = int(seconds * 1e9), int(megabytes * 2**20)
        self._ring: deque[tuple[str, int, bytes]] = deque()
        self._size = 0

    def raw(self, topic: str, time_ns: int, data: bytes) -> None:
        """Store a message, and drop the oldest ones that exceed the time or the size."""
        self._ring.append((topic, time_ns, data))
        self._size += len(data)
        while self._ring and (self._ring[0][1] < time_ns - self._span_ns or self._size > self._limit):
            self._size -= len(self._ring.popleft()[2])

    def write(self, topic: str, time_ns: int, message: Any) -> None:
        """Store a message given by its fields."""
        self.raw(topic, time_ns, cdr.encode(TYPES[plain(topic)], message))

    def __len__(self) -> int:
        """Return the number of stored messages."""
        return len(self._ring)

    def dump(self, path: Path, reason: str) -> Path:
        """Write the stored messages, and return the path. Where the file exists, the path gets the next free number."""
        number, free = 1, path
        while free.exists():
            free, number = path.with_stem(f"{path.stem}_{number}"), number + 1
        recorder = Recorder(free, {**self.said, "reason": json.dumps(reason)})
        try:
            for topic, time_ns, data in self._ring:
                recorder.raw(topic, time_ns, data)
            recorder.close()
        except OSError:
            recorder.abandon()  # what is on disk stays there
            raise
        return free

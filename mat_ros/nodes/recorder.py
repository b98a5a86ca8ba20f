# Copyright 2026 The mat_ros Authors
# SPDX-License-Identifier: Apache-2.0
"""Record every message of the graph, and keep the last seconds in memory for a stop, a NaN or a crash."""

from __future__ import annotations

import json
import time
from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

from rcl_interfaces.srv import GetParameters, ListParameters
from rclpy.parameter import parameter_value_to_python

from mat_ros.core.errors import INCOMPLETE, Refused
from mat_ros.core.options import option
from mat_ros.core.record.evidence import Evidence
from mat_ros.core.record.record import TYPES, facts, plain
from mat_ros.core.tick.safety import Reason
from mat_ros.core.wire import cdr
from mat_ros.core.wire.seal import Seal, launch_mark
from mat_ros.nodes import topics
from mat_ros.nodes.shell import NodeSettings, Shell

DEPTH = 1000  # largest number of messages that wait for the disk
FLUSH_S = 1.0  # time between two flushes; a killed recorder loses at most the messages of this time


@dataclass(frozen=True)
class RecorderSettings(NodeSettings):
    """Set the files of the recordings."""

    file: str = option("", "MCAP file of the whole run; empty: none")
    flight: str = option("", "MCAP file for the last seconds before a stop, a NaN or a crash; empty: none")
    seconds: float = option(10.0, "seconds for which the flight recorder keeps a message", 0.1, 600.0)


class RecorderNode(Shell):
    """Record messages: every topic -> files."""

    role = "recorder"
    settings_type = RecorderSettings

    def set_up(self) -> None:
        """Open the file and subscribe to every topic, as bytes."""
        s = self.settings
        if not s.file and not s.flight:
            raise Refused("recorder", "a file, a flight file, or both", "neither", "set file or flight")
        self.evidence = Evidence(facts(self.bundle, ("", "", "")), s.file, s.flight, s.seconds,
                                 launch_mark(self._secret))
        self._entities.append(self.evidence.close)  # closed last, so that a cleanup leaves a complete file
        self._seals = {topic.name: Seal(self._secret, topic.name) for topic in (topics.APPLIED, topics.DESCRIPTOR)}
        self._known: set[str] = set()
        self._silent: set[str] = set()
        self._stopped = self._runs = False
        batons = [topics.baton(slot) for slot in range(self.manifest.network.agents - 1)]
        for topic in (topics.OBSERVATION, topics.ENCODING, *batons, topics.DECISION, topics.APPLIED, topics.OVERRIDES,
                      topics.DESCRIPTOR, topics.STATUS, topics.FAULT_STATE, topics.DIAGNOSTICS):
            self.hear_bytes(topic, partial(self._heard, topic.name), replace(topic, depth=DEPTH).qos)
        timer = self.create_timer(FLUSH_S, self._flush)
        self._entities.append(lambda: self.destroy_timer(timer))

    def facts(self) -> Mapping[str, object]:
        """Return the file, and the number of messages in the flight recorder."""
        if not self.configured:
            return {"file": "", "remembered": 0}
        return {"file": self.evidence.file, "remembered": len(self.evidence)}

    def leave(self) -> None:
        """Close the file, so that it is complete."""
        self.evidence.close()
        self._tell_trouble()

    def _flush(self) -> None:
        self.evidence.flush()
        self._tell_trouble()

    def _tell_trouble(self) -> None:
        """Report once that a part of the evidence is not on disk."""
        if self.evidence.trouble:
            self.status = INCOMPLETE
            self.fail(self.evidence.trouble)

    def _heard(self, topic: str, data: bytes) -> None:
        now = time.time_ns()
        self.counts["messages"] += 1
        self.evidence.raw(topic, now, data)
        try:
            if topic == "status" or (topic in self._seals and self._seals[topic].holds(data)):
                self._look(topic, cdr.decode(TYPES[plain(topic)], data))
        except (Refused, ValueError):
            self.counts["refused"] += 1

    def _look(self, topic: str, message: Any) -> None:
        """Write the flight recording when the message shows a failure, and note new nodes."""
        if topic == "applied":
            self._runs = True
            if message.stopped and not self._stopped:
                self._dump("a stop was latched")
            elif (message.reasons & Reason.NOT_FINITE).any():
                self._dump("a request was not finite")
            self._stopped = message.stopped
        elif topic == "status":
            if (gone := set(message.silent) - self._silent) and self._runs:  # at the start, no node has reported
                self._dump(f"no report from {', '.join(sorted(gone))}")
            self._silent = set(message.silent)
        elif (who := f"{message.name}/{message.pid}") not in self._known:
            self._known.add(who)
            if message.role == "chain_node":
                name, _, version = message.backend.partition(" ")
                self.evidence.say(backend=[name, version, ""])
            if message.role == "safety" and message.gate:
                self.evidence.say(gate=json.loads(message.gate))
            self._ask(message.name)

    def _dump(self, reason: str) -> None:
        path = self.evidence.dump(reason)
        self._tell_trouble()
        if path is not None:
            self.counts["dumps"] += 1
            self.get_logger().warning(f"{reason}: the last {self.settings.seconds:g} s are in {path}")

    def _ask(self, node: str) -> None:
        """Request a node's parameters and store them in the recording."""
        listing: Any = self.create_client(ListParameters, f"{node}/list_parameters")
        getting: Any = self.create_client(GetParameters, f"{node}/get_parameters")

        def listed(answer: Any) -> None:
            names = list(answer.result().result.names)
            getting.call_async(GetParameters.Request(names=names)).add_done_callback(partial(got, names))

        def got(names: list[str], answer: Any) -> None:
            values = dict(zip(names, map(parameter_value_to_python, answer.result().values), strict=False))
            self.evidence.parameters(node, values)
            if "sampled" in values and "first_slot" in values:
                self.evidence.say(seed=values["seed"], sampled=values["sampled"],
                                  encoder="replicated" if values.get("replicated") else "central")

        listing.call_async(ListParameters.Request()).add_done_callback(listed)
        self._entities += [partial(self.destroy_client, listing), partial(self.destroy_client, getting)]

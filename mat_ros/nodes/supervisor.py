# Copyright 2026 The mat_ros Authors
# SPDX-License-Identifier: Apache-2.0
"""Activate the nodes of the graph, also restarted ones, and publish the state of the graph."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any

from builtin_interfaces.msg import Time
from lifecycle_msgs.msg import Transition
from lifecycle_msgs.srv import ChangeState

from mat_ros.core.errors import REFUSED
from mat_ros.core.options import option
from mat_ros.core.wire.fields import ns_of
from mat_ros.graph.signals import NodeProcesses
from mat_ros.graph.supervise import HUNG_NS, Mode, ModeLog, Supervision
from mat_ros.msg import ChainStatus
from mat_ros.nodes import topics
from mat_ros.nodes.shell import NodeSettings, Shell

LOOK_S = 0.1  # time between two searches for nodes to activate
STATUS_EVERY = 10  # number of searches from one status message to the next
PATIENCE_S = 5.0  # time before the first log line with the reason for which the graph waits, and between two such lines
SILENCE_NS = 2_500_000_000  # longest time without a report: two reports in a row are missing then


@dataclass(frozen=True)
class SupervisorSettings(NodeSettings):
    """Set which nodes the supervisor activates and supervises."""

    autostart: str = option("activate", "transitions that the node makes by itself",
                            choices=("none", "configure", "activate"))
    nodes: str = option("", "names of the graph's nodes, separated by commas")


class SupervisorNode(Shell):
    """Supervise the graph: descriptor, /diagnostics -> lifecycle transitions, status."""

    role = "supervisor"
    settings_type = SupervisorSettings

    def set_up(self) -> None:
        """Make a lifecycle client for each node and open the topics."""
        names = [name for name in self.settings.nodes.split(",") if name]
        self.supervision = Supervision(names, self.bundle.digest, SILENCE_NS)
        self._processes = NodeProcesses()
        self._prefix = self.get_namespace().rstrip("/") + "/"
        self._askers: dict[str, Any] = {name: self.create_client(ChangeState, f"{name}/change_state") for name in names}
        for client in self._askers.values():
            self._entities.append(partial(self.destroy_client, client))
        self._status = self.create_publisher(topics.STATUS.type, topics.STATUS.name, topics.STATUS.qos)
        self._entities.append(lambda: self.destroy_publisher(self._status))
        self.hear_messages(topics.DESCRIPTOR, self._described, stranger=self._met)
        self.hear_messages(topics.DIAGNOSTICS, self._reported)
        timer = self.create_timer(LOOK_S, self._look)
        self._entities.append(lambda: self.destroy_timer(timer))
        self._looks, self._mode = 0, Mode.WAITING
        self._log = ModeLog()
        self._told, self._tell_s = "", PATIENCE_S  # the last logged reason, and the earliest time of the next one

    def _met(self, message: Any) -> None:
        """Take the descriptor of a node of another launch."""
        if message.name == self.get_name():
            self._described(message)
        else:
            self.supervision.on_stranger(message.name)

    def _described(self, message: Any) -> None:
        another = message.name == self.get_name() and message.pid != os.getpid()
        # Of two supervisors that have begun before they heard of each other, the one that was started later ends.
        if another and (not self.supervision.begun or ns_of(message.started) < ns_of(self._started)):
            # On one machine `mat_ros.graph.claim` refuses a second graph earlier. A network has only this check.
            self.get_logger().error(f"another graph runs in namespace {self.get_namespace()}: expected to supervise "
                                    f"alone, got the supervisor of process {message.pid} on its host; end that graph, "
                                    "or give this graph its own ROS_DOMAIN_ID or namespace:=...")
            if not self.ends.done():
                self.ends.set_result(REFUSED)
            return
        self._processes.pids[message.name] = message.pid
        self.supervision.on_descriptor(message.name, message.role, message.digest, message.pid,
                                       (message.first_slot, message.stop_slot), message.connected, self.now_ns(),
                                       message.backend)

    def _reported(self, message: Any) -> None:
        for status in message.status:
            if status.name.startswith(self._prefix):
                values = {pair.key: pair.value for pair in status.values}
                reason = "" if status.level == b"\x00" else status.message
                self.supervision.on_report(status.name[len(self._prefix):], values.get("active") == "True", reason,
                                           values, self.now_ns())

    def _look(self) -> None:
        if not self.active:
            return
        for name in self.supervision.to_activate(self.now_ns(), lambda name: self._askers[name].service_is_ready()):
            request = ChangeState.Request(transition=Transition(id=Transition.TRANSITION_ACTIVATE))
            self._askers[name].call_async(request).add_done_callback(partial(self._answered, name))
        self._end_hung()
        self._looks += 1
        if self._looks % STATUS_EVERY == 0:
            self._tell()

    def _end_hung(self) -> None:
        """End each node that hangs; the launcher then starts it again, as after any other end."""
        now_ns = self.now_ns()
        for name in self.supervision.hung(now_ns):
            if self._processes.kill(name):
                self.get_logger().error(f"{name}: expected a report every second, got none for {HUNG_NS * 1e-9:g} s; "
                                        "ended it, and the launcher starts it again")
            self.supervision.on_end(name, now_ns)

    def _answered(self, name: str, answer: Any) -> None:
        self.supervision.answered(name, answer.result() is not None and answer.result().success, self.now_ns())

    def _tell(self) -> None:
        watched, now_ns = self.supervision, self.now_ns()
        status = watched.status(now_ns)
        changed = self._log.states(status.mode)
        waits = status.mode == Mode.WAITING and status.reason != self._told and self._looks * LOOK_S >= self._tell_s
        if changed or waits:
            self.get_logger().info(": ".join(filter(None, (status.mode.name, status.reason))))
            self._told, self._tell_s = status.reason, self._looks * LOOK_S + PATIENCE_S
        self._mode, self.reason = status.mode, status.reason
        sec, nanosec = divmod(self.get_clock().now().nanoseconds, 1_000_000_000)
        self._status.publish(ChainStatus(
            stamp=Time(sec=sec, nanosec=nanosec), manifest=self.bundle.hash64, mode=int(status.mode),
            reason=status.reason[:256], silent=[name[:64] for name in status.silent],
            **{name: watched.count("safety", name) for name in ("ticks", "missed", "redecided")},
            late=watched.total("late"), refused=watched.total("refused") + watched.total("other_policy"),
            **{name: watched.count("checker", name) for name in ("compared", "differing", "undecided")},
            **{name: watched.number("safety", name) for name in ("p50_ms", "p99_ms")}))

    def facts(self) -> Mapping[str, object]:
        """Return the mode of the graph."""
        return {"mode": getattr(self, "_mode", Mode.WAITING).name}

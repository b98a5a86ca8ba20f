# Copyright 2026 The mat_ros Authors
# SPDX-License-Identifier: Apache-2.0
"""Break motors and sensors of the simulated robot, messages at their receivers, and nodes by signals.

The injector repeats its injection several times a second, and an injection holds for one second. When the injector
dies, every fault therefore ends, and a guard process continues the stopped nodes. The policy and the detector receive
no notice of a fault.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any

from mat_ros.core.faults.injection import Answer, Request, Requests
from mat_ros.core.faults.schedule import Fault
from mat_ros.core.faults.targets import find_plan, targets
from mat_ros.core.options import option
from mat_ros.core.wire import tick as wire
from mat_ros.graph.signals import NodeProcesses
from mat_ros.msg import Injection
from mat_ros.nodes import topics
from mat_ros.nodes.shell import NodeSettings, Shell

REPEAT_S, LEASE_MS = 0.2, 1000

@dataclass(frozen=True)
class InjectorSettings(NodeSettings):
    """Set which faults are allowed, and which plan the injector follows."""

    enabled: bool = option(False, "accept requests for faults")
    faults: str = option("", "fault plan; its faults of messages and nodes are injected: a shipped name or a YAML file")
    wiring: str = option("per_agent", "which process runs which slots",
                         choices=("per_joint", "per_finger", "per_agent", "central"))
    simulated: bool = option(True, "the robot is simulated, so that its actuators and sensors can break")


class InjectorNode(Shell):
    """Inject faults: requests -> injection, signals."""

    role = "injector"
    settings_type = InjectorSettings

    def set_up(self) -> None:
        """Open the services and the topics."""
        s = self.settings
        levels = (*(("actuator", "sensor") if s.simulated else ()), "message", "node")
        names = targets(self.manifest, s.wiring)
        self.requests = Requests(names, levels, s.enabled, self.manifest.period_ns)
        plan = find_plan(s.faults, self.manifest.period_ns, names)
        self._plan = [fault for fault in plan.schedule().faults if fault.level in ("message", "node")]
        self._seed = plan.seed
        self._processes = NodeProcesses()
        self._tick = 0
        for (name, kind), answer in ((topics.INJECT_FAULT, self._inject), (topics.CLEAR_FAULTS, self._clear)):
            service = self.create_service(kind, name, answer)
            self._entities.append(partial(self.destroy_service, service))
        self._inject_into_nodes = self.announce(topics.INJECTION)
        self.hear_messages(topics.DESCRIPTOR, self._described)
        if s.faults:
            self.hear(topics.OBSERVATION, self._observed)
        timer = self.create_timer(REPEAT_S, self._repeat)
        self._entities.append(lambda: self.destroy_timer(timer))

    def facts(self) -> Mapping[str, object]:
        """Return whether requests are accepted, and the ids of the active faults."""
        return {} if self.reason else {"enabled": self.settings.enabled, "broken": ", ".join(self.requests.active)}

    def leave(self) -> None:
        """End every fault."""
        self._mend(self.requests.clear("*"))
        self._processes.close()
        self._publish()

    def _inject(self, request: Any, response: Any) -> Any:
        answer, words, faults = self.requests.ask(request.id, request.level, request.kind, request.target,
                                                  request.severity, request.duration_s, self.now_ns())
        if answer == Answer.ACCEPTED and request.level == "node":
            absent = [fault.target for fault in faults if not self._processes.ours(fault.target)]
            if absent:
                self.requests.clear(request.id + "*")
                answer = Answer.UNSUPPORTED
                words = f"expected nodes on the injector's host, got {', '.join(absent)}; choose nodes of that host"
        if answer == Answer.ACCEPTED:
            for fault in faults:
                self._break(fault)
            self._publish()
        self.get_logger().info(f"{request.level} {request.kind} {request.target}: {answer.name} {words}")
        response.result, response.message = int(answer), words[:512]
        return response

    def _clear(self, request: Any, response: Any) -> Any:
        mended = self.requests.clear(request.pattern)
        self._mend(mended)
        self._publish()
        response.cleared = len(mended)
        return response

    def _observed(self, data: bytes) -> None:
        """Start the faults of the plan at their ticks, which are the ticks of the observations."""
        self._tick = int.from_bytes(data[wire.TICK], "little")
        for fault in [f for f in self._plan if f.start <= self._tick]:
            self._plan.remove(fault)
            until = None if fault.end is None else self.now_ns() + (fault.end - self._tick) * self.manifest.period_ns
            self.requests.active[fault.id] = Request(fault, until)
            self._break(fault)
            self._publish()

    def _repeat(self) -> None:
        self._mend(self.requests.expire(self.now_ns()))
        self._publish()

    def _publish(self) -> None:
        live = [r for r in self.requests.active.values() if r.fault.level != "node"]
        message = Injection(manifest=self.bundle.hash64, lease_ms=LEASE_MS, seed=self._seed)
        message.ids = [r.fault.id for r in live]
        message.levels, message.kinds = [r.fault.level for r in live], [r.fault.kind for r in live]
        message.targets, message.severities = [r.fault.target for r in live], [r.fault.severity for r in live]
        message.ticks = [r.ticks for r in live]
        self._inject_into_nodes(message)

    def _described(self, message: Any) -> None:
        """Note the process id of a node; break a restarted node again while its fault is active."""
        self._processes.pids[message.name] = message.pid
        for fault in [request.fault for request in self.requests.active.values()]:
            if (fault.level, fault.target) == ("node", message.name):
                self._break(fault)

    def _break(self, fault: Fault) -> None:
        if fault.level == "node":
            done = self._processes.stop(fault.target) if fault.kind == "hang" else self._processes.kill(fault.target)
            if fault.kind == "restart":
                self.requests.active.pop(fault.id)  # the fault is done: the launcher starts the node again
            words = "done" if done else "expected its process on this host, got none"
            self.get_logger().info(f"{fault.kind} of {fault.target}: {words}")

    def _mend(self, faults: list[Fault]) -> None:
        for fault in faults:
            if (fault.level, fault.kind) == ("node", "hang"):
                self._processes.wake(fault.target)

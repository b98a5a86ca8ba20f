# Copyright 2026 The mat_ros Authors
# SPDX-License-Identifier: Apache-2.0
"""Define the parts of every node: a lifecycle, checked parameters, counted messages, a descriptor and diagnostics."""

from __future__ import annotations

import gc
import os
import time
from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any, ClassVar

from diagnostic_msgs.msg import DiagnosticArray, DiagnosticStatus, KeyValue
from lifecycle_msgs.msg import Transition
from lifecycle_msgs.srv import ChangeState
from rcl_interfaces.msg import FloatingPointRange, IntegerRange, ParameterDescriptor, SetParametersResult
from rclpy.clock import Clock, ClockType
from rclpy.exceptions import InvalidParameterValueException
from rclpy.lifecycle import TransitionCallbackReturn
from rclpy.parameter import Parameter

import mat_ros
from mat_ros.core import options
from mat_ros.core.errors import Missing, Refused, foreign
from mat_ros.core.options import Option, option
from mat_ros.core.policy.bundle import Bundle
from mat_ros.core.shipped import policy_folder
from mat_ros.graph.build import LEAN
from mat_ros.graph.peers import read_peers
from mat_ros.msg import NodeDescriptor
from mat_ros.nodes import realtime, topics
from mat_ros.nodes.alarm import Alarm
from mat_ros.nodes.disturbance import Disturbance
from mat_ros.nodes.ends import Ends
from mat_ros.nodes.loop import Handling
from mat_ros.nodes.scribe import Scribe

DIAGNOSTICS_S = 1.0  # time between two reports, which are also the node's heartbeat
DESCRIBE_EVERY = 10  # an active node repeats its descriptor with every tenth report
CONNECTED_S = 0.1  # time between two checks whether all peers are connected
# DDS announces every end of a topic or service to every process, so the cost grows with the square of their number.
# A lean node offers its topics and the one service of the lifecycle that the supervisor calls. It offers no services
# for parameters and types, and none that list states and transitions.
LEAN_NODE: Mapping[str, Any] = {
    "start_parameter_services": False, "enable_rosout": False, "enable_communication_interface": False,
    "parameter_overrides": [Parameter("start_type_description_service", value=False)]}


@dataclass(frozen=True)
class NodeSettings:
    """Declare the parameters of every node."""

    policy: str = option("", "policy bundle: a shipped name or a folder")
    autostart: str = option("configure", "transitions that the node makes by itself; the supervisor requests the rest",
                            choices=("none", "configure", "activate"))
    realtime: int = option(0, "SCHED_RR priority while active, where the system permits it; 0: none", 0,
                           realtime.HIGHEST)
    inject: bool = option(False, "let the injector break messages on their way to this node")
    reliable: bool = option(True, "DDS sends a lost message of the tick again, which costs CPU time")
    clock: str = option("monotonic", "clock of ticks and deadlines: of this host (monotonic) or of all hosts (system)",
                        choices=("monotonic", "system"))
    peers: str = option("", "number of other ends of each topic before ticks start, as in observation=2,applied=1")


class Shell(Ends):
    """Keep ROS apart from the logic. A subclass sets `role` and `settings_type`, and overrides `set_up` and others."""

    role: ClassVar[str]
    settings_type: ClassVar[type[NodeSettings]] = NodeSettings
    ahead: ClassVar[int] = 0  # by how much the real-time priority of the process exceeds the graph's
    logs_aside: ClassVar[bool] = False  # a thread writes the log, since the node must not wait for a disk
    status = 0  # exit status of the process after an end in order; INCOMPLETE where a file of the node is not whole
    ends: Any = None  # the future whose result ends the process; `mat_ros.nodes.__main__` sets it

    def __init__(self, **node_arguments: Any) -> None:
        self._started = Clock(clock_type=ClockType.SYSTEM_TIME).now().to_msg()
        self._steady = Clock(clock_type=ClockType.STEADY_TIME)
        lean = bool(os.environ.get(LEAN))
        super().__init__(self.role, **node_arguments, **(LEAN_NODE if lean else {}))
        if lean:
            self.create_service(ChangeState, f"{self.get_name()}/change_state", self._change_state)
        self._scribe = Scribe(self.get_logger().error, aside=self.logs_aside)
        self._last_handling = Handling(0, 0)  # of messages of the tick, at the last report
        self.configured = False
        self.reason = "not configured"  # why the node does not do its work; empty where it does
        self._options = {o.name: o for o in options.options(self.settings_type)}
        for o in self._options.values():
            try:
                self.declare_parameter(o.name, o.default, _descriptor(o))
            except InvalidParameterValueException as error:  # the exception of ROS states no range
                raise Refused(f"parameter {o.name}", f"a value in {o.range}", str(error),
                              "set it to a value in this range") from error
        for name, o in self._options.items():
            o.read(self.get_parameter(name).value)
        self.add_on_set_parameters_callback(self._refuse_change)
        self.settings: Any = self._read_settings()
        self.now_ns = time.time_ns if self.settings.clock == "system" else time.monotonic_ns
        self._describe_to_all = self._publisher_of(topics.DESCRIPTOR, self.create_publisher(
            topics.DESCRIPTOR.type, topics.DESCRIPTOR.name, topics.DESCRIPTOR.writer))
        self._descriptor: NodeDescriptor | None = None
        self._beats = 0
        self._diagnostics = self.create_publisher(topics.DIAGNOSTICS.type, topics.DIAGNOSTICS.name,
                                                  topics.DIAGNOSTICS.qos)
        self._heart = self.create_timer(DIAGNOSTICS_S, self._beat)
        if self.settings.autostart != "none":
            self.trigger_configure()
        if self.settings.autostart == "activate" and not self.reason:
            self.trigger_activate()

    def create_timer(self, *arguments: Any, **more: Any) -> Any:
        """Make a timer of the steady clock: a clock that is set or stopped must not delay a deadline."""
        return super().create_timer(*arguments, **{"clock": self._steady, **more})

    # -- for subclasses ------------------------------------------------------------------------------------------

    def set_up(self) -> None:
        """Make the parts of the node; an error here refuses the configuration."""

    def start(self) -> None:
        """Begin the work of the node."""

    def stop(self) -> None:
        """End the work of the node."""

    def leave(self) -> None:
        """Release the parts of a configured node before the process ends."""

    def describe(self, descriptor: NodeDescriptor) -> None:
        """Add fields to the descriptor."""

    def facts(self) -> Mapping[str, object]:
        """Return the values that a report has beside the counts of the shell, or in place of them."""
        return {}

    def fail(self, reason: str) -> None:
        """Store why the node does not do its work, for the reports. Log each reason at most once in ten seconds."""
        if reason != self.reason:
            self._scribe.log(reason)
        self.reason = reason

    # -- lifecycle -----------------------------------------------------------------------------------------------

    def _change_state(self, request: Any, response: Any) -> Any:
        """Answer a request for a transition, as the service of rclpy does."""
        trigger = {Transition.TRANSITION_CONFIGURE: self.trigger_configure,
                   Transition.TRANSITION_ACTIVATE: self.trigger_activate,
                   Transition.TRANSITION_DEACTIVATE: self.trigger_deactivate,
                   Transition.TRANSITION_CLEANUP: self.trigger_cleanup}.get(request.transition.id)
        response.success = trigger is not None and trigger() == TransitionCallbackReturn.SUCCESS
        return response

    def on_configure(self, state: Any) -> TransitionCallbackReturn:
        """Load the policy and make all ends of topics."""
        try:
            self.bundle = Bundle.load(policy_folder(self.settings.policy))
            self.manifest = self.bundle.manifest
            if self.settings.inject:
                self._disturbance = Disturbance(self.get_name(), self.bundle, self.now_ns, partial(Alarm, self))
                self.hear_messages(topics.INJECTION, self.heard_injection)
            self.set_up()
            self._await = read_peers(self.settings.peers)
            if strangers := sorted(set(self._await) - set(self._other_ends)):
                raise Refused("parameter peers", f"topics of {sorted(self._other_ends)}", strangers,
                              "leave it to the launch file")
        except Exception as error:  # ROS would hide the error, and the graph would wait for ever
            self.reason = str(error) if isinstance(error, Refused | Missing | OSError) else foreign(error)
            self.get_logger().error(f"not configured: {self.reason}")
            self._take_down()
            self.report()
            return TransitionCallbackReturn.FAILURE
        self.configured, self.reason = True, ""
        descriptor = NodeDescriptor(name=self.get_name(), role=self.role, digest=self.bundle.digest,
                                    tick=self._tick_choice[:128], version=mat_ros.__version__, pid=os.getpid(),
                                    started=self._started)
        self.describe(descriptor)
        self._describe_to_all(descriptor)
        self._descriptor = descriptor
        self._look_around(descriptor)
        return TransitionCallbackReturn.SUCCESS

    def _look_around(self, descriptor: NodeDescriptor) -> None:
        """Check until all peers are connected, then publish the descriptor again."""
        def look() -> None:
            if all(self._other_ends[topic]() >= count for topic, count in self._await.items()):
                timer.cancel()
                descriptor.connected = True
                self._describe_to_all(descriptor)
                self.report()

        timer = self.create_timer(CONNECTED_S, look)
        self._entities.append(lambda: self.destroy_timer(timer))

    def on_activate(self, state: Any) -> TransitionCallbackReturn:
        """Become active; exempt all present objects from garbage collection, which would delay ticks."""
        try:
            self.start()
        except (Refused, Missing) as error:
            self.reason = str(error)
            self.get_logger().error(f"not activated: {error}")
            return TransitionCallbackReturn.FAILURE
        gc.collect()
        gc.freeze()
        if self.settings.realtime and not realtime.request(self.settings.realtime + self.ahead):
            self.get_logger().warning(realtime.REFUSED)
        self.active = True
        if self.loop is not None:
            self.loop.activate(True)
        return super().on_activate(state)

    def on_deactivate(self, state: Any) -> TransitionCallbackReturn:
        """Become inactive."""
        self._cease()
        return super().on_deactivate(state)

    def on_cleanup(self, state: Any) -> TransitionCallbackReturn:
        """Release the policy and all ends of topics."""
        self._take_down()
        self.reason = "not configured"
        return TransitionCallbackReturn.SUCCESS

    def on_shutdown(self, state: Any) -> TransitionCallbackReturn:
        """Become inactive and release everything, before the end of the node."""
        if self.active:
            self._cease()
        self._take_down()
        return TransitionCallbackReturn.SUCCESS

    def destroy_node(self) -> None:
        """Destroy the node after everything that it has made: the ends of a loop need the rcl node."""
        self._take_down()
        self._scribe.close()
        super().destroy_node()

    def _cease(self) -> None:
        self.active = False
        if self.loop is not None:
            self.loop.activate(False)
        if self._disturbance is not None:
            self._disturbance.clear()
        self.stop()

    def _take_down(self) -> None:
        self.configured, self._descriptor = False, None
        self.close_ends()

    # -- parameters and reports ----------------------------------------------------------------------------------

    def _read_settings(self) -> Any:
        values = {name: self.get_parameter(name).value for name in self._options}
        return options.read(self.settings_type, values)

    def _refuse_change(self, parameters: list[Parameter[Any]]) -> SetParametersResult:
        """Refuse every change of a parameter: a running node must not be given another robot, policy or file."""
        named = [parameter.name for parameter in parameters if parameter.name in {*self._options, "use_sim_time"}]
        reason = f"{', '.join(named)}: expected the values of the launch, got a change; launch the graph again with it"
        return SetParametersResult(successful=not named, reason=reason if named else "")

    def _beat(self) -> None:
        """Report, repeat the descriptor, and count the time to the next report from now on.

        The descriptor is repeated because the middleware has lost one: a graph then waited for ever to begin.
        Where a process was delayed, EventsExecutor may call a timer that is due several times in a row. Each call puts
        the next one off by a period, and a node that is silent for long is ended as one that hangs.
        """
        self._heart.reset()
        self._beats += 1
        if self._descriptor is not None and (not self.active or self._beats % DESCRIBE_EVERY == 0):
            self._describe_to_all(self._descriptor)
        self.report()

    def report(self) -> None:
        """Publish the state of the node, its counts and its facts."""
        level = DiagnosticStatus.OK if not self.reason else (
            DiagnosticStatus.WARN if self.active else DiagnosticStatus.ERROR)
        values = {"pid": os.getpid(), "active": self.active, **self.counts, **self.facts()}
        if self._tick_choice:
            values["tick_choice"] = self._tick_choice
        now = self.handling
        messages, ns = now.messages - self._last_handling.messages, now.ns - self._last_handling.ns
        if messages > 0:
            values["handling_us"] = f"{ns * 1e-3 / messages:.1f}"
        self._last_handling = now
        status = DiagnosticStatus(level=level, name=self.get_fully_qualified_name(),
                                  message=self.reason[:400] or "runs", hardware_id=self.role,
                                  values=[KeyValue(key=str(k), value=str(v)) for k, v in values.items()])
        array = DiagnosticArray(status=[status])
        array.header.stamp = self.get_clock().now().to_msg()
        self._diagnostics.publish(array)


def _descriptor(o: Option) -> ParameterDescriptor:
    """Return the ROS descriptor of an option. Floats may be written as whole numbers, so the option checks the type."""
    descriptor = ParameterDescriptor(name=o.name, description=f"{o.description} ({o.range})", dynamic_typing=True)
    if isinstance(o.default, float):
        descriptor.floating_point_range = [FloatingPointRange(from_value=o.lower, to_value=o.upper)]
    elif isinstance(o.default, int) and not isinstance(o.default, bool) and abs(o.lower) < 2**62 > abs(o.upper):
        descriptor.integer_range = [IntegerRange(from_value=int(o.lower), to_value=int(o.upper), step=1)]
    return descriptor

# Copyright 2026 The mat_ros Authors
# SPDX-License-Identifier: Apache-2.0
"""Define what every node has: a lifecycle, checked parameters, counted messages, a descriptor and diagnostics."""

from __future__ import annotations

import gc
import os
import struct
import time
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any, ClassVar

from diagnostic_msgs.msg import DiagnosticArray, DiagnosticStatus, KeyValue
from rcl_interfaces.msg import FloatingPointRange, IntegerRange, ParameterDescriptor, SetParametersResult
from rclpy.clock import Clock, ClockType
from rclpy.exceptions import InvalidParameterValueException
from rclpy.lifecycle import LifecycleNode, TransitionCallbackReturn
from rclpy.parameter import Parameter
from rclpy.qos import QoSProfile

import mat_ros
from mat_ros.core import options
from mat_ros.core.errors import Missing, Refused, foreign
from mat_ros.core.options import Option, option
from mat_ros.core.policy.bundle import Bundle
from mat_ros.core.shipped import policy_folder
from mat_ros.core.wire import tick as wire
from mat_ros.graph.build import LEAN
from mat_ros.graph.peers import read_peers
from mat_ros.msg import NodeDescriptor
from mat_ros.nodes import realtime, topics
from mat_ros.nodes.alarm import Alarm
from mat_ros.nodes.disturbance import Disturbance
from mat_ros.nodes.topics import Topic

DIAGNOSTICS_S = 1.0  # between two reports, and so the heartbeat
CONNECTED_S = 0.1  # between two looks at whether all peers are connected
# Every process learns of every end of every topic and service, so what a node offers costs the square of their number.
# A lean node offers its lifecycle and its topics, but no services for parameters and types.
LEAN_NODE: Mapping[str, Any] = {
    "start_parameter_services": False, "enable_rosout": False,
    "parameter_overrides": [Parameter("start_type_description_service", value=False)]}


@dataclass(frozen=True)
class NodeSettings:
    """What every node can be told."""

    policy: str = option("", "policy bundle: a shipped name or a folder")
    autostart: str = option("configure", "how far a node goes by itself; the supervisor does the rest",
                            choices=("none", "configure", "activate"))
    realtime: int = option(0, "SCHED_RR priority while active, where the system permits it; 0: none", 0, 99)
    inject: bool = option(False, "let the injector break messages on their way to this node")
    reliable: bool = option(True, "hear the tick's messages reliably: what is lost comes again, at the price of CPU")
    clock: str = option("monotonic", "clock of ticks and deadlines: this machine's, or the one that hosts share",
                        choices=("monotonic", "system"))
    peers: str = option("", "other ends that its topics must have before ticks start: observation=2,applied=1")


class Shell(LifecycleNode):
    """Keep all of ROS away from the logic. A subclass says what it is and fills in `set_up` and what follows."""

    role: ClassVar[str]
    settings_type: ClassVar[type[NodeSettings]] = NodeSettings
    ends: Any = None  # the future whose result ends the process; set by what runs the node

    def __init__(self, **node_arguments: Any) -> None:
        self._steady = Clock(clock_type=ClockType.STEADY_TIME)
        super().__init__(self.role, **node_arguments, **(LEAN_NODE if os.environ.get(LEAN) else {}))
        self.counts: Counter[str] = Counter()  # what is reported: messages dropped, ticks, ...
        self._handled, self._handled_ns = 0, 0  # messages of the tick since the last report, and the time they took
        self.configured = self.active = False
        self.reason = "not configured"  # why the node does not do its work; empty where it does
        self._options = {o.name: o for o in options.options(self.settings_type)}
        for o in self._options.values():
            try:
                self.declare_parameter(o.name, o.default, _descriptor(o))
            except InvalidParameterValueException as error:  # ROS says no more than that
                raise Refused(f"parameter {o.name}", f"a value in {o.range}", str(error), "set it to one") from error
        self._check([self.get_parameter(name) for name in self._options], strict=True)
        self.add_on_set_parameters_callback(self._check)
        self.settings: Any = self._read_settings()
        self.now_ns = time.time_ns if self.settings.clock == "system" else time.monotonic_ns
        self._disturbance: Disturbance | None = None
        self._entities: list[Callable[[], object]] = []  # how to take down what `set_up` has made
        # How many other ends are connected, by topic. A topic's own count stays too low for ever where two ends came at
        # the same moment (Fast DDS before 3.6.2, eProsima/Fast-DDS#6371); what the participant knows does not.
        self._other_ends: dict[str, Callable[[], int]] = {}
        self._descriptor = self.create_publisher(topics.DESCRIPTOR.type, topics.DESCRIPTOR.name,
                                                 topics.DESCRIPTOR.qos)
        self._diagnostics = self.create_publisher(topics.DIAGNOSTICS.type, topics.DIAGNOSTICS.name,
                                                  topics.DIAGNOSTICS.qos)
        self.create_timer(DIAGNOSTICS_S, self.report)
        if self.settings.autostart != "none":
            self.trigger_configure()
        if self.settings.autostart == "activate" and not self.reason:
            self.trigger_activate()

    def create_timer(self, *arguments: Any, **more: Any) -> Any:
        """Make a timer of real time: no clock that is set or stopped may hold a deadline up."""
        return super().create_timer(*arguments, **{"clock": self._steady, **more})

    # -- for subclasses ------------------------------------------------------------------------------------------

    def set_up(self) -> None:
        """Make what the node needs; whatever is refused here refuses the configuration."""

    def start(self) -> None:
        """Begin to work."""

    def stop(self) -> None:
        """Cease to work."""

    def leave(self) -> None:
        """Do what has to be done before the process ends, if the node was set up."""

    def describe(self, descriptor: NodeDescriptor) -> None:
        """Add to the descriptor."""

    def facts(self) -> Mapping[str, object]:
        """Return what to report beside the counts."""
        return {}

    def announce(self, topic: Topic) -> Callable[[bytes], None]:
        """Make a publisher of bytes."""
        publisher = self.create_publisher(topic.type, topic.name, topic.qos)
        self._entities.append(lambda: self.destroy_publisher(publisher))
        self._other_ends[topic.name] = lambda: max(publisher.get_subscription_count(),
                                                   self.count_subscribers(publisher.topic_name))
        return publisher.publish

    def hear(self, topic: Topic, handler: Callable[[bytes], None]) -> None:
        """Hand the bytes of each message of this policy to `handler` while active; what it refuses is counted."""
        manifest = struct.pack("<Q", self.bundle.hash64)

        def heard(data: bytes) -> None:
            if not self.active:
                return
            if data[wire.MANIFEST] != manifest:
                self.counts["other_policy"] += 1
            elif self._disturbance is not None:
                self._disturbance.deliver(topic, data, taken)
            else:
                taken(data)

        def taken(data: bytes) -> None:
            if not self.active:  # a delayed message may come after the node has ceased to work
                return
            begun_ns = time.perf_counter_ns()
            try:
                handler(data)
            except (ValueError, struct.error):  # too short, wrong size, not finite
                self.counts["refused"] += 1
            self._handled_ns += time.perf_counter_ns() - begun_ns
            self._handled += 1

        self.hear_bytes(topic, heard, topic.qos if self.settings.reliable else topic.best_effort)

    def hear_bytes(self, topic: Topic, handler: Callable[[bytes], None], qos: QoSProfile) -> None:
        """Hear a topic as bytes, whether active or not."""
        subscription = self.create_subscription(topic.type, topic.name, handler, qos, raw=True)
        self._entities.append(lambda: self.destroy_subscription(subscription))
        self._other_ends[topic.name] = lambda: max(subscription.get_publisher_count(),
                                                   self.count_publishers(subscription.topic_name))

    def hear_messages(self, topic: Topic, handler: Callable[[Any], None]) -> None:
        """Hear a topic that is not of the tick, as message objects, whether active or not."""
        subscription = self.create_subscription(topic.type, topic.name, handler, topic.qos)
        self._entities.append(lambda: self.destroy_subscription(subscription))

    def _heard_injection(self, message: Any) -> None:
        try:
            if self._disturbance is not None:
                self._disturbance.renew(message)
        except Refused:
            self.counts["refused"] += 1

    def fail(self, reason: str) -> None:
        """Report why the work is not done, and log it once."""
        if reason != self.reason:
            self.get_logger().error(reason)
        self.reason = reason

    # -- lifecycle -----------------------------------------------------------------------------------------------

    def on_configure(self, state: Any) -> TransitionCallbackReturn:
        """Load the policy and make all ends of topics."""
        self.settings = self._read_settings()
        try:
            self.bundle = Bundle.load(policy_folder(self.settings.policy))
            self.manifest = self.bundle.manifest
            if self.settings.inject:
                self._disturbance = Disturbance(self.get_name(), self.bundle, self.now_ns, partial(Alarm, self))
                self.hear_messages(topics.INJECTION, self._heard_injection)
            self.set_up()
            self._await = read_peers(self.settings.peers)
            if strangers := sorted(set(self._await) - set(self._other_ends)):
                raise Refused("parameter peers", f"topics of {sorted(self._other_ends)}", strangers,
                              "leave it to the launch file")
        except Exception as error:  # ROS would swallow it, and the graph wait for ever
            self.reason = str(error) if isinstance(error, Refused | Missing | OSError) else foreign(error)
            self.get_logger().error(f"not configured: {self.reason}")
            self._take_down()
            self.report()
            return TransitionCallbackReturn.FAILURE
        self.configured, self.reason = True, ""
        descriptor = NodeDescriptor(name=self.get_name(), role=self.role, digest=self.bundle.digest,
                                    version=mat_ros.__version__, pid=os.getpid())
        self.describe(descriptor)
        self._descriptor.publish(descriptor)
        self._look_around(descriptor)
        return TransitionCallbackReturn.SUCCESS

    def _look_around(self, descriptor: NodeDescriptor) -> None:
        """Look until all peers are connected, and say so."""
        def look() -> None:
            if all(self._other_ends[topic]() >= count for topic, count in self._await.items()):
                timer.cancel()
                descriptor.connected = True
                self._descriptor.publish(descriptor)
                self.report()

        timer = self.create_timer(CONNECTED_S, look)
        self._entities.append(lambda: self.destroy_timer(timer))

    def on_activate(self, state: Any) -> TransitionCallbackReturn:
        """Begin to work, with nothing left for the garbage collector to walk over."""
        try:
            self.start()
        except (Refused, Missing) as error:
            self.reason = str(error)
            self.get_logger().error(f"not activated: {error}")
            return TransitionCallbackReturn.FAILURE
        gc.collect()
        gc.freeze()
        realtime.request(self.settings.realtime)
        self.active = True
        return super().on_activate(state)

    def on_deactivate(self, state: Any) -> TransitionCallbackReturn:
        """Cease to work."""
        self._cease()
        return super().on_deactivate(state)

    def on_cleanup(self, state: Any) -> TransitionCallbackReturn:
        """Forget the policy."""
        self._take_down()
        self.reason = "not configured"
        return TransitionCallbackReturn.SUCCESS

    def on_shutdown(self, state: Any) -> TransitionCallbackReturn:
        """Cease to work for good."""
        if self.active:
            self._cease()
        self._take_down()
        return TransitionCallbackReturn.SUCCESS

    def _cease(self) -> None:
        self.active = False
        if self._disturbance is not None:
            self._disturbance.clear()
        self.stop()

    def _take_down(self) -> None:
        self.configured = False
        self._disturbance = None
        while self._entities:
            self._entities.pop()()
        self._other_ends.clear()

    # -- parameters and reports ----------------------------------------------------------------------------------

    def _read_settings(self) -> Any:
        values = {name: self.get_parameter(name).value for name in self._options}
        return options.read(self.settings_type, values)

    def _check(self, parameters: list[Parameter[Any]], strict: bool = False) -> SetParametersResult:
        """Refuse values out of range with the range; a change takes effect at the next configuration."""
        for parameter in parameters:
            try:
                if parameter.name in self._options:
                    self._options[parameter.name].read(parameter.value)
            except Refused as error:
                if strict:
                    raise
                return SetParametersResult(successful=False, reason=str(error))
        return SetParametersResult(successful=True)

    def report(self) -> None:
        """Publish how the node is doing."""
        level = DiagnosticStatus.OK if not self.reason else (
            DiagnosticStatus.WARN if self.active else DiagnosticStatus.ERROR)
        values = {"pid": os.getpid(), "active": self.active, **self.counts, **self.facts()}
        if self._handled:
            values["handling_us"] = f"{self._handled_ns * 1e-3 / self._handled:.1f}"
            self._handled = self._handled_ns = 0
        status = DiagnosticStatus(level=level, name=self.get_fully_qualified_name(),
                                  message=self.reason[:400] or "runs", hardware_id=self.role,
                                  values=[KeyValue(key=str(k), value=str(v)) for k, v in values.items()])
        array = DiagnosticArray(status=[status])
        array.header.stamp = self.get_clock().now().to_msg()
        self._diagnostics.publish(array)


def _descriptor(o: Option) -> ParameterDescriptor:
    """Describe an option to ROS. Whole numbers are taken for floats, so ROS leaves the type to the option."""
    descriptor = ParameterDescriptor(name=o.name, description=f"{o.description} ({o.range})", dynamic_typing=True)
    if isinstance(o.default, float):
        descriptor.floating_point_range = [FloatingPointRange(from_value=o.lower, to_value=o.upper)]
    elif isinstance(o.default, int) and not isinstance(o.default, bool) and abs(o.lower) < 2**62 > abs(o.upper):
        descriptor.integer_range = [IntegerRange(from_value=int(o.lower), to_value=int(o.upper), step=1)]
    return descriptor

# Copyright 2026 The mat_ros Authors
# SPDX-License-Identifier: Apache-2.0
"""Check every command of the chain. Only this node sends commands to the driver, or to the simulated robot."""

from __future__ import annotations

import contextlib
import json
import struct
import threading
from collections import deque
from collections.abc import Iterator, Mapping
from typing import Any, cast

import numpy as np

from mat_ros.backends.native_tick import DECISION, OBSERVATION, NativeCollector
from mat_ros.core.errors import Missing, Refused
from mat_ros.core.record.gate import GateSetup
from mat_ros.core.robot.limits import ruling_joints
from mat_ros.core.tick.collect import Collector
from mat_ros.core.tick.keeper import Keeper, Keeping
from mat_ros.core.tick.latch import Stop
from mat_ros.core.tick.messages import Observation, Outcome
from mat_ros.core.tick.safety import Reason
from mat_ros.core.tick.walk import paced
from mat_ros.core.wire import tick as wire
from mat_ros.core.wire.seal import SECRET
from mat_ros.graph.supervise import ON_DISK
from mat_ros.graph.tick_choice import TickNeeds
from mat_ros.hardware.gate_link import DriverLink, GateLink
from mat_ros.hardware.guest import driver_address
from mat_ros.hardware.open import find_guard, find_robot
from mat_ros.msg import NodeDescriptor
from mat_ros.nodes import realtime, topics
from mat_ros.nodes.alarm import Alarm
from mat_ros.nodes.bell import Bell
from mat_ros.nodes.latency import Latency
from mat_ros.nodes.loop import Hearing, lacking
from mat_ros.nodes.safety_settings import SafetySettings
from mat_ros.nodes.shell import Shell
from mat_ros.nodes.trace import Trace

UNTOLD = 1000  # largest number of ticks that a slow disk keeps from being published


class SafetyNode(Shell):
    """Run the safety gate: observation, decision -> applied, and the driver.

    Where C++ gathers the decisions, the thread of `Bell` runs the tick, and not the executor.
    """

    role = "safety"
    settings_type = SafetySettings
    ahead = realtime.GATE_AHEAD
    logs_aside = True
    _link = GateLink()
    _alarm: Alarm | None = None  # None: the bell also rings at a time
    _bell: Bell | None = None
    _native: NativeCollector | None = None  # None: the collector of the keeper is in Python

    def __init__(self, **node_arguments: Any) -> None:
        self._turn = threading.RLock()  # of keeper and driver, which the executor and the bell's thread share
        super().__init__(**node_arguments)

    def set_up(self) -> None:
        """Build the gate and connect to the driver."""
        s = self.settings
        period_ns = round(1e9 / s.rate_hz) if s.rate_hz else self.manifest.period_ns
        robot = find_robot(s.robot, self.manifest) if s.robot else None
        guard = s.over(find_guard(s.robot, self.manifest))
        simulated = s.hardware == "sim"
        self._setup = GateSetup(ruling_joints(self.manifest.joints, robot), period_ns, guard, s.lockstep and simulated,
                                simulated)
        native = self.ticks_natively(TickNeeds(inject=s.inject, lacking=lacking()))
        self._native = NativeCollector(self.bundle, self._secret) if native else None
        # The keeper passes no decision to a collector that receives them itself.
        self.keeper = Keeper(self.manifest, self._setup.gate(), Keeping(self._setup.lockstep, simulated, period_ns),
                             cast("Collector | None", self._native))
        self._latency, self._trace = Latency(), Trace(s.trace, self.manifest.action_map.slot_of_joint)
        self._untold: deque[Outcome] = deque(maxlen=UNTOLD)
        if not simulated:
            if not self._secret:
                raise Refused(SECRET, "the secret of a launch", "none",
                              "start the graph with mat-ros launch or ros2 launch, or set the variable")
            self._link = DriverLink(robot.name if robot is not None else self.manifest.robot,
                                    driver_address(self.get_namespace()), period_ns, self.now_ns)
            service = self.create_service(topics.RESUME[1], topics.RESUME[0], self._resume)
            self._entities.append(lambda: self.destroy_service(service))
        self._signals = self.manifest.layout.signal_count
        self._publish = self.announce(topics.APPLIED)
        if self._native is not None:
            self._bell, self._alarm = Bell(self._rung, self.now_ns, self._failed), None
            self._entities.append(self._bell.close)
            self.run_loop(self._native, [(topics.OBSERVATION, OBSERVATION, 0), (topics.DECISION, DECISION, 0)], [],
                          Hearing.IN_LISTENER, self._bell.number)
            self._bell.begin()
            self._entities.append(self._bell.end)
        else:
            self._bell, self._alarm = None, Alarm(self, self._woken)
            self.hear(topics.OBSERVATION, self._heard_observation)
            self.hear(topics.DECISION, self._heard_decision)

    def describe(self, descriptor: NodeDescriptor) -> None:
        """Write the limits and settings of the gate into the descriptor, so that a replay has them."""
        descriptor.gate = json.dumps(self._setup.to_dict(), separators=(",", ":"))

    def start(self) -> None:
        """Take over the robot as soon as it is found. A stop that is latched on disk stays latched."""
        with self._turn:
            stop = self._take_over()
        if stop is not None:
            self.fail(f"a stop is latched since {stop.at}: {stop.cause}; `mat-ros resume` undoes it")

    def _take_over(self) -> Stop | None:
        """Take over the robot as soon as it is found. Return the stop that is latched on disk."""
        stop = self._link.stop()
        self.keeper.take_over(latched=stop is not None)
        return stop

    def stop(self) -> None:
        """Bring the robot to its fallback."""
        if self._alarm is not None:
            self._alarm.clear()
        with self._turn:
            self._rest()
            while self._native is not None and self._native.observation() is not None:
                pass  # an observation that still waits would be too old after the next start
            self._link.let_go()

    def leave(self) -> None:
        """Leave the robot in its fallback."""
        if self._bell is not None:
            self._bell.end()
        try:
            if self.active:
                self._rest()
        finally:
            self._link.let_go()
            self._link.close()
            self._trace.save()

    def _rest(self) -> None:
        """Move every joint to its fallback, with one command per period."""
        steps = self.keeper.rest()
        for outcome in paced(steps, self.keeper.gate.period_ns) if self._link.paced else steps:
            self._do([outcome])

    def report(self) -> None:
        """Publish the state of the gate between two turns of its tick."""
        with self._turn:
            super().report()

    def facts(self) -> Mapping[str, object]:
        """Return the counts of the gate, the latencies of the commands, and the silent slots."""
        if not self.configured:
            return {}
        with self._turn:
            silent = self.keeper.collector.silent
            return {**(self.counts + self.keeper.counts), **self._latency.summary(),
                    "stopped": self.keeper.stopped and not self._link.latching,
                    ON_DISK: isinstance(self._link, DriverLink),
                    "silent_slots": ",".join(map(str, np.flatnonzero(silent > 2)))}

    # -- the tick ------------------------------------------------------------------------------------------------

    def _heard_observation(self, data: bytes) -> None:
        self._begin(wire.read_observation(data, self._signals), self.now_ns())
        self._set_alarm()

    def _begin(self, observation: Observation, heard_ns: int) -> None:
        self._follow_up()
        self._trace.begin(observation.start_ns, heard_ns)
        self._do(self.keeper.on_observation(observation, self.now_ns()))
        if self.keeper.refusal:
            self.fail(self.keeper.refusal)

    def _heard_decision(self, data: bytes) -> None:
        decision = wire.read_decision(data, self.manifest.network.act_dim)
        now_ns = self.now_ns()
        self._trace.first_ns = self._trace.first_ns or now_ns
        self._do(self.keeper.on_decision(decision, now_ns))

    def _woken(self) -> None:
        if self.active:
            self._wake()
            self._set_alarm()

    def _wake(self) -> None:
        self._follow_up()
        self._do(self.keeper.poll(self.now_ns()))
        if untold := self._link.keep():
            self.fail(untold)

    @property
    def _wake_ns(self) -> int | None:
        return min((ns for ns in (self.keeper.wake_ns, self._link.keep_ns) if ns is not None), default=None)

    def _set_alarm(self) -> None:
        if self._alarm is not None:
            self._alarm.set(self._wake_ns, self.now_ns())

    def _rung(self) -> int | None:
        """Do what C++ has found to do, and what is due at this time. Return when something is due again."""
        with self._turn:
            if not self.active or self._native is None:
                return None
            with self._counting_refused():
                self._do(self.keeper.settle(self.now_ns()))
            while (waiting := self._native.observation()) is not None:
                with self._counting_refused():
                    self._begin(*waiting)
            if self._wake_ns is not None and self.now_ns() >= self._wake_ns:
                self._wake()
            return self._wake_ns

    def _failed(self, error: Exception) -> None:
        """End the process, as an error in a callback of the executor does."""
        if self.ends is None or self.ends.done():
            raise error
        self.ends.set_exception(error)

    @contextlib.contextmanager
    def _counting_refused(self) -> Iterator[None]:
        """Count a message that holds a time which no message of the gate can hold, as `hear` does."""
        try:
            yield
        except (ValueError, struct.error):
            self.counts["refused"] += 1

    def _do(self, outcomes: list[Outcome]) -> None:
        for outcome in outcomes:
            if self._native is not None:
                self._trace.first_ns = self._native.first_ns
            applied = outcome.applied
            if untaken := self._link.command(applied.applied, (applied.reasons & Reason.SETTLED) != 0):
                self._not_taken(untaken)
            self._note_stop(outcome)
            self._untold.append(outcome)
            self._tell()
            self._latency.add(outcome.latency_ns)
            self._trace.add(outcome)

    def _tell(self) -> None:
        """Publish what was applied, unless a stop is on its way to the disk: nobody is told before it is there."""
        while self._untold and not self._link.latching:
            self._publish(wire.write_applied(self._untold.popleft(), self.now_ns(), self.bundle.hash64))

    def _note_stop(self, outcome: Outcome) -> None:
        """Let a new stop be put on disk. The robot gets its commands meanwhile."""
        if outcome.applied.stopped == self.keeper.stopped:
            return
        self.keeper.stopped = outcome.applied.stopped
        if self.keeper.stopped:
            self._link.latch(self.keeper.cause, self._latched)
            return
        if self.reason.startswith("stopped: "):
            self.reason = ""  # a simulated robot has begun another episode
        self.report()

    def _latched(self, cause: str) -> None:
        """Report a stop that is on disk. A thread of the latch calls this."""
        with self._turn:
            self._tell()
            if self.keeper.stopped:  # an operator may have undone the stop
                self.fail(f"stopped: {cause}")
                self.report()

    def _follow_up(self) -> None:
        """Take what became of the last command, before the gate computes the next one."""
        fate = self._link.fate()
        if fate is None:
            return
        if fate.taken:
            if not self.keeper.stopped:
                self.reason = ""
            return
        if fate.reason:
            self._not_taken(fate.reason)
        if fate.misplaced and self.keeper.active:
            self._take_over()
        if fate.stopped and not self.keeper.stopped:
            self.keeper.stop()  # the driver has stopped the robot
            self.report()

    def _not_taken(self, reason: str) -> None:
        self.keeper.not_taken()
        self.counts["unwritten"] += 1
        self.fail(reason)

    def _resume(self, request: Any, response: Any) -> Any:
        """Answer an operator who names the robot: undo its latched stop."""
        assert isinstance(self._link, DriverLink)
        with self._turn:
            try:
                stop = self._link.release(request.robot)
            except (Refused, Missing) as error:
                response.success, response.message = False, str(error)
                return response
            self.keeper.release()
            self.reason = ""  # the keeper reports the end of the stop when it has found the robot
            self.report()
        response.success = True
        response.message = f"stopped since {stop.at}: {stop.cause}" if stop is not None else "no stop was latched"
        return response

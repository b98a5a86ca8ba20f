# Copyright 2026 The mat_ros Authors
# SPDX-License-Identifier: Apache-2.0
"""Run a policy in its simulated robot without processes or messages, with the code of the live graph for every tick.

Many episodes run side by side. Each row is one episode with its own fault schedule, safety gate and detector. Faults of
actuators and sensors act on the physics. In a row whose schedule breaks messages or nodes, a whole simulated chain
decides. In every other row the central decision is used, which has the same bits.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from types import SimpleNamespace
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from mat_ros.backends.backend import Backend
from mat_ros.bench.faults.episodes import Episodes
from mat_ros.core.errors import Refused
from mat_ros.core.faults.detect import Detector, DetectorSettings, Model, Places
from mat_ros.core.faults.network import SimulatedChain
from mat_ros.core.faults.schedule import Schedule, followed_share
from mat_ros.core.policy.bundle import Bundle
from mat_ros.core.robot.observe import Columns, Observer
from mat_ros.core.tick.collect import NONE
from mat_ros.core.tick.decide import Decider, Sampling
from mat_ros.core.tick.messages import Applied, Decision, Encoding, Float32, Override, Validity
from mat_ros.core.tick.safety import Gate, GateSettings
from mat_ros.core.tick.wiring import spans
from mat_ros.core.wire.fields import decision_fields, encoding_fields, override_fields, time_of
from mat_ros.worlds.faults import FaultyWorld
from mat_ros.worlds.randomise import Randomiser, Variation
from mat_ros.worlds.scatter import Scatter
from mat_ros.worlds.score import open_world, score_of

Float = NDArray[np.float64]
EXCITATION = 0.2  # policy units, noise of the actions while the detector learns
LEARNING_SHARE = 10  # ticks of learning for each measurement and each command
INFORMATION = ("intent", "truth", "oracle")  # oracle: the exact truth without delay, which no detector has


class Recording(Protocol):
    """Store messages, as a Recorder or a FlightRecorder does."""

    def write(self, topic: str, time_ns: int, message: object) -> None:
        """Store a message."""
        ...


class LockStep:
    """Run a policy in its simulated robot."""

    def __init__(self, bundle: Bundle, backend: Backend, rows: int, *, mode: str = "optimistic",
                 wiring: str = "per_agent", gate: GateSettings | None = None, deadline: float = 0.8,
                 detect: DetectorSettings | None = None, table: Sequence[Variation] = (), threads: int = 1,
                 scatter: Scatter | None = None) -> None:
        self.bundle, self.manifest, self.backend, self.rows = bundle, bundle.manifest, backend, rows
        self.world = FaultyWorld(open_world(self.manifest, rows, threads))
        self.world.world.scatter = scatter or Scatter()
        self.score = score_of(self.world.world)
        self._randomiser = Randomiser(self.world.world, table, 0) if table else None  # other physics
        self.model: Model | None = None  # model of the healthy robot; without a model nothing is detected
        manifest, network = self.manifest, self.manifest.network
        self._columns = Columns(manifest.layout.terms, self.world.world.terms)
        self._observer, self._map = Observer(manifest.layout), manifest.action_map
        self.places = Places.of(manifest)
        self._slots, self._act_dim = network.agents, network.act_dim
        self._decider = Decider(backend, network, manifest.state)
        self._spans, self._mode = spans(manifest, wiring), mode
        self._gate_settings, self._deadline = gate or GateSettings(), deadline
        self._detect_settings = detect or DetectorSettings()
        self.joint_names = [joint.name for joint in manifest.joints]
        self._lower, self._upper = np.array([[j.lower, j.upper] for j in manifest.joints]).T

    def learn(self, seed: int, ticks: int | None = None) -> Model:
        """Return a model of the healthy robot's motion; noise separates a command's effect from its cause."""
        noise = Sampling(seed, np.full(self._act_dim, EXCITATION, np.float32))
        calm, self._decider = self._decider, Decider(self.backend, self.manifest.network, self.manifest.state, noise)
        enough = LEARNING_SHARE * (len(self._columns.places) + len(self.joint_names))
        signals: list[Float] = []
        commands: list[Float] = []
        while sum(map(len, commands)) < enough:
            seen = self.run(seed, ticks=ticks, keep=True)
            signals += [seen.signals[:n + 1, row].astype(np.float64) for row, n in enumerate(seen.lengths)]
            commands += [seen.commands[:n, row] for row, n in enumerate(seen.lengths)]
            seed += 1
        self._decider = calm
        self.model = Model.learn(self.places, signals, commands, self._detect_settings.memory_ticks)
        return self.model

    def run(self, seed: int | Sequence[int], schedules: Sequence[Schedule] | None = None, information: str = "intent",
            ticks: int | None = None, *, recording: Recording | None = None, keep: bool = False,
            watch: Callable[[int], None] | None = None) -> Episodes:
        """Run an episode in every row and return them. The first row is recorded; `watch` is called after each tick."""
        if information not in INFORMATION:
            raise Refused("chain information", f"one of {INFORMATION}", information, "choose one of them")
        horizon = self.score.horizon if ticks is None else ticks
        schedules = [Schedule(0)] * self.rows if schedules is None else list(schedules)
        if self._randomiser is not None:
            self._randomiser.begin(np.arange(self.rows))
        self.world.reset(seed=seed, schedules=schedules)
        if self._randomiser is not None:
            self._randomiser.arrive(np.arange(self.rows))
        lives = [_Row(self, schedule) for schedule in schedules]
        detector = None if self.model is None else Detector(self.places, self.model, self._detect_settings, self.rows)
        out = Episodes.empty(self.rows, horizon, len(self.joint_names))
        alive = np.ones(self.rows, dtype=bool)
        commands = np.zeros((self.rows, len(self.joint_names)))
        actions = np.zeros((self.rows, self._slots, self._act_dim))
        present = np.ones((self.rows, len(self.joint_names)), dtype=bool)
        kept_signals, kept_commands = [], []
        for tick in range(horizon):
            signals = self._signals()
            observations = self._observer.observe(signals)
            if detector is not None:
                out.alarm(detector.observe(signals.astype(np.float64)), self._suspects(schedules, tick), alive, tick)
            for row in np.flatnonzero(alive).tolist():
                kept = recording if row == 0 else None
                overrides = lives[row].told(tick, information, detector, row)
                commands[row], actions[row], present[row] = self._tick(
                    lives[row], tick, signals[row], observations[row], overrides, out, row, kept)
            if detector is not None:
                detector.commanded(commands, present)
            self.world.step(commands if self._randomiser is None else self._randomiser.command(commands))
            verdict = self.score.judge(actions)
            out.rewards[tick, alive] = verdict.reward[alive]
            out.returns[alive] += verdict.reward[alive]
            out.lengths[alive] += 1
            alive &= ~verdict.over
            if keep:
                kept_signals.append(signals)
                kept_commands.append(commands.copy())
            if watch is not None:
                watch(tick)
            if not alive.any():
                break
        if keep:
            out.signals, out.commands = np.array([*kept_signals, self._signals()]), np.array(kept_commands)
        return out

    def _suspects(self, schedules: Sequence[Schedule], tick: int) -> NDArray[np.bool_]:
        """Return which joints are or were broken (row, joint), because an alarm may outlast its fault."""
        broken = np.zeros((self.rows, len(self.joint_names)), dtype=bool)
        for row, schedule in enumerate(schedules):
            for fault in schedule.faults:
                joint = fault.target.rpartition("/")[2]
                if fault.level in ("message", "node") and fault.start <= tick:
                    broken[row] = True  # the fault may have kept away the decisions of any joint
                elif fault.start <= tick and joint in self.joint_names:
                    broken[row, self.joint_names.index(joint)] = True
        return broken

    def _signals(self) -> Float32:
        """Return the measurements (row, signal) with the precision of the messages."""
        measured = self.world.measure()
        if self._randomiser is not None:
            measured = self._randomiser.readings(measured)
        return self._columns.take(measured)

    def _tick(self, life: _Row, tick: int, signals: Float32, observation: Float32, overrides: dict[int, Override],
              out: Episodes, row: int, recording: Recording | None) -> tuple[Float, Float32, NDArray[np.bool_]]:
        began = time.perf_counter_ns()
        enc, values = self.backend.encode(observation)
        start = tick * self.manifest.period_ns
        encoding = Encoding(tick, start, start + round(self._deadline * self.manifest.period_ns), start, enc)
        actions, validity = life.decide(encoding, overrides)
        out.latency_ns[tick, row] = life.latency_ns
        present = validity[self._map.slot_of_joint] != NONE
        applied = life.gate.apply(self._map.to_command(actions), present, life.positions(signals))
        out.computing_ns[tick, row] = time.perf_counter_ns() - began
        wanted = actions[self._map.slot_of_joint, self._map.column_of_joint] * self._map.scale + self._map.offset
        out.missing[row] += int((~present).sum())
        out.outside_before[row] += int(((wanted < self._lower) | (wanted > self._upper)).sum())
        out.outside_after[row] += int(((applied.applied < self._lower) | (applied.applied > self._upper)).sum())
        out.clamped[row] += int((applied.applied != applied.requested).sum())
        if recording is not None:
            self._record(recording, life, encoding, signals, values, actions, validity, applied, overrides)
        return applied.applied, np.nan_to_num(actions), present

    def _record(self, recording: Recording, life: _Row, encoding: Encoding, signals: Float32, values: Float32,
                actions: Float32, validity: NDArray[np.uint8], applied: Applied, overrides: dict[int, Override]
                ) -> None:
        tick, start, manifest = encoding.tick, encoding.start_ns, self.bundle.hash64
        stamp = time_of(start)
        recording.write("observation", start, SimpleNamespace(
            tick=tick, manifest=manifest, start_ns=start, deadline_ns=encoding.deadline_ns, source_stamp=stamp,
            episode=1, signals=signals))
        if life.changed or tick == 0:
            recording.write("overrides", start, override_fields(tick, overrides, manifest))
        recording.write("encoding", start, encoding_fields(encoding, values, manifest))
        for decision in life.decisions:
            recording.write("decision", start, decision_fields(decision, manifest))
        recording.write("applied", start, SimpleNamespace(
            tick=tick, manifest=manifest, source_stamp=stamp, stamp=time_of(encoding.deadline_ns),
            stopped=applied.stopped, actions=actions.reshape(-1), validity=validity, requested=applied.requested,
            applied=applied.applied, reasons=applied.reasons))
        active = life.schedule.active(tick)
        recording.write("fault_state", start, SimpleNamespace(
            tick=tick, enabled=bool(life.schedule.faults), ids=[f.id for f in active],
            kinds=[f"{f.level}: {f.kind}" for f in active], targets=[f.target for f in active],
            severities=[f.severity for f in active]))


class _Row:
    """Hold the gate, detector and faults of one robot, and a chain where messages or nodes break."""

    def __init__(self, lockstep: LockStep, schedule: Schedule) -> None:
        self._all, self.schedule = lockstep, schedule
        manifest = lockstep.manifest
        self.gate = Gate(manifest.joints, manifest.period_ns, lockstep._gate_settings)
        breaks = any(fault.level in ("message", "node") for fault in schedule.faults)
        self._chain = SimulatedChain(lockstep._decider, lockstep._spans, lockstep._slots, manifest.period_ns,
                                     lockstep._mode) if breaks else None
        self._overrides: dict[int, Override] = {}
        self._serves = np.array([joint.quantity == "position" for joint in manifest.joints])
        self._activated = False
        self.changed = False
        self.latency_ns = 0
        self.decisions: list[Decision] = []

    def positions(self, signals: Float32) -> Float:
        """Return the positions of position-controlled joints (joint,), NaN elsewhere; the first call opens the gate."""
        place = self._all.places.position
        present = np.where(self._serves & (place >= 0), signals[place].astype(np.float64), np.nan)
        if not self._activated:
            default = np.array([joint.default for joint in self._all.manifest.joints])
            self.gate.activate(np.where(np.isfinite(present), present, default))
            self._activated = True
        return present

    def told(self, tick: int, information: str, detector: Detector | None, row: int) -> dict[int, Override]:
        """Return the overrides that the chain receives for broken joints in this tick."""
        before = self._overrides
        if information == "oracle":
            self._overrides = self._oracle(tick)
        elif information == "truth" and detector is not None:
            self._overrides = detector.overrides(self._all._map.slot_of_joint, self._all._map.column_of_joint,
                                                 self._all._act_dim, row)
        self.changed = not _same(before, self._overrides)
        return self._overrides

    def _oracle(self, tick: int) -> dict[int, Override]:
        found: dict[int, Override] = {}
        for fault in self.schedule.active(tick):
            if fault.level == "actuator":
                joint = self._all.joint_names.index(fault.target)
                slot = int(self._all._map.slot_of_joint[joint])
                share = found[slot].share.copy() if slot in found else np.ones(self._all._act_dim, np.float32)
                share[self._all._map.column_of_joint[joint]] = followed_share(fault)
                found[slot] = Override(share, Validity.HELD if fault.kind == "stuck" else Validity.ZERO)
        return found

    def decide(self, encoding: Encoding, overrides: dict[int, Override]) -> tuple[Float32, NDArray[np.uint8]]:
        """Return the actions (slot, act_dim) and validity (slot,) that reach the gate in time."""
        if self._chain is None:
            decider = self._all._decider
            prefix, intended = decider.extend(decider.start(), encoding.tick, self._all._slots, encoding.enc,
                                              Validity.OWN, overrides)
            self.decisions = [Decision(encoding.tick, encoding.source_ns, 0, 0, self._all._slots, intended,
                                       prefix.validity)]
            return intended, prefix.validity
        for node in self._chain.nodes:
            node.shared = overrides
        self.decisions = []
        collector = self._chain.tick(encoding, self.schedule, self.decisions.append)
        self.latency_ns = self._chain.latency_ns
        return collector.actions.copy(), collector.validity.copy()


def _same(a: dict[int, Override], b: dict[int, Override]) -> bool:
    return a.keys() == b.keys() and all(a[k].validity == b[k].validity and np.array_equal(a[k].share, b[k].share)
                                        for k in a)

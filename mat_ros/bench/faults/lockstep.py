# Copyright 2026 The mat_ros Authors
# SPDX-License-Identifier: Apache-2.0
"""Run a policy in its simulated robot without processes and messages, with the same core code as the live graph.

Many episodes run side by side. Each episode is one row and has its own schedule of faults. Actuators and sensors break
in the physics, which steps all rows at once. `lockstep_row.py` decides and guards each row by itself.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from mat_ros.backends.backend import Backend
from mat_ros.bench.faults.episodes import EpisodeResults
from mat_ros.bench.faults.lockstep_row import LockStepRow, MessageSink, RowContext, RowTick
from mat_ros.core.errors import Refused
from mat_ros.core.faults.detect import Detector, DetectorSettings, Model, Places
from mat_ros.core.faults.schedule import Schedule
from mat_ros.core.policy.bundle import Bundle
from mat_ros.core.robot.guard import GuardSettings
from mat_ros.core.robot.observe import Columns
from mat_ros.core.tick.central import Central
from mat_ros.core.tick.collect import NONE
from mat_ros.core.tick.decide import Sampling
from mat_ros.core.tick.messages import Float32
from mat_ros.core.tick.wiring import spans
from mat_ros.worlds.faults import FaultyWorld
from mat_ros.worlds.randomise import Randomiser, Variation
from mat_ros.worlds.scatter import Scatter
from mat_ros.worlds.task import task_of

Float = NDArray[np.float64]
EXCITATION = 0.2  # standard deviation of the noise on the actions from which the model is learned, policy units
LEARNING_SHARE = 10  # ticks per measurement and per command from which a model is learned
INFORMATION = ("intent", "truth", "oracle")  # oracle: the schedule's exact truth at once, which no detector reports


@dataclass(frozen=True)
class LockStepSettings:
    """Set the chain, the gate and the detector, and the differences of the robot from the trained robot."""

    mode: str = "optimistic"  # patience of the chain where messages or nodes break, one of MODES
    wiring: str = "per_agent"
    gate: GuardSettings = field(default_factory=GuardSettings)
    deadline: float = 0.8  # share of the period after which the gate applies the decisions that have arrived
    detector: DetectorSettings = field(default_factory=DetectorSettings)
    table: tuple[Variation, ...] = ()  # differences from the robot that the policy was trained on
    scatter: Scatter = field(default_factory=Scatter)


class LockStep:
    """Run a policy in its simulated robot."""

    def __init__(self, bundle: Bundle, backend: Backend, rows: int, settings: LockStepSettings | None = None) -> None:
        self.bundle, self.manifest, self.backend, self.rows = bundle, bundle.manifest, backend, rows
        self.settings = settings or LockStepSettings()
        manifest, table = self.manifest, self.settings.table
        task = task_of(manifest)
        self.world = FaultyWorld(task.open(rows))
        self.world.world.scatter = self.settings.scatter
        self.score = task.score(self.world.world)
        self._randomiser = Randomiser(self.world.world, table, 0) if table else None
        self.model: Model | None = None  # model of the healthy robot; None: no detector runs
        self.spans = spans(manifest, self.settings.wiring)
        self.joint_names = [joint.name for joint in manifest.joints]
        self._columns = Columns(manifest.layout.terms, self.world.world.terms)
        self._places, self._map = Places.of(manifest), manifest.action_map
        self._lower, self._upper = np.array([[j.lower, j.upper] for j in manifest.joints]).T

    def learn(self, seed: int, ticks: int | None = None) -> Model:
        """Learn, store and return a model of the healthy robot; noise on the actions shows what each command causes."""
        noise = Sampling(seed, np.full(self.manifest.network.act_dim, EXCITATION, np.float32))
        enough = LEARNING_SHARE * (len(self._columns.places) + len(self.joint_names))
        signals: list[Float] = []
        commands: list[Float] = []
        while sum(map(len, commands)) < enough:
            seen = self.run(seed, ticks=ticks, keep=True, sampling=noise)
            signals += [seen.signals[:n + 1, row].astype(np.float64) for row, n in enumerate(seen.lengths)]
            commands += [seen.commands[:n, row] for row, n in enumerate(seen.lengths)]
            seed += 1
        self.model = Model.learn(self._places, signals, commands, self.settings.detector.memory_ticks)
        return self.model

    def run(self, seed: int | Sequence[int], schedules: Sequence[Schedule] | None = None, information: str = "intent",
            ticks: int | None = None, *, recording: MessageSink | None = None, keep: bool = False,
            watch: Callable[[int], None] | None = None, sampling: Sampling | None = None) -> EpisodeResults:
        """Run an episode in every row. The first row is recorded; `watch` is called after each tick."""
        if information not in INFORMATION:
            raise Refused("chain information", f"one of {INFORMATION}", information, "choose one of them")
        horizon = self.score.horizon if ticks is None else ticks
        schedules = [Schedule(0)] * self.rows if schedules is None else list(schedules)
        self._begin(seed, schedules)
        context = self._context(sampling)
        rows = [LockStepRow(context, schedule) for schedule in schedules]
        detector = None
        if self.model is not None:
            detector = Detector(self._places, self.model, self.settings.detector, self.rows)
        out = EpisodeResults.empty(self.rows, horizon, len(self.joint_names))
        alive = np.ones(self.rows, dtype=bool)
        commands = np.zeros((self.rows, len(self.joint_names)))
        actions = np.zeros((self.rows, self.manifest.network.agents, self.manifest.network.act_dim))
        present = np.ones((self.rows, len(self.joint_names)), dtype=bool)
        kept_signals, kept_commands = [], []
        for tick in range(horizon):
            signals = self._signals()
            if detector is not None:
                health = detector.observe(signals.astype(np.float64))
                out.add_alarms(health, self._suspects(schedules, tick), alive, tick)
            for row in np.flatnonzero(alive).tolist():
                done = rows[row].tick(tick, signals[row], rows[row].told(tick, information, detector, row))
                present[row] = done.outcome.validity[self._map.slot_of_joint] != NONE
                commands[row] = done.outcome.applied.applied
                actions[row] = np.nan_to_num(done.outcome.actions)
                self._count(out, row, done, present[row])
                if recording is not None and row == 0:
                    rows[row].record(recording, done)
            if detector is not None:
                detector.commanded(commands, present)
            self.world.step(commands if self._randomiser is None else self._randomiser.command(commands))
            verdict = self.score.judge(actions)
            out.add_rewards(tick, verdict.reward, alive)
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

    def _begin(self, seed: int | Sequence[int], schedules: Sequence[Schedule]) -> None:
        """Reset every row, and draw its physics from the table where the settings have one."""
        if self._randomiser is not None:
            self._randomiser.begin(np.arange(self.rows))
        self.world.reset(seed=seed, schedules=schedules)
        if self._randomiser is not None:
            self._randomiser.arrive(np.arange(self.rows))

    def _context(self, sampling: Sampling | None) -> RowContext:
        central = Central(self.manifest, self.backend, sampling)
        deadline_ns = round(self.settings.deadline * self.manifest.period_ns)
        return RowContext(self.manifest, self.bundle.hash64, central, self._map, self.spans, self.settings.mode,
                          self.settings.gate, deadline_ns)

    def _suspects(self, schedules: Sequence[Schedule], tick: int) -> NDArray[np.bool_]:
        """Return which joints are or were broken (row, joint): an alarm may outlast its fault."""
        broken = np.zeros((self.rows, len(self.joint_names)), dtype=bool)
        for row, schedule in enumerate(schedules):
            for fault in schedule.faults:
                joint = fault.target.rpartition("/")[2]
                if fault.level in ("message", "node") and fault.start <= tick:
                    broken[row] = True  # the fault may have kept the decision of any joint from the gate
                elif fault.start <= tick and joint in self.joint_names:
                    broken[row, self.joint_names.index(joint)] = True
        return broken

    def _signals(self) -> Float32:
        """Return the measurements (row, signal) in the order of an Observation message."""
        measured = self.world.measure()
        if self._randomiser is not None:
            measured = self._randomiser.readings(measured)
        return self._columns.take(measured)

    def _count(self, out: EpisodeResults, row: int, done: RowTick, present: NDArray[np.bool_]) -> None:
        """Add the latencies and the command of a row's tick to the results."""
        tick, actions = done.observation.tick, done.outcome.actions
        out.latency_ns[tick, row], out.computing_ns[tick, row] = done.latency_ns, done.computing_ns
        wanted = actions[self._map.slot_of_joint, self._map.column_of_joint] * self._map.scale + self._map.offset
        out.add_command(row, wanted, present, done.outcome.applied, self._lower, self._upper)

# Copyright 2026 The mat_ros Authors
# SPDX-License-Identifier: Apache-2.0
"""The gate of a recording runs again: what it did not apply, and what nobody can know, is named."""

from __future__ import annotations

import json
from dataclasses import replace

import numpy as np
import pytest

from mat_ros.core.errors import Refused
from mat_ros.core.policy.bundle import Bundle
from mat_ros.core.record.gate import GateReplay, GateSetup
from mat_ros.core.record.reader import open_source
from mat_ros.core.record.recording import Recording
from mat_ros.core.record.replay import replay
from mat_ros.core.record.writer import Writer
from mat_ros.core.robot.guard import GuardSettings
from mat_ros.core.tick.keeper import Keeper, Keeping
from mat_ros.core.tick.messages import Decision, Observation, Outcome
from mat_ros.core.wire import cdr
from support.recorded import BUNDLE, PERIOD_NS, arithmetic, gate_setup, record

MANIFEST = Bundle.load(BUNDLE).manifest
SILENT = (4, 9, 10, 11, 12)  # a missed tick, and enough missed ticks to latch a stop
STOP_TICK = 12  # in which the gate of the recordings latches the stop


def again(path, bundle, **how):
    return replay(Recording.load(path, **how), bundle, arithmetic(bundle))


def spoilt(name, tick, joint, value):
    def change(topic, message):
        if topic == "applied" and message.tick == tick:
            array = getattr(message, name).copy()
            array[joint] = array[joint] + value if name == "applied" else array[joint] ^ value
            setattr(message, name, array)

    return change


def test_the_gate_of_a_true_recording_computes_every_command_again(tmp_path):
    bundle = record(tmp_path / "run.mcap", 20, silent=SILENT)
    report = again(tmp_path / "run.mcap", bundle)
    assert report.gate == {"commands": 20, "differing": 0, "unknown": 0, "reason": ""}
    assert (report.compared, report.undecided, report.differing) == (15, 5, 0)
    assert "gate: 20 commands computed again, 20 equal to the bit" in report.notes
    assert [m.stopped for m in Recording.load(tmp_path / "run.mcap").of("applied")] == [False] * 12 + [True] * 8


@pytest.mark.parametrize(("name", "value"), [("applied", 100.0), ("applied", 1e-15), ("reasons", 1), ("reasons", 64)])
def test_a_command_that_the_gate_did_not_make_is_named_with_tick_and_joint(tmp_path, name, value):
    bundle = record(tmp_path / "run.mcap", 20, silent=SILENT, change=spoilt(name, 7, 2, value))
    report = again(tmp_path / "run.mcap", bundle)
    assert (report.differing, report.gate["differing"]) == (1, 1)
    assert report.first == {"tick": 7, "slot": 2, "field": f"applied.{name}", "joint": "elbow"}


@pytest.mark.parametrize("tick", [7, STOP_TICK])
def test_a_stop_that_was_made_up_or_hidden_is_named(tmp_path, tick):
    def change(topic, message):
        if topic == "applied" and message.tick == tick:
            message.stopped = not message.stopped

    bundle = record(tmp_path / "run.mcap", 20, silent=SILENT, change=change)
    report = again(tmp_path / "run.mcap", bundle)
    assert report.differing == 1
    assert report.first == {"tick": tick, "slot": -1, "field": "applied.stopped", "joint": ""}


@pytest.mark.parametrize(("name", "value"), [("elapsed_ns", 1), ("blend", 0.3), ("events", 16), ("events", 1)])
def test_what_is_said_to_have_happened_to_the_gate_is_computed_too(tmp_path, name, value):
    def change(topic, message):
        if topic == "applied" and message.tick == 7:
            setattr(message, name, value)

    bundle = record(tmp_path / "run.mcap", 20, change=change)
    assert again(tmp_path / "run.mcap", bundle).first["tick"] == 7


def test_an_older_recording_is_never_called_equal(tmp_path):
    bundle = record(tmp_path / "new.mcap", 20)
    _without_gate(tmp_path / "new.mcap", tmp_path / "old.mcap")
    report = again(tmp_path / "old.mcap", bundle)
    assert report.gate == {"commands": 0, "differing": 0, "unknown": 0,
                           "reason": "gate not replayed: recorded by an older version"}
    assert "gate not replayed: recorded by an older version" in report.notes
    assert (report.compared, report.differing) == (20, 0)


def test_a_recording_without_the_limits_of_its_gate_is_never_called_equal(tmp_path):
    bundle = record(tmp_path / "run.mcap", 20, gate=None)
    assert again(tmp_path / "run.mcap", bundle).gate["reason"] == \
        "gate not replayed: the recording does not hold the limits of the gate"


def test_other_limits_than_those_that_ruled_are_found(tmp_path):
    setup = gate_setup(Bundle.load(BUNDLE))
    loose = replace(setup, joints=tuple(replace(joint, rate=joint.rate * 2) for joint in setup.joints))
    bundle = record(tmp_path / "run.mcap", 20, gate=loose.to_dict())
    assert again(tmp_path / "run.mcap", bundle).gate["differing"] > 0


@pytest.mark.parametrize("gate", [{}, {"joints": [], "period_ns": 1, "settings": {}, "lockstep": True,
                                       "simulated": True}, {"joints": [{}]}, {"joints": 7}])
def test_limits_that_are_none_are_refused_in_one_sentence(tmp_path, gate):
    bundle = record(tmp_path / "run.mcap", gate=gate)
    with pytest.raises(Refused, match=r"^(recorded gate|joint \?): expected"):
        again(tmp_path / "run.mcap", bundle)


@pytest.mark.parametrize(("topic", "field"), [("applied", "requested"), ("applied", "applied"), ("applied", "reasons"),
                                              ("applied", "validity"), ("observation", "signals")])
def test_messages_of_another_size_beside_a_slice_are_refused_in_one_sentence(tmp_path, topic, field):
    def change(name, message):
        if name == topic and message.tick == 20:
            setattr(message, field, getattr(message, field)[:1])

    bundle = record(tmp_path / "run.mcap", 100, change=change)
    with pytest.raises(Refused, match=f"^{topic}, {field}: expected [48] values, got 1; record it anew"):
        again(tmp_path / "run.mcap", bundle, start_s=0.6, stop_s=1.0)


def test_a_setup_is_read_back_equal():
    setup = gate_setup(Bundle.load(BUNDLE))
    assert GateSetup.from_dict(json.loads(json.dumps(setup.to_dict()))) == setup


@pytest.mark.parametrize("lost", ["applied", "observation"])
def test_behind_a_gap_the_gate_goes_on_from_the_next_whole_command(tmp_path, lost):
    bundle = record(tmp_path / "run.mcap", 20)
    _without(tmp_path / "run.mcap", tmp_path / "gap.mcap", lost, tick=7)
    report = again(tmp_path / "gap.mcap", bundle)
    assert report.gate == {"commands": 18 if lost == "applied" else 19, "differing": 0, "unknown": 1, "reason": ""}
    assert any("1 not, since earlier commands are missing" in note for note in report.notes)


def test_a_slice_computes_the_commands_of_the_slice(tmp_path):
    bundle = record(tmp_path / "run.mcap", 200, silent=(3,), change=spoilt("applied", 3, 1, 100.0))
    report = again(tmp_path / "run.mcap", bundle, start_s=2.0, stop_s=3.0)
    assert (report.gate["commands"], report.differing) == (50, 0)
    assert report.gate["unknown"] == 0


# ---- a real robot in real time --------------------------------------------------------------------------------------


class Run:
    """A free-running robot whose measurements, outages, failed writes and stops are followed by a replay."""

    def __init__(self, simulated: bool = False) -> None:
        guard = GuardSettings(hold_ticks=2, stop_ticks=8, blend_s=0.1)
        self.setup = GateSetup(MANIFEST.joints, PERIOD_NS, guard, False, simulated)
        self.keeper = Keeper(MANIFEST, self.setup.gate(), Keeping(False, simulated, PERIOD_NS))
        self.replay, self.rng = GateReplay(self.setup, MANIFEST), np.random.default_rng(5)
        self.now, self.tick, self.commands = 100 * PERIOD_NS, 0, 0
        self.signals: dict[int, np.ndarray] = {}
        self.keeper.take_over()

    def follow(self, outcomes: list[Outcome]) -> None:
        for outcome in outcomes:
            again = self.replay.follow(outcome, self.signals[outcome.tick])
            assert again == (True, None)
            self.commands += 1

    def measure(self, place: float, asked: float | None, late_ns: int = 0) -> None:
        """Measure and decide one tick; the decision may be absent, and may come late."""
        start = self.now
        self.signals[self.tick] = np.full(8, place, np.float32)
        seen = Observation(self.tick, start, start + PERIOD_NS * 8 // 10, start, 0, self.signals[self.tick])
        self.follow(self.keeper.on_observation(seen, self.now))
        if asked is not None:
            actions = MANIFEST.action_map.to_actions(np.full(4, asked)).astype(np.float32)
            self.now += late_ns
            self.follow(self.keeper.on_decision(
                Decision(self.tick, start, 0, 0, 4, actions, np.zeros(4, np.uint8)), self.now))
        self.tick += 1
        self.wait(start + PERIOD_NS + int(self.rng.integers(-PERIOD_NS // 8, PERIOD_NS // 8)))

    def wait(self, until: int) -> None:
        while (wake := self.keeper.wake_ns) is not None and wake <= until:
            self.now = max(self.now, wake)
            self.follow(self.keeper.poll(self.now))
        self.now = max(self.now, until)


@pytest.mark.parametrize("simulated", [False, True])
def test_a_run_in_real_time_is_computed_again_whatever_happens_in_it(simulated):
    run = Run(simulated)
    for tick in range(30):
        run.measure(0.1 + 0.001 * tick, asked=0.4 * np.sin(tick), late_ns=int(run.rng.integers(PERIOD_NS // 2)))
        if tick % 7 == 3:
            run.keeper.not_taken()
    for asked in (None, 3.0, None, None, None, 0.2):
        run.measure(0.1, asked)
    run.wait(run.now + 5 * PERIOD_NS)  # nobody measures; then the robot is found elsewhere
    for _ in range(8):
        run.measure(-0.4, asked=-0.3)
    run.keeper.stop()
    for _ in range(3):
        run.measure(-0.4, asked=0.3)
    run.keeper.release()
    for _ in range(8):
        run.measure(-0.2, asked=0.3)
    run.wait(run.now + 20 * PERIOD_NS)  # until the gate stops
    assert run.keeper.gate.stopped.all()
    run.follow(list(run.keeper.rest()))
    assert run.commands > 60


def _without_gate(source, path):
    """Write a recording as a version did that did not know what a replay of the gate needs."""
    writer = Writer(path)
    found = open_source(source)
    facts = dict(found.survey.metadata["mat_ros"])
    del facts["gate"]
    writer.metadata("mat_ros", facts)
    for message in found.messages():
        data = message.data
        if message.topic == "applied":
            data = _until_reasons(message)
        writer.write(message.topic, message.type, "", message.time_ns, data)
    writer.close()


def _until_reasons(message) -> bytes:
    """Return an Applied without what follows its reasons, which is what older versions wrote."""
    joints = len(cdr.decode(message.type, message.data).reasons)
    place = message.data.rindex(cdr.decode(message.type, message.data).reasons.tobytes()[:2 * joints],
                                0, len(message.data) - 16 - 28)
    return message.data[:place + 2 * joints]


def _without(source, path, topic, tick):
    writer = Writer(path)
    found = open_source(source)
    writer.metadata("mat_ros", found.survey.metadata["mat_ros"])
    for message in found.messages():
        if message.topic != topic or cdr.decode(message.type, message.data).tick != tick:
            writer.write(message.topic, message.type, "", message.time_ns, message.data)
    writer.close()

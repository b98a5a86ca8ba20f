# Copyright 2026 The mat_ros Authors
# SPDX-License-Identifier: Apache-2.0
"""A fault plan means the same everywhere: it is refused when it is wrong, and its trace depends on its seed alone."""

from dataclasses import replace

import numpy as np
import pytest

from mat_ros.core.errors import Refused
from mat_ros.core.faults.plan_file import load_plan, parse_plan
from mat_ros.core.faults.schedule import KINDS, NO_FAULTS, Fault, Schedule, Targets, fault_kinds

PERIOD_NS = 20_000_000
TARGETS = Targets(actuator=("left/FFJ1", "left/FFJ2", "right/THJ0"), sensor=("position/left/FFJ1",),
                  message=("encoder->chain",), node=("chain",))


def plan(text):
    return parse_plan(text, PERIOD_NS, TARGETS)


def test_a_pattern_breaks_every_joint_that_it_selects_at_the_written_time():
    faults = plan("faults:\n  - {id: finger, actuator: off, target: left/*, start_s: 1.0, duration_s: 0.5}").faults
    assert [(f.target, f.kind, f.start, f.end) for f in faults] == [("left/FFJ1", "off", 50, 75),
                                                                    ("left/FFJ2", "off", 50, 75)]


def test_off_is_a_kind_and_not_false():
    assert plan("faults:\n  - {actuator: off, target: right/THJ0}").faults[0].kind == "off"


@pytest.mark.parametrize(("text", "reason"), [
    ("faults:\n  - {actuator: melted, target: left/FFJ1}", r"line 2: expected one of .*off.*got melted"),
    ("faults:\n  - {actuator: off, target: left/MFJ1}", r"line 2: expected a name among .*left/FFJ1.*got left/MFJ1"),
    ("faults:\n\n  - {actuator: off, target: left/FFJ1, start_s: -1}", r"line 3: expected 0 to 1e\+09 seconds"),
    ("faults:\n  - {actuator: off, target: left/FFJ1, start_s: 1e300}", r"line 2: expected 0 to 1e\+09 seconds"),
    ("faults:\n  - {actuator: off, target: left/FFJ1, duration_s: 1e300}", r"line 2: expected 0 to 1e\+09 seconds"),
    ("seed: .inf", r"line 1: expected a whole number of 64 bits, got .inf"),
    ("seed: 1e999", r"line 1: expected a whole number of 64 bits, got 1e999"),
    ("random:\n  - {actuator: off, target: left/*, count: .inf}", r"line 2: expected a whole number of 64 bits"),
    ("faults: " + "[" * 3000, "expected YAML"),
    ("faults:\n  - {actuator: off, target: left/FFJ1, duration_s: 0}", r"line 2: .*at least one tick"),
    ("faults:\n  - {actuator: weak, target: left/FFJ1, severity: 1.5}", r"line 2: .*in \[0.0, 1.0\], got 1.5"),
    ("faults:\n  - {actuator: weak, target: left/FFJ1, severity: 0}", r"line 2: .*got 0.0"),
    ("faults:\n  - {actuator: off, target: left/FFJ1, severity: 0.5}", r"line 2: .*no degrees"),
    ("faults:\n  - {actuator: weak, target: left/FFJ1, severity: nan}", r"line 2: expected a number"),
    ("faults:\n  - {actuator: off, target: left/FFJ1}\n  - {actuator: weak, target: left/FFJ1}",
     r"line 3: .*off.* at the same time"),
    ("faults:\n  - {actuator: off, node: crash, target: chain}", r"line 2: expected exactly one of"),
    ("faults:\n  - {actuator: off, target: left/FFJ1, when: 3}", r"line 2: .*when"),
    ("faults: 3", r"line 1: expected a list"),
    ("faults: [", "expected YAML"),
    ("random:\n  - {actuator: off, target: left/*, count: 3}", r"line 2: expected a count from 1 to 2"),
])
def test_an_impossible_plan_is_refused_with_its_line_and_reason(text, reason):
    with pytest.raises(Refused, match=reason):
        plan(text)


def test_an_unreadable_file_is_refused(tmp_path):
    with pytest.raises(Refused, match=r"none\.yaml"):
        load_plan(tmp_path / "none.yaml", PERIOD_NS, TARGETS)


def test_an_empty_plan_breaks_nothing():
    assert plan("").schedule().active(0) == ()
    assert NO_FAULTS.schedule().faults == ()


def test_faults_may_follow_each_other_on_one_joint():
    faults = plan("faults:\n  - {actuator: off, target: left/FFJ1, duration_s: 1}\n"
                  "  - {actuator: weak, target: left/FFJ1, start_s: 1}").faults
    schedule = Schedule(0, faults)
    assert [f.kind for tick in (0, 49, 50, 500) for f in schedule.active(tick)] == ["off", "off", "weak", "weak"]


def test_the_same_seed_gives_the_same_trace_and_another_seed_another():
    text = "seed: 7\nfaults:\n  - {sensor: noise, target: position/*, severity: 0.1}"
    assert plan(text).schedule().trace_hash(100) == plan(text).schedule().trace_hash(100)
    assert plan(text).schedule().trace_hash(100) != replace(plan(text), seed=8).schedule().trace_hash(100)


def test_a_random_fault_depends_on_the_episode_alone():
    drawn = plan("seed: 1\nrandom:\n  - {actuator: weak, target: '*', severity: [0.2, 0.8], start_s: [0, 2]}")
    first = [drawn.schedule(episode).faults for episode in range(200)]
    again = [drawn.schedule(episode).faults for episode in reversed(range(200))]
    assert first == again[::-1]
    assert {f.target for (f,) in first} == set(TARGETS.actuator)
    assert all(0.2 <= f.severity <= 0.8 and 0 <= f.start <= 100 for (f,) in first)


def test_a_random_fault_comes_as_often_as_its_probability_says():
    drawn = plan("random:\n  - {actuator: off, target: '*', probability: 0.25}")
    assert 0.2 < np.mean([bool(drawn.schedule(e).faults) for e in range(2000)]) < 0.3


def test_every_kind_is_possible_at_its_default_severity_and_listed():
    for (level, kind), known in KINDS.items():
        assert Fault("x", level, kind, "t", known.default, 0).active(10**9)
    assert len(fault_kinds()) == len(KINDS)

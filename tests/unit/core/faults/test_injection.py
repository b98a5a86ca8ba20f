# Copyright 2026 The mat_ros Authors
# SPDX-License-Identifier: Apache-2.0
"""Requests to break something are acknowledged, and what they broke lasts no longer than somebody renews it."""

import math

import numpy as np
import pytest

from mat_ros.core.errors import Refused
from mat_ros.core.faults.injection import Answer, Lease, Requests
from mat_ros.core.faults.schedule import Fault, Targets
from mat_ros.core.tick.messages import Override, Validity
from mat_ros.core.tick.overrides import Notices

SECOND = 1_000_000_000
TARGETS = Targets(actuator=("elbow", "wrist"), sensor=("joint_position/elbow",), message=("a->b",), node=("a",))


def requests(enabled=True, supported=("actuator", "sensor", "message", "node")):
    return Requests(TARGETS, supported, enabled, SECOND // 50)


def ask(asked, level="actuator", kind="off", target="elbow", id_="x", severity=math.nan, duration=math.inf, now=0):
    return asked.ask(id_, level, kind, target, severity, duration, now)


def renew(lease, faults, tick=0, now=0):
    lease.renew(7, [f.id for f in faults], [f.level for f in faults], [f.kind for f in faults],
                [f.target for f in faults], [f.severity for f in faults],
                [0 if f.end is None else f.end - f.start for f in faults], 1000, tick, now)


OFF = Fault("x", "actuator", "off", "elbow", 1.0, 0)


def test_a_good_request_is_accepted_with_the_default_severity():
    asked = requests()
    answer, words, faults = ask(asked, kind="weak")
    assert (answer, words, faults[0].severity) == (Answer.ACCEPTED, "", 0.5)
    assert list(asked.active) == ["x"]


def test_a_pattern_breaks_every_target_that_it_selects():
    asked = requests()
    assert [f.id for f in ask(asked, target="*")[2]] == ["x/elbow", "x/wrist"]
    assert len(asked.clear("x*")) == 2


@pytest.mark.parametrize(("request_", "words"), [
    ({"kind": "melted"}, "expected one of"), ({"target": "knee"}, "elbow, wrist"), ({"id_": ""}, "id"),
    ({"duration": 0.0}, "positive"), ({"duration": math.nan}, "positive"), ({"kind": "weak", "severity": 3.0}, "range"),
])
def test_a_wrong_request_is_denied_with_what_was_expected(request_, words):
    answer, said, faults = ask(requests(), **request_)
    assert (answer, faults) == (Answer.DENIED, [])
    assert words in said


def test_nothing_is_accepted_where_injection_is_off():
    assert ask(requests(enabled=False))[0] == Answer.DENIED


def test_what_the_graph_cannot_break_is_unsupported():
    assert ask(requests(supported=("message",)))[0] == Answer.UNSUPPORTED


def test_a_thing_cannot_be_broken_twice_at_once():
    asked = requests()
    ask(asked)
    assert ask(asked, kind="weak", id_="y")[0] == Answer.DENIED
    asked.clear("x")
    assert ask(asked, kind="weak", id_="y")[0] == Answer.ACCEPTED


def test_a_fault_runs_out():
    asked = requests()
    ask(asked, duration=0.5, now=SECOND)
    assert asked.expire(SECOND + SECOND // 2 - 1) == []
    assert [f.id for f in asked.expire(SECOND + SECOND // 2)] == ["x"]
    assert not asked.active


def test_a_lease_that_is_not_renewed_mends_everything():
    lease = Lease(("actuator",), TARGETS)
    renew(lease, [OFF], tick=5)
    assert [f.start for f in lease.schedule(SECOND // 2).faults] == [5]
    renew(lease, [OFF], tick=50, now=SECOND // 2)
    assert lease.schedule(SECOND).faults[0].start == 5  # it goes on and does not begin anew
    assert lease.schedule(SECOND + SECOND // 2) is None


def test_a_lease_gives_the_same_schedule_until_something_changes():
    lease = Lease(("actuator",), TARGETS)
    renew(lease, [OFF])
    first = lease.schedule(1)
    renew(lease, [OFF], now=2)
    assert lease.schedule(3) is first
    renew(lease, [], now=4)
    assert lease.schedule(5) is None


def test_a_lease_obeys_its_own_levels_and_leaves_planned_faults_alone():
    lease = Lease(("actuator",), TARGETS)
    renew(lease, [OFF, Fault("m", "message", "drop", "a->b", 0.5, 0)])
    planned = Fault("plan", "actuator", "weak", "elbow", 0.5, 0)
    assert [f.id for f in lease.schedule(0).faults] == ["x"]
    renew(lease, [OFF, Fault("w", "actuator", "off", "wrist", 1.0, 0)])
    assert [f.id for f in lease.schedule(0, [planned]).faults] == ["plan", "w"]


@pytest.mark.parametrize("faults", [
    [OFF, OFF], [Fault("k", "actuator", "off", "knee", 1.0, 0)],
])
def test_a_nonsensical_injection_is_refused_and_changes_nothing(faults):
    lease = Lease(("actuator",), TARGETS)
    renew(lease, [OFF])
    with pytest.raises(Refused):
        renew(lease, faults)
    assert [f.id for f in lease.schedule(0).faults] == ["x"]


def test_every_node_changes_over_in_the_tick_that_the_notice_names_and_not_when_it_came():
    early, late = Notices(), Notices()
    word = {1: Override(np.zeros(1, np.float32), Validity.HELD)}
    early.add(10, word)
    assert [bool(early.at(tick)) for tick in (8, 9, 10, 11)] == [False, False, True, True]
    late.add(10, word)
    assert late.at(11) == early.at(11)
    early.add(20, {})
    assert early.at(19) == word
    assert early.at(20) == {}


def test_a_refusal_names_the_kinds_as_they_are_typed_and_says_that_there_are_more_targets():
    many = Requests(Targets(node=tuple(f"n{k}" for k in range(20))), ("node",), True, 1_000_000)
    _, words, _ = many.ask("x", "node", "crash", "m", 1.0, 1.0, 0)
    assert words == ("expected one of the nodes n0, n1, n2, n3, n4, n5, n6, n7, n8, n9, n10, n11 and 8 more, got m; "
                     "`mat-ros faults list --policy ...` lists all")
    _, words, _ = many.ask("x", "node", "of", "m", 1.0, 1.0, 0)
    assert words.endswith(", node:crash, node:hang, node:restart, got node:of; choose one of them")

# Copyright 2026 The mat_ros Authors
# SPDX-License-Identifier: Apache-2.0
"""Who is activated when, and who is missed."""

from __future__ import annotations

import pytest

from mat_ros.graph.supervise import ANSWER_NS, HUNG_NS, LOST_NS, ON_DISK, RETRY_NS, Mode, ModeLog, Supervision

SECOND = 1_000_000_000
SILENCE = 2_500_000_000
NAMES = ("sim", "encoder", "chain_a", "safety")
POLICY, OTHER = "a" * 64, "b" * 64


def graph(digests: dict[str, str] | None = None, lonely: tuple[str, ...] = ()) -> Supervision:
    supervision = Supervision(NAMES, POLICY, SILENCE)
    for pid, name in enumerate(NAMES, start=1):
        role = "chain_node" if name.startswith("chain") else name
        digest = (digests or {}).get(name, POLICY)
        if digest:
            supervision.on_descriptor(name, role, digest, pid, (0, 0), name not in lonely, 0)
        supervision.on_report(name, False, "", {}, 0)
    return supervision


def bring_up(supervision: Supervision, now_ns: int = 0) -> list[list[str]]:
    stages = []
    while names := supervision.to_activate(now_ns):
        stages.append(names)
        for name in names:
            supervision.answered(name, True, now_ns)
    return stages


def test_what_decides_becomes_active_before_what_guards_and_the_robot_comes_last():
    assert bring_up(graph()) == [["encoder", "chain_a"], ["safety"], ["sim"]]


def test_a_supervisor_that_was_started_again_asks_no_node_at_work_to_begin():
    supervision = Supervision(NAMES, POLICY, SILENCE)
    for pid, name in enumerate(NAMES, start=1):
        supervision.on_descriptor(name, name, POLICY, pid, (0, 0), True, 0)
    assert supervision.to_activate(0) == []
    assert supervision.status(0).reason == "waiting for a first report of sim, encoder, chain_a, safety"
    for name in NAMES:
        supervision.on_report(name, name != "encoder", "", {"ticks": "7"}, 0)
    assert supervision.to_activate(0) == ["encoder"]


def test_a_report_that_comes_before_the_description_counts():
    supervision = Supervision(NAMES, POLICY, SILENCE)
    for pid, name in enumerate(NAMES, start=1):
        supervision.on_report(name, True, "", {}, 0)
        supervision.on_descriptor(name, name, POLICY, pid, (0, 0), True, 0)
    assert supervision.to_activate(0) == []


def test_nobody_is_activated_before_everybody_is_there():
    supervision = graph({"safety": ""})
    assert supervision.to_activate(0) == []
    assert supervision.status(0).mode == Mode.WAITING
    assert supervision.status(0).reason == "waiting for safety"


def test_of_many_absent_nodes_a_line_names_the_first():
    for count, said in ((6, "waiting for a, b, c, d, e, f"), (7, "waiting for a, b, c, d, e, 2 more")):
        assert Supervision(tuple("abcdefg"[:count]), POLICY, SILENCE).status(0).reason == said


def test_no_tick_starts_before_every_topic_has_all_its_ends():
    supervision = graph(lonely=("encoder",))
    assert supervision.to_activate(0) == []
    assert supervision.status(0).reason == "waiting until all topics of encoder are connected"
    supervision.on_descriptor("encoder", "encoder", POLICY, 2, (0, 0), True, SECOND)
    assert bring_up(supervision, SECOND) == [["encoder", "chain_a"], ["safety"], ["sim"]]


def test_a_node_with_another_policy_refuses_the_activation_and_is_named():
    supervision = graph({"chain_a": OTHER})
    assert supervision.to_activate(0) == []
    reason = supervision.refusal(0)
    assert f"expected {POLICY[:16]}" in reason
    assert f"got chain_a ({OTHER[:16]})" in reason
    assert "same bundle" in reason


def test_a_node_that_could_not_be_configured_says_why():
    supervision = graph({"encoder": ""})
    supervision.on_report("encoder", False, "bundle file: expected a readable file", {}, 0)
    assert supervision.refusal(0) == "encoder: bundle file: expected a readable file"


def test_an_unanswered_request_is_repeated_and_not_at_once():
    supervision = graph()
    assert supervision.to_activate(0, lambda name: False) == []
    assert supervision.to_activate(0) == ["encoder", "chain_a"]
    assert supervision.to_activate(ANSWER_NS - 1) == []
    assert supervision.to_activate(ANSWER_NS) == ["encoder", "chain_a"]


def test_a_refused_request_is_repeated_sooner():
    supervision = graph()
    for name in supervision.to_activate(0):
        supervision.answered(name, name == "encoder", 5)
    assert supervision.to_activate(RETRY_NS) == []
    assert supervision.to_activate(RETRY_NS + 5) == ["chain_a"]


def test_a_report_from_before_the_activation_does_not_undo_it():
    supervision = graph()
    bring_up(supervision)
    supervision.on_report("encoder", False, "", {}, RETRY_NS - 1)
    assert supervision.to_activate(RETRY_NS) == []
    supervision.on_report("encoder", False, "", {}, RETRY_NS)
    assert supervision.to_activate(RETRY_NS) == ["encoder"]


def test_a_graph_without_a_tick_is_waiting_and_says_who_has_trouble():
    supervision = graph()
    bring_up(supervision)
    supervision.on_report("sim", True, "the robot gives no measurement", {}, 0)
    status = supervision.status(0)
    assert status.mode == Mode.WAITING
    assert status.reason == "waiting for the first tick; sim: the robot gives no measurement"


def test_a_restarted_node_is_activated_again():
    supervision = graph()
    bring_up(supervision)
    supervision.on_descriptor("chain_a", "chain_node", POLICY, 99, (0, 1), False, SECOND)
    assert supervision.to_activate(SECOND) == ["chain_a"]
    assert supervision.to_activate(SECOND + LOST_NS - 1) == []
    assert supervision.to_activate(SECOND + LOST_NS) == ["chain_a"]  # the request may have gone to the dead process


def test_a_node_restarted_with_another_policy_stays_out_of_a_running_graph():
    supervision = graph()
    bring_up(supervision)
    supervision.on_descriptor("chain_a", "chain_node", OTHER, 99, (0, 1), False, SECOND)
    assert supervision.to_activate(SECOND) == []


def test_a_silent_node_is_named_and_the_chain_is_degraded():
    supervision = graph()
    bring_up(supervision)
    for name in set(NAMES) - {"chain_a"}:
        supervision.on_report(name, True, "", {"ticks": "9"}, 3 * SECOND)
    status = supervision.status(3 * SECOND)
    assert (status.mode, status.silent) == (Mode.DEGRADED, ("chain_a",))
    assert status.reason == "no report from chain_a"


def test_a_stop_outlives_the_node_that_latched_it():
    supervision = graph()
    bring_up(supervision)
    supervision.on_report("safety", True, "", {"ticks": "9", "stopped": "True"}, 0)
    assert supervision.status(0).mode == Mode.STOPPED
    supervision.on_descriptor("safety", "safety", POLICY, 99, (0, 0), True, 0)  # it crashed and was started again
    supervision.on_report("safety", False, "", {"stopped": "False"}, 0)
    assert supervision.to_activate(2 * RETRY_NS) == []
    assert supervision.status(0).mode == Mode.STOPPED
    supervision.on_report("safety", True, "", {"ticks": "1", "stopped": "False"}, 0)  # a person has activated it
    assert supervision.status(0).mode == Mode.RUNNING


def test_a_gate_that_reads_the_stop_from_the_disk_is_activated_again_so_that_an_operator_can_resume_the_robot():
    supervision = graph()
    bring_up(supervision)
    supervision.on_report("safety", True, "", {"ticks": "9", "stopped": "True", ON_DISK: "True"}, 0)
    assert "mat-ros resume" in supervision.status(0).reason
    supervision.on_descriptor("safety", "safety", POLICY, 99, (0, 0), True, 0)
    supervision.on_report("safety", False, "", {"stopped": "True", ON_DISK: "True"}, 0)
    assert supervision.to_activate(2 * RETRY_NS) == ["safety"]


def test_who_has_to_be_redecided_is_named():
    supervision = graph()
    supervision.on_descriptor("chain_a", "chain_node", POLICY, 3, (2, 4), True, 0)
    bring_up(supervision)
    for redecided, slots in ((0, ""), (7, "3")):
        for name in NAMES:
            supervision.on_report(name, True, "", {"ticks": "9", "redecided": str(redecided), "silent_slots": slots}, 0)
        status = supervision.status(0)
    assert (status.mode, status.reason) == (Mode.DEGRADED, "ticks redecided for chain_a")


def test_commands_that_an_adapter_does_not_write_degrade_the_chain():
    supervision = graph()
    bring_up(supervision)
    modes = []
    for second, unwritten in enumerate((0, 60, 90, 90), start=1):
        for name in NAMES:
            supervision.on_report(name, True, "", {"ticks": str(60 * second), "unwritten": str(unwritten)},
                                  second * SECOND)
        status = supervision.status(second * SECOND)
        modes.append((status.mode, status.reason))
    degraded = (Mode.DEGRADED, "commands that the adapter did not write")
    assert modes == [(Mode.RUNNING, ""), degraded, degraded, (Mode.RUNNING, "")]


def test_missed_ticks_degrade_for_as_long_as_they_grow_and_a_stop_is_a_stop():
    supervision = graph()
    bring_up(supervision)
    for name in NAMES:
        supervision.on_report(name, True, "", {"ticks": "9", "missed": "2"}, 0)
    assert supervision.status(0).reason == "ticks missed"
    assert supervision.status(0).mode == Mode.RUNNING
    supervision.on_report("safety", True, "", {"stopped": "True"}, 0)
    assert supervision.status(0).mode == Mode.STOPPED


def running(now_ns: int = 0) -> Supervision:
    supervision = graph()
    bring_up(supervision, now_ns)
    return supervision


def test_an_active_node_that_is_silent_for_five_seconds_hangs_and_no_other():
    supervision = running()
    for tenth in range(1, 70):
        now = tenth * SECOND // 10
        for name in NAMES:
            if name != "chain_a":
                supervision.on_report(name, True, "", {}, now)
        assert supervision.hung(now) == (("chain_a",) if now > HUNG_NS else ())
    supervision.on_end("chain_a", now)
    assert supervision.hung(now + SECOND) == ()


def test_a_node_that_is_not_active_may_take_its_time():
    supervision = graph()
    assert all(supervision.hung(tenth * SECOND // 10) == () for tenth in range(100))


def test_a_supervisor_that_did_not_run_takes_no_node_for_hung():
    supervision = running()
    assert supervision.hung(SECOND // 10) == ()
    late = 60 * SECOND
    assert all(supervision.hung(late + tenth * SECOND // 10) == () for tenth in range(50))
    assert set(supervision.hung(late + 51 * SECOND // 10)) == set(NAMES)


def test_reports_are_written_by_anybody_and_no_text_in_them_ends_the_supervisor():
    supervision = graph()
    bring_up(supervision)
    nonsense = dict.fromkeys(("ticks", "missed", "redecided", "late", "silent_slots"), "x, 1e999,-3")
    for name in NAMES:
        supervision.on_report(name, True, "", nonsense, 0)
    assert supervision.status(0).mode is Mode.WAITING
    for text in ("nan", "-1", "1e999", "9" * 400, ""):
        supervision.on_report("safety", True, "", {"ticks": "7", "late": text, "p50_ms": text}, 0)
        assert (supervision.total("late"), supervision.number("safety", "p50_ms")) == (0, 0.0)
        assert supervision.count("safety", "ticks") == 7


# ---- one backend ----------------------------------------------------------------------------------------------------

RUNS = {"encoder": "native 0.1.0", "chain_a": "native 0.1.0", "checker": "native 0.1.0"}


def hosts(**changes: str) -> Supervision:
    names = ("sim", "encoder", "chain_a", "safety", "checker")
    supervision = Supervision(names, POLICY, SILENCE)
    for pid, name in enumerate(names, start=1):
        supervision.on_descriptor(name, "chain_node" if name == "chain_a" else name, POLICY, pid, (0, 0), True, 0,
                                  {**RUNS, **changes}.get(name, ""))
        supervision.on_report(name, False, "", {}, 0)
    return supervision


def test_nodes_that_run_one_backend_are_activated():
    assert bring_up(hosts()) == [["encoder", "chain_a", "checker"], ["safety"], ["sim"]]


@pytest.mark.parametrize("name", RUNS)
def test_hosts_whose_nodes_run_different_backends_are_refused_in_one_sentence(name):
    supervision = hosts(**{name: "onnxruntime 1.20.0"})
    assert supervision.to_activate(0) == []
    others = ", ".join(other for other in RUNS if other != name)
    found = {", ".join([name]): "onnxruntime 1.20.0", others: "native 0.1.0"}
    reason = supervision.status(0).reason
    assert reason.startswith("backend: expected one in every node, got ")
    assert all(f"{backend} in {nodes}" in reason for nodes, backend in found.items())
    assert reason.endswith("start all hosts with the same backend:=...")


def test_a_node_that_comes_back_with_another_backend_stays_out():
    supervision = hosts()
    bring_up(supervision)
    supervision.on_report("safety", True, "", {"ticks": "5"}, SECOND)
    supervision.on_descriptor("chain_a", "chain_node", POLICY, 99, (0, 1), True, SECOND, "onnxruntime 1.20.0")
    assert supervision.to_activate(SECOND) == []
    status = supervision.status(SECOND)
    assert status.mode == Mode.DEGRADED
    assert "chain_a: expected the backend native 0.1.0, got onnxruntime 1.20.0" in status.reason


def test_an_active_node_that_cannot_do_all_its_work_degrades_the_graph():
    supervision = hosts()
    bring_up(supervision)
    supervision.on_report("safety", True, "", {"ticks": "5"}, SECOND)
    assert supervision.status(SECOND).mode == Mode.RUNNING
    supervision.on_report("encoder", True, "the disk is full", {}, SECOND)
    assert (supervision.status(SECOND).mode, supervision.status(SECOND).reason) == \
        (Mode.DEGRADED, "encoder: the disk is full")


def test_a_graph_that_misses_ticks_now_and_then_is_logged_once_and_its_end_too():
    running, degraded, stopped = Mode.RUNNING, Mode.DEGRADED, Mode.STOPPED
    log = ModeLog()
    seconds = [running, running, degraded, running, degraded, running, running, running, running, running, running,
               stopped, running]
    assert [k for k, mode in enumerate(seconds) if log.states(mode)] == [0, 2, 9, 11, 12]

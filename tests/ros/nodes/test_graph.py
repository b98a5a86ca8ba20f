# Copyright 2026 The mat_ros Authors
# SPDX-License-Identifier: Apache-2.0
"""Graphs of real processes over DDS: the same bits as one process, and what happens when a node does not behave."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from dataclasses import asdict

import numpy as np
import pytest

pytest.importorskip("rclpy", reason="needs the ros extra")
pytest.importorskip("mat_ros.msg", reason="needs compiled messages")

from rcl_interfaces.msg import Parameter, ParameterType, ParameterValue
from rcl_interfaces.srv import SetParameters
from rosgraph_msgs.msg import Clock

from mat_ros.backends.choose import open_backend
from mat_ros.core import shipped
from mat_ros.core.errors import REFUSED
from mat_ros.core.policy.bundle import Bundle
from mat_ros.core.robot.guard import GuardSettings
from mat_ros.graph.command import node_command
from mat_ros.hardware.fake import FakeBus
from support.graph_run import PATIENCE_S, GraphRun, Listener, results
from support.one_process import OneProcess
from support.places import BUNDLES

pytestmark = pytest.mark.ros

ARM = BUNDLES / "rwkv4"
RUNNING, DEGRADED, STOPPED = 1, 2, 3


@pytest.fixture
def listener():
    listener = Listener()
    yield listener
    listener.close()


def commands_of_one_process(ticks: list[int], seed: int) -> list[bytes]:
    """Run the arm in this process. A tick that stands twice was sent again, since its first command was lost."""
    bundle = Bundle.load(ARM)
    bus, process = FakeBus(bundle.manifest, seed), OneProcess(bundle.manifest, open_backend("auto", bundle))
    commands = []
    for tick, following in zip(ticks, [*ticks[1:], None], strict=True):
        outcome = process.tick(bus.read().signals, bus.read().source_ns, bus.episode)
        commands.append(outcome.applied.applied.tobytes())
        if following != tick:
            bus.write(outcome.applied.applied)
    return commands


def check_commands(applied: list, seed: int) -> None:
    """Hold the first commands that were heard against those of this process."""
    moving = [m for m in applied[:200] if not m.stopped]
    heard = {m.number: np.array(m.applied).tobytes() for m in moving}
    assert len(heard) > 40
    # The gate numbers its commands. Where more commands than ticks came before a tick, its first one was sent again.
    following = [next(m for m in moving if m.number >= number) for number in range(max(heard) + 1)]
    ticks = [max(0, m.tick - (m.number - number)) for number, m in enumerate(following)]
    expected = commands_of_one_process(ticks, seed)
    assert heard == {number: expected[number] for number in heard}


@pytest.mark.parametrize("settings", [
    {"mode": "optimistic"},
    {"mode": "strict", "encoder": "replicated"},
    {"mode": "bounded", "budget_ms": 20.0, "wiring": "central"},
], ids=["optimistic", "strict", "central"])
def test_every_mode_and_wiring_gives_the_commands_of_one_process_bit_for_bit(listener, settings):
    with GraphRun(ARM, seed=5, **settings):
        assert listener.until(lambda: len(listener.applied) > 60)
        assert listener.until(lambda: listener.status is not None and listener.status.compared > 60)
        assert listener.status.differing == 0
    check_commands(listener.applied, seed=5)


@pytest.mark.sim
def test_the_return_of_an_episode_over_dds_is_that_of_one_process(tmp_path):
    pytest.importorskip("mujoco", reason="needs the sim extra")
    from mat_ros.hardware.simulated import SimulatedRobot

    folder = shipped.policy_folder("dexhands_door_mat")
    bundle = Bundle.load(folder)
    robot = SimulatedRobot(bundle.manifest, seed=3)
    process = OneProcess(bundle.manifest, open_backend("auto", bundle), GuardSettings(blend_s=0.0))
    while robot.ended is None:
        outcome = process.tick(robot.read().signals, robot.read().source_ns, robot.episode)
        robot.decided(outcome.actions)
        robot.write(outcome.applied.applied)
    file = tmp_path / "results.jsonl"
    extra = {"sim": {"results": str(file)}, "safety": {"blend_s": 0.0}}
    with GraphRun(folder, extra, wiring="central", seed=3, episodes=1) as run:
        assert run.processes["sim"].wait(120.0) == 0
    assert results(file) == [asdict(robot.ended)]


def test_a_killed_node_is_redecided_by_others_and_exact_again_once_restarted(listener):
    with GraphRun(ARM) as run:
        assert listener.until(lambda: len(listener.applied) > 20)
        run.processes["chain_elbow"].kill()
        run.processes["chain_elbow"].wait()
        seen = len(listener.applied)
        assert listener.until(lambda: len(listener.applied) > seen + 20 and listener.applied[-1].validity[2] == 1)
        assert listener.until(lambda: listener.status is not None and listener.status.mode == DEGRADED)
        run.start("chain_elbow")
        assert listener.until(lambda: listener.applied[-1].validity[2] == 0)
        assert listener.until(lambda: listener.status.mode == RUNNING)
        assert listener.status.missed == 0
        assert listener.status.differing == 0


def test_a_hung_node_stops_nobody_and_takes_part_again_when_it_wakes(listener):
    with GraphRun(ARM) as run:
        assert listener.until(lambda: len(listener.applied) > 20)
        hung = run.processes["chain_wrist"]
        hung.send_signal(signal.SIGSTOP)
        assert listener.until(lambda: listener.applied[-1].validity[3] == 1)
        seen = len(listener.applied)
        assert listener.until(lambda: len(listener.applied) > seen + 20)
        hung.send_signal(signal.SIGCONT)
        assert listener.until(lambda: listener.applied[-1].validity[3] == 0)
        assert listener.until(lambda: listener.status is not None and listener.status.compared > seen)
        assert listener.status.differing == 0


def test_a_node_with_another_policy_keeps_the_graph_from_starting_and_is_named(listener):
    with GraphRun(ARM, {"chain_elbow": {"policy": str(BUNDLES / "attention")}}):
        assert listener.until(lambda: listener.status is not None and "chain_elbow (" in listener.status.reason)
        assert listener.status.mode == 0
        assert listener.applied == []


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM], ids=["Ctrl-C", "SIGTERM"])
def test_a_signal_ends_every_process_quietly_and_leaves_the_robot_resting(listener, number):
    with GraphRun(ARM, wiring="central") as run:
        assert listener.until(lambda: len(listener.applied) > 20)
        assert run.stop(number) == dict.fromkeys(run.names, 0)
        assert not any("Traceback" in run.errors(name) for name in run.names)
    assert listener.until(lambda: listener.applied[-1].stopped)


def test_a_signal_before_the_configuration_ends_a_node_as_quietly(listener):
    with GraphRun(ARM, {"safety": {"autostart": "none"}}, wiring="central") as run:
        assert listener.until(lambda: listener.messages.get("/safety") == "not configured")
        assert run.stop() == dict.fromkeys(run.names, 0)
        assert run.errors("safety") == ""


def test_a_second_graph_in_another_namespace_does_not_disturb_the_first(listener):
    other = Listener("other")
    try:
        with GraphRun(ARM, wiring="central", seed=1), GraphRun(ARM, wiring="central", seed=2, namespace="other"):
            assert listener.until(lambda: len(listener.applied) > 60)
            assert other.until(lambda: len(other.applied) > 60)
            assert listener.until(lambda: listener.status is not None and listener.status.mode == RUNNING)
            assert other.until(lambda: other.status is not None and other.status.mode == RUNNING)
            assert listener.status.refused == other.status.refused == 0
    finally:
        other.close()
    for heard, seed in ((listener.applied, 1), (other.applied, 2)):
        check_commands(heard, seed)


def test_a_second_supervisor_of_the_same_graph_ends_itself_and_disturbs_nobody(listener):
    with GraphRun(ARM, wiring="central") as run:
        assert listener.until(lambda: listener.status is not None and listener.status.mode == RUNNING)
        second = subprocess.run(node_command(run.specs["supervisor"], run.graph), capture_output=True, text=True,
                                timeout=PATIENCE_S)
        assert second.returncode == REFUSED, second.stderr
        assert f"got the supervisor of process {run.processes['supervisor'].pid} on its host; end that" in second.stderr
        seen = len(listener.applied)
        assert listener.until(lambda: len(listener.applied) > seen + 60 and listener.status.mode == RUNNING)
        assert run.processes["supervisor"].poll() is None
        assert listener.status.differing == 0


@pytest.mark.parametrize("sim", ["lockstep", "free"])
def test_simulated_time_is_told_and_stamps_take_it_while_deadlines_stay_real(listener, sim):
    told = []

    def tell(message):
        told.append(message.clock.sec * 10**9 + message.clock.nanosec)

    listener.node.create_subscription(Clock, "/clock", tell, 100)
    with GraphRun(ARM, wiring="central", sim=sim, use_sim_time=True):
        assert listener.until(lambda: listener.status is not None and listener.status.mode == RUNNING)
        assert listener.until(lambda: len(told) > 60)
        assert listener.until(lambda: 0 < listener.status.stamp.sec + listener.status.stamp.nanosec * 1e-9 < 1000)
    period_ns = Bundle.load(ARM).manifest.period_ns
    assert set(np.diff(told)) <= {period_ns, 2 * period_ns}  # a listener may miss one
    assert told[0] % period_ns == 0


def test_a_parameter_out_of_range_is_refused_with_the_range(listener):
    with GraphRun(ARM, {"safety": {"deadline": 3.0}}, wiring="central") as run:
        assert run.processes["safety"].wait(60.0) == 2
        assert "deadline" in (told := run.errors("safety"))
        assert "[0.05, 1]" in told
        value = ParameterValue(type=ParameterType.PARAMETER_INTEGER, integer_value=-1)
        request = SetParameters.Request(parameters=[Parameter(name="first_slot", value=value)])
        (answer,) = listener.call(SetParameters, "chain/set_parameters", request).results
        assert not answer.successful
        assert "Min: 0, Max: 1023" in answer.reason
        assert os.path.exists(f"/proc/{run.processes['chain'].pid}")


def test_an_error_in_a_callback_ends_a_node_only_after_it_has_left_its_robot_at_the_fallback():
    ended = subprocess.run([sys.executable, "-m", "support.failing_node", "--ros-args", "-p", f"policy:={ARM}"],
                           env={**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, sys.path))},
                           capture_output=True, text=True, timeout=PATIENCE_S)
    assert ended.returncode != 0 and "RuntimeError: a mistake of ours" in ended.stderr
    assert ended.stdout == "the robot is at its fallback\n"

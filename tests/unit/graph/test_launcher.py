# Copyright 2026 The mat_ros Authors
# SPDX-License-Identifier: Apache-2.0
"""The process supervisor: signals reach every node once, and whatever happens to it no process stays behind."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import textwrap
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from mat_ros.core.errors import INCOMPLETE, Refused
from mat_ros.graph import launcher, process
from mat_ros.graph.build import Graph, NodeSpec
from mat_ros.graph.claim import claim
from mat_ros.graph.command import node_command, yaml_value
from mat_ros.graph.launcher import Supervisor

PATIENCE_S = 20.0  # bounds a hang; no test waits for it to pass
STAYS = "echo ready; while :; do sleep 0.05; done"
DEAF = "trap '' INT TERM; echo ready; while :; do sleep 0.05; done"


class Lines(list[tuple[str, str]]):
    """What the nodes wrote."""

    def __call__(self, name: str, line: str) -> None:
        self.append((name, line))

    def of(self, name: str) -> list[str]:
        return [line for who, line in self if who == name]


def supervise(sink: Lines, respawn: bool = True, essential: tuple[str, ...] = (), **scripts: str) -> Supervisor:
    """Prepare a graph whose nodes are shell scripts."""
    nodes = tuple(NodeSpec(name, "shell", {}, respawn, name in essential) for name in scripts)
    return Supervisor(Graph("", nodes), sink, command=lambda spec, _: ["/bin/sh", "-c", scripts[spec.name]])


def pump_until(supervisor: Supervisor, true: Callable[[], bool]) -> None:
    give_up = time.monotonic() + PATIENCE_S
    while not true():
        assert time.monotonic() < give_up, "waited in vain"
        supervisor.pump(0.05)


def alive(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


def group_of(pid: int) -> list[int]:
    """List the living processes of a process group."""
    found = []
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            if os.getpgid(int(folder.name)) == pid and alive(int(folder.name)):
                found.append(int(folder.name))
        except OSError:
            continue
    return found


def wait_until_gone(group: int) -> None:
    """Wait for what has been killed to be dead, which a busy machine does not do at once."""
    give_up = time.monotonic() + PATIENCE_S
    while group_of(group):
        assert time.monotonic() < give_up, "processes are left"
        time.sleep(0.05)


def test_output_is_told_apart_by_node_even_without_a_last_newline():
    lines = Lines()
    with supervise(lines, respawn=False, a="echo one; printf two", b="echo three >&2") as supervisor:
        pump_until(supervisor, lambda: not supervisor.running)
    assert lines.of("a") == ["one", "two"] and lines.of("b") == ["three"]


def test_leaving_the_block_ends_every_node_and_the_warden():
    lines = Lines()
    with supervise(lines, a=STAYS, b=STAYS) as supervisor:
        pump_until(supervisor, lambda: len(lines) == 2)
        group = supervisor._warden.group
        assert len(group_of(group)) >= 3
    assert group_of(group) == []


def test_each_node_is_asked_once_and_may_leave_in_order():
    lines = Lines()
    script = "n=0; trap 'echo asked; n=1' INT; echo ready; while [ $n = 0 ]; do sleep 0.05; done; echo safe"
    with supervise(lines, a=script, b=script) as supervisor:
        pump_until(supervisor, lambda: len(lines) == 2)
    assert lines.of("a") == lines.of("b") == ["ready", "asked", "safe"]
    assert lines.of("launcher") == []


def test_a_node_that_heeds_no_signal_is_killed_and_named(monkeypatch):
    monkeypatch.setattr(launcher, "GRACE_S", (0.1, 0.1))
    lines = Lines()
    with supervise(lines, a=DEAF) as supervisor:
        pump_until(supervisor, lambda: bool(lines))
        group = supervisor._warden.group
    assert supervisor.status == 1
    wait_until_gone(group)
    assert any("still running: a" in line for line in lines.of("launcher"))


def test_a_node_that_dies_is_started_again_with_a_growing_pause(monkeypatch):
    monkeypatch.setattr(process, "BACK_OFF_S", (0.01, 0.04))
    lines = Lines()
    with supervise(lines, a="exit 3", b=STAYS) as supervisor:
        pump_until(supervisor, lambda: supervisor.processes["a"].starts >= 5)
        assert supervisor.processes["b"].starts == 1
    pauses = [line.rpartition(" in ")[2] for line in lines.of("launcher") if line.startswith("a ")]
    assert pauses[:4] == ["0.01 s", "0.02 s", "0.04 s", "0.04 s"]


def test_the_end_of_an_essential_node_ends_the_graph_with_its_status():
    lines = Lines()
    with supervise(lines, essential=("a",), a="sleep 0.2; exit 5", b=STAYS) as supervisor:
        pump_until(supervisor, lambda: supervisor.status is not None)
    assert supervisor.status == 5 and supervisor.running == []
    assert "a has ended with status 5; the graph ends with it" in lines.of("launcher")


def test_a_node_that_refuses_its_settings_ends_the_graph_instead_of_starting_again():
    lines = Lines()
    with supervise(lines, a="echo 'policy: expected x, got y; choose x'; exit 2", b=STAYS) as supervisor:
        pump_until(supervisor, lambda: supervisor.status is not None)
    assert supervisor.status == 2 and supervisor.processes["a"].starts == 1


def test_a_node_killed_to_stay_down_stays_down():
    lines = Lines()
    with supervise(lines, a=STAYS, b=STAYS) as supervisor:
        pump_until(supervisor, lambda: len(lines) == 2)
        pid = supervisor.kill("a", respawn=False)
        pump_until(supervisor, lambda: not alive(pid) and "a" not in supervisor.running)
        for _ in range(5):
            supervisor.pump(0.05)
        assert supervisor.running == ["b"] and supervisor.processes["a"].starts == 1
        with pytest.raises(ProcessLookupError, match="expected a running process"):
            supervisor.kill("a")


PROGRAM = textwrap.dedent("""
    import sys
    from mat_ros.graph import launcher
    from mat_ros.graph.build import Graph, NodeSpec
    scripts = dict(zip("ab", sys.argv[1:]))
    launcher.node_command = lambda spec, _: ["/bin/sh", "-c", scripts[spec.name]]
    graph = Graph("", tuple(NodeSpec(name, "shell", {}) for name in scripts))
    sys.exit(launcher.run(graph, lambda name, line: print(name, line, flush=True)))
""")


def start_program(*scripts: str) -> tuple[subprocess.Popen[str], int]:
    """Run the supervisor in a process of its own until its nodes are there; give it and the nodes' group."""
    program = subprocess.Popen([sys.executable, "-c", PROGRAM, *scripts], stdout=subprocess.PIPE, text=True)
    assert program.stdout is not None
    ready = [program.stdout.readline().split() for _ in scripts]
    assert sorted(name for name, _ in ready) == ["a", "b"]
    return program, os.getpgid(int(ready[0][1]))


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_a_signal_to_the_supervisor_ends_the_graph_in_order(number: int):
    script = "trap 'exit 0' INT TERM; echo $$; while :; do sleep 0.05; done"
    program, group = start_program(script, script)
    program.send_signal(number)
    assert program.wait(PATIENCE_S) == 0
    assert group_of(group) == []


def test_no_orphan_is_left_when_the_supervisor_itself_is_killed_even_by_nodes_that_hang():
    program, group = start_program("echo $$; while :; do sleep 0.05; done", "trap '' INT TERM; echo $$; sleep 1000")
    assert len(group_of(group)) >= 3
    program.kill()
    program.wait(PATIENCE_S)
    wait_until_gone(group)


def test_a_second_graph_of_the_same_names_is_refused_until_the_first_has_ended():
    lines = Lines()

    def second(graph: Graph, **environment: str) -> Supervisor:
        return Supervisor(graph, lines, environment, command=lambda *_: ["/bin/sh", "-c", STAYS])

    only_a, only_b = (Graph("", (NodeSpec(name, "shell", {}),)) for name in "ab")
    with supervise(lines, a=STAYS):
        ours = f"process {os.getpid()} of user {os.getuid()} that also has a node a"
        with pytest.raises(Refused, match=f"got a graph of {ours}"):
            second(only_a).__enter__()
        for elsewhere in (second(only_b), second(replace(only_a, namespace="left")), second(only_a, ROS_DOMAIN_ID="3")):
            with elsewhere:
                assert elsewhere.running
        with pytest.raises(Refused), second(replace(only_a, nodes=only_b.nodes + only_a.nodes)):
            pass
        with second(only_b):
            pass  # what was claimed before the refusal is free again
    with second(only_a) as now:
        assert now.running == ["a"]


SQUATTER = """
import hashlib, socket, time
claim = socket.socket(socket.AF_UNIX)
claim.bind("\\0mat_ros/" + hashlib.sha256(b"77 / a").hexdigest())
claim.listen()
print("claimed", flush=True)
time.sleep(60)
"""


@pytest.mark.skipif(os.getuid() != 0, reason="only root starts a process of another user")
def test_a_name_that_another_user_has_claimed_is_refused_with_that_user():
    other = 65534
    squatter = subprocess.Popen(["/usr/bin/env", "python3", "-c", SQUATTER], user=other, stdout=subprocess.PIPE)
    try:
        assert squatter.stdout is not None and squatter.stdout.readline() == b"claimed\n"
        graph = Graph("", (NodeSpec("a", "shell", {}),))
        with pytest.raises(Refused, match=f"process {squatter.pid} of user {other} that also has a node a"):
            claim(graph, {"ROS_DOMAIN_ID": "77"})
    finally:
        squatter.kill()
        squatter.communicate()


def test_a_graph_whose_supervisor_was_killed_is_waited_for_and_does_not_keep_the_next_one_from_starting():
    program, group = start_program("echo $$; while :; do sleep 0.05; done", "trap '' INT TERM; echo $$; sleep 1000")
    program.kill()
    program.wait(PATIENCE_S)
    assert group_of(group)
    with supervise(Lines(), a=STAYS) as supervisor:
        assert supervisor.running == ["a"] and group_of(group) == []


def test_parameters_keep_their_types_on_the_way_through_the_command_line():
    import yaml

    for value in ("0", "true", "", "0,1", "a: b", "~", "ü", '"', 1, 1.0, 0.8, 1e-7, True, False):
        read = yaml.safe_load(yaml_value(value))
        assert read == value and isinstance(read, type(value)), (value, yaml_value(value))
    command = node_command(NodeSpec("chain_a", "chain_node", {"hear": "0,1", "rate_hz": 60.0}), Graph("/left/", ()))
    assert command[1:4] == ["-m", "mat_ros.nodes", "chain_node"]
    assert command[4:] == ["--ros-args", "-r", "__node:=chain_a", "-r", "__ns:=/left", "-p", 'hear:="0,1"',
                           "-p", "rate_hz:=60.0"]


def test_a_node_whose_file_is_not_whole_makes_the_graph_fail_at_its_end():
    lines = Lines()
    script = f"trap 'exit {INCOMPLETE}' INT; echo ready; while :; do sleep 0.05; done"
    with supervise(lines, recorder=script) as supervisor:
        pump_until(supervisor, lambda: bool(lines))
    assert supervisor.status == 1
    assert lines.of("launcher") == ["recorder has ended; its file is not whole, because the disk took no more"]

# Copyright 2026 The mat_ros Authors
# SPDX-License-Identifier: Apache-2.0
# ruff: noqa: E402
"""The recorder node writes what it hears into a new file, and leaves a whole file however it is taken down."""

from __future__ import annotations

import errno
import gc
from types import SimpleNamespace

import pytest

rclpy = pytest.importorskip("rclpy", reason="needs the ros extra")
pytest.importorskip("mat_ros.msg", reason="needs compiled messages")

from rclpy.lifecycle import TransitionCallbackReturn

from mat_ros.core.errors import INCOMPLETE
from mat_ros.core.record.recording import Recording
from mat_ros.core.record.writer import Writer
from mat_ros.core.wire import cdr
from mat_ros.core.wire.seal import SECRET, new_secret
from mat_ros.nodes.recorder import RecorderNode
from support.places import BUNDLES

pytestmark = pytest.mark.ros

SUCCESS, FAILURE = TransitionCallbackReturn.SUCCESS, TransitionCallbackReturn.FAILURE


@pytest.fixture
def open_recorder():
    context, nodes = rclpy.Context(), []
    rclpy.init(context=context)

    def opened(file, *more):
        words = [word for pair in (f"policy:={BUNDLES / 'rwkv4'}", f"file:={file}", "autostart:=none", *more)
                 for word in ("-p", pair)]
        nodes.append(RecorderNode(context=context, cli_args=["--ros-args", *words], use_global_arguments=False))
        return nodes[-1]

    yield opened
    while nodes:
        nodes.pop().destroy_node()
    rclpy.try_shutdown(context=context)
    gc.collect()  # a participant of a closed node would take part in every later graph of this run


def test_a_recorder_that_is_cleaned_up_leaves_a_whole_file(open_recorder, tmp_path):
    node = open_recorder(tmp_path / "run.mcap")
    assert node.trigger_configure() == SUCCESS
    assert Recording.load(tmp_path / "run.mcap", required=()).truncated  # as it is while it is written
    assert node.trigger_cleanup() == SUCCESS
    recording = Recording.load(tmp_path / "run.mcap", required=())
    assert not recording.truncated
    assert recording.facts["digest"] == node.bundle.digest


def test_a_recorder_that_is_configured_again_never_writes_over_what_it_recorded(open_recorder, tmp_path):
    node = open_recorder(tmp_path / "run.mcap")
    assert node.trigger_configure() == SUCCESS
    assert node.trigger_cleanup() == SUCCESS
    before = (tmp_path / "run.mcap").read_bytes()
    assert node.trigger_configure() == SUCCESS
    assert (tmp_path / "run.mcap").read_bytes() == before
    assert node.facts()["file"] == str(tmp_path / "run.2.mcap")


def test_the_file_of_an_earlier_launch_is_refused(open_recorder, tmp_path, monkeypatch):
    node = open_recorder(tmp_path / "run.mcap")
    assert node.trigger_configure() == SUCCESS
    assert node.trigger_cleanup() == SUCCESS
    monkeypatch.setenv(SECRET, new_secret())
    node = open_recorder(tmp_path / "run.mcap")
    assert node.trigger_configure() == FAILURE
    assert "run.mcap: expected a new file, got an existing file of 0.0 MB" in node.reason


def test_a_recorder_writes_over_nobody_elses_file(open_recorder, tmp_path):
    (tmp_path / "notes.txt").write_text("evidence")
    node = open_recorder(tmp_path / "notes.txt")
    assert node.trigger_configure() == FAILURE
    assert (tmp_path / "notes.txt").read_text() == "evidence"


def test_a_full_disk_is_reported_once_and_the_memory_goes_on(open_recorder, tmp_path, monkeypatch):
    node = open_recorder(tmp_path / "run.mcap", f"flight:={tmp_path / 'flight.mcap'}")
    assert node.trigger_configure() == SUCCESS

    def full(self):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(Writer, "flush", full)
    state = SimpleNamespace(tick=1, enabled=False, ids=[], kinds=[], targets=[], severities=[])
    node._heard("fault_state", cdr.encode("mat_ros/msg/FaultState", state))
    node._flush()
    assert "run.mcap: expected a disk that takes it, got No space left on device" in node.reason
    assert node.status == INCOMPLETE  # of the process at its end, so that the launch fails
    monkeypatch.undo()
    node._heard("fault_state", cdr.encode("mat_ros/msg/FaultState", state))
    assert node.facts() == {"file": "", "remembered": 2}
    node._dump("a stop was latched")
    assert len(Recording.load(tmp_path / "flight.mcap", required=()).of("fault_state")) == 2


def test_a_recorder_that_is_started_again_in_its_launch_continues_in_a_new_file(open_recorder, tmp_path, monkeypatch):
    monkeypatch.setenv(SECRET, new_secret())
    first = open_recorder(tmp_path / "run.mcap")
    assert first.trigger_configure() == SUCCESS  # and then its process is killed
    second = open_recorder(tmp_path / "run.mcap")
    assert second.trigger_configure() == SUCCESS
    assert second.facts()["file"] == str(tmp_path / "run.2.mcap")
    assert Recording.load(tmp_path / "run.2.mcap", required=()).facts["gap"]["file"] == "run.mcap"

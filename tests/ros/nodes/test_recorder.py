# Copyright 2026 The mat_ros Authors
# SPDX-License-Identifier: Apache-2.0
# ruff: noqa: E402
"""The recorder node writes what it hears into a new file, and leaves a whole file however it is taken down."""

from __future__ import annotations

import gc

import pytest

rclpy = pytest.importorskip("rclpy", reason="needs the ros extra")
pytest.importorskip("mat_ros.msg", reason="needs compiled messages")

from rclpy.lifecycle import TransitionCallbackReturn

from mat_ros.core.record.recording import Recording
from mat_ros.nodes.recorder import RecorderNode
from support.places import BUNDLES

pytestmark = pytest.mark.ros

SUCCESS, FAILURE = TransitionCallbackReturn.SUCCESS, TransitionCallbackReturn.FAILURE


@pytest.fixture
def open_recorder():
    context, nodes = rclpy.Context(), []
    rclpy.init(context=context)

    def opened(file):
        words = [word for pair in (f"policy:={BUNDLES / 'rwkv4'}", f"file:={file}", "autostart:=none")
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
    assert node.trigger_configure() == FAILURE
    assert "run.mcap: expected a new file, got an existing file of 0.0 MB" in node.reason
    assert (tmp_path / "run.mcap").read_bytes() == before


def test_a_recorder_writes_over_nobody_elses_file(open_recorder, tmp_path):
    (tmp_path / "notes.txt").write_text("evidence")
    node = open_recorder(tmp_path / "notes.txt")
    assert node.trigger_configure() == FAILURE
    assert (tmp_path / "notes.txt").read_text() == "evidence"

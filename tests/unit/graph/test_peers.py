# Copyright 2026 The mat_ros Authors
# SPDX-License-Identifier: Apache-2.0
"""Every topic of the tick has as many ends as the graph says, in every wiring."""

from __future__ import annotations

import pytest

from mat_ros.core.errors import Refused
from mat_ros.core.policy.bundle import Bundle
from mat_ros.core.shipped import policy_folder
from mat_ros.demo.run import plan_demo
from mat_ros.graph.build import build
from mat_ros.graph.peers import read_peers
from mat_ros.graph.settings import LaunchSettings
from support.places import BUNDLES

ARM = BUNDLES / "rwkv4"


def peers(**settings):
    graph = build(LaunchSettings(**settings), Bundle.load(ARM).manifest, str(ARM))
    return {node.name: read_peers(str(node.parameters.get("peers", ""))) for node in graph.nodes}


def test_a_chain_of_four_joints_waits_for_its_neighbours_and_the_gate_for_all():
    found = peers(mode="strict", check=False, record="run.mcap")
    # Each decision goes to the gate and the recorder, each baton to the next joint and the recorder.
    assert found["chain_shoulder_pan"] == {"encoding": 1, "decision": 2, "baton/slot_0": 2}
    assert found["chain_wrist"] == {"encoding": 1, "decision": 2, "baton/slot_2": 1}
    assert found["safety"] == {"observation": 1, "decision": 4, "applied": 3}
    assert found["recorder"] == {"observation": 1, "encoding": 1, "decision": 4, "applied": 1,
                                 "baton/slot_0": 1, "baton/slot_1": 1, "baton/slot_2": 1}


def test_a_central_wiring_has_no_batons_and_a_replicated_encoder_no_encodings():
    topics = {topic for own in peers(wiring="central", encoder="replicated").values() for topic in own}
    assert topics == {"observation", "decision", "applied"}


def test_whoever_starts_a_part_of_a_graph_waits_for_the_whole():
    assert peers(nodes="sim")["sim"] == peers()["sim"]


def test_a_listener_outside_the_graph_is_waited_for_where_it_is_announced(tmp_path):
    planned = plan_demo(policy_folder("dexhands_door_mat"), False, 2, tmp_path / "results.jsonl")
    found = {node.name: read_peers(str(node.parameters["peers"])) for node in planned.graph.nodes
             if node.name in ("sim", "safety", "checker")}
    assert found["sim"]["observation"] == 5  # encoder, gate, checker, detector and the listener
    assert found["safety"]["applied"] == 4  # simulator, checker, detector and the listener
    assert found["checker"] == {"observation": 1, "applied": 1}


def test_what_is_no_count_is_refused():
    with pytest.raises(Refused, match="observation=2"):
        read_peers("observation=two")

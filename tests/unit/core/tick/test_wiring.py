# Copyright 2026 The mat_ros Authors
# SPDX-License-Identifier: Apache-2.0
"""Each agent has a node, and each node a name of its own."""

from dataclasses import replace

from mat_ros.core.policy.bundle import Bundle
from mat_ros.core.robot.description import Agent
from mat_ros.core.tick.wiring import spans
from support.places import BUNDLES


def test_agents_whose_names_differ_only_in_what_ros_does_not_allow_have_nodes_of_their_own():
    manifest = Bundle.load(BUNDLES / "rwkv4").manifest
    names = ("j3", "J3", "j:3", "j_3")
    agents = tuple(Agent(name, agent.joints) for name, agent in zip(names, manifest.agents, strict=True))
    views = tuple(replace(view, agent=name) for name, view in zip(names, manifest.layout.views, strict=True))
    renamed = replace(manifest, agents=agents, layout=replace(manifest.layout, views=views))
    assert [span.name for span in spans(renamed)] == ["chain_j3", "chain_j3_2", "chain_j_3", "chain_j_3_2"]

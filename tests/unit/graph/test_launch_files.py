# Copyright 2026 The mat_ros Authors
# SPDX-License-Identifier: Apache-2.0
"""The launch files, against a stand-in of ROS's launch, which is on no registry."""

from __future__ import annotations

import importlib.util
import sys
from dataclasses import dataclass, field
from types import ModuleType
from typing import Any

import pytest

from mat_ros.core.errors import Refused
from mat_ros.core.options import options
from mat_ros.graph import deployment
from mat_ros.graph.build import Graph, NodeSpec
from mat_ros.graph.settings import LaunchSettings
from support.places import ROOT

LAUNCH = ROOT / "launch"


class Recorded:
    """An action that remembers what it was made of."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        self.args, self.kwargs = args, kwargs


class LaunchConfiguration(Recorded):
    def perform(self, context: dict[str, str]) -> str:
        return context[self.args[0]]


@dataclass
class Description:
    entities: list[Any] = field(default_factory=list)


STAND_IN = {
    "launch": {"LaunchDescription": Description},
    "launch.action": {"Action": Recorded},
    "launch.actions": {name: type(name, (Recorded,), {}) for name in
                       ("DeclareLaunchArgument", "OpaqueFunction", "SetEnvironmentVariable", "Shutdown")},
    "launch.launch_context": {"LaunchContext": dict},
    "launch.launch_description": {"LaunchDescription": Description},
    "launch.substitutions": {"LaunchConfiguration": LaunchConfiguration},
    "launch_ros": {},
    "launch_ros.actions": {"Node": type("Node", (Recorded,), {})},
    "launch_ros.parameter_descriptions": {"ParameterValue": type("ParameterValue", (Recorded,), {})},
}


@pytest.fixture
def load(monkeypatch):
    """Load a launch file while the stand-in takes the place of ROS's launch."""
    for name, members in STAND_IN.items():
        module = ModuleType(name)
        module.__dict__.update(members)
        monkeypatch.setitem(sys.modules, name, module)
    monkeypatch.delitem(sys.modules, "mat_ros.graph.launch_actions", raising=False)

    def load(name: str) -> Description:
        spec = importlib.util.spec_from_file_location(f"{name}_launch", LAUNCH / f"{name}.launch.py")
        assert spec is not None and spec.loader is not None
        module = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(module)
        return module.generate_launch_description()

    yield load
    sys.modules.pop("mat_ros.graph.launch_actions", None)


def test_every_deployment_has_a_launch_file_and_no_launch_file_is_without_one():
    assert {path.name.removesuffix(".launch.py") for path in LAUNCH.glob("*.launch.py")} == set(deployment.DEPLOYMENTS)


@pytest.mark.parametrize("name", deployment.DEPLOYMENTS)
def test_a_launch_file_declares_every_launch_argument_as_declared_once(load, name: str):
    *declared, start = load(name).entities
    assert [action.args[0] for action in declared] == [option.name for option in options(LaunchSettings)]
    for action, option in zip(declared, deployment.launch_options(name), strict=True):
        assert option.description in action.kwargs["description"]
        assert option.read(action.kwargs["default_value"]) == option.default
        assert tuple(action.kwargs["choices"] or ()) == option.choices
    assert type(start).__name__ == "OpaqueFunction"


def test_the_started_nodes_are_those_of_the_graph_with_every_parameter_and_its_type(load, monkeypatch):
    graph = Graph("left", (NodeSpec("sim", "sim", {"lockstep": True, "seed": 0}, False, True),
                           NodeSpec("chain_a", "chain_node", {"hear": "0", "rate_hz": 60.0}),
                           NodeSpec("recorder", "recorder", {}, respawn=False)), {"OMP_NUM_THREADS": "1"})
    asked: list[dict[str, str]] = []
    monkeypatch.setattr(deployment, "plan", lambda name, values: asked.append(values) or
                        type("Plan", (), {"graph": graph}))
    monkeypatch.setattr(deployment, "check_start", lambda planned: None)
    *declared, start = load("dexhands").entities
    values = {action.args[0]: action.kwargs["default_value"] for action in declared} | {"seed": "7"}
    environment, *nodes = start.kwargs["function"](values)
    assert asked == [values]
    assert environment.args == ("OMP_NUM_THREADS", "1")
    for node, spec in zip(nodes, graph.nodes, strict=True):
        assert (node.kwargs["package"], node.kwargs["executable"]) == ("mat_ros", spec.executable)
        assert (node.kwargs["name"], node.kwargs["namespace"]) == (spec.name, "left")
        given = {name: (value.args[0], value.kwargs["value_type"])
                 for name, value in node.kwargs["parameters"][0].items()}
        assert given == {name: (value, type(value)) for name, value in spec.parameters.items()}
    assert [node.kwargs["respawn"] for node in nodes] == [False, True, False]
    assert [bool(node.kwargs["on_exit"]) for node in nodes] == [True, False, False]


def test_a_policy_that_the_robot_cannot_serve_is_refused_before_any_node_starts(load):
    *declared, start = load("robot").entities
    values = {action.args[0]: action.kwargs["default_value"] for action in declared}
    values |= {"policy": "dexhands_door_mat", "sim": "none", "hardware": "ros2_control"}
    with pytest.raises(Refused, match="add poses:=fingertip=/TOPIC"):
        start.kwargs["function"](values)

# Copyright 2026 The mat_ros Authors
# SPDX-License-Identifier: Apache-2.0
"""C++ runs the tick wherever it can. Every exception has a reason in words, and one rule decides."""

from __future__ import annotations

import pytest

from mat_ros.core.errors import Refused
from mat_ros.graph import deployment
from mat_ros.graph.tick_choice import TickNeeds, choose_tick

EXCEPTIONS = [
    (TickNeeds(backend="onnxruntime"), "the backend is onnxruntime"),
    (TickNeeds(sampled=True), "decisions are sampled"),
    (TickNeeds(replicated=True), "the node encodes observations itself"),
    (TickNeeds(inject=True), "messages may be broken on purpose"),
    (TickNeeds(lacking="the library is missing"), "the library is missing"),
]


@pytest.mark.parametrize("wanted", ["auto", "native"])
def test_a_tick_without_special_needs_runs_in_cpp(wanted: str):
    assert str(choose_tick(wanted, TickNeeds())) == "native"


@pytest.mark.parametrize(("needs", "reason"), EXCEPTIONS)
def test_what_cpp_lacks_runs_in_python_and_is_refused_where_cpp_was_asked_for(needs: TickNeeds, reason: str):
    choice = choose_tick("auto", needs)
    assert not choice.native and str(choice) == f"python: {reason}"
    with pytest.raises(Refused, match=f"tick: expected auto or python, since {reason}, got native; leave tick out"):
        choose_tick("native", needs)


def test_python_is_had_whenever_it_is_asked_for():
    assert str(choose_tick("python", TickNeeds())) == "python: tick is set to python"
    assert not choose_tick("python", TickNeeds(sampled=True)).native


@pytest.mark.parametrize("arguments", [
    {"sampled": "true"}, {"inject": "true"}, {"encoder": "replicated"}, {"backend": "onnxruntime"},
])
def test_a_launch_that_asks_for_what_cpp_lacks_is_refused_before_any_node(arguments: dict[str, str]):
    with pytest.raises(Refused, match="tick: expected auto or python, since .*, got native"):
        deployment.plan("mamujoco", {"tick": "native", **arguments})
    planned = deployment.plan("mamujoco", arguments)
    assert {node.parameters["tick"] for node in planned.graph.nodes if node.executable == "chain_node"} == {"auto"}

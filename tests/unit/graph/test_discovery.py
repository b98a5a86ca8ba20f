# Copyright 2026 The mat_ros Authors
# SPDX-License-Identifier: Apache-2.0
"""A large graph of one machine gets a discovery server, whose place every tool of the same ROS domain can compute."""

from __future__ import annotations

import os
import socket

import pytest

from mat_ros.core.errors import Refused
from mat_ros.core.policy.bundle import Bundle
from mat_ros.graph import build, discovery
from mat_ros.graph.deployment import plan_bundle
from mat_ros.graph.settings import LaunchSettings
from support.places import BUNDLES

ARM = Bundle.load(BUNDLES / "rwkv4")
DOMAIN = 151


@pytest.fixture(autouse=True)
def one_domain(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("ROS_DOMAIN_ID", str(DOMAIN))
    monkeypatch.delenv(discovery.ADDRESSES, raising=False)


@pytest.fixture
def serving(monkeypatch: pytest.MonkeyPatch):
    """Servers run on this machine, whether their program is installed or not."""
    monkeypatch.setattr(build, "may_serve", lambda variables: True)
    monkeypatch.setattr(build, "runs", lambda port: True)


def graph(**settings: object):
    return plan_bundle(LaunchSettings(**settings), ARM).graph


@pytest.mark.parametrize(("settings", "large", "expected"), [
    ({}, 1000, False), ({}, 1, True), ({"discovery": "server"}, 1000, True), ({"discovery": "plain"}, 1, False),
    ({"nodes": "chain_*"}, 1, False)])
def test_a_large_graph_or_one_that_asks_for_it_has_a_server(monkeypatch, serving, settings, large, expected):
    monkeypatch.setattr(build, "LARGE", large)
    found = graph(**settings)
    served = [node for node in found.nodes if node.executable == discovery.SERVER]
    assert len(served) == expected and (discovery.ADDRESSES in found.environment) == expected
    if expected:
        assert found.nodes[0] is served[0]  # it starts first
        assert found.environment[discovery.ADDRESSES] == f"127.0.0.1:{served[0].parameters['port']}"
        supervisor = next(node for node in found.nodes if node.name == "supervisor")
        assert discovery.SERVER not in supervisor.parameters["nodes"].split(",")  # it reports nothing


def test_a_graph_whose_server_does_not_run_says_so_and_does_without(monkeypatch, serving, capsys):
    monkeypatch.setattr(build, "runs", lambda port: False)
    monkeypatch.setattr(build, "LARGE", 1)
    assert discovery.ADDRESSES not in graph().environment
    assert "without a discovery server, which takes longer" in capsys.readouterr().err
    with pytest.raises(Refused, match="auto or plain, since a server needs"):
        graph(discovery="server")


def test_a_server_that_the_user_has_named_is_left_alone(monkeypatch):
    monkeypatch.setenv(discovery.ADDRESSES, "10.0.0.1:11811")
    assert not discovery.may_serve({"FASTDDS_DEFAULT_PROFILES_FILE": str(discovery.LOOPBACK_PROFILE)})
    environment = {"ROS_DOMAIN_ID": str(DOMAIN), discovery.ADDRESSES: "10.0.0.1:11811"}
    discovery.join(environment)
    assert environment[discovery.ADDRESSES] == "10.0.0.1:11811"


def test_a_tool_finds_the_servers_of_its_domain_and_no_other():
    environment = {"ROS_DOMAIN_ID": str(DOMAIN)}
    discovery.join(environment)
    assert environment == {"ROS_DOMAIN_ID": str(DOMAIN)}
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as server:
        port = discovery.free_port(DOMAIN)
        server.bind(("127.0.0.1", port))
        assert discovery.free_port(DOMAIN) == port + 1
        discovery.join(environment)
        assert environment[discovery.ADDRESSES] == f"127.0.0.1:{port}" and environment[discovery.TOOL] == "TRUE"
        other = {"ROS_DOMAIN_ID": str(DOMAIN + 1)}
        discovery.join(other)
        assert discovery.ADDRESSES not in other


@pytest.mark.parametrize("domain", [0, 101, 231])
def test_the_ports_of_servers_lie_behind_those_of_participants(domain: int):
    participants = {7400 + 250 * domain + offset + 2 * k for k in range(116) for offset in (10, 11)}
    found = discovery._ports(domain)
    assert found and not participants & set(found) and max(found) < min(7400 + 250 * (domain + 1), 65536)
    assert discovery.free_port(232) is None  # the last domain has fewer ports


@pytest.mark.skipif(discovery.program() is None, reason="needs the discovery server of Fast DDS")
def test_the_program_of_fast_dds_serves_at_a_port_and_leaves_it_free():
    port = discovery.free_port(DOMAIN)
    assert discovery.runs(port)
    assert discovery.free_port(DOMAIN) == port
    assert discovery.variables({"PATH": os.environ["PATH"], discovery.ADDRESSES: "x"}).get(discovery.ADDRESSES) is None

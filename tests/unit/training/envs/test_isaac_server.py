# Copyright 2026 The mat_ros Authors
# SPDX-License-Identifier: Apache-2.0
"""The file that runs in Isaac Gym's own Python uses only its syntax and packages, and refuses wrong messages."""

import ast
import socket
import struct
import sys
from pathlib import Path

import numpy as np
import pytest

from training.envs.isaac import server

SOURCE = Path(server.__file__).read_text(encoding="utf-8")


@pytest.fixture
def pair():
    ends = socket.socketpair()
    yield ends
    for end in ends:
        end.close()


def test_the_server_is_written_in_python_3_8_and_imports_numpy_alone():
    tree = ast.parse(SOURCE, feature_version=(3, 8))
    imported = {alias.name for node in ast.walk(tree) if isinstance(node, ast.Import) for alias in node.names}
    imported |= {node.module for node in ast.walk(tree) if isinstance(node, ast.ImportFrom)}
    assert imported - set(sys.stdlib_module_names) == {"numpy"}
    assert not imported & {"pickle", "marshal", "shelve", "importlib.machinery"}
    assert "allow_pickle=True" not in SOURCE


def test_numbers_arrive_as_they_were_sent(pair):
    sent = {"obs": np.random.default_rng(0).normal(size=(3, 2, 5)).astype(np.float32),
            "done": np.array([True, False, True]), "nobody": np.zeros((0, 4), np.float32)}
    server.send(pair[0], "stepped", sent, tick=7)
    verb, found, facts = server.receive(pair[1])
    assert (verb, facts) == ("stepped", {"tick": 7})
    for name, array in sent.items():
        assert found[name].dtype == array.dtype
        assert found[name].shape == array.shape
        assert found[name].tobytes() == array.tobytes()


@pytest.mark.parametrize("message", [
    struct.pack("<I", 1 << 20),  # a head longer than the limit
    struct.pack("<I", 62) + b'{"verb": "step", "facts": {}, "arrays": [["x", "object", [1]]]}',  # not a number
    struct.pack("<I", 8) + b"not JSON",
])
def test_what_is_not_a_message_is_refused_before_memory_is_taken_for_it(pair, message):
    pair[0].sendall(message)
    pair[0].shutdown(socket.SHUT_WR)
    with pytest.raises((ValueError, KeyError, EOFError)):
        server.receive(pair[1])


def test_an_array_that_is_too_large_is_refused_by_its_size(pair):
    head = b'{"verb": "step", "facts": {}, "arrays": [["x", "float32", [99999999999]]]}'
    pair[0].sendall(struct.pack("<I", len(head)) + head)
    with pytest.raises(ValueError, match="array x: expected at most"):
        server.receive(pair[1])


def test_a_half_message_ends_in_an_error_not_in_waiting(pair):
    pair[0].sendall(struct.pack("<I", 100) + b"{")
    pair[0].close()
    with pytest.raises(EOFError, match="closed"):
        server.receive(pair[1])

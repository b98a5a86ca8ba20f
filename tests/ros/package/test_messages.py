# Copyright 2026 The mat_ros Authors
# SPDX-License-Identifier: Apache-2.0
"""Compiled messages cross a process boundary through real DDS without losing a bit."""

import array
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest

from support.places import SUPPORT

rclpy = pytest.importorskip("rclpy", reason="needs the ros extra")
serialization = pytest.importorskip("rclpy.serialization", reason="needs the ros extra")
messages = pytest.importorskip("mat_ros.msg", reason="needs compiled messages")

pytestmark = pytest.mark.ros

ECHO = SUPPORT / "echo_process.py"
CONNECT_TIMEOUT_S = 60.0
FLOAT32_CORNERS = np.array([0.0, -0.0, 1e-45, np.pi, -np.inf, np.inf, np.nan, np.finfo(np.float32).max], np.float32)


@pytest.fixture
def node():
    rclpy.init()
    node = rclpy.create_node("sender")
    yield node
    node.destroy_node()
    rclpy.try_shutdown()


@pytest.fixture
def echo():
    started = []

    def start(type_name: str) -> subprocess.Popen:
        started.append(subprocess.Popen([sys.executable, str(ECHO), type_name], stderr=subprocess.PIPE, text=True))
        return started[-1]

    yield start
    for process in started:
        process.send_signal(2)
        _, complaints = process.communicate(timeout=20)
        assert (process.returncode, complaints) == (0, "")


def there_and_back(node, message):
    """Publish until the answer is here: the first ones are lost while the two processes find each other."""
    heard = []
    subscription = node.create_subscription(type(message), "back", heard.append, 1)
    publisher = node.create_publisher(type(message), "there", 1)
    give_up = time.monotonic() + CONNECT_TIMEOUT_S
    while not heard and time.monotonic() < give_up:
        publisher.publish(message)
        rclpy.spin_once(node, timeout_sec=0.2)
    node.destroy_publisher(publisher)
    node.destroy_subscription(subscription)
    assert heard, "no answer"
    return heard[0]


def filled(message_type):
    """Fill every field with values that a careless conversion would change."""
    message = message_type()
    for name, kind in message.get_fields_and_field_types().items():
        if kind.startswith("sequence<float"):
            setattr(message, name, array.array("f", FLOAT32_CORNERS.tobytes()))
        elif kind.startswith("sequence<uint8"):
            setattr(message, name, array.array("B", [0, 1, 254, 255]))
        elif kind == "uint32[4]":
            setattr(message, name, np.array([1, 2**16, 2**31, 2**32 - 1], np.uint32))
        elif kind == "uint64":
            setattr(message, name, 2**64 - 1)
        elif kind == "int64":
            setattr(message, name, -(2**63))
        elif kind == "uint32":
            setattr(message, name, 2**32 - 1)
        elif kind == "uint16":
            setattr(message, name, 2**16 - 1)
        elif kind == "builtin_interfaces/Time":
            getattr(message, name).sec = 2**31 - 1
            getattr(message, name).nanosec = 999_999_999
    return message


def bits(message) -> dict:
    """Return every field as what compares bit by bit: NaN is not equal to itself."""
    values = {name: getattr(message, name) for name in message.get_fields_and_field_types()}
    return {name: value.tobytes() if hasattr(value, "tobytes") else value for name, value in values.items()}


@pytest.mark.parametrize("type_name", ["Observation", "Encoding", "Baton"])
def test_a_message_returns_from_another_process_bit_for_bit(node, echo, type_name):
    message = filled(getattr(messages, type_name))
    echo(type_name)
    returned = there_and_back(node, message)
    assert bits(returned) == bits(message)
    assert bits(message) != bits(type(message)())


def lines_run_by_python(function) -> int:
    lines = 0

    def count(frame, event, argument):
        nonlocal lines
        lines += event == "line"
        return count

    sys.settrace(count)
    try:
        function()
    finally:
        sys.settrace(None)
    return lines


def test_floats_are_filled_sent_and_taken_without_a_python_loop():
    def there_and_back_in_this_process(values):
        baton = messages.Baton()
        baton.actions = array.array("f", values.tobytes())
        received = serialization.deserialize_message(serialization.serialize_message(baton), messages.Baton)
        taken = np.frombuffer(received.actions, np.float32)
        assert np.array_equal(taken, values)

    few, many = np.arange(4, dtype=np.float32), np.arange(4096, dtype=np.float32)
    there_and_back_in_this_process(few)  # the first use imports the type support
    lines_for_few = lines_run_by_python(lambda: there_and_back_in_this_process(few))
    assert lines_run_by_python(lambda: there_and_back_in_this_process(many)) == lines_for_few > 0


def test_an_array_beyond_its_bound_never_reaches_the_wire(capfd):
    baton = messages.Baton(validity=array.array("B", bytes(1024)))
    assert len(serialization.serialize_message(baton)) > 1024
    baton.validity.append(0)
    with pytest.raises(Exception, match="serialize"):
        serialization.serialize_message(baton)


def test_a_graph_under_test_keeps_out_of_shared_memory(node, echo):
    process = echo("Observation")
    there_and_back(node, messages.Observation())
    for pid in ("self", process.pid):
        mapped = Path(f"/proc/{pid}/maps").read_text()
        assert "/dev/shm/fast" not in mapped

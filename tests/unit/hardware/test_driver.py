# Copyright 2026 The mat_ros Authors
# SPDX-License-Identifier: Apache-2.0
"""The last process before the robot: it obeys the gate, and walks to the fallback without it."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import numpy as np
import pytest

from mat_ros.core.errors import Missing
from mat_ros.core.robot.guard import GuardSettings
from mat_ros.core.robot.joints import Joint
from mat_ros.core.tick.latch import Stop, StopLatch
from mat_ros.hardware.driver import SILENCE, Drive, Driving, serve
from mat_ros.hardware.guest import Guest
from mat_ros.hardware.io import Description, Reading
from mat_ros.hardware.wire import DriveCommand, Receipt

PERIOD = 20_000_000
JOINTS = tuple(Joint(name, "position", "rad", -1.0, 1.0, 2.0, 10.0, 1.0, 0.0, 0.0, "default") for name in "ab")
STEP = 2.0 * PERIOD * 1e-9  # rad, greatest change in a period
BUSY_S = 0.5  # by which a busy machine may be late


def ask(driving: Driving, sequence: int, values: np.ndarray, now_ns: int, found: bool = False) -> Receipt:
    return driving.on_command(DriveCommand(sequence, values, np.full(len(values), found)), now_ns)


class Bus:
    """A robot that notes when it is commanded, and may refuse to be."""

    def __init__(self) -> None:
        self.written: list[np.ndarray] = []
        self.broken = self.closed = False
        self.slow_s = 0.0  # what the next reading takes
        self.readings = 0

    def read(self) -> Reading:
        time.sleep(self.slow_s)
        self.slow_s, self.readings = 0.0, self.readings + 1
        return Reading(np.arange(3, dtype=np.float32), self.readings)

    def write(self, command: np.ndarray) -> None:
        if self.broken:
            raise ConnectionError("no carrier")
        self.written.append(command.copy())

    def describe(self) -> Description:
        return Description(("a", "b"), -np.ones(2), np.ones(2), PERIOD)

    def close(self) -> None:
        self.closed = True


@pytest.fixture
def bus() -> Bus:
    return Bus()


@pytest.fixture
def driving(bus: Bus, tmp_path: Path) -> Driving:
    return Driving(Drive(JOINTS, GuardSettings(), PERIOD), bus.write, StopLatch("arm", tmp_path))


def test_a_command_of_the_gate_is_written_and_answered(driving: Driving, bus: Bus):
    answer = ask(driving, 1, np.array([0.5, -0.5]), 0)
    assert answer.taken and bus.written[-1].tolist() == [0.5, -0.5]


def test_the_driver_holds_the_limits_of_the_robot_once_more(driving: Driving, bus: Bus):
    ask(driving, 1, np.array([0.5, 0.5]), 0)
    ask(driving, 2, np.array([9.0, -9.0]), PERIOD)
    assert bus.written[-1] == pytest.approx([0.5 + STEP, 0.5 - STEP])
    ask(driving, 3, np.array([9.0, -9.0]), PERIOD + 1000)  # a microsecond later
    assert np.abs(bus.written[-1] - bus.written[-2]).max() <= 2.0 * 1000e-9 + 1e-15


@pytest.mark.parametrize(("sequence", "command"), [(1, [0.0, 0.0]), (0, [0.0, 0.0]), (2, [np.nan, 0.0]), (2, [0.0])])
def test_a_repeated_or_malformed_command_is_refused(driving: Driving, bus: Bus, sequence: int, command: list[float]):
    ask(driving, 1, np.array([0.5, 0.5]), 0)
    assert not ask(driving, sequence, np.array(command), PERIOD).taken
    assert len(bus.written) == 1 and driving.counts["refused"] == 1


def test_two_periods_without_a_command_bring_the_robot_to_its_fallback_and_latch_a_stop(
        driving: Driving, bus: Bus, tmp_path: Path):
    ask(driving, 1, np.array([0.5, -0.5]), 0)
    now, times = 0, []
    while (wake := driving.wake_ns) is not None and wake < 60 * PERIOD:
        now = wake
        before = len(bus.written)
        driving.poll(now)
        times += [now] * (len(bus.written) - before)
    # The first command of the driver comes before the robot has been without one for two periods.
    assert times[0] == 2 * PERIOD - PERIOD // 4 and set(np.diff(times)) == {PERIOD}
    path = np.array(bus.written)
    assert np.abs(np.diff(path, axis=0)).max() <= STEP + 1e-12 and path[-1] == pytest.approx([0.0, 0.0])
    driving.close()
    assert StopLatch("arm", tmp_path).read().cause == SILENCE
    answer = ask(driving, 2, np.array([0.5, 0.5]), 61 * PERIOD)  # the gate is back, and nobody has released it
    assert not answer.taken and answer.reason == SILENCE
    driving.release()
    assert ask(driving, 3, np.array([0.0, 0.0]), 62 * PERIOD).taken


def test_the_robot_has_its_command_before_the_disk_has_the_stop(bus: Bus, tmp_path: Path,
                                                                monkeypatch: pytest.MonkeyPatch):
    latch, written = StopLatch("arm", tmp_path), []
    monkeypatch.setattr(latch, "write", lambda cause: written.append(len(bus.written)) or Stop("arm", cause, ""))
    driving = Driving(Drive(JOINTS, GuardSettings(), PERIOD), bus.write, latch)
    ask(driving, 1, np.zeros(2), 0)
    driving.poll(2 * PERIOD)
    assert written == [2]  # the command of the gate, and the first one of the driver
    driving.poll(4 * PERIOD)
    assert written == [2] and len(bus.written) == 3


def test_a_driver_that_starts_again_knows_the_stop(bus: Bus, tmp_path: Path):
    StopLatch("arm", tmp_path).write("operator")
    again = Driving(Drive(JOINTS, GuardSettings(), PERIOD), bus.write, StopLatch("arm", tmp_path))
    assert ask(again, 1, np.zeros(2), 0).reason == "operator" and bus.written == []


def test_after_failed_writes_the_next_command_starts_from_the_last_one_that_was_taken(driving: Driving, bus: Bus):
    ask(driving, 1, np.array([0.5, 0.5]), 0)
    bus.broken = True
    for k in range(2, 100):
        answer = ask(driving, k, np.array([-0.9, -0.9]), k * PERIOD)
        assert not answer.taken and "no carrier" in answer.reason
    bus.broken = False
    ask(driving, 100, np.array([-0.9, -0.9]), 100 * PERIOD)
    assert bus.written[-1] == pytest.approx([0.5 - STEP] * 2)


def test_a_joint_that_was_found_elsewhere_is_held_there_and_not_pulled_back(driving: Driving, bus: Bus):
    ask(driving, 1, np.array([0.2, 0.2]), 0)
    ask(driving, 2, np.array([0.9, 0.9]), PERIOD, found=True)
    assert bus.written[-1].tolist() == [0.9, 0.9]


def test_a_gate_that_is_wrong_about_where_the_robot_stands_is_refused(bus: Bus, tmp_path: Path):
    driving = Driving(Drive(JOINTS, GuardSettings(), PERIOD), bus.write, StopLatch("arm", tmp_path),
                      where=lambda: np.array([0.0, np.nan]))
    answer = ask(driving, 1, np.array([0.9, 0.9]), 0)
    assert answer.reason.startswith("joint a: expected a position of 0.9, got 0; ")
    assert bus.written == []
    assert ask(driving, 2, np.array([0.01, 0.9]), 0).taken
    assert not ask(driving, 3, np.array([0.5, 0.9]), PERIOD, found=True).taken


def test_nothing_moves_before_the_first_command(driving: Driving, bus: Bus):
    assert driving.wake_ns is None
    driving.poll(10**12)
    assert bus.written == []


def test_a_slow_disk_keeps_no_command_from_the_robot(driving: Driving, bus: Bus, tmp_path: Path, monkeypatch):
    free, replace = threading.Event(), Path.replace
    monkeypatch.setattr(Path, "replace", lambda path, to: free.wait(10.0) and replace(path, to))
    ask(driving, 1, np.array([0.2, 0.2]), 0)
    for _ in range(3):  # the first command of the driver itself latches the stop
        driving.poll(driving.wake_ns or 0)
    assert len(bus.written) == 4 and StopLatch("arm", tmp_path).read() is None
    assert not ask(driving, 2, np.array([0.2, 0.2]), driving.wake_ns or 0).taken  # the stop holds before it is on disk
    free.set()
    driving.close()
    assert StopLatch("arm", tmp_path).read() is not None


def test_a_gate_that_has_left_in_order_is_not_missed(driving: Driving, bus: Bus, tmp_path: Path):
    ask(driving, 1, np.zeros(2), 0)
    driving.leave()
    driving.poll(10**12)
    assert len(bus.written) == 1 and StopLatch("arm", tmp_path).read() is None


# -- over the socket, in real time ---------------------------------------------------------------------------------


@pytest.fixture
def served(driving: Driving, bus: Bus, tmp_path: Path):
    end = threading.Event()
    thread = threading.Thread(target=serve, args=(tmp_path / "driver", driving, bus, end.is_set))
    thread.start()
    guest = Guest(tmp_path / "driver")
    guest.connect(patience_s=5.0)
    yield guest
    end.set()
    thread.join()
    guest.close()


def test_gate_and_observer_reach_the_robot_over_the_socket(served: Guest, bus: Bus):
    served.command(np.array([0.25, -0.25]))
    give_up = time.monotonic() + 5.0
    while (answer := served.answer()) is None and time.monotonic() < give_up:
        time.sleep(0.001)
    assert answer is not None and answer.taken and bus.written[-1].tolist() == [0.25, -0.25]
    reading = served.read()
    assert isinstance(reading, Reading) and reading.signals.tolist() == [0.0, 1.0, 2.0]


def test_an_answer_that_came_too_late_is_not_taken_for_the_next_one(served: Guest, bus: Bus):
    bus.slow_s = 0.2
    assert served.read(0.02) == "the driver does not answer"
    time.sleep(0.5)
    reading = served.read(5.0)
    assert isinstance(reading, Reading) and reading.source_ns == bus.readings == 2


def test_the_socket_belongs_to_its_user_alone(served: Guest, tmp_path: Path):
    assert (tmp_path / "driver").stat().st_mode & 0o077 == 0


def test_a_driver_that_is_not_there_is_named(tmp_path: Path):
    with pytest.raises(Missing, match=r"the driver at .*nobody"):
        Guest(tmp_path / "nobody").connect()


GATE = """
import sys, time
from pathlib import Path
import numpy as np
from mat_ros.hardware.guest import Guest
guest = Guest(Path(sys.argv[1]))
guest.connect(5.0)
print("connected", flush=True)
while True:
    guest.command(np.array([0.5, -0.5]))
    time.sleep(0.02)
"""


@pytest.mark.parametrize("word", [signal.SIGSTOP, signal.SIGKILL])
def test_a_gate_that_is_stopped_or_killed_leaves_no_gap_of_more_than_two_periods(
        tmp_path: Path, word: signal.Signals):
    times: list[float] = []
    bus = Bus()
    write = bus.write
    bus.write = lambda command: (times.append(time.monotonic()), write(command))  # type: ignore[method-assign]
    driving = Driving(Drive(JOINTS, GuardSettings(), PERIOD), bus.write, StopLatch("arm", tmp_path))
    end = threading.Event()
    thread = threading.Thread(target=serve, args=(tmp_path / "driver", driving, bus, end.is_set))
    thread.start()
    gate = subprocess.Popen([sys.executable, "-c", GATE, str(tmp_path / "driver")], stdout=subprocess.PIPE, text=True)
    try:
        assert gate.stdout is not None and gate.stdout.readline() == "connected\n"
        give_up = time.monotonic() + 10.0
        while len(times) < 10 and time.monotonic() < give_up:
            time.sleep(0.01)
        os.kill(gate.pid, word)
        time.sleep(0.6)
    finally:
        gate.kill()
        gate.wait()
        end.set()
        thread.join()
    gaps = np.diff(times)
    # Two periods by design, which the tests above hold in made-up time; a busy machine wakes a thread later than that.
    assert gaps.max() < BUSY_S
    assert len(times) > 20
    assert np.abs(np.diff(bus.written, axis=0)).max() <= STEP + 1e-9
    assert bus.written[-1] == pytest.approx([0.0, 0.0]) and bus.closed

# Copyright 2026 The mat_ros Authors
# SPDX-License-Identifier: Apache-2.0
"""Measure the floor of a chain: the same processes, hops and sizes over Unix sockets, without ROS and without a policy.

It forks, so run it in its own process: `python -m mat_ros.bench.floor --n 20 --mode strict --hz 60 --ticks 600`.
"""

from __future__ import annotations

import argparse
import json
import os
import selectors
import signal
import socket
import time
from collections.abc import Callable, Sequence
from functools import partial

import numpy as np

from mat_ros.nodes import realtime

WARM_UP = 20  # ticks that are not counted
LONGEST = 1 << 18  # bytes of the longest message
Pair = tuple[socket.socket, socket.socket]


def measure(n: int, mode: str, hz: float, ticks: int, sizes: Sequence[int], priority: int,
            deadline_ms: float) -> dict[str, float]:
    """Time ticks: source -> encoder -> nodes -> gate; `sizes` are bytes of observation, encoding, baton, decision.

    A tick that takes longer than the deadline is missed.
    """
    observation, encoding, baton, decision = sizes
    fan_out = mode == "optimistic"
    pairs = [socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET) for _ in range(2 * n + 2)]
    links, answers = pairs[1:n + 1], pairs[n + 1:2 * n + 1]
    children = [_fork(priority, partial(_encode, pairs[0], links if fan_out else links[:1], bytes(encoding)))]
    for k in range(n):
        onward = None if fan_out or k == n - 1 else links[k + 1]
        work = partial(_node, links[k], onward, answers[k], bytes(baton), bytes(decision))
        children.append(_fork(priority, work))
    realtime.request(priority)
    selector = selectors.DefaultSelector()
    for receiver, _ in answers:
        selector.register(receiver, selectors.EVENT_READ)
    message, latencies, due = bytes(observation), [], time.monotonic()
    try:
        for _ in range(ticks + WARM_UP):
            due += 1.0 / hz
            time.sleep(max(0.0, due - time.monotonic()))
            start = time.perf_counter_ns()
            pairs[0][1].send(message)
            answered = 0
            while answered < n:
                for key, _ in selector.select():
                    key.fileobj.recv(LONGEST)  # type: ignore[union-attr]
                    answered += 1
            latencies.append((time.perf_counter_ns() - start) * 1e-6)
    finally:
        for child in children:
            os.kill(child, signal.SIGKILL)
            os.waitpid(child, 0)
    counted = np.array(latencies[WARM_UP:])
    p50, p99 = np.percentile(counted, (50, 99))
    return {"floor_p50_ms": round(float(p50), 3), "floor_p99_ms": round(float(p99), 3),
            "floor_missed": int((counted > deadline_ms).sum()), "floor_ticks": len(counted)}


def _fork(priority: int, work: Callable[[], None]) -> int:
    child = os.fork()
    if child:
        return child
    realtime.request(priority)
    try:
        while True:
            work()
    finally:
        os._exit(1)


def _encode(inlet: Pair, outlets: Sequence[Pair], message: bytes) -> None:
    inlet[0].recv(LONGEST)
    for outlet in outlets:
        outlet[1].send(message)


def _node(inlet: Pair, onward: Pair | None, answer: Pair, baton: bytes, decision: bytes) -> None:
    inlet[0].recv(LONGEST)
    if onward is not None:
        onward[1].send(baton)
    answer[1].send(decision)


def main() -> None:
    """Print the figures as one JSON object."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--n", type=int, required=True)
    parser.add_argument("--mode", choices=("strict", "optimistic"), required=True)
    parser.add_argument("--hz", type=float, default=60.0)
    parser.add_argument("--ticks", type=int, default=600)
    parser.add_argument("--sizes", type=int, nargs=4, default=(300, 5000, 800, 300))
    parser.add_argument("--realtime", type=int, default=0)
    parser.add_argument("--deadline-ms", type=float, default=13.3)
    given = parser.parse_args()
    print(json.dumps(measure(given.n, given.mode, given.hz, given.ticks, given.sizes, given.realtime,
                             given.deadline_ms)))


if __name__ == "__main__":
    main()

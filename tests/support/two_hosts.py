# Copyright 2026 The mat_ros Authors
# SPDX-License-Identifier: Apache-2.0
"""Make two hosts out of network namespaces, and the cable between them out of a thread that can spoil it.

Each host has a virtual Ethernet device whose frames this process carries to the other one: late, not at all, or
never while the cable is cut. It needs no kernel module for bad networks, but root.
"""

from __future__ import annotations

import fcntl
import heapq
import itertools
import os
import random
import select
import struct
import subprocess
import threading
import time
from dataclasses import dataclass

TUNSETIFF, IFF_TAP, IFF_NO_PI = 0x400454CA, 0x0002, 0x1000
FRAME = 65_536


def why_not() -> str:
    """Say why this machine cannot make network namespaces; empty where it can."""
    if os.geteuid() != 0:
        return "needs root for network namespaces"
    probe = f"mat_ros_probe_{os.getpid()}"
    try:
        made = subprocess.run(["ip", "netns", "add", probe], capture_output=True, text=True)
        subprocess.run(["ip", "netns", "del", probe], capture_output=True)
        os.close(os.open("/dev/net/tun", os.O_RDWR))
    except OSError as error:
        return f"needs `ip` and /dev/net/tun ({error})"
    return f"cannot make network namespaces ({made.stderr.strip()})" if made.returncode else ""


@dataclass
class Cable:
    """How the cable is."""

    loss: float = 0.0  # share of frames
    delay_s: float = 0.0
    cut: bool = False


class TwoHosts:
    """Two hosts and their cable; leaving the block removes them."""

    def __init__(self, seed: int = 0) -> None:
        self.cable = Cable()
        self.carried = self.lost = 0
        self.names = tuple(f"mr{os.getpid()}{side}" for side in "ab")
        self._random = random.Random(seed)
        self._end = threading.Event()

    def __enter__(self) -> TwoHosts:
        self._files = [self._host(name, k + 1) for k, name in enumerate(self.names)]
        self._thread = threading.Thread(target=self._carry, daemon=True)
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._end.set()
        self._thread.join()
        for file, name in zip(self._files, self.names, strict=True):
            os.close(file)
            subprocess.run(["ip", "netns", "del", name], check=True)

    def on(self, host: int, command: list[str]) -> list[str]:
        """Give the command that runs another one on a host."""
        return ["ip", "netns", "exec", self.names[host], *command]

    def _host(self, name: str, number: int) -> int:
        def ip(*words: str) -> None:
            subprocess.run(["ip", *words], check=True)

        ip("netns", "add", name)
        file = os.open("/dev/net/tun", os.O_RDWR | os.O_NONBLOCK)
        fcntl.ioctl(file, TUNSETIFF, struct.pack("16sH", name.encode(), IFF_TAP | IFF_NO_PI))
        ip("link", "set", name, "netns", name)
        ip("-n", name, "addr", "add", f"10.77.0.{number}/24", "dev", name)
        ip("-n", name, "link", "set", "lo", "up")
        ip("-n", name, "link", "set", name, "up")
        ip("-n", name, "route", "add", "224.0.0.0/4", "dev", name)  # discovery is by multicast
        return file

    def _carry(self) -> None:
        """Carry frames until the end, each at its time."""
        waiting: list[tuple[float, int, int, bytes]] = []  # due, order, to, frame
        order = itertools.count()
        while not self._end.is_set():
            pause = 0.05 if not waiting else min(0.05, max(0.0, waiting[0][0] - time.monotonic()))
            for file in select.select(self._files, [], [], pause)[0]:
                frame = os.read(file, FRAME)
                if self.cable.cut or self._random.random() < self.cable.loss:
                    self.lost += 1
                    continue
                other = self._files[1 - self._files.index(file)]
                heapq.heappush(waiting, (time.monotonic() + self.cable.delay_s, next(order), other, frame))
            while waiting and waiting[0][0] <= time.monotonic():
                _, _, other, frame = heapq.heappop(waiting)
                if not self.cable.cut:
                    os.write(other, frame)
                    self.carried += 1

# Copyright 2026 The mat_ros Authors
# SPDX-License-Identifier: Apache-2.0
"""Spread work over processes of this machine, or over a Ray cluster that may lose workers.

Benchmarks spread episodes, and sweeps spread trainings. The work is a function of a module. Its arguments are the
shared data and one item. The function may cache costly objects in its process. Paths must be absolute, because each
worker runs in a folder of its own.
"""

from __future__ import annotations

import multiprocessing
import os
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from typing import Any, TypeVar

from mat_ros.core.errors import Missing, Refused
from mat_ros.core.shipped import install_command

Shared = TypeVar("Shared")
Item = TypeVar("Item")
Result = TypeVar("Result")
LOCAL = "local"  # starts a new Ray cluster on this machine
RETRIES = 3  # times that the worker of an item may die
# Ray listens on every interface of a Linux machine. Its switch for the other systems keeps it to the loopback here too.
LOOPBACK_ONLY = ("RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER", "0")


def spread(work: Callable[[Shared, Item], Result], shared: Shared, items: Sequence[Item], processes: int = 0,
           ray: str = "") -> Iterator[Result]:
    """Yield each result as soon as it is there.

    `processes` is the number of items at a time. 0 means one on this machine, and all that fit on a Ray cluster.
    """
    if not items:
        return
    if ray:
        yield from _over_ray(work, shared, items, processes, ray)
    elif processes <= 1:
        yield from map(partial(work, shared), items)
    else:
        # Workers are spawned, because threads of the simulator and of backends do not survive a fork.
        with multiprocessing.get_context("spawn").Pool(processes) as pool:
            yield from pool.imap_unordered(partial(work, shared), items)


def _over_ray(work: Callable[[Shared, Item], Result], shared: Shared, items: Sequence[Item], processes: int,
              address: str) -> Iterator[Result]:
    cluster = connect(address)
    try:
        remote = cluster.remote(num_cpus=1, max_retries=RETRIES)(work)
        waiting = list(items)[::-1]
        running: list[Any] = []
        while waiting or running:
            while waiting and (not processes or len(running) < processes):
                running.append(remote.remote(shared, waiting.pop()))
            done, running = cluster.wait(running)
            try:
                yield cluster.get(done[0])
            except cluster.exceptions.RayTaskError as error:
                if isinstance(error.cause, (Refused, Missing)):
                    raise error.cause from None
                raise
    finally:
        cluster.shutdown()


def connect(address: str) -> Any:
    """Return Ray, connected to a cluster. For a local address, the cluster is reachable only from this machine."""
    if address == LOCAL or address.startswith(("127.", "localhost")):
        os.environ.setdefault(*LOOPBACK_ONLY)  # Ray reads this when it is imported
    try:
        import ray
    except ImportError as error:
        raise Missing("Ray, which --ray spreads the work with,", f"run {install_command('ray')}, or leave out --ray"
                      ) from error
    try:
        ray.init(address=address, include_dashboard=False if address == LOCAL else None, log_to_driver=False)
    except ConnectionError as error:
        raise Refused("--ray", "`local`, or the address of a cluster that lets us in", address,
                      "start it, and where it asks for a token set RAY_AUTH_MODE=token and RAY_AUTH_TOKEN here as there"
                      ) from error
    return ray

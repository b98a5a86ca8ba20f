# Copyright 2026 The mat_ros Authors
# SPDX-License-Identifier: Apache-2.0
"""Render an episode of a fault benchmark as a strip of pictures."""

from __future__ import annotations

import os
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from mat_ros.bench.faults.grid import Cell
from mat_ros.core.errors import Missing

if TYPE_CHECKING:
    from mat_ros.bench.faults.cells import Plan

PICTURES, WIDTH, HEIGHT = 6, 320, 240
SPAN_S = 3.0  # of an episode, from the onset on


def film(plan: Plan, key: tuple[Any, ...] | None) -> tuple[NDArray[np.uint8] | None, str]:
    """Give a strip of the first episode of a cell (None: nothing broken), or nothing and the reason."""
    if not os.environ.get("DISPLAY"):
        os.environ.setdefault("MUJOCO_GL", "egl")
    from mat_ros.bench.faults.cells import Worker
    from mat_ros.worlds.render import Camera, film_strip

    worker = Worker(replace(plan, episodes=1), learn=key is not None)
    onset, world = worker.onset(), worker._whole.world.world
    every = max(1, round(SPAN_S * 1e9 / world.control_period_ns / PICTURES))
    cell = Cell("nominal", "none", 0.0, "") if key is None else replace(Cell(*key), together="*" in key[3])
    taken: list[NDArray[np.uint8]] = []
    try:
        with Camera(world, WIDTH, HEIGHT) as camera:
            name = world.model.camera(0).name if world.model.ncam else "overview"

            def watch(tick: int) -> None:
                if tick >= onset and (tick - onset) % every == 0 and len(taken) < PICTURES:
                    taken.append(camera.take(name))

            worker._whole.run(plan.seed, [cell.schedule(worker.bundle.manifest, onset, plan.seed)], cell.information,
                              onset + every * PICTURES, watch=watch)
    except Missing as error:
        return None, str(error)
    while 0 < len(taken) < PICTURES:
        taken.append(np.full_like(taken[0], 255))  # the episode ended before
    return (film_strip(taken), "") if taken else (None, "The episode ended before the onset.")

# Copyright 2026 The mat_ros Authors
# SPDX-License-Identifier: Apache-2.0
"""Render an episode of a fault benchmark as a strip of pictures."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from mat_ros.bench.faults.cells import Worker
from mat_ros.bench.faults.findings import ShownCell, Strip
from mat_ros.core.errors import Missing, Refused
from mat_ros.worlds.render import Camera, film_strip

PICTURES, WIDTH, HEIGHT = 6, 320, 240
SPAN_S = 3.0  # span of the pictures, from the onset on


def strip(worker: Worker, shown: ShownCell) -> Strip:
    """Return pictures of the first episode of a shown cell from the onset on."""
    onset, world = worker.onset(), worker.world
    every = max(1, round(SPAN_S * 1e9 / world.control_period_ns / PICTURES))
    taken: list[NDArray[np.uint8]] = []
    try:
        with Camera(world, WIDTH, HEIGHT) as camera:
            def watch(tick: int) -> None:
                if tick >= onset and (tick - onset) % every == 0 and len(taken) < PICTURES:
                    taken.append(camera.take())

            worker.episodes(worker.grid.cell(shown.key), onset + every * PICTURES, watch)
    except (Missing, Refused) as error:
        return Strip(shown, None, str(error))
    while 0 < len(taken) < PICTURES:
        taken.append(np.full_like(taken[0], 255))  # a white picture after the end of the episode
    return Strip(shown, film_strip(taken)) if taken else Strip(shown, None, "The episode ended before the onset.")

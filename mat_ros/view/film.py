# Copyright 2026 The mat_ros Authors
# SPDX-License-Identifier: Apache-2.0
"""Take pictures of a finished run: step the same physics again with the commands that were applied.

Lock-step physics computes the same bits each time, so no picture has to be taken while the graph runs. Each observation
is compared with the recorded one, which proves that the pictures show the same run.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from mat_ros.core.errors import Missing, Refused
from mat_ros.core.policy.manifest import Manifest
from mat_ros.hardware.simulated import SimulatedRobot
from mat_ros.view.watch import Tick
from mat_ros.worlds.render import Camera

Image = NDArray[np.uint8]  # (height, width, 3)


@dataclass(frozen=True)
class Film:
    """Hold the pictures and measurements of a run that was stepped again."""

    pictures: tuple[Image, ...]  # at the chosen ticks; empty where this machine cannot render
    measured: NDArray[np.float64]  # (tick, element), the values of the chosen term; empty without a term
    same: int  # number of ticks whose observation has the same bits
    trouble: str = ""  # reason for missing pictures


def replay(manifest: Manifest, ticks: Sequence[Tick], seed: int, term: str, at: Sequence[int],
           size: tuple[int, int] = (480, 360), camera: str = "") -> Film:
    """Step a run again from its seed; return pictures before the ticks `at` (indices) and the values of one term."""
    robot = SimulatedRobot(manifest, "", seed)
    pictures: list[Image] = []
    measured, same, trouble = [], 0, ""
    try:
        lens: Camera | None = Camera(robot.world, *size)
    except (Missing, Refused) as error:
        lens, trouble = None, str(error)
    for k, tick in enumerate(ticks):
        if tick.episode != robot.episode:
            robot.reset()
        same += robot.read().signals.tobytes() == tick.signals.tobytes()
        if term:
            measured.append(robot.world.signal(term)[0])
        if lens is not None and k in at:
            pictures.append(lens.take(camera))
        robot.write(tick.applied)
    if lens is not None:
        lens.__exit__()
    return Film(tuple(pictures), np.array(measured), same, trouble)

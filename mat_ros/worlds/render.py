# Copyright 2026 The mat_ros Authors
# SPDX-License-Identifier: Apache-2.0
"""Render a world without a screen: one simulation through a named camera, or a strip of moments side by side.

MuJoCo chooses its graphics when it is imported: on a machine without a display set `MUJOCO_GL=egl` before.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence

if "mujoco" not in sys.modules and not os.environ.get("DISPLAY"):
    os.environ.setdefault("MUJOCO_GL", "egl")

import mujoco
import numpy as np
from numpy.typing import NDArray

from mat_ros.core.errors import Missing, Refused
from mat_ros.worlds.batch import World
from mat_ros.worlds.hand import HIDDEN_GROUP
from mat_ros.worlds.scene import IMAGE

Image = NDArray[np.uint8]  # (height, width, 3), red, green, blue

GAP = 6  # pixels between the pictures of a strip


class Camera:
    """Take pictures of a world's simulations; use it in a `with` block, since it holds a graphics context."""

    def __init__(self, world: World, width: int = 960, height: int = 540) -> None:
        if width > IMAGE[0] or height > IMAGE[1]:
            raise Refused("picture", f"at most {IMAGE[0]} x {IMAGE[1]} pixels", f"{width} x {height}",
                          "take a smaller one")
        self.world = world
        try:
            self._renderer = mujoco.Renderer(world.model, height, width)
        except (RuntimeError, ImportError, AttributeError) as error:
            raise Missing(f"a way to render without a screen ({error})",
                          "set MUJOCO_GL=egl before mujoco is imported, and install libegl1 and libgl1-mesa-dri"
                          ) from error
        self._options = mujoco.MjvOption()
        self._options.geomgroup[HIDDEN_GROUP] = 0

    def __enter__(self) -> Camera:
        """Open the graphics context."""
        return self

    def __exit__(self, *_: object) -> None:
        """Close the graphics context."""
        self._renderer.close()

    def take(self, camera: str = "overview", row: int = 0) -> Image:
        """Render one simulation through a camera of the scene."""
        names = [self.world.model.camera(k).name for k in range(self.world.model.ncam)]
        if camera not in names:
            raise Refused("camera", f"one of {names}", camera, "choose one of them")
        _, data = self.world.materialise(row)
        self._renderer.update_scene(data, camera=camera, scene_option=self._options)
        return np.array(self._renderer.render())


def film_strip(pictures: Sequence[Image], columns: int = 0) -> Image:
    """Lay pictures of one size side by side on white, in reading order; `columns` of zero gives one row."""
    if not pictures or any(picture.shape != pictures[0].shape for picture in pictures):
        raise Refused("film strip", "pictures of one size", [p.shape for p in pictures], "render them alike")
    columns = columns or len(pictures)
    height, width = pictures[0].shape[:2]
    rows = -(-len(pictures) // columns)
    strip = np.full((rows * (height + GAP) - GAP, columns * (width + GAP) - GAP, 3), 255, dtype=np.uint8)
    for k, picture in enumerate(pictures):
        top, left = k // columns * (height + GAP), k % columns * (width + GAP)
        strip[top:top + height, left:left + width] = picture
    return strip

# Copyright 2026 The mat_ros Authors
# SPDX-License-Identifier: Apache-2.0
"""Render a world without a screen: one simulation through a named camera, or a strip of moments side by side."""

from __future__ import annotations

import ctypes
import importlib
import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

import mujoco
import numpy as np
from numpy.typing import NDArray

from mat_ros.core.errors import Missing, Refused
from mat_ros.worlds.batch import MujocoWorld
from mat_ros.worlds.hand import HIDDEN_GROUP
from mat_ros.worlds.world import World

Image = NDArray[np.uint8]  # (height, width, 3), red, green, blue

GEOMS = 2000  # largest number of geoms in a picture
GAP = 6  # pixels between the pictures of a strip


class Camera:
    """Take pictures of a world's simulations; use a camera in a `with` block, since it holds a graphics context.

    The environment variable MUJOCO_GL (egl, osmesa or glfw) selects the graphics. Without the variable, a machine
    without a display uses egl. This class reads the variable when it opens the context; MuJoCo's own renderer reads it
    when mujoco is first imported.
    """

    def __init__(self, world: World, width: int = 960, height: int = 540) -> None:
        if not isinstance(world, MujocoWorld):
            raise Refused("picture", "a world of MuJoCo", f"{type(world).__name__}, which has no shapes to draw",
                          "leave out the picture")
        model = world.model
        largest = model.vis.global_.offwidth, model.vis.global_.offheight
        if width > largest[0] or height > largest[1]:
            raise Refused("picture", f"at most {largest} pixels", (width, height), "take a smaller picture")
        self.world: MujocoWorld = world
        self._graphics = _open_graphics(width, height)
        with _endless_floor(model):
            self._renderer = mujoco.MjrContext(model, mujoco.mjtFontScale.mjFONTSCALE_100)
        mujoco.mjr_setBuffer(mujoco.mjtFramebuffer.mjFB_OFFSCREEN, self._renderer)
        self._scene = mujoco.MjvScene(model, GEOMS)
        self._scene.flags[mujoco.mjtRndFlag.mjRND_HAZE] = 0  # haze is a white line where an endless floor meets the sky
        self._frame = mujoco.MjrRect(0, 0, width, height)
        self._view = mujoco.MjvCamera()
        self._options = mujoco.MjvOption()
        self._options.geomgroup[HIDDEN_GROUP] = 0

    def __enter__(self) -> Camera:
        """Return the camera with its graphics context open."""
        return self

    def __exit__(self, *_: object) -> None:
        """Close the graphics context."""
        self._renderer.free()
        self._graphics.free()

    def take(self, camera: str = "", row: int = 0) -> Image:
        """Render one simulation through a camera of the scene; by default the first, or a free one in a bare scene."""
        names = [self.world.model.camera(k).name for k in range(self.world.model.ncam)]
        if camera and camera not in names:
            raise Refused("camera", f"one of {names}", camera, "choose one of them")
        if names:
            self._view.type, self._view.fixedcamid = mujoco.mjtCamera.mjCAMERA_FIXED, names.index(camera or names[0])
        else:
            mujoco.mjv_defaultFreeCamera(self.world.model, self._view)
        model, data = self.world.materialise(row)
        with _endless_floor(model):
            mujoco.mjv_updateScene(model, data, self._options, None, self._view, mujoco.mjtCatBit.mjCAT_ALL,
                                   self._scene)
        self._graphics.make_current()
        mujoco.mjr_render(self._frame, self._scene, self._renderer)
        picture = np.empty((self._frame.height, self._frame.width, 3), dtype=np.uint8)
        mujoco.mjr_readPixels(picture, None, self._frame, self._renderer)
        return np.ascontiguousarray(picture[::-1])  # OpenGL counts rows from below


@contextmanager
def _endless_floor(model: mujoco.MjModel) -> Iterator[None]:
    """Draw every plane without an edge. Contacts with a plane have no edge either."""
    planes = np.flatnonzero((model.geom_type == mujoco.mjtGeom.mjGEOM_PLANE) & (model.geom_size[:, :2] > 0).all(axis=1))
    materials = model.geom_matid[planes]
    kept = model.geom_size[planes], model.mat_texrepeat.copy(), model.mat_texuniform.copy()
    for plane, material in zip(planes, materials, strict=True):
        if material >= 0 and not model.mat_texuniform[material]:
            model.mat_texrepeat[material] /= 2.0 * model.geom_size[plane, :2]  # repeats per m, not per plane
            model.mat_texuniform[material] = 1
    model.geom_size[planes, :2] = 0.0
    try:
        yield
    finally:
        model.geom_size[planes], model.mat_texrepeat[:], model.mat_texuniform[:] = kept


def _open_graphics(width: int, height: int) -> mujoco.GLContext:
    """Open a context for drawing off screen."""
    backend = os.environ.get("MUJOCO_GL") or ("glfw" if os.environ.get("DISPLAY") else "egl")
    try:
        context = importlib.import_module(f"mujoco.{backend}").GLContext(width, height)
        context.make_current()
    except (ImportError, RuntimeError, AttributeError, OSError, ctypes.ArgumentError) as error:  # the last: no GL
        remedy = "install libegl1, libopengl0 and libgl1-mesa-dri, or set MUJOCO_GL to egl, osmesa or glfw"
        raise Missing(f"a way to draw off screen ({backend}: {error})", remedy) from error
    return context


def film_strip(pictures: Sequence[Image], columns: int = 0) -> Image:
    """Return pictures of one size side by side on white, in reading order; `columns` = 0 makes one row."""
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

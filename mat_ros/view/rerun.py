# Copyright 2026 The mat_ros Authors
# SPDX-License-Identifier: Apache-2.0
"""Show a run in Rerun: the robot in 3D, latency, and the state of each agent in every tick. Needs the extra `viz`."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import mujoco
import numpy as np

from mat_ros.core.errors import Missing, Refused
from mat_ros.core.policy.manifest import Manifest
from mat_ros.core.shipped import check_writable, install_command
from mat_ros.hardware.simulated import SimulatedRobot
from mat_ros.view.rerun_viewer import open_viewer
from mat_ros.view.watch import STATES, GraphWatch, Tick
from mat_ros.worlds.batch import MujocoWorld

try:
    import rerun as rr
except ModuleNotFoundError as error:
    if error.name != "rerun":
        raise
    raise Missing("rerun, which shows runs,", f"run {install_command('viz')}") from error

HIDDEN_GROUPS = (3, 4, 5)  # groups of geometry that no camera shows


class Stream:
    """Send a run to a window or a file tick by tick, with physics that are stepped again with the applied commands."""

    def __init__(self, manifest: Manifest, seed: int, file: Path | None = None) -> None:
        """Begin a view, in a file or in a window that this machine alone can reach."""
        self._robot = SimulatedRobot(manifest, "", seed)
        self._next, self._events = 0, 0  # the next tick to show; the number of sent events
        if not isinstance(self._robot.world, MujocoWorld):
            raise Refused("viewer rerun", "a world of MuJoCo", f"{type(self._robot.world).__name__}, without shapes",
                          "use viewer:=terminal")
        self._world, model = self._robot.world, self._robot.world.model
        rr.init(f"mat_ros {manifest.task}")
        if file is None:
            rr.connect_grpc(open_viewer())
        else:
            check_writable(file)
            rr.save(file)
        rr.log("world", rr.ViewCoordinates.RIGHT_HAND_Z_UP, static=True)
        shapes = {geom: _shape(model, geom) for geom in range(model.ngeom)
                  if int(model.geom_group[geom]) not in HIDDEN_GROUPS}
        self._shown = [geom for geom, shape in shapes.items() if shape is not None]
        for geom in self._shown:
            rr.log(f"world/{geom}", shapes[geom], static=True)

    def feed(self, watch: GraphWatch) -> None:
        """Send the new ticks and events. After a lost tick the robot stands still, since physics need every tick."""
        for event in watch.events[self._events:]:
            rr.set_time("tick", sequence=event.tick)
            rr.log("events", rr.TextLog(event.what))
        self._events = len(watch.events)
        for tick in [tick for tick in watch.ticks if tick.tick >= self._next]:
            rr.set_time("tick", sequence=tick.tick)
            rr.log("latency_ms", rr.Scalars(tick.latency_ms))
            for name, state in zip(watch.agents, tick.states, strict=True):
                rr.log(f"decided/{name}", rr.Scalars(STATES.index(state)))
            if tick.tick == self._next:
                self._draw(tick)
                self._next += 1

    def close(self) -> None:
        """Send what waits, and end the file."""
        rr.disconnect()

    def _draw(self, tick: Tick) -> None:
        if tick.episode != self._robot.episode:
            self._robot.reset()
        _, data = self._world.materialise(0)
        for geom in self._shown:
            rr.log(f"world/{geom}", rr.Transform3D(translation=data.geom_xpos[geom],
                                                   mat3x3=data.geom_xmat[geom].reshape(3, 3)))
        self._robot.write(tick.applied)


def _shape(model: mujoco.MjModel, geom: int) -> Any:
    """Return a geometry in Rerun's form, or None for kinds that Rerun does not draw."""
    size, colour = model.geom_size[geom], (255 * np.asarray(model.geom_rgba[geom])).astype(np.uint8)
    kind = int(model.geom_type[geom])
    if kind == mujoco.mjtGeom.mjGEOM_BOX:
        return rr.Boxes3D(half_sizes=[size], colors=[colour], fill_mode="solid")
    if kind in (mujoco.mjtGeom.mjGEOM_CAPSULE, mujoco.mjtGeom.mjGEOM_CYLINDER):
        return rr.Capsules3D(lengths=[2 * size[1]], radii=[size[0]], translations=[(0.0, 0.0, -size[1])],
                             colors=[colour])
    if kind in (mujoco.mjtGeom.mjGEOM_SPHERE, mujoco.mjtGeom.mjGEOM_ELLIPSOID):
        half = size if kind == mujoco.mjtGeom.mjGEOM_ELLIPSOID else (size[0],) * 3
        return rr.Ellipsoids3D(half_sizes=[half], colors=[colour], fill_mode="solid")
    return None

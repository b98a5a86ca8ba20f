# Copyright 2026 The mat_ros Authors
# SPDX-License-Identifier: Apache-2.0
"""Show a run in Rerun: the robot in 3D, tick by tick, with latency and who decided. Needs the extra `viz`."""

from __future__ import annotations

from typing import Any

import mujoco
import numpy as np

from mat_ros.core.errors import Missing
from mat_ros.shipped import install_command
from mat_ros.view.watch import STATES

try:
    import rerun as rr
except ModuleNotFoundError as error:
    raise Missing("rerun, which --view shows the run with", f"run {install_command('viz')}") from error

HIDDEN_GROUPS = (3, 4, 5)  # of geometry that no camera shows


def show(run: Any) -> None:
    """Open the viewer and send it the run, stepped again."""
    from mat_ros.hardware.simulated import SimulatedRobot

    manifest, watch = run.planned.bundle.manifest, run.watch
    robot = SimulatedRobot(manifest, "", run.planned.settings.seed)
    model = robot.world.model
    rr.init(f"mat_ros {manifest.task}", spawn=True)
    rr.log("world", rr.ViewCoordinates.RIGHT_HAND_Z_UP, static=True)
    shown = [k for k in range(model.ngeom) if int(model.geom_group[k]) not in HIDDEN_GROUPS and _shape(model, k)]
    for geom in shown:
        rr.log(f"world/{geom}", _shape(model, geom), static=True)
    for event in watch.events:
        rr.set_time("tick", sequence=event.tick)
        rr.log("events", rr.TextLog(event.what))
    for tick in watch.ticks:
        if tick.episode != robot.episode:
            robot.reset()
        rr.set_time("tick", sequence=tick.tick)
        _, data = robot.world.materialise(0)
        for geom in shown:
            rr.log(f"world/{geom}", rr.Transform3D(translation=data.geom_xpos[geom],
                                                   mat3x3=data.geom_xmat[geom].reshape(3, 3)))
        rr.log("latency_ms", rr.Scalars(tick.latency_ms))
        for name, state in zip(watch.agents, tick.states, strict=True):
            rr.log(f"decided/{name}", rr.Scalars(STATES.index(state)))
        robot.write(tick.applied)


def _shape(model: mujoco.MjModel, geom: int) -> Any:
    """Give a geometry as Rerun draws it; None for kinds that it does not draw."""
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

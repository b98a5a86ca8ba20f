# Copyright 2026 The mat_ros Authors
# SPDX-License-Identifier: Apache-2.0
"""Make an empty scene: the solver's settings, a floor, a sky, lights and cameras."""

from __future__ import annotations

from dataclasses import dataclass

import mujoco
import numpy as np

from mat_ros.worlds.hand import Vector

CONTROL_HZ = 60
SUBSTEPS = 2
IMAGE = (1920, 1080)  # pixels, the largest picture that can be rendered


@dataclass(frozen=True)
class CameraPose:
    """Describe a camera's position and the point in the middle of its picture; up in the picture is the world's z."""

    name: str
    position: Vector
    target: Vector
    fovy: float = 45.0  # degrees, vertical


def empty_scene(name: str, gravity: float, cameras: tuple[CameraPose, ...]) -> mujoco.MjSpec:
    """Return a scene with a floor and light, and with the solver settings that all scenes of the hands share."""
    spec = mujoco.MjSpec()
    spec.modelname = name
    spec.compiler.degree = False  # otherwise MjSpec reads every range in degrees
    option = spec.option
    option.timestep = 1.0 / (CONTROL_HZ * SUBSTEPS)
    option.gravity = (0.0, 0.0, gravity)
    option.integrator = mujoco.mjtIntegrator.mjINT_IMPLICITFAST
    option.solver = mujoco.mjtSolver.mjSOL_NEWTON
    option.cone = mujoco.mjtCone.mjCONE_PYRAMIDAL
    # MuJoCo 4.0.0 has a silent error in its sparse factorisation, and two hands are just large enough to get it.
    option.jacobian = mujoco.mjtJacobian.mjJAC_DENSE
    _furnish(spec)
    for camera in cameras:
        spec.worldbody.add_camera(name=camera.name, pos=camera.position, quat=_look_at(camera), fovy=camera.fovy)
    return spec


def _furnish(spec: mujoco.MjSpec) -> None:
    visual = spec.visual
    visual.global_.offwidth, visual.global_.offheight = IMAGE
    visual.headlight.ambient, visual.headlight.diffuse = (0.34, 0.34, 0.36), (0.22, 0.22, 0.22)
    visual.headlight.specular = (0.0, 0.0, 0.0)
    visual.quality.shadowsize, visual.quality.offsamples = 4096, 8
    visual.map.znear, visual.map.shadowclip = 0.02, 1.5
    visual.rgba.haze = (0.93, 0.95, 0.97, 1.0)
    spec.add_texture(name="sky", type=mujoco.mjtTexture.mjTEXTURE_SKYBOX, builtin=mujoco.mjtBuiltin.mjBUILTIN_GRADIENT,
                     width=64, height=384, rgb1=(0.96, 0.97, 0.98), rgb2=(0.72, 0.79, 0.87))
    spec.add_texture(name="tiles", type=mujoco.mjtTexture.mjTEXTURE_2D, builtin=mujoco.mjtBuiltin.mjBUILTIN_CHECKER,
                     width=512, height=512, rgb1=(0.80, 0.82, 0.85), rgb2=(0.74, 0.77, 0.80))
    tiles = spec.add_material(name="tiles", texrepeat=(2.0, 2.0), texuniform=True, reflectance=0.08, specular=0.0)
    tiles.textures[mujoco.mjtTextureRole.mjTEXROLE_RGB] = "tiles"
    spec.worldbody.add_geom(name="floor", type=mujoco.mjtGeom.mjGEOM_PLANE, size=(0.0, 0.0, 0.1), material="tiles",
                            contype=0, conaffinity=1)
    directional = mujoco.mjtLightType.mjLIGHT_DIRECTIONAL
    spec.worldbody.add_light(name="key", type=directional, pos=(0.8, 0.6, 3.0), dir=(-0.35, -0.30, -1.0),
                             diffuse=(0.52, 0.51, 0.48), specular=(0.25, 0.25, 0.25), castshadow=True)
    spec.worldbody.add_light(name="fill", type=directional, pos=(1.5, -2.0, 2.0), dir=(-0.6, 0.6, -0.4),
                             diffuse=(0.20, 0.21, 0.24), specular=(0.0, 0.0, 0.0), castshadow=False)


def _look_at(camera: CameraPose) -> tuple[float, float, float, float]:
    back = np.subtract(camera.position, camera.target)
    back /= np.linalg.norm(back)
    right = np.cross((0.0, 0.0, 1.0), back)
    right /= np.linalg.norm(right)
    quaternion = np.zeros(4)
    mujoco.mju_mat2Quat(quaternion, np.stack([right, np.cross(back, right), back], axis=1).ravel())
    w, x, y, z = quaternion.tolist()
    return w, x, y, z

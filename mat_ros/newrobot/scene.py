# Copyright 2026 The mat_ros Authors
# SPDX-License-Identifier: Apache-2.0
"""Furnish the model of a robot for its first task, and write it as one MJCF file with its meshes beside it."""

from __future__ import annotations

import shutil
from collections.abc import Mapping
from pathlib import Path

import mujoco
import numpy as np
from numpy.typing import NDArray

from mat_ros.core.errors import Refused
from mat_ros.newrobot.model_file import ModelFile, heard, unused
from mat_ros.newrobot.skeleton import FREE, Skeleton, chain_down, lowest
from mat_ros.newrobot.stance import start_pose
from mat_ros.worlds.model import START, TARGET, TIP

Float = NDArray[np.float64]
ASSETS = "assets"  # folder of the meshes and textures
PICTURE = (1920, 1080)  # pixels, the largest picture of the robot
BALL_M = 0.02  # radius of the ball that marks the target
DISTANCE = 3.2  # of the camera, in radii of the robot
CLEARANCE_M = 0.005  # height above the floor at which a robot starts that the file does not place


def furnish(file: ModelFile, skeleton: Skeleton, commands: int, pose: Mapping[str, float], name: str) -> None:
    """Add what the robot's task needs: a floor and a free base for legs, a tip and a target, a camera, the start."""
    spec, model = file.spec, file.model
    qpos, _ = start_pose(model)
    for joint, value in pose.items():
        if mujoco.mj_name2id(model, mujoco.mjtObj.mjOBJ_JOINT, joint) >= 0:
            qpos[model.jnt_qposadr[model.joint(joint).id]] = value
    for key in list(spec.keys):
        spec.delete(key)
    names = {body.name for body in spec.bodies} | {site.name for site in spec.sites}
    if clash := names & {TIP, TARGET}:
        raise Refused(f"model {file.path}", f"no body or site that is called {TIP} or {TARGET}", sorted(clash),
                      "rename it in the file")
    _stage(file, skeleton, qpos)
    if skeleton.kind == "legs":
        qpos = _stand(file, skeleton, qpos)
    if skeleton.tip is not None:
        spec.body(skeleton.tip.body).add_site(name=TIP, pos=skeleton.tip.position, size=[0.01, 0.01, 0.01])
        ball = spec.worldbody.add_body(name=TARGET, mocap=True)
        ball.add_geom(type=mujoco.mjtGeom.mjGEOM_SPHERE, size=[BALL_M, 0, 0], contype=0, conaffinity=0,
                      rgba=[0.88, 0.42, 0.16, 0.7], mass=0)
    if skeleton.kind == "hand":
        spec.nuserdata = commands  # the pose to hold
    spec.add_key(name=START, qpos=qpos)
    spec.modelname = name


def _stage(file: ModelFile, skeleton: Skeleton, qpos: Float) -> None:
    """Add a camera that sees the whole robot and goes with it, a light, a sky, and room for large pictures."""
    spec, model = file.spec, file.model
    spec.compiler.discardvisual = False  # the shapes of a URDF are chosen, and the sky is to stay
    spec.visual.global_.offwidth, spec.visual.global_.offheight = PICTURE
    data = mujoco.MjData(model)
    data.qpos[:] = qpos
    mujoco.mj_kinematics(model, data)
    root = model.body(skeleton.root).id
    bodies = set(chain_down(model, root))
    geoms = [k for k in range(model.ngeom) if int(model.geom_bodyid[k]) in bodies]
    points = np.concatenate([data.xpos[sorted(bodies)], data.geom_xpos[geoms]])
    middle = (points.max(axis=0) + points.min(axis=0)) / 2
    radius = max([float(np.linalg.norm(point - middle)) for point in data.xpos[sorted(bodies)]]
                 + [float(np.linalg.norm(data.geom_xpos[k] - middle) + model.geom_rbound[k]) for k in geoms])
    eye = DISTANCE * radius * np.array([0.7, -0.7, 0.35])  # from the middle
    back = eye / np.linalg.norm(eye)
    right = np.cross((0.0, 0.0, 1.0), back)
    right /= np.linalg.norm(right)
    turned, inverse, own = np.zeros(4), np.zeros(4), np.zeros(4)
    mujoco.mju_mat2Quat(turned, np.stack([right, np.cross(back, right), back], axis=1).ravel())
    mujoco.mju_negQuat(inverse, data.xquat[root])
    mujoco.mju_mulQuat(own, inverse, turned)
    place = data.xmat[root].reshape(3, 3).T @ (middle + eye - data.xpos[root])
    spec.body(skeleton.root).add_camera(name=unused("overview", {camera.name for camera in spec.cameras}), pos=place,
                                        quat=own, fovy=45.0, mode=mujoco.mjtCamLight.mjCAMLIGHT_TRACK)
    if not spec.lights:
        spec.worldbody.add_light(type=mujoco.mjtLightType.mjLIGHT_DIRECTIONAL, pos=[0, 0, 3], dir=[0.3, 0.5, -1])
    if not any(texture.type == mujoco.mjtTexture.mjTEXTURE_SKYBOX for texture in spec.textures):
        spec.add_texture(name=unused("sky", {texture.name for texture in spec.textures}), width=64, height=384,
                         type=mujoco.mjtTexture.mjTEXTURE_SKYBOX, builtin=mujoco.mjtBuiltin.mjBUILTIN_GRADIENT,
                         rgb1=[0.96, 0.97, 0.98], rgb2=[0.72, 0.79, 0.87])


def _stand(file: ModelFile, skeleton: Skeleton, qpos: Float) -> Float:
    """Put a robot with legs on a floor, and let its base go where a URDF has fixed it; return where it starts."""
    spec, model = file.spec, file.model
    floor = any(model.geom_type[k] == int(mujoco.mjtGeom.mjGEOM_PLANE) for k in range(model.ngeom))
    if not floor:
        spec.worldbody.add_geom(name=unused("floor", {geom.name for geom in spec.geoms}),
                                type=mujoco.mjtGeom.mjGEOM_PLANE, size=[0, 0, 0.1], rgba=[0.8, 0.82, 0.85, 1])
        file.guessed.append("floor: the file has none, so the robot gets one at height 0")
    if skeleton.base == "hanging":
        root = spec.body(skeleton.root)
        lowest = _lowest(model, skeleton, qpos)
        root.pos = np.array(root.pos) + [0.0, 0.0, CLEARANCE_M - lowest]
        root.add_freejoint(name=unused("base", {joint.name for joint in spec.joints}))
        file.guessed.append(f"base: {skeleton.root} is free, since the robot stands on its limbs; its start height "
                            "lets its lowest point touch the floor")
        return np.concatenate([root.pos, root.quat, qpos])
    if not floor and skeleton.base == "free":
        at = next(int(model.jnt_qposadr[k]) for k in range(model.njnt) if int(model.jnt_type[k]) == FREE
                  and int(model.body_rootid[model.jnt_bodyid[k]]) == model.body(skeleton.root).id)
        qpos[at + 2] += CLEARANCE_M - _lowest(model, skeleton, qpos)
    return qpos


def _lowest(model: mujoco.MjModel, skeleton: Skeleton, qpos: Float) -> float:
    """Return the height of the lowest point of the robot, in m."""
    data = mujoco.MjData(model)
    data.qpos[:] = qpos
    mujoco.mj_kinematics(model, data)
    return float(lowest(model, data, chain_down(model, model.body(skeleton.root).id))[1][2])


def write_model(file: ModelFile, path: Path) -> mujoco.MjModel:
    """Write a model and copy its meshes; return the model as MuJoCo reads it back."""
    spec = file.spec
    renamed: dict[str, str] = {}
    for name, source in file.assets.items():
        names = {Path(known).stem for known in renamed.values()}
        renamed[name] = f"{unused(Path(name).stem, names)}{Path(name).suffix}"
        target = path.parent / ASSETS / renamed[name]
        target.parent.mkdir(exist_ok=True)
        shutil.copyfile(source, target)
    for users in (spec.meshes, spec.hfields, spec.textures, spec.skins):
        for user in users:
            if user.file:
                if not user.name:
                    user.name = Path(user.file).stem
                user.file = renamed.get(user.file, user.file)
    spec.meshdir = spec.texturedir = ASSETS if renamed else ""
    spec.assets = {renamed[name]: source.read_bytes() for name, source in file.assets.items()}
    try:
        with heard():  # `read_model` has heard the same warnings
            spec.compile()
            path.write_text(_with_settings(spec.to_xml(), file.compiler), encoding="utf-8")
            return mujoco.MjModel.from_xml_path(str(path))
    except ValueError as error:
        raise Refused(f"model {file.path} with motors", "a model that MuJoCo compiles", " ".join(str(error).split()),
                      "report this file as an issue") from error


def _with_settings(text: str, compiler: Mapping[str, str]) -> str:
    """Return the text of a model with settings of the compiler that MuJoCo has not written."""
    begin, tag, rest = text.partition("<compiler")
    own, end, rest = rest.partition("/>")
    return begin + tag + own + "".join(f' {name}="{value}"' for name, value in compiler.items()
                                       if f" {name}=" not in own) + end + rest

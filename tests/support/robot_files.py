# Copyright 2026 The mat_ros Authors
# SPDX-License-Identifier: Apache-2.0
"""Model files of robots: small ones in this file, and those that installed packages ship."""

from __future__ import annotations

import importlib.util
import sys
from pathlib import Path
from typing import Any

ARM = """
<mujoco model="crane">
  <compiler angle="radian"/>
  <worldbody>
    <body name="column">
      <inertial pos="0 0 .2" mass="2" diaginertia=".02 .02 .02"/>
      <joint name="slew" axis="0 0 1" range="-2 2"/>
      <body name="boom" pos="0 0 .4">
        <joint name="luff" axis="0 1 0" range="-1.5 .5" damping=".1"/>
        <geom type="capsule" fromto="0 0 0 .5 0 0" size=".03"/>
        <body name="stick" pos=".5 0 0">
          <joint name="dip" axis="0 1 0" range="-1 1" damping=".1"/>
          <geom type="capsule" fromto="0 0 0 .3 0 0" size=".02"/>
        </body>
      </body>
    </body>
  </worldbody>
  {rest}
</mujoco>
"""
SERVOS = """
  <actuator>
    <position joint="slew" kp="40" kv="8" ctrlrange="-2 2" forcerange="-30 30"/>
    <motor joint="luff" gear="-25" ctrlrange="-1 1"/>
    <velocity joint="dip" kv="3" ctrlrange="-4 4"/>
  </actuator>
"""
URDF_ARM = """
<robot name="digger">
  <link name="base"/>
  <link name="column"><inertial><mass value="2"/>{ball}</inertial>
    <collision><geometry>{shape}</geometry></collision></link>
  <link name="boom"><inertial><origin xyz=".2 0 0"/><mass value="1"/>
    {ball}</inertial></link>
  <link name="wheel"><inertial><mass value=".5"/>{ball}</inertial>
    </link>
  <link name="tool"/>
  <joint name="slew" type="revolute"><parent link="base"/><child link="column"/><axis xyz="0 0 1"/>
    <limit lower="-2" upper="2" effort="30" velocity="1.5"/></joint>
  <joint name="luff" type="revolute"><parent link="column"/><child link="boom"/><origin xyz="0 0 .4"/>
    <axis xyz="0 1 0"/><limit lower="{lower}" upper="1" effort="20" velocity="0"/></joint>
  <joint name="spin" type="continuous"><parent link="boom"/><child link="wheel"/><origin xyz=".4 0 0"/>
    <axis xyz="1 0 0"/></joint>
  <joint name="flange" type="fixed"><parent link="wheel"/><child link="tool"/><origin xyz=".1 0 0"/></joint>
</robot>
"""
LEGGED_URDF = """
<robot name="walker"><link name="trunk"><inertial><mass value="4"/>{ball}</inertial></link>{legs}</robot>"""
LEG = """
<link name="{0}_leg"><inertial><origin xyz="0 0 -.2"/><mass value="1"/>{ball}</inertial></link>
<link name="{0}_foot"><inertial><mass value=".1"/>{ball}</inertial>
<collision><origin xyz="0 0 -.4"/><geometry><sphere radius=".03"/></geometry></collision></link>
<joint name="{0}_hip" type="revolute"><parent link="trunk"/><child link="{0}_leg"/><origin xyz="{1}"/>
<axis xyz="0 1 0"/><limit lower="-1" upper="1" effort="40" velocity="9"/></joint>
<joint name="{0}_knee" type="revolute"><parent link="{0}_leg"/><child link="{0}_foot"/><origin xyz="0 0 -.4"/>
<axis xyz="0 1 0"/><limit lower="{lower}" upper="{upper}" effort="40" velocity="9"/></joint>"""
BALL = '<inertia ixx=".02" iyy=".02" izz=".02" ixy="0" ixz="0" iyz="0"/>'
BOX = '<box size=".1 .1 .4"/>'
TETRAHEDRON = b"v 0 0 0\nv .1 0 0\nv 0 .1 0\nv 0 0 .1\nf 1 3 2\nf 1 2 4\nf 1 4 3\nf 2 3 4\n"  # a mesh in the format OBJ


def arm(folder: Path, rest: str = SERVOS, name: str = "crane.xml") -> Path:
    """Write an arm of three hinges and return its file."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / name).write_text(ARM.format(rest=rest), encoding="utf-8")
    return folder / name


def urdf_arm(folder: Path, shape: str = BOX, lower: str = "-1") -> Path:
    """Write an arm as a URDF, with a wheel at its end, and return its file."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "digger.urdf").write_text(URDF_ARM.format(shape=shape, lower=lower, ball=BALL), encoding="utf-8")
    return folder / "digger.urdf"


def urdf_walker(folder: Path, knee: tuple[float, float] = (-1.0, 1.0)) -> Path:
    """Write a robot with four legs of two hinges as a URDF, and return its file."""
    sides = {"front_left": ".2 .1 0", "front_right": ".2 -.1 0", "rear_left": "-.2 .1 0", "rear_right": "-.2 -.1 0"}
    legs = "".join(LEG.format(side, place, ball=BALL, lower=knee[0], upper=knee[1]) for side, place in sides.items())
    (folder / "walker.urdf").write_text(LEGGED_URDF.format(legs=legs, ball=BALL), encoding="utf-8")
    return folder / "walker.urdf"


def world_of(folder: Path, count: int = 1) -> Any:
    """Return the world of a new robot's folder, from a module of its own: several folders may have the same name."""
    file = next(folder.glob("*_world.py"))
    spec = importlib.util.spec_from_file_location(f"world_in_{folder.name}", file)
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    kind = next(kind for kind in vars(module).values() if isinstance(kind, type) and kind.__module__ == spec.name)
    return kind(count)


GYMNASIUM = {  # file -> kind
    "ant": "legs", "half_cheetah": "legs", "hopper": "legs", "humanoid": "legs", "humanoidstandup": "legs",
    "inverted_double_pendulum": "arm", "inverted_pendulum": "arm", "point": "arm", "pusher_v5": "arm", "reacher": "arm",
    "swimmer": "legs", "walker2d_v5": "legs"}
OTHERS = {  # package -> file -> kind
    "dm_control": {"suite/acrobot.xml": "arm", "suite/cartpole.xml": "arm", "suite/finger.xml": "arm",
                   "suite/fish.xml": "legs", "suite/humanoid_CMU.xml": "legs", "suite/manipulator.xml": "arm",
                   "suite/quadruped.xml": "legs", "suite/walker.xml": "legs"},
    "gymnasium_robotics": {"envs/assets/hand/reach.xml": "hand", "envs/assets/fetch/reach.xml": "arm",
                           "envs/assets/adroit_hand/adroit_relocate.xml": "arm",
                           "envs/assets/kitchen_franka/kitchen_assets/kitchen_env_model.xml": "arm"},
    "robopianist": {"models/hands/third_party/shadow_hand/right_hand.xml": "hand"},
}
DATA = {  # of the package example-robot-data
    "allegro_hand_description/urdf/allegro_right_hand.urdf": "hand", "panda_description/urdf/panda.urdf": "arm",
    "ur_description/urdf/ur5_robot.urdf": "arm", "solo_description/robots/solo12.urdf": "legs",
    "anymal_b_simple_description/robots/anymal.urdf": "legs", "so_arm_description/urdf/so100.urdf": "arm",
    "go2_description/urdf/go2.urdf": "legs", "xarm_description/urdf/xarm7.urdf": "arm"}


def gymnasium_robots() -> dict[str, Path]:
    """Return the model files of gymnasium, by name."""
    spec = importlib.util.find_spec("gymnasium")
    assert spec is not None and spec.origin is not None
    return {name: Path(spec.origin).parent / "envs/mujoco/assets" / f"{name}.xml" for name in GYMNASIUM}


def other_robots() -> dict[str, Path | None]:
    """Return the model files of packages that need not be installed; None where a package is not."""
    found: dict[str, Path | None] = {}
    for package, files in OTHERS.items():
        spec = importlib.util.find_spec(package)
        for file in files:
            at = None if spec is None or spec.origin is None else Path(spec.origin).parent / file
            found[f"{package}/{file}"] = at
    robots = (Path(entry) / "cmeel.prefix/share/example-robot-data/robots" for entry in sys.path)
    folder = next((robot for robot in robots if robot.is_dir()), None)
    return found | {f"example-robot-data/{file}": folder and folder / file for file in DATA}


KINDS = {f"{package}/{file}": kind for package, files in OTHERS.items() for file, kind in files.items()} | {
    f"example-robot-data/{file}": kind for file, kind in DATA.items()}

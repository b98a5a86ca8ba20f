# Copyright 2026 The mat_ros Authors
# SPDX-License-Identifier: Apache-2.0
"""Read a robot's model file, MJCF or URDF, with MuJoCo's own compiler. A mistake in the file is one sentence."""

from __future__ import annotations

import math
import warnings
import xml.etree.ElementTree as ElementTree
from collections.abc import Callable, Container, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import mujoco
import numpy as np

from mat_ros.core.errors import Refused
from mat_ros.newrobot.urdf import KEPT, LIGHT, Urdf, UrdfLimit, read_urdf

TURNS_RAD = 6.0 * math.pi  # a limit beyond three turns is more likely in degrees; some files write 10 for no limit
NO_LIMIT_RAD = 1000.0  # a limit beyond this stands for none
WHOLE_TURN_RAD = 2.0 * math.pi


@dataclass
class ModelFile:
    """Hold a model as MuJoCo has parsed it, and what its file states beside that."""

    path: Path
    format: str  # "MJCF" or "URDF"
    spec: mujoco.MjSpec  # the model to edit; every joint and body of it has a name
    model: mujoco.MjModel  # the model as the file has it
    angles: str  # how the file writes angles, and how that was found
    assets: dict[str, Path]  # mesh, texture or height field, as the spec names its file -> the file
    compiler: Mapping[str, str] = field(default_factory=dict)  # settings that MuJoCo does not save with a URDF
    limits: Mapping[str, UrdfLimit] = field(default_factory=dict)  # of a URDF, by joint
    guessed: list[str] = field(default_factory=list)  # what the file does not state, and what was taken instead
    warnings: list[str] = field(default_factory=list)  # what the file states and is probably a mistake


def read_model(path: Path) -> ModelFile:
    """Return the model of an MJCF or URDF file."""
    root = _root(path)
    if root.tag not in ("mujoco", "robot"):
        raise Refused(f"model {path}", "MJCF (<mujoco>) or URDF (<robot>)", f"<{root.tag}>",
                      "choose the robot's own file")
    with heard() as said:
        found = _read_mjcf(path, root) if root.tag == "mujoco" else _read_urdf(path, root)
    found.warnings += said
    _warn_of_angles(found, root)
    return found


@contextmanager
def heard() -> Iterator[list[str]]:
    """Collect what MuJoCo warns of, which it would otherwise write to a file in the current folder."""
    said: list[str] = []
    before = mujoco.get_mju_user_warning()
    mujoco.set_mju_user_warning(said.append)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # many files use attributes that MuJoCo has deprecated
            yield said
    finally:
        mujoco.set_mju_user_warning(before)


def _root(path: Path) -> ElementTree.Element:
    """Return the outermost element of an XML file."""
    try:
        return ElementTree.fromstring(path.read_bytes())
    except OSError as error:
        raise Refused(f"model {path}", "a readable file", error.strerror or error, "correct the path") from error
    except (ElementTree.ParseError, LookupError, ValueError) as error:  # LookupError: an encoding that does not exist
        raise Refused(f"model {path}", "XML", error, "correct the file") from error


def _read_mjcf(path: Path, root: ElementTree.Element) -> ModelFile:
    spec = _parsed(path, lambda: mujoco.MjSpec.from_file(str(path)))
    assets = dict(_assets(path, spec))
    names = _name_everything(spec)
    model = _compiled(path, spec)
    stated = any(compiler.get("angle") for compiler in root.iter("compiler"))
    unit = "degrees" if spec.compiler.degree else "radians"
    angles = f"{unit}, as the file states" if stated else f"{unit}, as MJCF has them where the file states nothing"
    return ModelFile(path, "MJCF", spec, model, angles, assets, guessed=names)


def _read_urdf(path: Path, root: ElementTree.Element) -> ModelFile:
    urdf = read_urdf(path, root)
    names = list(urdf.guessed)
    try:
        spec, model = _built(path, urdf)
    except Refused as error:
        if "mass" not in str(error) and "inertia" not in str(error):
            raise
        urdf.compiler.attrib.update(LIGHT)
        spec, model = _built(path, urdf)
        names.append(f"masses: the file states none for some moving links, which get {LIGHT['boundmass']} kg")
    return ModelFile(path, "URDF", spec, model, "radians, as every URDF", urdf.assets,
                     {name: value for name, value in urdf.compiler.attrib.items() if name in KEPT}, urdf.limits, names,
                     urdf.warnings)


def _built(path: Path, urdf: Urdf) -> tuple[mujoco.MjSpec, mujoco.MjModel]:
    """Return a URDF as MuJoCo parses and compiles it."""
    assets = {name: file.read_bytes() for name, file in urdf.assets.items()}
    spec = _parsed(path, lambda: mujoco.MjSpec.from_string(urdf.text(), assets=assets))
    _follow(spec, urdf)
    _name_everything(spec)
    return spec, _compiled(path, spec)


def _follow(spec: mujoco.MjSpec, urdf: Urdf) -> None:
    """Add the couplings of a URDF: a joint that mimics another one follows it."""
    known = {equality.name1 for equality in spec.equalities}  # newer versions of MuJoCo read couplings themselves
    joints = {joint.name for joint in spec.joints}
    for joint, mimic in urdf.mimics.items():
        if joint in joints - known and mimic.joint in joints:
            data = np.zeros(mujoco.mjNEQDATA)
            data[:2] = mimic.offset, mimic.multiplier
            spec.add_equality(type=mujoco.mjtEq.mjEQ_JOINT, objtype=mujoco.mjtObj.mjOBJ_JOINT, name1=joint,
                              name2=mimic.joint, data=data)


def _parsed(path: Path, parse: Callable[[], mujoco.MjSpec]) -> mujoco.MjSpec:
    try:
        return parse()
    except (ValueError, OSError) as error:
        raise _uncompiled(path, error) from error


def _compiled(path: Path, spec: mujoco.MjSpec) -> mujoco.MjModel:
    try:
        return spec.compile()
    except (ValueError, OSError) as error:
        raise _uncompiled(path, error) from error


def _uncompiled(path: Path, error: Exception) -> Refused:
    return Refused(f"model {path}", "a model that MuJoCo compiles", " ".join(str(error).split()), "correct the file")


def _assets(path: Path, spec: mujoco.MjSpec) -> Iterator[tuple[str, Path]]:
    """Yield the files that a model uses; refuse the first that is missing."""
    for kind, folder, users in (("mesh", spec.meshdir, spec.meshes), ("height field", spec.meshdir, spec.hfields),
                                ("skin", spec.meshdir, spec.skins), ("texture", spec.texturedir, spec.textures)):
        for user in users:
            for name in filter(None, [user.file, *(getattr(user, "cubefiles", None) or ())]):
                file = path.parent / (folder or "") / name
                if not file.is_file():
                    raise Refused(f"{kind} {name} of {path}", "a file", f"nothing at {file}",
                                  "put it there, or correct the folder in <compiler>")
                yield name, file


def _name_everything(spec: mujoco.MjSpec) -> list[str]:
    """Name the bodies and joints that have no name, and return what was named."""
    named = []
    bodies, joints = {body.name for body in spec.bodies}, {joint.name for joint in spec.joints}
    for k, body in enumerate(spec.bodies):
        if not body.name:
            body.name = unused(f"body_{k}", bodies)
            bodies.add(body.name)
    for joint in spec.joints:
        if not joint.name:
            joint.name = unused(f"{joint.parent.name}_joint", joints)
            joints.add(joint.name)
            named.append(f"name {joint.name}: the joint of body {joint.parent.name} has no name in the file")
    return named


def unused(name: str, taken: Container[str]) -> str:
    """Return a name, with a number behind it where the name is taken."""
    found, k = name, 2
    while found in taken:
        found, k = f"{name}_{k}", k + 1
    return found


def _warn_of_angles(found: ModelFile, root: ElementTree.Element) -> None:
    """Warn of limits that are probably written in the other unit of angles."""
    model = found.model
    hinges = [k for k in range(model.njnt) if model.jnt_type[k] == int(mujoco.mjtJoint.mjJNT_HINGE)
              and model.jnt_limited[k]]
    ranges = {model.joint(k).name: model.jnt_range[k] for k in hinges}
    for name, (lower, upper) in ranges.items():
        if TURNS_RAD < max(-lower, upper) < NO_LIMIT_RAD:
            found.warnings.append(f"joint {name}: its limits {lower:g} to {upper:g} rad are more than three turns; "
                                  "they are probably in degrees")
    largest = max((float(np.abs(limits).max()) for limits in ranges.values()), default=0.0)
    stated = any(compiler.get("angle") for compiler in root.iter("compiler"))
    in_degrees = found.format == "MJCF" and found.spec.compiler.degree and not stated
    if in_degrees and 0 < largest < math.radians(WHOLE_TURN_RAD):
        found.warnings.append(f"no limit of a hinge is beyond {math.degrees(largest):g} degrees; if the limits are "
                              'in radians, add <compiler angle="radian"/>')

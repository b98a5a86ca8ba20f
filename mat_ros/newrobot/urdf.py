# Copyright 2026 The mat_ros Authors
# SPDX-License-Identifier: Apache-2.0
"""Prepare a URDF for MuJoCo: find its meshes, and keep what MuJoCo does not read (speeds, couplings)."""

from __future__ import annotations

import math
import xml.etree.ElementTree as ElementTree
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from mat_ros.core.errors import Refused

MESHES = (".stl", ".obj", ".msh")  # formats of meshes that MuJoCo reads
BALL_M = 0.02  # radius of a link whose inertia is not stated
AXES = ("ixx", "iyy", "izz", "ixy", "ixz", "iyz")
# Fixed links stay bodies of their own, so that a tool's frame is not lost. Meshes get names of their own in `assets`.
COMPILER = {"fusestatic": "false", "strippath": "false", "discardvisual": "true", "meshdir": "",
            "balanceinertia": "true"}  # many files round inertias to what no body can have
KEPT = ("balanceinertia", "boundmass", "boundinertia")  # settings that the written model needs too
LIGHT = {"boundmass": "0.001", "boundinertia": "1e-6"}  # kg, kg*m^2 of a moving link for which a file states nothing


@dataclass(frozen=True)
class UrdfLimit:
    """The limits of one joint, as a URDF states them; NaN where it states none."""

    effort: float  # N*m or N
    velocity: float  # rad/s or m/s


@dataclass(frozen=True)
class Mimic:
    """The joint that another joint follows: multiplier * joint + offset."""

    joint: str
    multiplier: float
    offset: float


@dataclass
class Urdf:
    """Hold a URDF in the form that MuJoCo reads."""

    root: ElementTree.Element
    compiler: ElementTree.Element  # the settings of MuJoCo's compiler
    assets: dict[str, Path] = field(default_factory=dict)
    limits: dict[str, UrdfLimit] = field(default_factory=dict)
    mimics: dict[str, Mimic] = field(default_factory=dict)
    guessed: list[str] = field(default_factory=list)
    warnings: list[str] = field(default_factory=list)

    def text(self) -> str:
        """Return the XML."""
        return ElementTree.tostring(self.root, encoding="unicode")


def read_urdf(path: Path, root: ElementTree.Element) -> Urdf:
    """Return a URDF whose meshes are found and whose links are shapes that MuJoCo reads."""
    if any("xacro" in element.tag for element in root.iter()):
        raise Refused(f"model {path}", "URDF", "xacro, from which a URDF is made",
                      "run `xacro FILE > robot.urdf` first")
    extension = root.find("mujoco")
    if extension is None:
        extension = ElementTree.SubElement(root, "mujoco")
    compiler = extension.find("compiler")
    if compiler is None:
        compiler = ElementTree.SubElement(extension, "compiler")
    meshdir = compiler.get("meshdir", "")
    urdf = Urdf(root, compiler)
    compiler.attrib.update(COMPILER)
    if unread := sorted({mesh.get("filename", "") for mesh in root.iter("mesh") if not _is_mesh(mesh)}):
        urdf.guessed.append(f"meshes that MuJoCo does not read: {len(unread)}, such as {unread[0]}; other shapes stand "
                            "for them")
    for link in root.findall("link"):
        _choose_shapes(link)
        _mend_inertia(path, link, urdf)
        for mesh in link.iter("mesh"):
            name = mesh.get("filename", "")
            file = _find_mesh(path, name, meshdir)
            if file is None:
                raise Refused(f"mesh {name} of {path}", "a file", "nothing there",
                              f"put it below {path.parent}, or beside the file")
            known = next((key for key, value in urdf.assets.items() if value == file), None)
            key = known or f"{len(urdf.assets)}_{file.name}"
            urdf.assets[key] = file
            mesh.set("filename", key)
    for joint in root.findall("joint"):
        _read_joint(path, joint, urdf)
    return urdf


def _mend_inertia(path: Path, link: ElementTree.Element, urdf: Urdf) -> None:
    """Replace an inertia that no body can have by that of a small ball of the link's mass."""
    inertia, mass = link.find("inertial/inertia"), link.find("inertial/mass")
    if inertia is None or mass is None:
        return
    name = link.get("name", "")
    xx, yy, zz, xy, xz, yz = (_number(path, name, inertia, axes, 0.0) for axes in AXES)
    whole = np.array([[xx, xy, xz], [xy, yy, yz], [xz, yz, zz]])
    if np.isfinite(whole).all() and np.linalg.eigvalsh(whole)[0] > 0.0:
        return
    small = 0.4 * abs(_number(path, name, mass, "value", 0.0)) * BALL_M ** 2
    inertia.attrib.update({axes: repr(small) if axes[1] == axes[2] else "0" for axes in AXES})
    urdf.guessed.append(f"inertia of {name}: that of the file is none; the link counts as a ball of {BALL_M:g} m")


def _choose_shapes(link: ElementTree.Element) -> None:
    """Keep the collision shapes of a link that MuJoCo reads; where there are none, use its visual shapes."""
    shapes = {kind: [shape for shape in link.findall(kind) if _is_readable(shape)] for kind in ("collision", "visual")}
    kept = shapes["collision"] or shapes["visual"]
    for kind in shapes:
        for shape in link.findall(kind):
            if shape not in kept:
                link.remove(shape)
    for shape in kept:
        shape.tag = "collision"


def _is_readable(shape: ElementTree.Element) -> bool:
    return all(_is_mesh(mesh) for mesh in shape.iter("mesh"))


def _is_mesh(mesh: ElementTree.Element) -> bool:
    return Path(mesh.get("filename", "")).suffix.lower() in MESHES


def _find_mesh(path: Path, name: str, meshdir: str) -> Path | None:
    """Return the file of a mesh: as it is named, or in a folder above the URDF, as `package://` means it."""
    return next((place for place in _places(path, name, meshdir) if place.is_file()), None)


def _places(path: Path, name: str, meshdir: str) -> Iterator[Path]:
    scheme, _, rest = name.rpartition("://")
    inside = rest.partition("/")[2] if scheme == "package" else rest
    if scheme in ("", "file"):
        yield path.parent / rest
    yield path.parent / meshdir / Path(rest).name
    for folder in path.resolve().parents:
        yield folder / rest
        yield folder / inside


def _read_joint(path: Path, joint: ElementTree.Element, urdf: Urdf) -> None:
    name = joint.get("name", "")
    limit, mimic = joint.find("limit"), joint.find("mimic")
    if limit is not None:
        effort, velocity = (_number(path, name, limit, field) for field in ("effort", "velocity"))
        urdf.limits[name] = UrdfLimit(effort if effort > 0 else math.nan, velocity if velocity > 0 else math.nan)
        for field_name, value in (("effort", effort), ("velocity", velocity)):
            if value == 0:
                urdf.warnings.append(f"joint {name}: its {field_name} is 0 in the file, which counts as not stated")
    if mimic is not None:
        urdf.mimics[name] = Mimic(mimic.get("joint", ""), _number(path, name, mimic, "multiplier", 1.0),
                                  _number(path, name, mimic, "offset", 0.0))


def _number(path: Path, owner: str, element: ElementTree.Element, name: str, default: float = math.nan) -> float:
    text = element.get(name)
    try:
        return default if text is None else float(text)
    except ValueError as error:
        raise Refused(f"model {path}, {owner}, {name}", "a number", text, "correct the file") from error

# Copyright 2026 The mat_ros Authors
# SPDX-License-Identifier: Apache-2.0
"""Draw the hands with the meshes of the installed package gymnasium-robotics, without any change of the dynamics."""

from __future__ import annotations

import importlib.util
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import mujoco
import numpy as np

from mat_ros.core.errors import Missing
from mat_ros.worlds.hand import FINGERS, HIDDEN_GROUP, Vector

MILLIMETRES = (0.001, 0.001, 0.001)
SKIN_GROUP = 2
COLOUR = (0.90, 0.90, 0.91, 1.0)


@dataclass(frozen=True)
class Patch:
    """Describe a mesh on a link."""

    link: str
    file: str
    position: Vector = (0.0, 0.0, 0.0)
    turn: float = 0.0  # rad, about z
    scale: Vector = MILLIMETRES


PATCHES: tuple[Patch, ...] = (
    Patch("forearm", "forearm_electric", (0.0, 0.01, 0.04), 1.57, (1.0, 1.0, 1.0)),
    Patch("wrist", "wrist"),
    Patch("palm", "palm"),
    Patch("lfmetacarpal", "lfmetacarpal", (-0.016, 0.0, -0.023)),
    *(Patch(f"{finger}{link}", file) for finger in FINGERS[:4]
      for link, file in (("knuckle", "knuckle"), ("proximal", "F3"), ("middle", "F2"), ("distal", "F1"))),
    Patch("thproximal", "TH3_z"),
    Patch("thmiddle", "TH2_z"),
    Patch("thdistal", "TH1_z"),
)


def mesh_folder() -> Path | None:
    """Return the folder of the hand's meshes, or None where gymnasium-robotics is not installed."""
    package = importlib.util.find_spec("gymnasium_robotics")  # not imported: an import is slow and needs more
    if package is None or package.origin is None:
        return None
    folder = Path(package.origin).parent / "envs" / "assets" / "stls" / "hand"
    return folder if folder.is_dir() else None


def dress(spec: mujoco.MjSpec, hands: Sequence[str]) -> None:
    """Add the meshes to the hands of a scene, and hide the geoms that the meshes cover."""
    folder = mesh_folder()
    if folder is None:
        raise Missing("gymnasium-robotics, whose meshes are the skin,",
                      "run `pip install gymnasium-robotics`, or draw the hands without the skin")
    for file, scale in sorted({(patch.file, patch.scale) for patch in PATCHES}):
        spec.add_mesh(name=file, file=str(folder / f"{file}.stl"), scale=scale)
    for prefix in hands:
        for geom in spec.geoms:
            if geom.parent.name.startswith(f"{prefix}:"):
                geom.group = HIDDEN_GROUP
        for patch in PATCHES:
            tip = patch.link.endswith("distal")
            spec.body(f"{prefix}:{patch.link}").add_geom(
                type=mujoco.mjtGeom.mjGEOM_MESH, meshname=patch.file, pos=patch.position,
                quat=(float(np.cos(patch.turn / 2)), 0.0, 0.0, float(np.sin(patch.turn / 2))),
                contype=0, conaffinity=0, mass=0.0, group=SKIN_GROUP,
                rgba=spec.geom(f"{prefix}:C_{patch.link}").rgba if tip else COLOUR)

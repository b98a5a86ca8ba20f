# Copyright 2026 The mat_ros Authors
# SPDX-License-Identifier: Apache-2.0
"""Find the kind of a robot from its bodies: an arm, legs or a hand; and its limbs, its base and its tip."""

from __future__ import annotations

import itertools
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

import mujoco
import numpy as np
from numpy.typing import NDArray

from mat_ros.newrobot.model_file import unused

Float = NDArray[np.float64]
ARM_LENGTH = 3  # joints in a row from a fixed base that make an arm, whatever hangs at its end
HANGING = 0.6  # share of its length by which the end of a limb is below the base of a robot that stands on it
TIP_NAMES = re.compile(r"tip|tool|tcp|grip|pinch|attach|effector|ee(_|$)|hand|palm", re.IGNORECASE)
HINGE, SLIDE, FREE = (int(kind) for kind in (mujoco.mjtJoint.mjJNT_HINGE, mujoco.mjtJoint.mjJNT_SLIDE,
                                             mujoco.mjtJoint.mjJNT_FREE))


@dataclass(frozen=True)
class Limb:
    """A row of joints without a branch, from the base outwards."""

    name: str
    joints: tuple[str, ...]


@dataclass(frozen=True)
class Tip:
    """The point of an arm that reaches for something."""

    body: str
    position: tuple[float, float, float]  # m, in the body's frame


@dataclass(frozen=True)
class Skeleton:
    """Describe how the driven joints of a robot hang together."""

    kind: str  # "arm", "legs" or "hand"
    base: str  # "fixed", "free" (a free joint), "planar" (slides without motors), "hanging" (fixed, and should be free)
    root: str  # the body that carries all limbs
    limbs: tuple[Limb, ...]
    tip: Tip | None  # of an arm


def skeleton_of(model: mujoco.MjModel, driven: Mapping[str, Sequence[str]], may_hang: bool) -> Skeleton:
    """Return the skeleton of a robot; `driven` names the joints behind each command.

    `may_hang` allows a base that the file fixes to count as free, where the robot stands on its limbs: a URDF has no
    word for a robot that stands freely.
    """
    data = mujoco.MjData(model)
    mujoco.mj_kinematics(model, data)
    joints = [name for names in driven.values() for name in names]
    body = {command: int(model.joint(names[0]).bodyid[0]) for command, names in driven.items()}
    root = _root(model, body.values())
    segments = list(_segments(model, body))
    base = _base(model, body, joints, root)
    if base == "fixed" and may_hang and len(segments) > 1 and _hanging(model, data, segments, body, root) > 1:
        base = "hanging"
    first = segments[0]
    trunk = [segment for segment in segments if segment[0] in _tops(model, body)]
    if base != "fixed":
        kind = "legs"
    elif len(segments) == 1 or (len(trunk) == 1 and len(first) >= ARM_LENGTH):
        kind = "arm"
    else:
        kind = "hand"
    tip = _tip(model, data, body[_wrist(model, first, driven)], set(body.values())) if kind == "arm" else None
    return Skeleton(kind, base, model.body(root).name, _named(model, segments, body), tip)


def chain_down(model: mujoco.MjModel, body: int) -> Iterator[int]:
    """Yield a body and all bodies below it."""
    for below in range(body, model.nbody):  # the bodies of a tree follow one another
        at = below
        while at > body:
            at = int(model.body_parentid[at])
        if at == body:
            yield below


def reach_of(model: mujoco.MjModel, data: mujoco.MjData, body: int) -> float:
    """Return the distance from a body's origin to the end of all that hangs on it, in m."""
    far = [float(np.linalg.norm(data.xpos[below] - data.xpos[body])) for below in chain_down(model, body)]
    far += [float(np.linalg.norm(data.xpos[model.geom_bodyid[k]] - data.xpos[body]) + _size(model, k))
            for k in range(model.ngeom) if int(model.geom_bodyid[k]) in set(chain_down(model, body))]
    return max(far)


def lowest(model: mujoco.MjModel, data: mujoco.MjData, bodies: Iterable[int]) -> tuple[int, Float]:
    """Return the lowest point of bodies and their shapes, in m, and its body."""
    chosen = list(bodies)
    points = [(body, np.array(data.xpos[body])) for body in chosen]
    for k in range(model.ngeom):
        if int(model.geom_bodyid[k]) in chosen:
            up = data.geom_xmat[k].reshape(3, 3)[2]
            drop = np.abs(up) @ model.geom_aabb[k, 3:] - up @ model.geom_aabb[k, :3]
            points.append((int(model.geom_bodyid[k]), data.geom_xpos[k] - [0.0, 0.0, drop]))
    return min(points, key=lambda found: float(found[1][2]))


def _size(model: mujoco.MjModel, geom: int) -> float:
    return float(np.linalg.norm(model.geom_pos[geom]) + model.geom_rbound[geom])


def _root(model: mujoco.MjModel, bodies: Iterable[int]) -> int:
    """Return the body below the world that carries most of the driven bodies."""
    roots = [int(model.body_rootid[body]) for body in bodies]
    return max(dict.fromkeys(roots), key=roots.count)


def _carrier(model: mujoco.MjModel, body: int, driven: set[int]) -> int:
    """Return the next driven body towards the world; 0 where there is none."""
    above = int(model.body_parentid[body])
    while above and above not in driven:
        above = int(model.body_parentid[above])
    return above


def _tops(model: mujoco.MjModel, body: Mapping[str, int]) -> list[str]:
    driven = set(body.values())
    return [joint for joint, of in body.items() if not _carrier(model, of, driven)]


def _segments(model: mujoco.MjModel, body: Mapping[str, int]) -> Iterator[list[str]]:
    """Yield rows of joints without a branch, each after the row that carries it."""
    driven = set(body.values())
    on = {of: sorted((joint for joint in body if body[joint] == of), key=lambda joint: _order(model, joint, body))
          for of in sorted(driven)}
    below: dict[int, list[int]] = {}
    for of in sorted(driven):
        below.setdefault(_carrier(model, of, driven), []).append(of)
    starts = list(below.get(0, ()))
    while starts:
        at = starts.pop(0)
        row = list(on[at])
        while len(below.get(at, ())) == 1:
            at = below[at][0]
            row += on[at]
        yield row
        starts = below.get(at, []) + starts


def _order(model: mujoco.MjModel, command: str, body: Mapping[str, int]) -> int:
    """Return the place of a command's joint among the joints of its body; a tendon comes first."""
    found = mujoco.mj_name2id(model, mujoco.mjtObj.mjOBJ_JOINT, command)
    return found if found >= 0 and int(model.jnt_bodyid[found]) == body[command] else -1


def _base(model: mujoco.MjModel, body: Mapping[str, int], driven: Sequence[str], root: int) -> str:
    """Return how the root moves: the joints without motors between the world and the first motor tell it."""
    found: set[int] = set()
    for of in body.values():
        path = [at for at in [of, *_path(model, of, 0)] if int(model.body_rootid[of]) == root]
        for at in reversed(path):
            kinds = {model.joint(k).name: int(model.jnt_type[k])
                     for k in range(model.body_jntadr[at], model.body_jntadr[at] + model.body_jntnum[at])}
            if any(name in driven for name in kinds):
                break
            if kinds and at != root:
                return "fixed"  # joints without motors further out make no base that moves
            found |= set(kinds.values())
    return "free" if FREE in found else "planar" if SLIDE in found else "fixed"


def _hanging(model: mujoco.MjModel, data: mujoco.MjData, segments: Sequence[Sequence[str]], body: Mapping[str, int],
             root: int) -> int:
    """Return the number of limbs whose ends are below the base by most of their lengths."""
    count = 0
    for segment in segments:
        drop = float(data.xpos[root, 2] - lowest(model, data, chain_down(model, body[segment[0]]))[1][2])
        count += drop > HANGING * reach_of(model, data, body[segment[0]]) > 0
    return count


def _wrist(model: mujoco.MjModel, row: Sequence[str], driven: Mapping[str, Sequence[str]]) -> str:
    """Return the last joint of an arm; slides behind its hinges are those of a gripper."""
    slides = [int(model.joint(driven[name][0]).type[0]) == SLIDE for name in row]
    count = len(row)
    while slides[count - 1] and not all(slides[:count]):
        count -= 1
    return row[count - 1]


def _tip(model: mujoco.MjModel, data: mujoco.MjData, last: int, driven: set[int]) -> Tip:
    """Return the end of an arm: a site or a fixed body that looks like one, else the far end of the last link."""
    mine = [body for body in chain_down(model, last)
            if body == last or not driven & set(_path(model, body, last))]
    for k in range(model.nsite):
        if int(model.site_bodyid[k]) in mine and TIP_NAMES.search(model.site(k).name):
            return Tip(model.body(int(model.site_bodyid[k])).name, _vector(model.site_pos[k]))
    far = {body: float(np.linalg.norm(data.xpos[body] - data.xpos[last])) for body in mine}
    end = max(far, key=far.__getitem__)
    if end != last and far[end] > 1e-6:
        return Tip(model.body(end).name, (0.0, 0.0, 0.0))
    anchor = model.jnt_pos[model.body_jntadr[last]]
    return Tip(model.body(last).name, _vector(2.0 * model.body_ipos[last] - anchor))


def _path(model: mujoco.MjModel, body: int, top: int) -> Iterator[int]:
    """Yield the bodies from a body upwards, without `top`."""
    while body != top:
        yield body
        body = int(model.body_parentid[body])


def _vector(values: NDArray[np.float64]) -> tuple[float, float, float]:
    x, y, z = (float(value) for value in values)
    return x, y, z


def _beginning(names: Sequence[str]) -> str:
    """Return the characters with which all names begin."""
    same = itertools.takewhile(lambda letters: len(set(letters)) == 1, zip(*names, strict=False))
    return "".join(letters[0] for letters in same)


def _named(model: mujoco.MjModel, segments: Sequence[Sequence[str]], body: Mapping[str, int]) -> tuple[Limb, ...]:
    """Name each row: by what the names of its joints begin with, else by its first body."""
    begin = [re.sub(r"[\W_\d]+$", "", _beginning(segment)) if len(segment) > 1 else segment[0] for segment in segments]
    limbs: list[Limb] = []
    for k, segment in enumerate(segments):
        good = len(begin[k]) > 1 and begin.count(begin[k]) == 1
        name = begin[k] if good else model.body(body[segment[0]]).name
        limbs.append(Limb(unused(name, {limb.name for limb in limbs}), tuple(segment)))
    return tuple(limbs)

# Copyright 2026 The mat_ros Authors
# SPDX-License-Identifier: Apache-2.0
"""Write the folder of a new robot: its files fit each other, and train, check, launch, break and record at once."""

from __future__ import annotations

import keyword
import math
import re
import shutil
import tempfile
import zlib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from string import Template

import mujoco

from mat_ros.core.errors import Refused
from mat_ros.core.robot.description import RobotDescription
from mat_ros.core.robot.observe import Term
from mat_ros.newrobot.actuators import commanded
from mat_ros.newrobot.model_file import ModelFile, read_model
from mat_ros.newrobot.motors import described, settle_motors
from mat_ros.newrobot.robot_file import robot_text
from mat_ros.newrobot.scene import furnish, write_model
from mat_ros.newrobot.skeleton import Skeleton, reach_of, skeleton_of
from mat_ros.newrobot.stance import rest_pose
from mat_ros.worlds.model import sources_of

TEMPLATES = Path(__file__).parent / "templates"
TASKS = {"arm": ("reach.py", "Reach"), "legs": ("go.py", "Go"), "hand": ("hold.py", "Hold")}  # kind -> template, class
_QUICK = {"steps": "400000", "ticks": "32", "epochs": "6", "minibatches": "4", "rate": "1.0e-3", "gamma": "0.9",
          "envs": "64", "width": "32", "horizon": "100"}
_LONG = {"steps": "1000000", "ticks": "256", "epochs": "5", "minibatches": "8", "rate": "5.0e-4", "gamma": "0.99",
         "envs": "32", "width": "64", "horizon": "500"}
TRAINING = {"arm": _QUICK, "legs": _LONG, "hand": _QUICK}  # kind -> settings of a first training
SPLITS = ("joint", "limb")
SHORT = 50  # characters before the names of a tuple that fits on one line, and a margin
WIDTH = 118  # characters of a line of names in a written file
GRAVITY = 9.81  # m/s^2
FIRST_PORT, PORTS = 47200, 2000  # the stand-in of a robot listens on one of these ports, which its name chooses


@dataclass(frozen=True)
class NewRobot:
    """What was written, and what was guessed on the way."""

    folder: Path
    robot: Path  # the robot file
    world: str  # module:Class
    task: str  # module:Class, with its split
    joints: tuple[str, ...]
    kind: str  # "arm", "legs" or "hand"
    format: str  # "MJCF" or "URDF"
    angles: str
    guessed: tuple[str, ...]
    warnings: tuple[str, ...]


def new_robot(path: Path, name: str = "", split: str = "joint", into: Path | None = None) -> NewRobot:
    """Read a model file and write the folder of its robot; `into` has to be new or empty."""
    if split not in SPLITS:
        raise Refused("split", f"one of {SPLITS}", split, "choose one of them")
    name = _name(name, path)
    folder = into or Path(name)
    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        raise Refused(f"folder {folder}", "a new or an empty one", "files in it", "choose another, or remove them")
    file = read_model(path)
    joints = commanded(file)
    skeleton = skeleton_of(file.model, joints, may_hang=file.format == "URDF")
    folder.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=folder.parent, prefix=f".{name}-") as work:
        written = _write(Path(work), folder, name, split, file, skeleton)
        folder.mkdir(exist_ok=True)
        for part in Path(work).iterdir():
            shutil.move(part, folder / part.name)
    return written


def _name(given: str, path: Path) -> str:
    """Return a name that is a Python module's; a given name is refused where it is none."""
    if given:
        if not re.fullmatch(r"[a-z_][a-z0-9_]*", given) or keyword.iskeyword(given):
            raise Refused("name", "small letters, digits and _, as in left_arm", repr(given), "choose such a name")
        return given
    found = re.sub(r"[^a-z0-9]+", "_", path.stem.lower()).strip("_") or "robot"
    return f"robot_{found}" if found[0].isdigit() or keyword.iskeyword(found) else found


def _write(work: Path, folder: Path, name: str, split: str, file: ModelFile, skeleton: Skeleton) -> NewRobot:
    motors = settle_motors(file, standing=skeleton.base != "fixed")
    rests = rest_pose(file, skeleton, motors)
    furnish(file, skeleton, len(motors), rests, name)
    model = write_model(file, work / f"{name}.xml")
    world = f"{name}_world:{_class(name)}"
    text = robot_text(name, file, world, motors, skeleton.limbs, rests, skeleton.kind == "legs")
    (work / f"{name}.yaml").write_text(text, encoding="utf-8")
    robot = RobotDescription.load(work / f"{name}.yaml")
    terms = [source.term for source in sources_of(model, tuple(joint.name for joint in robot.joints))]
    template, task = TASKS[skeleton.kind]
    words = {
        "name": name, "world": _class(name), "adapter": f"{_class(name)}Bus", "ros": f"{_class(name)}Ros",
        "task": task, "split": split, "env": name.upper(), "port": str(FIRST_PORT + zlib.crc32(name.encode()) % PORTS),
        "joints": _tuple([joint.name for joint in robot.joints], ""), "period": repr(robot.period_ns * 1e-9),
        "terms": "\n".join(_term(term, [joint.name for joint in robot.joints]) for term in terms),
        "source": file.path.name, "kind": skeleton.kind, "count": str(len(robot.joints)),
        **_sizes(model, skeleton), **TRAINING[skeleton.kind],
    }
    for source, target in {"world.py": f"{name}_world.py", template: f"{name}_task.py", "bus.py": f"{name}_bus.py",
                           "ros.py": f"{name}_ros.py", "test.py": f"test_{name}.py", "train.yaml": "train.yaml",
                           "readme.md": "README.md"}.items():
        filled = Template((TEMPLATES / f"{source}.in").read_text(encoding="utf-8")).substitute(words)
        (work / target).write_text(_aligned(filled) if target == "README.md" else filled, encoding="utf-8")
    guessed = (f"kind: {_why(skeleton)}", *file.guessed, *described(motors),
               f"rate_hz: {1e9 / robot.period_ns:g}, which no model file states")
    return NewRobot(folder, folder / f"{name}.yaml", world, f"{name}_task:{task}_{split}",
                    tuple(joint.name for joint in robot.joints), skeleton.kind, file.format, file.angles, guessed,
                    tuple(file.warnings))


def _sizes(model: mujoco.MjModel, skeleton: Skeleton) -> dict[str, str]:
    """Return the reach of an arm in m, and the speed of legs in m/s at which half their weight is off the ground."""
    data = mujoco.MjData(model)
    mujoco.mj_resetDataKeyframe(model, data, 0)
    mujoco.mj_kinematics(model, data)
    root = model.body(skeleton.root).id
    height = max(float(data.xpos[root, 2]), 0.1)
    return {"size": f"{reach_of(model, data, root):.2g}", "speed": f"{math.sqrt(0.25 * GRAVITY * height):.2g}"}


def _aligned(text: str) -> str:
    """Return text with the comments behind its commands in one column."""
    lines = [line.partition("  # ") for line in text.splitlines()]
    width = max(len(command.rstrip()) for command, comment, _ in lines if comment)
    return "".join(f"{command.rstrip():<{width}}  # {words}\n" if comment else f"{command}\n"
                   for command, comment, words in lines)


def _why(skeleton: Skeleton) -> str:
    base = {"fixed": "the base is fixed", "free": "the base is free", "planar": "the base moves in a plane",
            "hanging": "the limbs hang below the base"}[skeleton.base]
    limbs = f"{len(skeleton.limbs)} limb{'s' if len(skeleton.limbs) > 1 else ''}"
    return f"{skeleton.kind}, since {base} and there {'are' if len(skeleton.limbs) > 1 else 'is'} {limbs}"


def _class(name: str) -> str:
    """Return the name of a class: left_arm -> LeftArm."""
    return "".join(part.capitalize() for part in name.split("_")) or "Robot"


def _term(term: Term, joints: Sequence[str]) -> str:
    """Return a term as Python."""
    elements = "JOINTS" if list(term.elements) == list(joints) else _tuple(term.elements, "     ")
    return f'    Term({_text(term.name)}, {_text(term.unit)}, {elements}),'


def _tuple(names: Sequence[str], indent: str) -> str:
    """Return names as a tuple in Python, over several lines where they are many."""
    words = [_text(name) for name in names]
    if sum(len(word) + 2 for word in words) < WIDTH - SHORT:
        return f"({', '.join(words)}{',' if len(words) == 1 else ''})"
    lines, line = [], f"{indent}    "
    for word in words:
        if len(line) + len(word) + 2 > WIDTH:
            lines.append(line.rstrip())
            line = f"{indent}    "
        line += f"{word}, "
    return "\n".join(["(", *lines, line.rstrip(), f"{indent})"])


def _text(name: str) -> str:
    """Return a name as a string in Python, with double quotes."""
    return '"' + name.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n") + '"'


# Copyright 2026 The mat_ros Authors
# SPDX-License-Identifier: Apache-2.0
"""Write the robot file of a model: a row for each joint, with a comment on each value that was guessed."""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Mapping, Sequence

import yaml

from mat_ros.newrobot.model_file import ModelFile, unused
from mat_ros.newrobot.motors import Motor, readable
from mat_ros.newrobot.skeleton import Limb

CONTROL_S = 0.02  # control period that is guessed, rounded to whole physics steps
STRIDE_RAD = 0.6  # largest distance from its start pose that an action asks of a leg's servo
HALF_TURN_RAD = math.pi  # and of any other servo; some files write limits of several turns where there are none
NARROW = 0.1  # share of its range within which a default pose counts as being at a limit
SHARED = ("quantity", "unit", "fallback")  # fields that stand in joint_defaults where all joints have them alike


def substeps(timestep: float) -> int:
    """Return the physics steps of a control period."""
    return max(1, round(CONTROL_S / timestep))


def joint_values(motor: Motor, rest: float, legs: bool = False) -> dict[str, float | str]:
    """Return the fields of a joint, in the order of a robot file; `rest` is its place at the start."""
    lower, upper = motor.lower, motor.upper
    at_rest = rest if motor.quantity == "position" else 0.0
    default = min(max(at_rest, lower), upper)
    middle, half = (lower + upper) / 2, (upper - lower) / 2
    near = min(default - lower, upper - default)
    # Action 0 of a leg is its stance, unless this lies at a limit. The actions of other joints cover their range.
    stance = legs and near > NARROW * (upper - lower)
    offset, scale = (default, near) if stance else (middle, half)
    if motor.quantity == "position" and motor.unit == "rad":
        scale = min(scale, STRIDE_RAD if stance else HALF_TURN_RAD)
    fallback = "hold" if motor.quantity == "position" else "zero" if lower <= 0.0 <= upper else "default"
    values: dict[str, float | str] = {
        "quantity": motor.quantity, "unit": motor.unit, "lower": lower, "upper": upper, "rate": motor.rate,
        "effort": motor.effort, "scale": scale, "offset": offset, "default": default, "fallback": fallback}
    values |= {"stiffness": motor.stiffness} if motor.stiffness else {}
    return {field: value if isinstance(value, str) else readable(value) for field, value in values.items()}


def robot_text(name: str, file: ModelFile, world: str, motors: Sequence[Motor], limbs: Sequence[Limb],
               rests: Mapping[str, float], legs: bool) -> str:
    """Return the text of the robot file."""
    timestep = file.model.opt.timestep
    rows = {motor.name: joint_values(motor, rests.get(motor.name, 0.0), legs) for motor in motors}
    shared = {field: next(iter(rows.values()))[field] for field in SHARED
              if len({row[field] for row in rows.values()}) == 1}
    lines = [f"# {name}: {len(motors)} joints, read from {file.path.name} ({file.format}; angles in {file.angles}).",
             "# A comment `guess` marks values that the file does not state. Replace them by those of the data sheet.",
             f"name: {name}", f"world: {world}",
             f"rate_hz: {1.0 / (substeps(timestep) * timestep)!r}  # guess: {substeps(timestep)} physics steps",
             "guard: {silence_ticks: 10}  # periods; a computer without real-time priority is late now and then",
             f"joint_defaults: {_flow(shared)}", "joints:"]
    for motor in motors:
        row = {field: value for field, value in rows[motor.name].items() if field not in shared}
        guesses = [field.strip() for fields in motor.guessed for field in fields.split(",")]
        if math.isinf(motor.effort):
            guesses.append("effort")
        comment = f"  # guess: {', '.join(guesses)}" if guesses else ""
        lines.append(f"  {_word(motor.name)}: {_flow(row)}{comment}")
    splits = {"joint": _agents((motor.name, (motor.name,)) for motor in motors),
              "limb": _agents((limb.name, limb.joints) for limb in limbs)}
    if list(splits["joint"]) == [motor.name for motor in motors]:
        del splits["joint"]  # every robot has this split
    lines.append("splits:")
    for split, agents in splits.items():
        lines += [f"  {split}:", *(f"    {_word(agent)}: {_flow(list(joints))}" for agent, joints in agents.items())]
    lines += ["hardware:", "  ros2_control:  # the joints of the robot's controllers: rename, turn or shift them here",
              "    joints:", *(f"      {_word(motor.name)}: {_flow({'of': motor.name})}" for motor in motors)]
    return "\n".join([*lines, ""])


def _agents(rows: Iterable[tuple[str, Sequence[str]]]) -> dict[str, Sequence[str]]:
    """Return agents whose names still differ where only the characters of node names are left."""
    agents: dict[str, Sequence[str]] = {}
    nodes: set[str] = set()
    for name, joints in rows:
        node = unused(node_name(name), nodes)
        nodes.add(node)
        agents[name if node == node_name(name) and name.isascii() else node] = joints
    return agents


def node_name(agent: str) -> str:
    """Return an agent's name as its node has it: lower case, and only characters that ROS allows."""
    return re.sub(r"[^a-z0-9]", "_", agent.lower())


def _flow(value: object) -> str:
    """Return a value as YAML on one line."""
    return yaml.safe_dump(value, default_flow_style=True, sort_keys=False, width=1 << 20, allow_unicode=True).strip()


def _word(name: str) -> str:
    """Return a name as YAML, with quotes where YAML needs them."""
    return yaml.safe_dump([name], default_flow_style=True, width=1 << 20, allow_unicode=True).strip()[1:-1]

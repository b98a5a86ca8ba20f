# Copyright 2026 The mat_ros Authors
# SPDX-License-Identifier: Apache-2.0
"""Find the topic that gives each term of a policy, and refuse a term that no topic gives, with the argument to add.

A source named `cup` gives the terms below, with the elements x, y, z (and w), in any order and also as `cup.x`:

    kind      terms, in the frame of the message's header unless stated otherwise
    pose      cup_position (m), cup_orientation (1), and cup itself, which is its position
    goal      as a pose
    odometry  root_position, root_height (z), root_orientation, root_velocity (m/s), root_rate (rad/s)
    imu       root_orientation, root_rate (rad/s), root_acceleration (m/s^2)
    twist     command_velocity (m/s), command_rate (rad/s), in the frame of the robot's base
    joy       as a twist; or it moves a goal of the same name

The base's velocity is in the frame of the odometry's header. Its rate and acceleration are in the frame of the base.
Where both measure them, the orientation comes from the odometry and the rate from the IMU, as in the simulated robots.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from mat_ros.core.errors import Refused
from mat_ros.core.robot.observe import Term
from mat_ros.core.robot.topics import TopicSource

JOINT_TERMS = ("joint_position", "joint_velocity", "joint_effort", "last_command")
AXES = "xyzw"
# Rows: kind of a source -> end of a term's name -> quantity in a message, unit, number of axes.
OFFERS: Mapping[str, Mapping[str, tuple[str, str, int]]] = {
    "pose": {"": ("position", "m", 3), "_position": ("position", "m", 3), "_orientation": ("orientation", "1", 4)},
    "odometry": {"_position": ("position", "m", 3), "_height": ("position", "m", 3),
                 "_orientation": ("orientation", "1", 4), "_velocity": ("velocity", "m/s", 3),
                 "_rate": ("rate", "rad/s", 3)},
    "imu": {"_orientation": ("orientation", "1", 4), "_rate": ("rate", "rad/s", 3),
            "_acceleration": ("acceleration", "m/s^2", 3)},
    "twist": {"_velocity": ("velocity", "m/s", 3), "_rate": ("rate", "rad/s", 3)},
}
LIKE = {"goal": "pose", "joy": "twist"}  # kinds that give the same terms as another kind
FIRST = {"rate": "imu"}  # kind whose measurement of a quantity goes before that of the others


@dataclass(frozen=True)
class Column:
    """Place one element of a term: the number `axis` of a quantity in the messages of a source."""

    term: str
    element: str
    quantity: str
    axis: int


def columns_of(terms: Sequence[Term], sources: Sequence[TopicSource]) -> dict[TopicSource, list[Column]]:
    """Return what each source gives of the terms of a policy. Refuse a term that neither a source nor a joint gives."""
    found: dict[TopicSource, list[Column]] = {source: [] for source in sources}
    absent = []
    for term in terms:
        if term.name in JOINT_TERMS:
            continue
        offers = [(source, offer) for source in sources if (offer := _offer(source, term)) is not None]
        if not offers:
            absent.append(term)
            continue
        source, offer = min(offers, key=lambda pair: FIRST.get(pair[1][0]) != pair[0].kind)
        found[source] += [_column(term, element, *offer) for element in term.elements]
    if absent:
        named = ", ".join(f"{term.name} ({_elements(term)} in {term.unit})" for term in absent)
        raise Refused("measurements of a robot on ROS", "a topic for every term of the policy", f"none for {named}",
                      f"add {' '.join(dict.fromkeys(map(_advice, absent)))}, or choose a policy that sees less")
    goals = {source.name for source in sources if source.kind == "goal"}
    speeds = {source.name for source in sources if source.kind == "twist"}
    for source in sources:
        if source.kind == "joy" and not found[source] and source.name not in goals | speeds:
            raise Refused(f"joy {source.name}={source.topic}", f"a term {source.name}_velocity or {source.name}_rate, "
                          f"or a goal named {source.name} that the stick moves", "neither",
                          f"name it as the goal, as in goal_topic:=goal=/goal_pose joy:=goal={source.topic}")
    return found


def _offer(source: TopicSource, term: Term) -> tuple[str, int] | None:
    """Return the quantity of a source that is a term, and its number of axes; None: the source gives no such term."""
    if not term.name.startswith(source.name):
        return None
    end = term.name[len(source.name):]
    quantity, unit, count = OFFERS[LIKE.get(source.kind, source.kind)].get(end, ("", "", 0))
    return (quantity, count) if quantity and unit == term.unit else None


def _column(term: Term, element: str, quantity: str, count: int) -> Column:
    axes, name = list(AXES[:count]), element.rpartition(".")[2]
    if name not in axes:
        raise Refused(f"term {term.name}", f"elements named {', '.join(axes)}", list(term.elements),
                      "choose a policy whose terms have these elements")
    return Column(term.name, element, quantity, axes.index(name))


def _elements(term: Term) -> str:
    return ", ".join(term.elements) if len(term.elements) <= len(AXES) else f"{len(term.elements)} elements"


def _advice(term: Term) -> str:
    """Return the launch argument that gives a term."""
    base, _, end = term.name.rpartition("_")
    if base == "root":
        return "imu:=/TOPIC" if end == "acceleration" else "odometry:=/TOPIC"
    if base and end in ("velocity", "rate"):
        return f"command:={base}=/TOPIC"
    name = base if end in ("position", "orientation") else term.name
    return f"goal_topic:={name}=/TOPIC" if "goal" in name or "target" in name else f"poses:={name}=/TOPIC"

# Copyright 2026 The mat_ros Authors
# SPDX-License-Identifier: Apache-2.0
"""Lay out what the agents of two hands observe: the published full state, or what a real robot can measure.

  full_state   of each hand (199 numbers; 187 where the mounts are fixed): 24 joint positions as shares of their range,
               24 velocities / 5, 24 efforts * 10; for each of five fingertips position, quaternion x y z w, velocity,
               angular velocity; for each fingertip force and torque * 10; position and Euler angles of the hand; its
               last action. Then of the task: a door's 19 numbers or a thrown object's 24. All clipped to [-5, 5].
  compact      joint positions and velocities, the pose of the hand with a quaternion, its last action, and of the task
               what a camera can measure. A quaternion, because the Euler angles of a hand at a door are not unique and
               jump.

All agents of one hand have the same observation. A one-hot id tells the agents of a hand apart.
"""

from __future__ import annotations

from collections.abc import Sequence

from mat_ros.core.errors import Refused
from mat_ros.core.robot.description import Agent
from mat_ros.core.robot.observe import Layout, Part, Term, View
from mat_ros.worlds.hand import FINGERS, JOINTS
from mat_ros.worlds.signals import XYZ, XYZW, labels

CLIP = 5.0
VELOCITY, EFFORT, CONTACT, SPIN = 0.2, 10.0, 10.0, 0.2  # scales of the published observation
LAYOUTS = ("full_state", "compact")


def layout_of(terms: Sequence[Term], agents: Sequence[Agent], hands: Sequence[str], name: str) -> Layout:
    """Return the layout of what each agent observes. An agent belongs to the hand whose joints it moves."""
    if name not in LAYOUTS:
        raise Refused("observation", f"one of {LAYOUTS}", name, "choose one of them")
    offered = {term.name: term for term in terms}
    views = []
    for agent in agents:
        hand, *others = sorted({joint.split(":")[0] for joint in agent.joints})
        if others:
            raise Refused(f"agent {agent.name}", "joints of one hand, since it observes one hand", [hand, *others],
                          "choose the split hand, finger or joint")
        own = _full_hand(hand, offered) if name == "full_state" else _compact_hand(hand, offered)
        task = _full_task(offered) if name == "full_state" else _compact_task(offered)
        views.append(View(agent.name, tuple(own + task)))
    # List only the terms that some agent observes: a robot need not measure the others.
    looked_at = {part.term for view in views for part in view.parts}
    return Layout(tuple(t for t in terms if t.name in looked_at), tuple(views), CLIP, len(agents) > len(hands))


def _joints(hand: str) -> list[Part]:
    """Return the joint positions as shares of their range: -1 is the lowest position, 1 the highest."""
    return [Part("joint_position", (f"{hand}:{j.name}",), 2.0 / (j.upper - j.lower),
                 -(j.upper + j.lower) / (j.upper - j.lower)) for j in JOINTS]


def _of_hand(hand: str, elements: Sequence[str]) -> tuple[str, ...]:
    return tuple(element for element in elements if element.startswith(f"{hand}:"))


def _full_hand(hand: str, offered: dict[str, Term]) -> list[Part]:
    tips = [f"{hand}:{finger}distal" for finger in FINGERS]
    names = tuple(f"{hand}:{j.name}" for j in JOINTS)
    motion = [Part(term, labels((tip,), elements)) for tip in tips for term, elements in (
        ("fingertip_position", XYZ), ("fingertip_orientation", XYZW), ("fingertip_velocity", XYZ),
        ("fingertip_angular_velocity", XYZ))]
    touch = [Part(term, labels((tip,), XYZ), CONTACT)
             for tip in tips for term in ("fingertip_force", "fingertip_torque")]
    return [*_joints(hand), Part("joint_velocity", names, VELOCITY), Part("joint_effort", names, EFFORT), *motion,
            *touch, *_pose(hand, offered, "hand_euler"), _last(hand, offered)]


def _compact_hand(hand: str, offered: dict[str, Term]) -> list[Part]:
    names = tuple(f"{hand}:{j.name}" for j in JOINTS)
    return [*_joints(hand), Part("joint_velocity", names, VELOCITY),
            *_pose(hand, offered, "hand_orientation"), _last(hand, offered)]


def _pose(hand: str, offered: dict[str, Term], turned: str) -> list[Part]:
    """Return the position and the orientation of a hand that flies. A hand on a fixed mount has neither."""
    if not any(element.startswith(f"{hand}:base_") for element in offered["last_command"].elements):
        return []
    return [Part(term, _of_hand(hand, offered[term].elements)) for term in ("hand_position", turned)]


def _last(hand: str, offered: dict[str, Term]) -> Part:
    return Part("last_command", _of_hand(hand, offered["last_command"].elements))


def _full_task(offered: dict[str, Term]) -> list[Part]:
    thing = [Part("object_position"), Part("object_orientation"), Part("object_velocity"),
             Part("object_angular_velocity", scale=SPIN)]
    if "handle_position" in offered:
        return [*thing, Part("handle_position", labels(("handle_left",), XYZ)),
                Part("handle_position", labels(("handle_right",), XYZ))]
    return [*thing, Part("goal_position"), Part("goal_orientation"), Part("object_from_goal")]


def _compact_task(offered: dict[str, Term]) -> list[Part]:
    if "door_angle" in offered:
        return [Part("handle_position"), Part("door_angle")]
    return [Part("object_position"), Part("object_velocity"), Part("goal_position")]

# Copyright 2026 The mat_ros Authors
# SPDX-License-Identifier: Apache-2.0
"""Define the deployments, and turn launch arguments into a graph, for `ros2 launch` and `mat-ros launch` alike."""

from __future__ import annotations

import difflib
import importlib.util
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from mat_ros.backends.choose import check_installed
from mat_ros.core import named, shipped
from mat_ros.core.errors import Missing, Refused
from mat_ros.core.faults.targets import find_plan, targets
from mat_ros.core.options import Option, options, read
from mat_ros.core.policy.bundle import Bundle
from mat_ros.core.robot.description import RobotDescription
from mat_ros.core.robot.topics import RobotTopics
from mat_ros.core.shipped import check_writable
from mat_ros.graph import ros_environment
from mat_ros.graph.build import Graph, build
from mat_ros.graph.settings import LaunchSettings
from mat_ros.hardware.open import check_adapter, check_terms, find_robot
from mat_ros.worlds.task import task_of


@dataclass(frozen=True)
class Deployment:
    """Describe a launch file: its default policy and its robots."""

    name: str
    help: str
    policy: str  # shipped policy that runs by default; empty: the user has to name a policy
    robots: tuple[str, ...]  # prefixes of the names of its robots


DEPLOYMENTS: Mapping[str, Deployment] = {d.name: d for d in (
    Deployment("dexhands", "two dexterous hands at a door, at throwing and catching, or at lifting a pot",
               "dexhands_door_mat", ("dexhands_",)),
    Deployment("mamujoco", "the running robots of Multi-Agent MuJoCo", "halfcheetah_mat",
               ("halfcheetah", "ant", "walker2d", "hopper", "humanoid")),
    Deployment("robot", "any robot; set policy:=..., and for a real robot sim:=none and hardware:=...", "", ("",)),
)}


@dataclass(frozen=True)
class Planned:
    """Hold everything that the start of a deployment needs."""

    settings: LaunchSettings
    bundle: Bundle
    graph: Graph


def launch_options(name: str) -> tuple[Option, ...]:
    """Return the launch arguments of a deployment, with its own default policy."""
    policy = deployment(name).policy
    return tuple(Option(o.name, policy, o.description, o.lower, o.upper, o.choices) if o.name == "policy" else o
                 for o in options(LaunchSettings))


def deployment(name: str) -> Deployment:
    """Return the deployment of a name."""
    if name not in DEPLOYMENTS:
        raise Refused("launch", f"one of {', '.join(DEPLOYMENTS)}", name, "choose one of them")
    return DEPLOYMENTS[name]


def plan(name: str, arguments: Mapping[str, object]) -> Planned:
    """Read launch arguments, load the policy and lay out the graph. Refuse mismatches before any process starts."""
    chosen = deployment(name)
    settings = read(LaunchSettings, arguments)
    settings = replace(settings, policy=settings.policy or chosen.policy)
    if not settings.policy:
        raise Refused(f"policy of {name}", "a bundle", "none", "set policy:=... to a folder or a shipped name")
    bundle = Bundle.load(shipped.policy_folder(settings.policy).resolve())
    robot = bundle.manifest.robot
    if not robot.startswith(chosen.robots):
        fitting = next((d.name for d in DEPLOYMENTS.values() if robot.startswith(d.robots)), None)
        raise Refused(f"policy of {name}", f"a robot whose name begins with one of {', '.join(chosen.robots)}", robot,
                      f"launch {fitting} with this policy" if fitting else "choose another policy")
    return plan_bundle(settings, bundle)


def plan_bundle(settings: LaunchSettings, bundle: Bundle) -> Planned:
    """Lay out the graph of a policy; no deployment has to name its robot."""
    check_security()
    settings = replace(settings, robot=_robot_path(settings.robot), faults=_fault_path(settings.faults),
                       record=str(Path(settings.record).resolve()) if settings.record else "",
                       rrd=str(Path(settings.rrd).resolve()) if settings.rrd else "")
    if settings.robot:
        _check_rate(find_robot(settings.robot, bundle.manifest), bundle, settings.rate)
    return Planned(settings, bundle, build(settings, bundle.manifest, str(bundle.folder)))


def _check_rate(robot: RobotDescription | None, bundle: Bundle, rate_hz: float) -> None:
    """Refuse a robot whose rate differs from the policy's, unless the launch arguments set a rate."""
    if robot is not None and not rate_hz and robot.period_ns != bundle.manifest.period_ns:
        raise Refused(f"robot {robot.name}, rate_hz", f"{1e9 / bundle.manifest.period_ns:g}, the policy's own",
                      f"{1e9 / robot.period_ns:g}", "correct the file, train at this rate, or set rate:=...")


def check_start(planned: Planned) -> None:
    """Refuse at once what nodes of this host would refuse one by one, and make the folders of the recordings."""
    check_plan(planned)
    if any(node.name == "recorder" for node in planned.graph.nodes):
        for name in filter(None, (planned.settings.record, planned.settings.flight)):
            check_writable(Path(name))


def check_plan(planned: Planned) -> None:
    """Refuse an adapter, a backend, a fault plan or a recording that nodes of this host would refuse one by one."""
    here, settings = {node.name for node in planned.graph.nodes}, planned.settings
    manifest = planned.bundle.manifest
    breaks = find_plan(settings.faults, manifest.period_ns, targets(manifest, settings.wiring))
    levels = {fault.level for fault in breaks.faults} | {draw.level for draw in breaks.draws}
    physical = sorted(levels & {"actuator", "sensor"})
    if physical and settings.sim == "none":
        raise Refused(f"faults {settings.faults}", "only faults of messages and nodes, because the robot is real",
                      physical, "remove these faults, or simulate the robot with sim:=lockstep")
    if any(node.executable in ("encoder", "chain_node", "checker") for node in planned.graph.nodes):
        check_installed(settings.backend)
    if "sim" in here and planned.bundle.manifest.world:
        _check_simulator(planned)
    if settings.viewer == "rerun" and "viewer" in here and importlib.util.find_spec("rerun") is None:
        raise Missing("rerun, which viewer:=rerun shows the robot with,", f"run {shipped.install_command('viz')}")
    if settings.sim == "none" and here & {"observer", "safety"}:
        check_adapter(settings.hardware)
        check_terms(settings.hardware, manifest, settings.robot, RobotTopics.read("argument", settings.topics))
    if "recorder" in here and settings.record and (file := Path(settings.record)).is_file():
        raise Refused(f"record {file}", "a new file", f"an existing file of {file.stat().st_size / 1e6:.1f} MB",
                      "give another name, or remove the file")


def _check_simulator(planned: Planned) -> None:
    """Refuse a task that is not installed, and a world of this package whose physics is not installed."""
    manifest = planned.bundle.manifest
    for package in ("mujoco", "gymnasium") if manifest.world in named.own_names(named.WORLDS) else ():
        if importlib.util.find_spec(package) is None:
            raise Missing(f"the Python package '{package}', which simulates the robot,",
                          f"run {shipped.install_command('ros,sim')}")
    task_of(manifest, planned.settings.task)


def parse(words: Sequence[str], name: str) -> dict[str, str]:
    """Read `name:=value` words; refuse an unknown name, and propose the nearest known name."""
    known = [o.name for o in launch_options(name)]
    values: dict[str, str] = {}
    for word in words:
        key, sign, value = word.partition(":=")
        if not sign:
            raise Refused(f"argument of {name}", "name:=value", word, f"see `mat-ros launch {name} --help`")
        if key not in known:
            near = difflib.get_close_matches(key, known, n=1)
            raise Refused(f"argument of {name}", f"one of {', '.join(known)}", key,
                          f"did you mean {near[0]}?" if near else f"see `mat-ros launch {name} --help`")
        if key in values:
            raise Refused(f"argument {key}", "one value", f"{values[key]} and {value}", "give the argument once")
        values[key] = value
    return values


def check_security(environment: Mapping[str, str] = os.environ) -> None:
    """Refuse to run without DDS security where the environment requires it and this ROS does not support it."""
    if environment.get("ROS_SECURITY_ENABLE", "").lower() != "true":
        return
    if ros_environment.ros_comes_from_wheels():
        raise Missing("DDS security, which ROS_SECURITY_ENABLE=true requires and pip's Fast DDS lacks,",
                      "run on an apt ROS 2 with a keystore (docs/how-to/two-hosts.md), or unset ROS_SECURITY_ENABLE")
    keystore = environment.get("ROS_SECURITY_KEYSTORE", "")
    if not keystore or not Path(keystore).is_dir():
        raise Missing(f"the keystore {keystore or 'that ROS_SECURITY_KEYSTORE should name'}",
                      "make one with `ros2 security create_keystore` (docs/how-to/two-hosts.md)")


def _robot_path(name: str) -> str:
    return str(shipped.config_file("robots", name).resolve()) if name else ""


def _fault_path(name: str) -> str:
    return str(shipped.config_file("faults", name).resolve()) if name else ""

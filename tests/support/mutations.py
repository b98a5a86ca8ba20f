# Copyright 2026 The mat_ros Authors
# SPDX-License-Identifier: Apache-2.0
"""Mutate the files that a user writes, and read them: whatever stands in a file, its reader refuses or takes it.

`PYTHONPATH=.:tests python -m support.mutations 20000` reads so many mutated files of each kind, and counts the ends.
"""

from __future__ import annotations

import argparse
import copy
import io
import random
import tempfile
import traceback
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml
from rich.console import Console

from mat_ros.bench.faults.grid import Grid
from mat_ros.cli.check import check_robot_file, show
from mat_ros.core.errors import Refused
from mat_ros.core.faults.plan_file import load_plan
from mat_ros.core.faults.targets import targets
from mat_ros.core.policy.bundle import MANIFEST, Bundle
from mat_ros.core.robot.description import RobotDescription
from mat_ros.core.robot.limits import rules
from mat_ros.core.shipped import config_file
from mat_ros.hardware.ros_terms import columns_of
from mat_ros.worlds.randomise import load_table
from support.places import BUNDLES
from training.presets import load_preset

ODD = (None, True, False, 0, -1, 3, 10**400, 1.5, float("nan"), float("inf"), 1e308, "", "x", "off", "[/]", "a:b", "*",
       "[", "\x1b[31m", "\u2603", "a/b", "..", "9" * 5000, [], [[]], {}, {"x": 1}, {1: 2}, {None: None}, ["a", "a"],
       [1, "a", None], {"of": "elbow"}, {"name": "x"})
TEXTS = (b"\xff\xfe", b"\x00", b"\t", b"? ", b"<<: ", b"&a ", b"*a", b"!!python/object:os.system ", b"- ", b": ", b"{",
         b"}", b"]", b"'", b'"', b"%YAML 3\n", b"---\n", b"\n...\n", b"!!int x", b"2001-99-99", b'"\\ud800"',
         b"!!set {a}", b"!!binary x", b"1e5", b"\xef\xbb\xbf", b"#", b"|", b"=", b"!!timestamp x", b"0x", b"!!float x")
ROBOT = """
name: arm
world: ""
rate_hz: 50
joint_defaults: {quantity: position, unit: rad, lower: -1.5, upper: 1.5, rate: 4.0, effort: 5.0, scale: 1.5,
                 offset: 0.0, default: 0.0, fallback: hold}
guard: {silence_ticks: 10, hold_ticks: 3, outside: 0.05, motion: {watch: real, speed: 1.5}}
joints: {shoulder: , elbow: {lower: -1.0, stiffness: 1.0}, wrist: {upper: 1.0}}
splits: {limb: {upper: [shoulder, elbow], hand: [wrist]}}
hardware:
  ros2_control:
    of: [shoulder, elbow, wrist]
    joints: {m1: {of: shoulder}, m2: {of: {elbow: 1.0, wrist: 0.5}, offset: 0.1}, m3: {of: wrist}}
    state_topic: /joint_states
    poses: {cup: /cup@base}
    goal_topic: target=/goal_pose@map
    joy: target=/joy
"""
EXTENDING = "name: other\nextends: base\nwithout: [wrist]\njoints: {'*': {rate: 2.0}, tool: {lower: 0.0}}\nsplits: {}\n"
PLAN = """
name: plan
seed: 3
faults:
  - {id: one, actuator: weak, target: elbow, severity: 0.5, start_s: 1.0, duration_s: 2.0}
  - {sensor: noise, target: "joint_position/*", severity: 0.05, start_s: 0.5}
random:
  - {actuator: "off", target: "*", count: 1, start_s: [0.5, 2.0], probability: 0.5}
  - {message: drop, target: "*", severity: [0.1, 0.2], start_s: 0, duration_s: .inf}
"""
GRID = """
onset_s: 0.5
start: {joint_position: 0.05}
information: [intent, truth]
faults:
  - {actuator: weak, each: "*", severity: [0.5, 0.25]}
  - {sensor: noise, together: "joint_position/*", severity: [0.05]}
  - {node: crash, each: "chain*"}
gap:
  - {what: mass, how: scale, values: [0.7, 1.3], of: "*"}
  - {what: observation, how: add, values: [0.1], distribution: normal}
"""


@dataclass(frozen=True)
class UserFile:
    """One kind of file: a sound text, and a function that reads it and uses what it has read."""

    text: str
    read: Callable[[Path], object]
    name: str = "file.yaml"


def _read_robot(path: Path) -> None:
    if path.parent.exists():
        path.with_name("base.yaml").write_text(ROBOT, encoding="utf-8")
    robot = RobotDescription.load(path)
    rules(robot.joints, robot)
    for topics in robot.topics.values():
        columns_of((), topics.sources)
    show(check_robot_file(path), Console(file=io.StringIO()))


def _read_plan(path: Path) -> None:
    manifest = Bundle.load(BUNDLES / "rwkv4").manifest
    plan = load_plan(path, manifest.period_ns, targets(manifest))
    plan.schedule(0)


def _read_grid(path: Path) -> None:
    manifest = Bundle.load(BUNDLES / "rwkv4").manifest
    grid = Grid.load(path, manifest)
    for cell in grid.cells:
        assert cell.words
        cell.schedule(manifest, grid.onset(manifest.period_ns, 100), 0)


def kinds() -> Mapping[str, UserFile]:
    """Return every kind of file that a user writes."""
    return {
        "robot": UserFile(ROBOT, _read_robot),
        "extending robot": UserFile(EXTENDING, _read_robot),
        "fault plan": UserFile(PLAN, _read_plan),
        "grid": UserFile(GRID, _read_grid),
        "randomisation": UserFile(config_file("randomisation", "gap").read_text(encoding="utf-8"), load_table),
        "preset": UserFile("task: halfcheetah_6x1\nsteps: 1000\nlearning_rate: 1e-4\nfaults: ''\nnormalise: true\n"
                           "run: runs/x\nratio: agent\n", lambda path: load_preset(str(path)).to_dict()),
        "manifest": UserFile((BUNDLES / "rwkv4" / MANIFEST).read_text(encoding="utf-8"),
                             lambda path: Bundle.load(path.parent), MANIFEST),
    }


def mutate(text: str, draw: random.Random) -> bytes:
    """Return the text with some mistakes: in its values, in its characters, or in both."""
    data = text.encode()
    if draw.random() < 0.8:
        values = copy.deepcopy(yaml.safe_load(text))
        for _ in range(draw.randint(1, 3)):
            values = _change(values, draw)
        data = yaml.safe_dump(values, sort_keys=False, default_flow_style=draw.choice((None, False, True))).encode()
    if draw.random() < 0.4:
        data = _scratch(data, draw)
    return data


def _places(value: Any) -> Iterator[tuple[Any, Any]]:
    """Yield each container with each of its keys."""
    if isinstance(value, dict | list):
        for key in list(value) if isinstance(value, dict) else range(len(value)):
            yield value, key
            yield from _places(value[key])


def _change(values: Any, draw: random.Random) -> Any:
    """Make one mistake in plain values."""
    places = list(_places(values))
    if not places or draw.random() < 0.03:
        return copy.deepcopy(draw.choice(ODD))
    container, key = draw.choice(places)
    what = draw.randrange(7)
    if what == 0:
        del container[key]
    elif what == 1:
        container[key] = [container[key]]
    elif what == 2:
        container[key] = {"x": container[key]}
    elif what == 3 and isinstance(container, dict):
        container[draw.choice(("x", "name", "of", "joints", 1, None, 1.5, True, "of"))] = container.pop(key)
    elif what == 4:
        other, place = draw.choice(places)
        container[key] = copy.deepcopy(other[place]) if place in other or (isinstance(other, list) and (
            isinstance(place, int) and place < len(other))) else None
    elif what == 5 and isinstance(container, list):
        container += container[:]
    else:
        container[key] = copy.deepcopy(draw.choice(ODD))
    return values


def _scratch(data: bytes, draw: random.Random) -> bytes:
    """Make one mistake in the characters of a file."""
    at = draw.randrange(len(data) + 1)
    end = min(len(data), at + draw.randrange(40))
    what = draw.randrange(6)
    if what == 0:
        return data[:at]
    if what == 1:
        return data[:at] + draw.choice(TEXTS) + data[at:]
    if what == 2:
        return data[:at] + data[end:]
    if what == 3:
        return data[:end] + data[at:]
    if what == 4:
        return data[:at] + bytes([draw.randrange(256)]) + data[at + 1:]
    return data.replace(draw.choice((b" ", b":", b"{", b"-", b"0")), draw.choice(TEXTS), draw.randint(1, 3))


def fuzz(kind: str, count: int, folder: Path, seed: int = 0) -> tuple[Counter[str], list[str]]:
    """Read mutated files of a kind. Return how many were taken and refused, and the traceback of each other end."""
    file, draw, found, bugs = kinds()[kind], random.Random(f"{kind}/{seed}"), Counter[str](), []
    for _ in range(count):
        path, data = folder / file.name, mutate(file.text, draw)
        path.write_bytes(data)
        try:
            file.read(path)
            found["taken"] += 1
        except Refused as refusal:
            assert "\n" not in str(refusal), refusal
            found["refused"] += 1
        except Exception:
            found["bugs"] += 1
            bugs.append(f"{data!r}\n{traceback.format_exc()}")
    return found, bugs


def main() -> int:
    """Read mutated files of every kind and print the counts; return 1 where a reader ended with a traceback."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("count", type=int, help="mutated files of each kind")
    parser.add_argument("--seed", type=int, default=0)
    given = parser.parse_args()
    trouble = 0
    for kind in kinds():
        with tempfile.TemporaryDirectory() as folder:
            found, bugs = fuzz(kind, given.count, Path(folder), given.seed)
        print(f"{kind:<16}{dict(found)}", *dict.fromkeys(bug.rstrip().rpartition("\n")[2] for bug in bugs), sep="\n  ")
        if bugs:
            print(bugs[0][-3000:])
        trouble += len(bugs)
    return int(trouble > 0)


if __name__ == "__main__":
    raise SystemExit(main())

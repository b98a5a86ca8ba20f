# Copyright 2026 The mat_ros Authors
# SPDX-License-Identifier: Apache-2.0
"""ARCHITECTURE.md is a map: what it names exists, and the layers and walls that it draws stand."""

import re
import sys
from collections.abc import Collection, Hashable, Mapping

import pytest

from support.import_graph import Form, Tree, circles, within
from support.places import ROOT

MAP = (ROOT / "ARCHITECTURE.md").read_text(encoding="utf-8")
NAMED = re.findall(r"`((?:mat_ros|training|tests|launch|msg|srv|cuda|trt_engines)/[\w./]*)`", MAP)
TREE = Tree.of(ROOT, ("mat_ros", "training", "trt_engines"), generated=("mat_ros.msg", "mat_ros.srv"))

# The version is a constant of the package's door, and the door imports nothing before it.
INNER = [found for found in TREE.inner if (found.imported, found.name) != ("mat_ros", "__version__")]
CORRIDORS = {ends: [found for found in arrows if found in INNER] for ends, arrows in TREE.corridors.items()}
CORRIDORS = {ends: arrows for ends, arrows in CORRIDORS.items() if arrows}

OF_THE_CORE = {*sys.stdlib_module_names, "numpy", "yaml"}
LAZY_IN_CORE = {("mat_ros.core.spread", "ray")}  # spreading work over machines is an extra
FOR_TRAINING = ("mat_ros.core", "mat_ros.worlds", "mat_ros.backends")
LOOSE = {"mat_ros", "mat_ros.api"}

# What is still broken, and what will mend it. A test fails when a breach is not listed here, and when a listed one has
# been mended.
KNOWN_CIRCLES: Mapping[Hashable, str] = {
    ("mat_ros.cli.completion", "mat_ros.cli.main"): "completion shall not ask the module that starts it",
    ("mat_ros.graph.forked", "mat_ros.graph.launcher", "mat_ros.graph.signals", "mat_ros.nodes.__main__",
     "mat_ros.nodes.injector", "mat_ros.nodes.supervisor"): "the supervisor shall say what a fork has to import",
    ("mat_ros.nodes.disturbance", "mat_ros.nodes.shell"): "the shell shall hand callables to the disturbance",
}
KNOWN_ROOM_CIRCLES: Mapping[Hashable, str] = {
    ("mat_ros.backends", "training", "training.exporting", "trt_engines"): "see the climbs of these rooms",
    ("mat_ros.graph", "mat_ros.nodes", "mat_ros.view"): "see the climbs of these rooms",
}
KNOWN_CLIMBS: Mapping[Hashable, str] = {
    ("mat_ros.backends", "training.models"): "the torch backend finds the models of training by a string",
    ("mat_ros.backends", "trt_engines"): "choosing a backend reaches up by a string",
    ("mat_ros.graph", "mat_ros.nodes"): "forking imports nodes by strings",
    ("mat_ros.view", "mat_ros.nodes"): "the view listens to topics that are listed among the nodes",
    ("training.exporting", "training"): "samples use the command `export`",
    ("trt_engines", "training.exporting"): "building an engine exports a graph by a string",
}
KNOWN_TRAINING_IN_RUNTIME: Mapping[Hashable, str] = {
    ("mat_ros.backends.torch_backend", "training.models"): "the torch backend finds the models of training by a string",
    ("mat_ros.bench.backends", "training.exporting.sample"): "the benchmark finds samples by a string",
    ("mat_ros.bench.chain", "training.exporting.sample"): "the benchmark finds samples by a string",
}
KNOWN_NAMESAKES: Mapping[str, tuple[str, ...]] = {
    "BenchConfig": ("training.bench.environments", "training.bench.speed"),
    "Camera": ("mat_ros.worlds.render", "mat_ros.worlds.scene"),
    "Door": ("mat_ros.cli.main", "mat_ros.worlds.door", "training.envs.dexhands.doors"),
    "Encoder": ("mat_ros.core.tick.encode", "training.models.encoder"),
    "Episode": ("mat_ros.demo.run", "mat_ros.hardware.simulated"),
    "Episodes": ("mat_ros.bench.faults.episodes", "training.loop.metrics"),
    "Graph": ("mat_ros.bench.recovery", "mat_ros.graph.build"),
    "Health": ("mat_ros.core.faults.detect", "mat_ros.view.watch"),
    "Link": ("mat_ros.hardware.link", "mat_ros.worlds.hand"),
    "Outcome": ("mat_ros.core.tick.messages", "training.envs.dexhands.task", "training.evaluate"),
    "Plan": ("mat_ros.bench.faults.cells", "mat_ros.core.faults.schedule", "mat_ros.graph.deployment"),
    "Policy": ("mat_ros.core.record.replay", "training.models.policy"),
    "Recording": ("mat_ros.bench.faults.lockstep", "mat_ros.core.record.replay"),
    "Report": ("mat_ros.cli.check", "mat_ros.core.record.replay"),
    "Robot": ("mat_ros.api", "mat_ros.core.robot.description"),
    "Row": ("mat_ros.bench.chain", "mat_ros.cli.check", "mat_ros.worlds.randomise"),
    "Run": ("mat_ros.demo.run", "training.experiments.study"),
    "Span": ("mat_ros.core.tick.wiring", "mat_ros.view.charts"),
    "StateLayout": ("mat_ros.core.policy.manifest", "training.models.state"),
    "Task": ("mat_ros.worlds.mamujoco", "training.envs.dexhands.task"),
    "Toss": ("mat_ros.worlds.objects", "training.envs.dexhands.toss"),
    "Verdict": ("mat_ros.backends.golden", "mat_ros.worlds.score"),
    "Watch": ("mat_ros.core.faults.watch", "mat_ros.view.watch"),
}


def hold(found: Collection[Hashable], known: Mapping[Hashable, object]) -> None:
    """Fail for each breach that is not known, and for each known one that is mended."""
    new, mended = (sorted(map(str, each)) for each in (set(found) - set(known), set(known) - set(found)))
    assert not new, "\n".join(["expected no such breach, got:", *new])
    assert not mended, "\n".join(["expected what is listed as known, but it is mended; take out of the list:", *mended])


def floors() -> dict[str, int]:
    """Read the table of layers; the ground floor, its last row, is 0."""
    section = re.search(r"^## Layers\n(.*?)^## ", MAP, re.MULTILINE | re.DOTALL)
    assert section, "expected a section `## Layers` in ARCHITECTURE.md, got none"
    rows = [row for row in section[1].splitlines() if row.startswith("|")][2:]
    rooms = [(room.rstrip("/").replace("/", "."), floor) for floor, row in enumerate(reversed(rows))
             for room in re.findall(r"`([\w/]+)`", row)]
    assert len(rooms) == len(dict(rooms)), "expected each room once"
    return dict(rooms)


@pytest.mark.parametrize("name", sorted(set(NAMED)))
def test_everything_that_the_map_names_exists(name):
    assert (ROOT / name).exists()


def test_every_room_has_one_place_in_the_layers():
    assert set(floors()) == {TREE.room(module) for module in TREE.files}


def test_no_modules_import_each_other_in_a_circle():
    hold(circles((found.importer, found.imported) for found in INNER), KNOWN_CIRCLES)


def test_no_rooms_import_each_other_in_a_circle():
    hold(circles(CORRIDORS), KNOWN_ROOM_CIRCLES)


def test_a_room_imports_only_rooms_below_it():
    floor = floors()
    climbs = {(start, end): arrows for (start, end), arrows in CORRIDORS.items() if floor[end] >= floor[start]}
    print(*(arrow for arrows in climbs.values() for arrow in arrows), sep="\n")
    hold(climbs, KNOWN_CLIMBS)


def test_the_core_imports_the_standard_library_numpy_and_yaml_only():
    outside = [found for found in TREE.imports if within(found.importer, "mat_ros.core")
               and not within(found.imported, "mat_ros.core") and found.imported.split(".")[0] not in OF_THE_CORE
               and (found.imported, found.name) != ("mat_ros", "__version__")]
    lazy = {(found.importer, found.imported.split(".")[0]) for found in outside if found.form is Form.FUNCTION}
    assert lazy == LAZY_IN_CORE
    assert [str(found) for found in outside if found.form is not Form.FUNCTION] == []


def test_the_runtime_never_imports_training():
    hold({(found.importer, found.imported) for found in TREE.imports
          if within(found.importer, "mat_ros") and within(found.imported, "training")}, KNOWN_TRAINING_IN_RUNTIME)


def test_training_takes_of_the_runtime_only_core_worlds_and_backends():
    assert [str(found) for found in TREE.imports
            if within(found.importer, "training") and within(found.imported, "mat_ros")
            and not any(within(found.imported, room) for room in FOR_TRAINING)] == []


def test_nothing_lies_loose_in_the_package_but_its_door_and_its_api():
    assert {module for module in TREE.files if TREE.room(module) == "mat_ros"} == LOOSE


def test_the_door_of_the_package_imports_nothing_until_it_is_asked():
    assert {found.form for found in TREE.imports if found.importer == "mat_ros"} == {Form.FUNCTION}


def test_a_class_has_a_name_of_its_own():
    hold({(name, modules) for name, modules in TREE.classes.items() if len(modules) > 1 and not name.startswith("_")},
         dict.fromkeys(KNOWN_NAMESAKES.items()))

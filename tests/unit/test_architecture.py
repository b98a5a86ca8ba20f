# Copyright 2026 The mat_ros Authors
# SPDX-License-Identifier: Apache-2.0
"""ARCHITECTURE.md is a map: what it names exists, and the layers and walls that it draws stand."""

import re
import sys

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
LAZY_IN_CORE = {("mat_ros.core.spread", "ray"), ("mat_ros.core.record.indexed", "mcap")}  # extras
FOR_TRAINING = ("mat_ros.core", "mat_ros.worlds", "mat_ros.backends")
LOOSE = {"mat_ros", "mat_ros.api"}


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
    assert set(circles((found.importer, found.imported) for found in INNER)) == set()


def test_no_rooms_import_each_other_in_a_circle():
    assert set(circles(CORRIDORS)) == set()


def test_a_room_imports_only_rooms_below_it():
    floor = floors()
    assert [str(arrow) for (start, end), arrows in CORRIDORS.items() if floor[end] >= floor[start]
            for arrow in arrows] == []


def test_the_core_imports_the_standard_library_numpy_and_yaml_only():
    outside = [found for found in TREE.imports if within(found.importer, "mat_ros.core")
               and not within(found.imported, "mat_ros.core") and found.imported.split(".")[0] not in OF_THE_CORE
               and (found.imported, found.name) != ("mat_ros", "__version__")]
    lazy = {(found.importer, found.imported.split(".")[0]) for found in outside if found.form is Form.FUNCTION}
    assert lazy == LAZY_IN_CORE
    assert [str(found) for found in outside if found.form is not Form.FUNCTION] == []


def test_the_runtime_never_imports_training():
    assert [str(found) for found in TREE.imports
            if within(found.importer, "mat_ros") and within(found.imported, "training")] == []


def test_training_takes_of_the_runtime_only_core_worlds_and_backends():
    assert [str(found) for found in TREE.imports
            if within(found.importer, "training") and within(found.imported, "mat_ros")
            and not any(within(found.imported, room) for room in FOR_TRAINING)] == []


def test_nothing_lies_loose_in_the_package_but_its_door_and_its_api():
    assert {module for module in TREE.files if TREE.room(module) == "mat_ros"} == LOOSE


def test_the_door_of_the_package_imports_nothing_until_it_is_asked():
    assert {found.form for found in TREE.imports if found.importer == "mat_ros"} == {Form.FUNCTION}


def test_a_class_has_a_name_of_its_own():
    shared = {name: modules for name, modules in TREE.classes.items() if len(modules) > 1}
    assert not {name: modules for name, modules in shared.items() if not name.startswith("_")}

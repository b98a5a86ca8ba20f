# Copyright 2026 The mat_ros Authors
# SPDX-License-Identifier: Apache-2.0
"""The graph of imports sees every form of import, on small trees that are written for each."""

import pytest

from support.import_graph import Form, Tree, circles, within

TOP, FUNCTION, TYPING, STRING = Form.TOP, Form.FUNCTION, Form.TYPING, Form.STRING


def tree(folder, **sources):
    """Write modules such as `house__kitchen__stove` and find them; folders get an empty `__init__`."""
    for name, source in sources.items():
        file = folder.joinpath(*name.split("__")).with_suffix(".py") if not name.endswith("__door") else \
            folder.joinpath(*name.split("__")[:-1], "__init__.py")
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(source)
    for below in folder.rglob("*"):
        if below.is_dir():
            (below / "__init__.py").touch()
    return Tree.of(folder, [path.name for path in folder.iterdir()])


def found(tree):
    return {(each.importer, each.imported, each.form) for each in tree.imports}


@pytest.mark.parametrize(("source", "expected", "form"), [
    ("import house.kitchen.stove", "house.kitchen.stove", TOP),
    ("import house.kitchen.stove as s", "house.kitchen.stove", TOP),
    ("import os, house.kitchen.stove", "house.kitchen.stove", TOP),
    ("from house.kitchen import stove", "house.kitchen.stove", TOP),
    ("from house.kitchen import pan, stove", "house.kitchen.stove", TOP),
    ("from house.kitchen import stove as s", "house.kitchen.stove", TOP),
    ("from house.kitchen.stove import heat", "house.kitchen.stove", TOP),
    ("from house.kitchen.stove import *", "house.kitchen.stove", TOP),
    ("from house.kitchen import heat", "house.kitchen", TOP),
    ("from ..kitchen import stove", "house.kitchen.stove", TOP),
    ("from ..kitchen.stove import heat", "house.kitchen.stove", TOP),
    ("from .. import kitchen", "house.kitchen", TOP),
    ("from . import chair", "house.dining.chair", TOP),
    ("import house\nprint(house.kitchen)", "house.kitchen", TOP),
    ("try:\n    import house.kitchen.stove\nexcept ImportError:\n    pass", "house.kitchen.stove", TOP),
    ("try:\n    pass\nexcept ImportError:\n    import house.kitchen.stove", "house.kitchen.stove", TOP),
    ("if True:\n    pass\nelse:\n    import house.kitchen.stove", "house.kitchen.stove", TOP),
    ("class Cook:\n    import house.kitchen.stove", "house.kitchen.stove", TOP),
    ("def cook():\n    import house.kitchen.stove", "house.kitchen.stove", FUNCTION),
    ("async def cook():\n    from house.kitchen import stove", "house.kitchen.stove", FUNCTION),
    ("class Cook:\n    def cook(self):\n        with self:\n            from house.kitchen.stove import heat",
     "house.kitchen.stove", FUNCTION),
    ("from typing import TYPE_CHECKING\nif TYPE_CHECKING:\n    from house.kitchen import stove",
     "house.kitchen.stove", TYPING),
    ("import typing as t\nif t.TYPE_CHECKING:\n    import house.kitchen.stove", "house.kitchen.stove", TYPING),
    ("from typing import TYPE_CHECKING\nif not TYPE_CHECKING:\n    import house.kitchen.stove",
     "house.kitchen.stove", TOP),
    ("from typing import TYPE_CHECKING\nif TYPE_CHECKING:\n    pass\nelse:\n    import house.kitchen.stove",
     "house.kitchen.stove", TOP),
    ("import importlib\nimportlib.import_module('house.kitchen.stove')", "house.kitchen.stove", STRING),
    ("from importlib import import_module\nimport_module('house.kitchen.stove')", "house.kitchen.stove", STRING),
    ("import importlib\nimportlib.import_module('..kitchen.stove', __package__)", "house.kitchen.stove", STRING),
    ("import importlib\nimportlib.import_module('house')", "house", STRING),
    ("from importlib.util import find_spec\nfind_spec('house.kitchen.stove')", "house.kitchen.stove", STRING),
    ("__import__('house.kitchen.stove')", "house.kitchen.stove", STRING),
    ("import importlib\ndef cook(what):\n    importlib.import_module(f'house.kitchen.{what}')",
     "house.kitchen.stove", STRING),
    ("import importlib\ndef cook(what):\n    importlib.import_module('house.kitchen.' + what)",
     "house.kitchen.stove", STRING),
    ("STOVE = 'house.kitchen.stove'", "house.kitchen.stove", STRING),
    ("TABLE = {'cook': ('house.kitchen.stove:heat', 1)}", "house.kitchen.stove", STRING),
])
def test_each_form_of_import_is_seen(tmp_path, source, expected, form):
    house = tree(tmp_path, house__dining__table=source, house__dining__chair="", house__kitchen__stove="",
                 house__kitchen__pan="")
    assert ("house.dining.table", expected, form) in found(house)


@pytest.mark.parametrize("source", [
    '"""Read house.kitchen.stove first."""',
    '"""house.kitchen.stove"""',
    "def cook():\n    'house.kitchen.stove'",
    "# import house.kitchen.stove",
    "COMMAND = ['python', '-m', 'house.kitchen.stove']",
    "HELP = 'see house.kitchen.stove'",
    "FILE = 'house.kitchen.yaml'",
    "import importlib\ndef cook(what):\n    importlib.import_module(f'{what}.stove')",
    "import importlib\ndef cook(what):\n    importlib.import_module(what)",
    "import household",
    "from household.kitchen import stove",
])
def test_what_only_looks_like_an_import_is_none(tmp_path, source):
    house = tree(tmp_path, house__dining__table=source, house__kitchen__stove="")
    assert house.inner == ()


def test_an_import_from_outside_keeps_its_name(tmp_path):
    house = tree(tmp_path, house__table="import numpy as np\nfrom torch.nn import Module")
    assert found(house) == {("house.table", "numpy", TOP), ("house.table", "torch.nn", TOP)}


def test_what_is_taken_out_of_a_module_is_named(tmp_path):
    house = tree(tmp_path, house__door="__version__ = '1'", house__table="import house\nprint(house.__version__)",
                 house__chair="from house import __version__")
    assert [(each.importer, each.imported, each.name) for each in house.imports] == [
        ("house.chair", "house", "__version__"), ("house.table", "house", "__version__")]


def test_generated_modules_are_no_part_of_the_tree(tmp_path):
    tree(tmp_path, house__msg__letter="", house__table="from house.msg import Letter")
    house = Tree.of(tmp_path, ["house"], generated=["house.msg"])
    assert set(house.files) == {"house", "house.table"}
    assert found(house) == {("house.table", "house.msg", TOP)}


def test_a_door_names_what_is_inside_without_leaving_its_room(tmp_path):
    house = tree(tmp_path, house__rooms__door="ROOMS = {'k': 'house.rooms.kitchen.stove'}\nimport house.cellar.wine",
                 house__rooms__kitchen__stove="from house.rooms.key import turn", house__rooms__key="",
                 house__cellar__wine="from house.rooms import ROOMS")
    assert set(house.corridors) == {("house.rooms", "house.cellar"), ("house.rooms.kitchen", "house.rooms"),
                                    ("house.cellar", "house.rooms")}
    assert circles(house.corridors) == [("house.cellar", "house.rooms")]


def test_a_room_that_is_no_door_leads_to_the_rooms_inside_its_folder(tmp_path):
    house = tree(tmp_path, house__key="import house.kitchen.stove", house__kitchen__stove="import house.key")
    assert circles(house.corridors) == [("house", "house.kitchen")]


def test_a_class_is_found_in_every_module_that_defines_it(tmp_path):
    house = tree(tmp_path, house__a="class Plan: ...\nclass Own: ...", house__b="def make():\n    class Plan: ...",
                 house__c="from house.a import Plan")
    assert house.classes == {"Plan": ("house.a", "house.b"), "Own": ("house.a",)}


@pytest.mark.parametrize(("arrows", "expected"), [
    ([], []),
    (["ab", "bc", "ac"], []),
    (["ab", "ba"], [("a", "b")]),
    (["aa"], [("a",)]),
    (["ab", "bc", "ca", "cd"], [("a", "b", "c")]),
    (["ab", "ba", "cd", "dc", "bc"], [("a", "b"), ("c", "d")]),
    (["ab", "bc", "cb", "ca"], [("a", "b", "c")]),
])
def test_circles_are_the_groups_that_lead_back_to_themselves(arrows, expected):
    assert circles(tuple(arrow) for arrow in arrows) == expected


def test_a_module_lies_within_its_package_and_not_within_a_namesake():
    assert within("house.kitchen.stove", "house.kitchen")
    assert within("house", "house")
    assert not within("household.kitchen", "house")

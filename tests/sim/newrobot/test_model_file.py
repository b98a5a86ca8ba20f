# Copyright 2026 The mat_ros Authors
# SPDX-License-Identifier: Apache-2.0
"""A model file is read as MuJoCo reads it; what is wrong with it is one sentence, and what is missing is said."""

import random
import re

import pytest

from mat_ros.core.errors import Refused
from mat_ros.newrobot.folder import new_robot
from mat_ros.newrobot.model_file import read_model
from support.robot_files import ARM, SERVOS, TETRAHEDRON, arm, gymnasium_robots, urdf_arm

pytestmark = pytest.mark.sim
KINDS = ("hinge", "slide", "ball", "free", "revolute", "prismatic", "fixed", "floating", "planar", "continuous")


def written(folder, text, name="robot.xml"):
    (folder / name).write_text(text, encoding="utf-8")
    return folder / name


def test_radians_and_degrees_are_told_apart_and_said(tmp_path):
    assert read_model(arm(tmp_path)).angles == "radians, as the file states"
    degrees = written(tmp_path, ARM.format(rest="").replace('angle="radian"', 'angle="degree"'))
    assert read_model(degrees).angles == "degrees, as the file states"
    assert read_model(urdf_arm(tmp_path)).angles == "radians, as every URDF"


def test_radians_in_a_file_that_counts_in_degrees_are_warned_of(tmp_path):
    silent = read_model(written(tmp_path, ARM.format(rest="").replace('<compiler angle="radian"/>', "")))
    assert silent.angles.startswith("degrees")
    assert "no limit of a hinge is beyond 2 degrees" in silent.warnings[0]
    assert '<compiler angle="radian"/>' in silent.warnings[0]


def test_degrees_in_a_urdf_are_warned_of_by_the_name_of_the_joint(tmp_path):
    assert "joint luff: its limits -90 to 1 rad are more than three turns" in read_model(
        urdf_arm(tmp_path, lower="-90")).warnings[-1]
    assert not [warning for warning in read_model(urdf_arm(tmp_path)).warnings if "turn" in warning]


@pytest.mark.parametrize("place", ["meshes", "a folder with spaces/meshes"])
def test_the_meshes_of_a_urdf_are_found_as_packages_mean_them(tmp_path, place):
    (tmp_path / "digger pkg" / place).mkdir(parents=True)
    (tmp_path / "digger pkg" / place / "column.obj").write_bytes(TETRAHEDRON)
    file = urdf_arm(tmp_path / "digger pkg" / "urdf", f'<mesh filename="package://digger pkg/{place}/column.obj"/>')
    assert read_model(file).model.nmesh == 1


def test_a_missing_mesh_is_one_sentence_with_its_name(tmp_path):
    file = urdf_arm(tmp_path, '<mesh filename="package://digger/column.stl"/>')
    with pytest.raises(Refused, match=r"mesh package://digger/column\.stl of .*digger\.urdf: expected a file, got"):
        read_model(file)
    mesh = '<asset><mesh name="a" file="none.stl"/></asset>'
    with pytest.raises(Refused, match=r"mesh none\.stl of .*crane\.xml: expected a file, got nothing at .*none\.stl"):
        read_model(arm(tmp_path, mesh))


def test_shapes_that_mujoco_does_not_read_are_left_out_and_said(tmp_path):
    found = read_model(urdf_arm(tmp_path, '<mesh filename="column.dae"/>'))
    assert found.guessed[0].startswith("meshes that MuJoCo does not read: 1, such as column.dae")


def test_includes_and_meshes_in_a_folder_with_spaces_are_read_and_copied(tmp_path):
    folder = tmp_path / "my robots"
    file = arm(folder, '<include file="sub/more.xml"/>')
    (folder / "sub").mkdir()
    (folder / "sub" / "hook.obj").write_bytes(TETRAHEDRON)
    written(folder / "sub", '<mujoco><compiler meshdir="sub"/><asset><mesh file="hook.obj"/></asset><worldbody><body>'
            f'<geom type="mesh" mesh="hook"/></body></worldbody>{SERVOS}</mujoco>', "more.xml")
    assert new_robot(file, into=tmp_path / "out").joints == ("slew", "luff", "dip")
    assert (tmp_path / "out" / "assets" / "hook.obj").read_bytes() == TETRAHEDRON


def test_joints_and_bodies_without_names_get_some_and_that_is_said(tmp_path):
    found = read_model(written(tmp_path, ARM.format(rest="").replace('name="luff" ', "")))
    assert [found.model.joint(k).name for k in range(3)] == ["slew", "boom_joint", "dip"]
    assert "name boom_joint: the joint of body boom has no name in the file" in found.guessed


def test_a_urdf_without_masses_gets_light_ones_and_that_is_said(tmp_path):
    text = re.sub(r"<inertial>.*?</inertial>", "", urdf_arm(tmp_path).read_text(), flags=re.DOTALL)
    assert any(line.startswith("masses: ") for line in read_model(written(tmp_path, text, "light.urdf")).guessed)


def test_a_joint_that_mimics_another_follows_it(tmp_path):
    text = urdf_arm(tmp_path).read_text().replace('<limit lower="-1" upper="1" effort="20" velocity="0"/>',
                                                  '<limit lower="-1" upper="1"/><mimic joint="slew" multiplier="-1"/>')
    assert read_model(written(tmp_path, text, "mimic.urdf")).model.neq == 1
    assert new_robot(tmp_path / "mimic.urdf", into=tmp_path / "out").joints == ("slew", "spin")


@pytest.mark.parametrize(("text", "sentence"), [
    ("", "expected XML"), ("<mujoco>", "expected XML"), ("no XML", "expected XML"),
    ("<sdf/>", "expected MJCF (<mujoco>) or URDF (<robot>), got <sdf>"),
    ("<mujoco/>", "expected a hinge or a slide that a motor can move, got 0 joints"),
    ("<mujoco><worldbody><geom/></worldbody></mujoco>", "expected a model that MuJoCo compiles"),
    ('<robot name="a" xmlns:xacro="http://www.ros.org/wiki/xacro"><xacro:macro/></robot>', "expected URDF, got xacro"),
    ('<robot name="a"/>', "robot.xml"),
])
def test_a_file_that_is_no_robot_is_refused_in_one_sentence(tmp_path, text, sentence):
    with pytest.raises(Refused) as refused:
        new_robot(written(tmp_path, text), into=tmp_path / "out")
    assert sentence in str(refused.value) and "\n" not in str(refused.value)
    assert not (tmp_path / "out").exists()


def test_a_folder_and_a_file_that_is_not_there_are_refused(tmp_path):
    for path in (tmp_path, tmp_path / "none.xml"):
        with pytest.raises(Refused, match="expected a readable file"):
            read_model(path)


def mutants(text, count, seed):
    """Yield texts with a few damaged attributes, elements or characters."""
    draw = random.Random(seed)
    values = ["", "nan", "-1", "1e309", "0 0", "a", "joint", "slew", "\u00e4 \u65e5", "1 2 3 4 5 6 7 8 9", "true"]
    for _ in range(count):
        mutant = text
        for _ in range(draw.randrange(1, 4)):
            kind = draw.randrange(4)
            if kind == 0 and (spots := list(re.finditer(r'"[^"]*"', mutant))):
                spot = draw.choice(spots)
                mutant = mutant[:spot.start()] + f'"{draw.choice(values)}"' + mutant[spot.end():]
            elif kind == 1 and (spots := list(re.finditer(r"<\w+[^<>]*/>", mutant))):
                spot = draw.choice(spots)
                mutant = mutant[:spot.start()] + spot[0] * draw.randrange(3) + mutant[spot.end():]
            elif kind == 2 and (spots := list(re.finditer(rf"\b(?:{'|'.join(KINDS)})\b", mutant))):
                spot = draw.choice(spots)
                mutant = mutant[:spot.start()] + draw.choice(KINDS) + mutant[spot.end():]
            else:
                at = draw.randrange(len(mutant))
                mutant = mutant[:at] + draw.choice(["", "<", "&", "x", "\0"]) + mutant[at + draw.randrange(1, 4):]
        yield mutant


@pytest.mark.parametrize("source", ["arm", "urdf", "reacher", "half_cheetah"])
def test_a_damaged_file_gives_a_folder_or_one_sentence_and_never_a_traceback(tmp_path, source):
    texts = {"arm": lambda: arm(tmp_path).read_text(), "urdf": lambda: urdf_arm(tmp_path).read_text(),
             **{name: path.read_text for name, path in gymnasium_robots().items()}}
    refused = 0
    for k, mutant in enumerate(mutants(texts[source](), 60, seed=len(source))):
        try:
            new_robot(written(tmp_path, mutant), into=tmp_path / f"out{k}")
        except Refused as error:
            refused += 1
            assert "\n" not in str(error)
            assert not (tmp_path / f"out{k}").exists()
    assert 0 < refused < 60

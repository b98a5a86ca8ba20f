# Copyright 2026 The mat_ros Authors
# SPDX-License-Identifier: Apache-2.0
"""The hand is the Shadow hand of Bi-DexHands: names, frames, ranges and masses."""

from __future__ import annotations

import numpy as np
import pytest

mujoco = pytest.importorskip("mujoco", reason="needs the sim extra")

from mat_ros.worlds.dexhands import HANDS, SCENES, DexHands, build  # noqa: E402
from mat_ros.worlds.hand import JOINTS  # noqa: E402
from mat_ros.worlds.skin import mesh_folder  # noqa: E402

pytestmark = pytest.mark.sim

# joint: (lower, upper) in rad, effort of its motor in N*m (None: passive, coupled by a tendon)
JOINT_TABLE = {
    "WRJ1": (-0.489, 0.14, 4.785), "WRJ0": (-0.698, 0.489, 2.175),
    "FFJ3": (-0.349, 0.349, 0.9), "FFJ2": (0, 1.571, 0.9), "FFJ1": (0, 1.571, 0.7245), "FFJ0": (0, 1.571, None),
    "MFJ3": (-0.349, 0.349, 0.9), "MFJ2": (0, 1.571, 0.9), "MFJ1": (0, 1.571, 0.7245), "MFJ0": (0, 1.571, None),
    "RFJ3": (-0.349, 0.349, 0.9), "RFJ2": (0, 1.571, 0.9), "RFJ1": (0, 1.571, 0.7245), "RFJ0": (0, 1.571, None),
    "LFJ4": (0, 0.785, 0.9),
    "LFJ3": (-0.349, 0.349, 0.9), "LFJ2": (0, 1.571, 0.9), "LFJ1": (0, 1.571, 0.7245), "LFJ0": (0, 1.571, None),
    "THJ4": (-1.047, 1.047, 2.3722), "THJ3": (0, 1.222, 1.45), "THJ2": (-0.209, 0.209, 0.99),
    "THJ1": (-0.524, 0.524, 0.99), "THJ0": (-1.571, 0, 0.81),
}
BODY_MASS = {  # kg, in the order of the tree
    "hand mount": 0.1, "forearm": 4.0, "wrist": 0.3, "palm": 0.3,
    "ffknuckle": 0.008, "ffproximal": 0.014, "ffmiddle": 0.012, "ffdistal": 0.01,
    "mfknuckle": 0.008, "mfproximal": 0.014, "mfmiddle": 0.012, "mfdistal": 0.01,
    "rfknuckle": 0.008, "rfproximal": 0.014, "rfmiddle": 0.012, "rfdistal": 0.01,
    "lfmetacarpal": 0.075, "lfknuckle": 0.008, "lfproximal": 0.014, "lfmiddle": 0.012, "lfdistal": 0.01,
    "thbase": 0.01, "thproximal": 0.016, "thhub": 0.002, "thmiddle": 0.016, "thdistal": 0.016,
}
TIP_STRAIGHT = {"ff": (0.033, 0.01, 0.481), "mf": (0.011, 0.01, 0.485), "rf": (-0.011, 0.01, 0.481),
                "lf": (-0.034, 0.01, 0.474), "th": (0.1029, 0.001, 0.388)}  # m, in the mount's frame, all joints at 0
TIP_HALF_WAY = {"ff": (0.0065, -0.0535, 0.4091), "mf": (-0.0158, -0.0531, 0.4092), "rf": (-0.0368, -0.0535, 0.4015),
                "lf": (-0.0292, -0.0682, 0.3784), "th": (0.0476, -0.0401, 0.4008)}  # all joints mid-range


@pytest.fixture(scope="module")
def model():
    return build("door", SCENES["door_open_outward"])


@pytest.mark.parametrize("prefix", HANDS)
def test_joints_have_the_published_order_ranges_and_efforts(model, prefix):
    assert tuple(joint.name for joint in JOINTS) == tuple(JOINT_TABLE)
    hinges = [model.joint(k).name for k in range(model.njnt) if model.joint(k).name.startswith(f"{prefix}:")][1:]
    assert hinges == [f"{prefix}:{name}" for name in JOINT_TABLE]
    motors = {model.joint(model.actuator(k).trnid[0]).name: k for k in range(model.nu)
              if model.actuator(k).name.startswith(f"{prefix}:A_")}
    assert list(motors) == [f"{prefix}:{name}" for name, row in JOINT_TABLE.items() if row[2] is not None]
    for name, (lower, upper, effort) in JOINT_TABLE.items():
        assert model.joint(f"{prefix}:{name}").range == pytest.approx((lower, upper))
        if effort is not None:
            motor = model.actuator(motors[f"{prefix}:{name}"])
            assert motor.ctrlrange == pytest.approx((lower, upper))
            assert motor.forcerange == pytest.approx((-effort, effort))
            stiffness = 5.0 if name.startswith("WRJ") else 1.0  # N*m/rad, as published
            assert (motor.gainprm[0], motor.biasprm[1]) == (stiffness, -stiffness)


@pytest.mark.parametrize("prefix", HANDS)
def test_bodies_have_the_published_order_and_masses(model, prefix):
    bodies = [model.body(k) for k in range(model.nbody) if model.body(k).name.startswith(f"{prefix}:")]
    assert {body.name.split(":")[1]: body.mass[0] for body in bodies} == pytest.approx(BODY_MASS)
    assert [body.name.split(":")[1] for body in bodies] == list(BODY_MASS)


@pytest.mark.parametrize(("share", "expected"), [(None, TIP_STRAIGHT), (0.5, TIP_HALF_WAY)])
def test_fingertips_are_where_the_published_frames_put_them(model, share, expected):
    data = mujoco.MjData(model)
    for name, (lower, upper, _) in JOINT_TABLE.items():
        data.joint(f"robot1:{name}").qpos = 0.0 if share is None else lower + share * (upper - lower)
    mujoco.mj_kinematics(model, data)
    mount = data.body("robot1:hand mount")
    for finger, place in expected.items():
        tip = mount.xmat.reshape(3, 3).T @ (data.site(f"robot1:S_{finger}tip").xpos - mount.xpos)
        assert tip == pytest.approx(place, abs=1e-4)


def test_coupling_tendons_join_the_last_two_joints_of_the_long_fingers_only(model):
    tendons = {model.tendon(k).name for k in range(model.ntendon)}
    assert tendons == {f"{prefix}:T_{finger}J1c" for prefix in HANDS for finger in ("FF", "MF", "RF", "LF")}
    data = mujoco.MjData(model)
    data.joint("robot0:MFJ0").qpos, data.joint("robot0:MFJ1").qpos = 1.0, 0.5
    mujoco.mj_fwdPosition(model, data)
    assert data.ten_length[model.tendon("robot0:T_MFJ1c").id] == pytest.approx(0.00705 * 1.0 - 0.00805 * 0.5)


def test_ranges_are_radians_so_a_finger_really_bends():
    world = DexHands("over", 1)
    world.reset(seed=0)
    command = np.zeros((1, len(world.joint_names)))
    command[0, world.joint_names.index("robot0:FFJ2")] = 1.5
    for _ in range(60):
        world.step(command)
    assert world.joint_position("robot0:FFJ2")[0] > 1.2
    assert world.model.joint("robot0:FFJ2").range[1] == pytest.approx(np.pi / 2, abs=1e-3)


def test_hands_collide_with_each_other_but_not_with_themselves_outside_the_touching_pairs(model):
    mine, other = (model.geom(f"{prefix}:C_palm0") for prefix in HANDS)
    assert (mine.contype[0] & other.conaffinity[0]) or (other.contype[0] & mine.conaffinity[0])
    for prefix in HANDS:
        palm, wrist = model.geom(f"{prefix}:C_palm0"), model.geom(f"{prefix}:C_forearm")
        assert not (palm.contype[0] & wrist.conaffinity[0]) and not (wrist.contype[0] & palm.conaffinity[0])


@pytest.mark.skipif(mesh_folder() is None, reason="needs gymnasium-robotics")
@pytest.mark.parametrize("scene", ["door_open_outward", "catch_over2underarm"])
def test_skin_changes_no_bit_of_the_dynamics(scene):
    bare, dressed = DexHands(scene, 2), DexHands(scene, 2, skin=True)
    assert dressed.model.nmesh > 0 and bare.model.nmesh == 0
    rng = np.random.default_rng(0)
    for world in (bare, dressed):
        world.reset(seed=3)
    for _ in range(100):
        command = rng.uniform(bare.command_lower, bare.command_upper, (2, len(bare.joint_names)))
        bare.step(command)
        dressed.step(command)
    np.testing.assert_array_equal(bare.measure(), dressed.measure())


@pytest.mark.skipif(mesh_folder() is None, reason="needs gymnasium-robotics")
def test_inertia_equals_that_of_the_model_in_gymnasium_robotics():
    original = mujoco.MjModel.from_xml_path(str(mesh_folder().parents[1] / "hand" / "reach.xml"))
    ours = build("over", SCENES["over"])
    states = [mujoco.MjData(m) for m in (original, ours)]
    rng = np.random.default_rng(1)
    for name, (lower, upper, _) in JOINT_TABLE.items():
        angle = rng.uniform(lower, upper)
        for data in states:
            data.joint(f"robot0:{name}").qpos = angle
    inertia = []
    for m, data in zip((original, ours), states, strict=True):
        mujoco.mj_forward(m, data)
        full = np.zeros((m.nv, m.nv))
        mujoco.mj_fullM(m, data, full)
        dofs = [m.joint(f"robot0:{name}").dofadr[0] for name in JOINT_TABLE]
        inertia.append(full[np.ix_(dofs, dofs)])
    np.testing.assert_allclose(inertia[1], inertia[0], atol=2e-6)

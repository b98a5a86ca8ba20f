# Copyright 2026 The mat_ros Authors
# SPDX-License-Identifier: Apache-2.0
"""A randomisation table varies the named quantities at the named times, and the same seed gives the same values."""

from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("mujoco", reason="needs the sim extra")

import mat_ros
from mat_ros.core.errors import Refused
from mat_ros.worlds.dexhands import DexHands
from mat_ros.worlds.randomise import Randomiser, Variation, load_table

pytestmark = pytest.mark.sim
TABLES = sorted((Path(mat_ros.__file__).parent / "config" / "randomisation").glob("*.yaml"))


def world(count=3):
    made = DexHands("door_open_outward", count)
    made.reset(seed=0)
    return made


@pytest.mark.parametrize("file", TABLES, ids=lambda file: file.stem)
def test_a_shipped_table_reads_and_its_world_stays_finite(file):
    hands = world()
    varied = Randomiser(hands, load_table(file), seed=1)
    varied.begin(np.arange(3))
    hands.reset()
    varied.arrive(np.arange(3))
    middle = np.tile((hands.command_lower + hands.command_upper) / 2, (3, 1))
    for _ in range(20):
        hands.step(varied.command(middle))
        assert np.isfinite(varied.readings(hands.measure())).all()
    assert not hands.warnings().any()


def test_a_scaled_mass_takes_its_inertia_along_and_stays_in_range():
    hands = world()
    nominal = hands.model.body_mass.copy(), hands.model.body_inertia.copy()
    Randomiser(hands, [Variation("mass", "scale", "uniform", (0.5, 1.5), "startup", "robot0:palm")], seed=2)
    palm = hands.model.body("robot0:palm").id
    share = hands.vary("body_mass")[:, palm] / nominal[0][palm]
    assert ((share >= 0.5) & (share <= 1.5)).all()
    assert len(set(share)) == 3
    np.testing.assert_allclose(hands.vary("body_inertia")[:, palm] / nominal[1][palm], share[:, None].repeat(3, 1))
    np.testing.assert_array_equal(np.delete(hands.vary("body_mass"), palm, axis=1),
                                  np.tile(np.delete(nominal[0], palm), (3, 1)))


def test_a_servo_stays_a_servo_when_its_stiffness_varies():
    hands = world()
    Randomiser(hands, [Variation("stiffness", "scale", "loguniform", (0.5, 2.0), "startup", "robot*A_*")], seed=0)
    motors = [k for k in range(hands.model.nu) if ":A_" in hands.model.actuator(k).name]
    np.testing.assert_array_equal(hands.vary("actuator_gainprm")[:, motors, 0],
                                  -hands.vary("actuator_biasprm")[:, motors, 1])


def test_a_row_drawn_at_reset_changes_with_each_episode_and_only_where_it_starts():
    hands = world()
    varied = Randomiser(hands, [Variation("gravity", "absolute", "uniform", (-9.0, -1.0))], seed=3)
    varied.begin(np.arange(3))
    first = hands.vary("opt.gravity")[:, 2].copy()
    varied.begin(np.array([1]))
    second = hands.vary("opt.gravity")[:, 2]
    np.testing.assert_array_equal(first[[0, 2]], second[[0, 2]])
    assert first[1] != second[1]


def test_the_same_seed_varies_alike_and_another_differently():
    found = []
    for seed in (5, 5, 6):
        hands = world()
        Randomiser(hands, [Variation("friction", "scale", "normal", (1.0, 0.1), "startup")], seed)
        found.append(hands.vary("geom_friction").copy())
    np.testing.assert_array_equal(found[0], found[1])
    assert (found[0] != found[2]).any()


def test_a_delay_gives_the_reading_of_that_many_ticks_ago():
    hands = world(1)
    varied = Randomiser(hands, [Variation("observation_delay", "absolute", "uniform", (2, 2))], seed=0)
    varied.begin(np.arange(1))
    varied.arrive(np.arange(1))
    start = hands.measure()
    seen = [varied.readings(np.full_like(start, tick))[0, 0] for tick in (10.0, 11.0, 12.0, 13.0)]
    assert seen == [start[0, 0], start[0, 0], 10.0, 11.0]


def test_a_delay_may_have_any_bound_and_is_a_whole_number_of_ticks():
    hands = world(8)
    varied = Randomiser(hands, [Variation("observation_delay", "absolute", "uniform", (0.0, 2.7))], seed=0)
    delays = set()
    for _ in range(8):
        varied.begin(np.arange(8))
        varied.arrive(np.arange(8))
        varied.readings(hands.measure())
        delays |= set(varied.state()["randomiser/observation_delay"])
    assert delays == {0, 1, 2, 3}


def test_an_episode_that_begins_within_a_tick_is_read_beside_the_others_whose_delay_and_noise_stay():
    table = [Variation("observation_delay", "absolute", "uniform", (2, 2)),
             Variation("observation", "add", "normal", (0.0, 0.1), of="joint_velocity")]
    found = []
    for begins in (False, True):
        hands = world()
        varied = Randomiser(hands, table, seed=0)
        varied.begin(np.arange(3))
        varied.arrive(np.arange(3))
        seen = []
        for tick in range(8):
            signals = np.full_like(hands.measure(), float(tick))
            seen.append(varied.readings(signals))
            if begins and tick in (3, 4):
                rows = np.array([1])
                varied.arrive(rows)
                first = varied.first_readings(np.full_like(signals[rows], 100.0), rows)
                assert first[0, 0] == hands.measure()[1, 0]  # the received reading, which is two ticks late
                seen[-1][rows] = first
        found.append(np.array(seen))
    calm, disturbed = found
    np.testing.assert_array_equal(disturbed[:, [0, 2]], calm[:, [0, 2]])
    assert disturbed[2:, 0, 0].tolist() == [0.0, 1.0, 2.0, 3.0, 4.0, 5.0]
    assert disturbed[5:, 1, 0].tolist() == [world().measure()[1, 0], 100.0, 5.0]


def test_the_first_reading_of_an_episode_has_noise_of_its_own():
    hands = world()
    varied = Randomiser(hands, [Variation("observation", "add", "normal", (0.0, 0.1), of="joint_velocity")], seed=0)
    noises = [varied.readings(np.zeros_like(hands.measure()))[1], varied.first_readings(
        np.zeros_like(hands.measure())[:1], np.array([1]))[0], varied.readings(np.zeros_like(hands.measure()))[1]]
    assert len({noise.tobytes() for noise in noises}) == 3
    assert {int((noise != 0.0).sum()) for noise in noises} == {48}


def test_an_empty_table_passes_everything_on_as_it_is_and_has_nothing_to_remember():
    hands = world()
    before = hands.state()
    varied = Randomiser(hands, (), seed=0)
    varied.begin(np.arange(3))
    varied.arrive(np.arange(3))
    command, signals = np.ones((3, 52)), hands.measure()
    assert varied.command(command) is command
    assert varied.readings(signals) is signals
    assert varied.state() == {}
    varied.set_state({})
    assert all(hands.state()[name].tobytes() == values.tobytes() for name, values in before.items())
    assert len(hands.state()) == len(before)


def test_noise_touches_only_the_terms_that_it_names():
    hands = world(2)
    varied = Randomiser(hands, [Variation("observation", "add", "normal", (0.0, 0.1), of="joint_velocity")], seed=0)
    clean = hands.measure()
    touched = np.flatnonzero((varied.readings(clean) != clean).any(axis=0))
    assert len(touched) == 48
    assert touched.min() == 48  # after the 48 joint positions


@pytest.mark.parametrize(("row", "reason"), [
    ({"what": "colour"}, "what"), ({"how": "multiply"}, "how"), ({"distribution": "cauchy"}, "distribution"),
    ({"when": "sometimes"}, "when"), ({"range": (2.0, 1.0)}, "range"),
    ({"distribution": "loguniform", "range": (0.0, 1.0)}, "range"),
    ({"what": "command_delay", "distribution": "normal"}, "number of ticks from 0 up"),
    ({"what": "observation_delay", "range": (-1.0, 2.0)}, "number of ticks from 0 up"),
])
def test_a_row_that_makes_no_sense_is_refused(row, reason):
    with pytest.raises(Refused, match=reason):
        Variation(**{"what": "mass", "how": "scale", "distribution": "uniform", "range": (0.5, 1.5), **row})


def test_a_pattern_that_selects_nothing_is_refused():
    with pytest.raises(Refused, match="robot9"):
        Randomiser(world(), [Variation("mass", "scale", "uniform", (1.0, 1.0), of="robot9*")], seed=0)

# Copyright 2026 The mat_ros Authors
# SPDX-License-Identifier: Apache-2.0
"""The native backend computes the same bits in every way of calling it, and refuses what it cannot run."""

from __future__ import annotations

import multiprocessing
import sys
import threading

import numpy as np
import pytest

from mat_ros.backends.golden import verify
from mat_ros.backends.native_library import LIBRARY
from mat_ros.core.errors import Refused
from mat_ros.core.policy.bundle import Bundle
from mat_ros.core.tick.decide import Decider, RunStepper
from mat_ros.core.tick.messages import Validity

if not LIBRARY.exists():
    pytest.skip("needs the compiled native backend", allow_module_level=True)

from mat_ros.backends.native_backend import NativeBackend
from mat_ros.backends.native_library import instruction_sets
from support.places import BUNDLES

KINDS = ("rwkv4", "attention")


class StepOnly:
    """Decide only one slot at a time."""

    def __init__(self, backend: NativeBackend) -> None:
        self.encode, self.step, self.info = backend.encode, backend.step, backend.info


def open_bundle(kind: str) -> Bundle:
    return Bundle.load(BUNDLES / kind)


def run_tick(backend, bundle: Bundle, observation: np.ndarray) -> tuple[bytes, ...]:
    """Decide slot by slot and return the bits of all results."""
    enc, values = backend.encode(observation)
    state, action = bundle.manifest.state.start(), np.zeros(bundle.manifest.network.act_dim, np.float32)
    bits = [enc.tobytes(), values.tobytes()]
    for slot in range(bundle.manifest.network.agents):
        action, state = backend.step(slot, enc[slot], action, state)
        bits += [action.tobytes(), state.tobytes()]
    return tuple(bits)


def decide_in_own_process(kind: str, slot: int, inbox, outbox) -> None:
    """Run the node of one slot: wait for the decision of the slot before, decide, and send the result."""
    bundle = open_bundle(kind)
    backend = NativeBackend(bundle)
    enc, _ = backend.encode(bundle.golden()["observation"][0])
    action, state = inbox.recv()
    outbox.send(backend.step(slot, enc[slot], action, state))


@pytest.mark.parametrize("kind", KINDS)
def test_golden_ticks_are_reproduced(kind: str) -> None:
    bundle = open_bundle(kind)
    verdict = verify(NativeBackend(bundle), bundle)
    assert verdict.ok, verdict.difference
    assert verdict.ticks == 20
    assert 0.0 < verdict.max_error < 1e-5


@pytest.mark.parametrize("kind", KINDS)
def test_every_instruction_set_gives_the_same_bits(kind: str) -> None:
    bundle = open_bundle(kind)
    paths = instruction_sets()
    assert paths[-1] == "scalar"
    for observation in bundle.golden()["observation"][:5]:
        assert len({run_tick(NativeBackend(bundle, path), bundle, observation) for path in paths}) == 1


@pytest.mark.parametrize("kind", KINDS)
def test_a_run_of_slots_gives_the_bits_of_single_steps(kind: str) -> None:
    bundle = open_bundle(kind)
    backend = NativeBackend(bundle)
    enc, _ = backend.encode(bundle.golden()["observation"][3])
    stepping = Decider(StepOnly(backend), bundle.manifest.network, bundle.manifest.state)
    for first in range(4):
        before, _ = stepping.extend(stepping.start(), 0, first, enc, Validity.OWN)
        previous = before.actions[-1] if first else np.zeros(1, np.float32)
        for last in range(first + 1, 5):
            actions, state = backend.decide(first, last, enc[first:last], previous, before.state)
            after, intended = stepping.extend(before, 0, last, enc, Validity.OWN)
            assert (actions.tobytes(), state.tobytes()) == (intended.tobytes(), after.state.tobytes())


def test_the_native_backend_decides_a_run_of_slots_in_one_call() -> None:
    backend = NativeBackend(open_bundle("rwkv4"))
    assert isinstance(backend, RunStepper)
    assert not isinstance(StepOnly(backend), RunStepper)


@pytest.mark.parametrize("kind", KINDS)
def test_one_process_per_slot_gives_the_bits_of_one_loop(kind: str) -> None:
    bundle = open_bundle(kind)
    spawn = multiprocessing.get_context("spawn")
    action, state = np.zeros(1, np.float32), bundle.manifest.state.start()
    for slot in range(bundle.manifest.network.agents):
        to_node, inbox = spawn.Pipe()
        outbox, from_node = spawn.Pipe()
        node = spawn.Process(target=decide_in_own_process, args=(kind, slot, inbox, outbox))
        node.start()
        to_node.send((action, state))
        assert from_node.poll(60.0)
        action, state = from_node.recv()
        node.join(10.0)
        assert node.exitcode == 0
    in_one_loop = run_tick(NativeBackend(bundle), bundle, bundle.golden()["observation"][0])
    assert (action.tobytes(), state.tobytes()) == in_one_loop[-2:]


def test_a_returned_array_is_the_callers_to_keep() -> None:
    bundle = open_bundle("attention")
    backend = NativeBackend(bundle)
    observations = bundle.golden()["observation"]
    enc, values = backend.encode(observations[0])
    kept = enc.copy(), values.copy()
    action, state = backend.step(0, enc[0], np.zeros(1, np.float32), bundle.manifest.state.start())
    kept_step = action.copy(), state.copy()
    run_tick(backend, bundle, observations[1])
    assert np.array_equal(enc, kept[0]) and np.array_equal(values, kept[1])
    assert np.array_equal(action, kept_step[0]) and np.array_equal(state, kept_step[1])


def test_the_arguments_of_a_step_are_left_as_they_were() -> None:
    bundle = open_bundle("rwkv4")
    backend = NativeBackend(bundle)
    state = bundle.manifest.state.start()
    state.flags.writeable = False  # an array over the bytes of a message is not writeable either
    enc, _ = backend.encode(bundle.golden()["observation"][0])
    backend.step(0, enc[0], np.zeros(1, np.float32), state)
    assert np.array_equal(state, bundle.manifest.state.start())


def test_threads_with_a_backend_each_do_not_disturb_each_other() -> None:
    bundle = open_bundle("attention")
    observations = bundle.golden()["observation"]
    expected = [run_tick(NativeBackend(bundle), bundle, observation) for observation in observations]
    found: dict[int, list[tuple[bytes, ...]]] = {}

    def work(index: int) -> None:
        backend = NativeBackend(bundle)
        found[index] = [run_tick(backend, bundle, observation) for observation in observations]

    threads = [threading.Thread(target=work, args=(index,)) for index in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert all(found[index] == expected for index in range(4))


def test_threads_that_share_a_backend_take_turns() -> None:
    bundle = open_bundle("attention")
    backend = NativeBackend(bundle)
    observations = bundle.golden()["observation"]
    expected = [backend.encode(observation)[0].tobytes() for observation in observations]
    wrong: list[int] = []

    def work() -> None:
        for _ in range(20):
            wrong.extend(k for k, observation in enumerate(observations)
                         if backend.encode(observation)[0].tobytes() != expected[k])

    interval = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)
    try:
        threads = [threading.Thread(target=work) for _ in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    finally:
        sys.setswitchinterval(interval)
    assert wrong == []


def test_a_not_finite_observation_shows_in_the_decision() -> None:
    bundle = open_bundle("attention")
    backend = NativeBackend(bundle)
    broken = bundle.golden()["observation"][0].copy()
    broken[0, 0] = np.nan
    enc, values = backend.encode(broken)
    actions, _ = backend.decide(0, 4, enc, np.zeros(1, np.float32), bundle.manifest.state.start())
    assert np.isnan(actions).all() and np.isnan(values).all()


@pytest.mark.parametrize("kind", KINDS)
def test_wrong_shapes_are_refused_before_they_reach_c(kind: str) -> None:
    bundle = open_bundle(kind)
    backend = NativeBackend(bundle)
    enc, _ = backend.encode(bundle.golden()["observation"][0])
    start, nothing = bundle.manifest.state.start(), np.zeros(1, np.float32)
    with pytest.raises(Refused, match="observation: expected shape"):
        backend.encode(np.zeros((4, 7), np.float32))
    for slot, enc_of_slot, previous, state in (
        (0, enc[0, :-1], nothing, start), (0, enc[0], np.zeros(2, np.float32), start), (4, enc[0], nothing, start),
        (-1, enc[0], nothing, start), (0, enc[0], nothing, np.zeros(len(start) + 1, np.float32)),
    ):
        with pytest.raises(Refused, match="step of slot"):
            backend.step(slot, enc_of_slot, previous, state)


def test_an_unknown_instruction_set_is_refused_with_those_that_exist() -> None:
    with pytest.raises(Refused, match=r"expected auto or one of .*scalar.*got sse9"):
        NativeBackend(open_bundle("rwkv4"), "sse9")

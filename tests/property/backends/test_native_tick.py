# Copyright 2026 The mat_ros Authors
# SPDX-License-Identifier: Apache-2.0
"""The machines in C++ do what their Python models do, whatever messages come, and whenever."""

from __future__ import annotations

import dataclasses
import functools
import itertools

import numpy as np
import pytest
from hypothesis import Phase, given, settings
from hypothesis import strategies as st

from mat_ros.backends.native_library import LIBRARY
from mat_ros.core.faults.network import SimulatedChain
from mat_ros.core.policy.bundle import Bundle
from mat_ros.core.robot.observe import Layout, Part, Term, View
from mat_ros.core.shipped import policy_folder
from mat_ros.core.tick.chain import BATONS, MODES, Patience, Role
from mat_ros.core.tick.collect import Collector
from mat_ros.core.tick.messages import Baton, Encoding, Override, Validity
from mat_ros.core.tick.wiring import Span
from mat_ros.core.wire import tick as wire

if not LIBRARY.exists():
    pytest.skip("needs the compiled native backend", allow_module_level=True)

from mat_ros.backends.native_backend import NativeBackend
from mat_ros.backends.native_tick import BATON, ENCODING
from support.chain_world import FATES, trouble
from support.places import BUNDLES
from support.tick_story import LENGTH_NS, ChainStory, CollectorStory, EncoderStory, stories
from support.tick_twin import CollectorTwin, Twin

SECRET = bytes(range(32))
POLICIES = ("attention", "rwkv4", "halfcheetah_mat", "halfcheetah_marwkv4", "dexhands_door_mat",
            "dexhands_door_marwkv4")
SMALL = POLICIES[:2]
BUDGET_NS = 1_000_000
# Explaining a failure runs the long stories again, line by line, for minutes.
PHASES = (Phase.explicit, Phase.reuse, Phase.generate, Phase.shrink)


@functools.cache
def opened(name: str) -> tuple[NativeBackend, Bundle, np.ndarray]:
    """Return the backend of a policy, its bundle, and encodings (tick, n, enc_dim)."""
    bundle = Bundle.load(BUNDLES / name if name in SMALL else policy_folder(name))
    backend = NativeBackend(bundle)
    return backend, bundle, np.array([backend.encode(obs)[0] for obs in bundle.golden()["observation"][:3]])


@st.composite
def roles(draw, slots: int) -> Role:
    first = draw(st.integers(0, slots - 1))
    return Role(slots, first, draw(st.integers(first + 1, slots)), Patience.of(draw(st.sampled_from(MODES)), BUDGET_NS),
                draw(st.sampled_from(BATONS)), draw(st.booleans()))


@settings(max_examples=150, deadline=None, phases=PHASES)
@given(st.sampled_from(POLICIES), st.sampled_from((b"", SECRET)), st.data())
def test_a_chain_node_does_the_same_in_cpp_and_in_python_whatever_befalls_it(name, secret, data):
    backend, bundle, enc = opened(name)
    role = data.draw(roles(bundle.manifest.network.agents))
    heard = tuple(range(role.first))[-2:]
    twin = Twin.of_chain(backend, bundle, role, secret, heard)
    ChainStory(twin, bundle, enc, heard).tell(data.draw(stories(ChainStory.EVENTS)))


@st.composite
def layouts(draw, bundle: Bundle) -> Layout:
    """Draw a layout of the size of a bundle's: each agent sees random places, scaled and shifted."""
    network, places = bundle.manifest.network, ("a", "b", "c")
    agent_id = network.obs_dim > network.agents and draw(st.booleans())
    width = network.obs_dim - (network.agents if agent_id else 0)
    number = st.sampled_from((1.0, 0.1, -3.7, 1e-3, 1e30, 0.0)) | st.floats(-10.0, 10.0)
    views = []
    for agent in bundle.manifest.agents:
        seen = draw(st.integers(1, width)) if views else width
        views.append(View(agent.name, tuple(Part("t", (draw(st.sampled_from(places)),), draw(number), draw(number))
                                            for _ in range(seen))))
    return Layout((Term("t", "1", places),), tuple(views), draw(st.sampled_from((np.inf, 5.0, 0.3, 1e38))), agent_id)


@settings(max_examples=60, deadline=None, phases=PHASES)
@given(st.sampled_from(POLICIES), st.sampled_from((b"", SECRET)), st.data())
def test_an_encoder_does_the_same_in_cpp_and_in_python_whatever_befalls_it(name, secret, data):
    backend, bundle, _ = opened(name)
    if name in SMALL and data.draw(st.booleans()):
        manifest = dataclasses.replace(bundle.manifest, layout=data.draw(layouts(bundle)))
        bundle = Bundle(bundle.folder, manifest, bundle.digest)
    story = EncoderStory(Twin.of_encoder(backend, bundle, secret), bundle)
    story.tell(data.draw(stories(EncoderStory.EVENTS, most=40)))


@settings(max_examples=200, deadline=None, phases=PHASES)
@given(st.sampled_from(POLICIES), st.sampled_from((b"", SECRET)), st.data())
def test_a_collector_does_the_same_in_cpp_and_in_python_whatever_befalls_it(name, secret, data):
    _, bundle, _ = opened(name)
    CollectorStory(CollectorTwin(bundle, secret), bundle).tell(data.draw(stories(CollectorStory.EVENTS, most=100)))


class TwinNode:
    """A twin in the place of a `ChainNode`."""

    def __init__(self, name: str, role: Role, heard: tuple[int, ...]) -> None:
        backend, bundle, _ = opened(name)
        self.twin, self.bundle, self.role = Twin.of_chain(backend, bundle, role, SECRET, heard), bundle, role

    @property
    def wake_ns(self):
        return self.twin.wake_ns

    def on_encoding(self, encoding, now_ns):
        body = wire.write_encoding(encoding, np.zeros(0, np.float32), self.bundle.hash64)
        return self._read(self.twin.hear(ENCODING, 0, self.twin.seal(ENCODING).sign(body), now_ns))

    def on_baton(self, baton, now_ns):
        slot = baton.prefix.slots - 1
        body = wire.write_baton(baton, self.bundle.hash64)
        return self._read(self.twin.hear(BATON, slot, self.twin.seal(BATON, slot).sign(body), now_ns))

    def poll(self, now_ns):
        return self._read(self.twin.poll(now_ns))

    def _read(self, sent):
        act_dim = self.bundle.manifest.network.act_dim
        return [wire.read_baton(data, act_dim) if topic == BATON else wire.read_decision(data, act_dim)
                for topic, data in sent]


class TwinChain(SimulatedChain):
    """A simulated chain of twins."""

    def __init__(self, name: str, ends: tuple[tuple[int, int], ...], mode: str, baton: str) -> None:
        _, bundle, self.enc = opened(name)
        self.policy, slots = name, bundle.manifest.network.agents
        self.overrides: dict[int, Override] = {}
        super().__init__(None, [Span(f"n{k}", *span) for k, span in enumerate(ends)], slots, mode, baton=baton)
        self.collector = Collector(slots, bundle.manifest.network.act_dim)

    def _make(self, k: int) -> TwinNode:
        span = self.spans[k]
        role = Role(self.slots, span.first, span.stop, self._patience, self._baton, backup=k == 0)
        node = TwinNode(self.policy, role, tuple(earlier.stop - 1 for earlier in self.spans[:k]))
        node.twin.notice(0, self.overrides)
        return node

    def run(self, tick: int, fates: tuple[str, ...]) -> np.ndarray:
        """Run a tick up to its deadline; return the actions that the gate has then."""
        for k, fate in enumerate(fates):
            if fate == "restart":
                self.restart(k)
        start = (tick + 1) * 16_000_000
        self.collector.begin(tick)
        heard = Encoding(tick, start, start + LENGTH_NS, start - 1_000_000, self.enc[tick % len(self.enc)])
        SimulatedChain.tick(self, heard, trouble(fates, self._reach), self.collector)
        return self.collector.actions.copy()


ENDS = ((0, 1), (1, 2), (2, 4))
WELL = ("on time",) * len(ENDS)


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("name", SMALL)
def test_every_combination_of_fates_of_a_small_chain_gives_the_same_messages(name, mode):
    healthy = TwinChain(name, ENDS, mode, "always").run(1, WELL)
    for fates in itertools.product(FATES, repeat=len(ENDS)):
        chain = TwinChain(name, ENDS, mode, "always")
        actions = chain.run(1, fates)
        decided = np.isfinite(actions)
        assert actions[decided].tobytes() == healthy[decided].tobytes(), fates


@pytest.mark.parametrize("baton", BATONS)
@pytest.mark.parametrize("node", range(len(ENDS)))
def test_every_sequence_of_fates_of_one_node_gives_the_same_messages(node, baton):
    mode = "optimistic" if baton == "on_deviation" else "bounded"
    for fates in itertools.product(FATES, repeat=3 if node == 1 else 2):
        chain = TwinChain("rwkv4", ENDS, mode, baton)
        for tick, fate in enumerate(fates):
            chain.run(tick, tuple(fate if k == node else "on time" for k in range(len(ENDS))))


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("name", SMALL)
def test_a_broken_joint_is_told_to_its_successors_in_every_grouping(name, mode):
    broken = {1: Override(np.array([0.25], np.float32), Validity.HELD)}
    seen = set()
    for ends in (((0, 1), (1, 2), (2, 3), (3, 4)), ENDS, ((0, 3), (3, 4)), ((0, 4),)):
        chain = TwinChain(name, ends, mode, "always")
        chain.overrides = broken
        for k in range(len(ends)):
            chain.restart(k)
        seen.add(chain.run(0, ("on time",) * len(ends)).tobytes())
    assert len(seen) == 1
    assert seen != {TwinChain(name, ENDS, mode, "always").run(0, WELL).tobytes()}


def test_a_baton_of_a_node_that_knows_more_makes_the_next_nodes_decide_again():
    chain = TwinChain("rwkv4", ENDS, "optimistic", "on_deviation")
    chain.run(0, WELL)
    first = chain.nodes[0].twin.model
    prefix, _ = first.decider.extend(first.decider.start(), 1, 1, chain.enc[1], Validity.OWN)
    told = dataclasses.replace(prefix, actions=prefix.actions * np.float32(0.5))
    encoding = Encoding(1, 2 * LENGTH_NS, 3 * LENGTH_NS, LENGTH_NS, chain.enc[1])
    node = chain.nodes[1]
    (decision,) = node.on_encoding(encoding, encoding.start_ns)
    baton, again = node.on_baton(Baton(1, LENGTH_NS, 0, told), encoding.start_ns + 1)
    assert (decision.revision, again.revision, baton.revision) == (0, 1, 1)
    assert node.twin.machine.counts["corrected"] == 1

# Copyright 2026 The mat_ros Authors
# SPDX-License-Identifier: Apache-2.0
"""Recordings of an arithmetic policy on the small shipped test bundle: no torch, no simulator."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace

import numpy as np

from mat_ros.core.policy.bundle import Bundle
from mat_ros.core.record.gate import GateSetup
from mat_ros.core.record.reader import open_source
from mat_ros.core.record.record import FACTS, Recorder, facts
from mat_ros.core.record.replay import redecide
from mat_ros.core.robot.guard import GuardSettings
from mat_ros.core.robot.observe import Observer
from mat_ros.core.tick.decide import Decider
from mat_ros.core.tick.keeper import Keeper, Keeping
from mat_ros.core.tick.messages import Baton, Decision, Encoding, Observation, Validity
from mat_ros.core.tick.safety import Gate
from mat_ros.core.wire import cdr
from mat_ros.core.wire.fields import (
    applied_fields,
    baton_fields,
    decision_fields,
    encoding_fields,
    override_fields,
    time_of,
)
from support.arithmetic import Arithmetic
from support.places import BUNDLES

BUNDLE = BUNDLES / "rwkv4"
PERIOD_NS = 20_000_000


def arithmetic(bundle: Bundle) -> Arithmetic:
    """Return the policy that decides in these recordings, as a chain of the bundle's sizes."""
    return Arithmetic(bundle.manifest.network, bundle.manifest.state)


def gate_setup(bundle: Bundle) -> GateSetup:
    """Return the gate that guards these recordings: a lock-step simulation's."""
    return GateSetup(bundle.manifest.joints, PERIOD_NS, GuardSettings(hold_ticks=1, stop_ticks=3, blend_s=0.1), True,
                     True)


def record(path: Path, ticks: int = 6, *, lie_at: int | None = None, overrides=None, override_from: int = 0, silent=(),
           topics=("observation", "encoding", "baton", "decision", "applied"), chunk_bytes: int = 4096,
           change: Callable[[str, SimpleNamespace], None] = lambda topic, message: None, **said) -> Bundle:
    """Write a recording of the test arm as four chain nodes would make it.

    `lie_at` spoils one decision's last bit, `change` may alter the fields of each message, `said` adds to the facts;
    None removes one. In the ticks of `silent`, no node decides.
    """
    bundle = Bundle.load(BUNDLE)
    manifest, policy = bundle.manifest, arithmetic(bundle)
    n, setup = manifest.network.agents, gate_setup(bundle)
    keeper = Keeper(manifest, Gate(setup.joints, PERIOD_NS, setup.settings), Keeping(True, True, PERIOD_NS))
    decider = Decider(policy, manifest.network, manifest.state)
    observer = Observer(manifest.layout)
    more = {name: value for name, value in {"seed": 0, "gate": setup.to_dict(), **said}.items() if value is not None}
    recorder = Recorder(path, facts(bundle, ("arithmetic", "1", "cpu"), **more), chunk_bytes)
    rng = np.random.default_rng(3)

    def write(topic, now, message):
        if topic.partition("/")[0] in topics:
            change(topic, message)
            recorder.write(topic, now, message)

    if overrides:
        recorder.write("overrides", 0, override_fields(override_from, overrides, bundle.hash64))
    for tick in range(ticks):
        now = tick * PERIOD_NS
        signals = rng.normal(size=observer.signal_count).astype(np.float32)
        told = overrides if overrides and tick >= override_from else None
        right = redecide(policy, decider, observer, signals, tick, n, told)
        write("observation", now, SimpleNamespace(
            tick=tick, manifest=bundle.hash64, start_ns=now, deadline_ns=now + PERIOD_NS, source_stamp=time_of(now),
            episode=1, signals=signals))
        write("encoding", now, encoding_fields(Encoding(tick, now, now + 1, now, right.enc), right.values,
                                               bundle.hash64))
        for slot in range(n) if tick not in silent else ():
            write(f"baton/slot_{slot}", now, baton_fields(Baton(tick, now, 0, right.prefixes[slot]), bundle.hash64))
            actions = np.vstack([right.told[:slot], right.intended[slot:slot + 1]])
            if tick == lie_at and slot == 2:
                actions[2, 0] = np.nextafter(actions[2, 0], np.float32(9))
            validity = np.full(slot + 1, Validity.OWN, np.uint8)
            write("decision", now, decision_fields(Decision(tick, now, 0, slot, slot + 1, actions, validity),
                                                   bundle.hash64))
        keeper.on_observation(Observation(tick, now, now + PERIOD_NS, now, 1, signals), now)
        whole = Decision(tick, now, 0, 0, n, right.intended, np.zeros(n, np.uint8))
        outcome, = keeper.on_decision(whole, now) if tick not in silent else keeper.poll(now + PERIOD_NS)
        write("applied", now, applied_fields(outcome, now, bundle.hash64))
    recorder.close()
    return bundle


def write_with_the_library(path: Path, source: Path, **how) -> None:
    """Write the messages of a recording again as another program does; `how` goes to the writer of `mcap`."""
    from mcap.writer import Writer

    found = open_source(source)
    with path.open("wb") as file:
        writer = Writer(file, **how)
        writer.start(profile="ros2", library="another program")
        schemas: dict[str, int] = {}
        channels: dict[str, int] = {}
        writer.add_metadata(FACTS, dict(found.survey.metadata[FACTS]))
        for message in found.messages():
            if message.type not in schemas:
                schemas[message.type] = writer.register_schema(message.type, "ros2msg",
                                                               cdr.schema(message.type).encode())
            if message.topic not in channels:
                channels[message.topic] = writer.register_channel(message.topic, "cdr", schemas[message.type])
            writer.add_message(channels[message.topic], message.time_ns, message.data, message.time_ns,
                               message.sequence)
        writer.finish()

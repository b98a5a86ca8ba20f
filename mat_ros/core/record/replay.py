# Copyright 2026 The mat_ros Authors
# SPDX-License-Identifier: Apache-2.0
"""Decide every recorded tick again in one process, and report the first recorded bits that differ.

A recorded observation determines its encodings, every baton, every decision and the request that reached the gate. A
replay computes all of these in one process with the same backend. When all bits are equal, the processes of the
recording decided like one process. This holds for any number of processes and any lost messages. The gate of the
recording then runs again over its requests (`gate.py`).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import SimpleNamespace
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from mat_ros.core.errors import Refused
from mat_ros.core.policy.bundle import Bundle
from mat_ros.core.record.comparison import Comparison, Report, has_decision
from mat_ros.core.record.gate import Key, KeyOf, replay_gate
from mat_ros.core.record.mcap import Message
from mat_ros.core.record.recording import Recording
from mat_ros.core.record.ticks import Said, Ticks
from mat_ros.core.robot.joints import ActionMap
from mat_ros.core.robot.observe import Observer
from mat_ros.core.tick.collect import NONE
from mat_ros.core.tick.decide import Decider, Sampling
from mat_ros.core.tick.messages import Float32, Override, Prefix, Validity
from mat_ros.core.tick.overrides import Notices
from mat_ros.core.wire import cdr
from mat_ros.core.wire.fields import read_baton, read_decision, read_encoding, read_overrides, rows
from mat_ros.core.wire.tick import MANIFEST, SOURCE, TICK

FOLLOWING = ("encoding", "baton", "decision", "applied")  # messages that follow from an observation, in this order
TOLD = (Validity.HELD, Validity.ZERO)
MARGIN_NS = 1_000_000_000  # a slice is read wider by this, since a tick's messages are recorded around its observation
LAST_TICK = 2**64 - 1  # the random numbers of a sampled tick need tick + 1, which overflows here


class ReplayedPolicy(Protocol):
    """Encode and decide. A replay needs these two methods of a backend."""

    def encode(self, obs: Float32) -> tuple[Float32, Float32]:
        """Return encodings (n, enc_dim) and values (n,) of the raw observation (n, obs_dim)."""
        ...

    def step(self, slot: int, enc: Float32, previous: Float32, state: Float32) -> tuple[Float32, Float32]:
        """Return the action (act_dim,) of one slot and the next state."""
        ...


@dataclass(frozen=True)
class Redecided:
    """Hold what one process decides with the policy in one tick."""

    enc: Float32  # (n, enc_dim)
    values: Float32  # (n,)
    prefixes: tuple[Prefix, ...]  # after slot k, k = 0 .. n-1
    intended: Float32  # (n, act_dim)

    @property
    def told(self) -> Float32:
        """Return the actions that successors receive (n, act_dim)."""
        return self.prefixes[-1].actions


def redecide(policy: ReplayedPolicy, decider: Decider, observer: Observer, signals: NDArray[Any], tick: int, slots: int,
             overrides: Mapping[int, Override] | None = None) -> Redecided:
    """Return the decisions of one tick, computed from its measurements (signal,)."""
    enc, values = policy.encode(observer.observe(np.asarray(signals, np.float32)))
    prefix, prefixes, intended = decider.start(), [], []
    for slot in range(slots):
        prefix, intention = decider.extend(prefix, tick, slot + 1, enc, Validity.OWN, overrides)
        prefixes.append(prefix)
        intended.append(intention[0])
    return Redecided(enc, values, tuple(prefixes), np.array(intended))


def replay(recording: Recording, bundle: Bundle, policy: ReplayedPolicy, tolerance: float | None = None) -> Report:
    """Return the report of deciding the recorded ticks again.

    The tolerance, in policy units, serves a backend of another class of equality. None compares bits.
    """
    if recording.facts.get("digest", bundle.digest) != bundle.digest:
        raise Refused("policy", f"the recorded bundle {recording.facts['digest'][:16]}…", f"{bundle.digest[:16]}…",
                      "name the bundle that was recorded")
    manifest = bundle.manifest
    sampling = None
    if recording.facts.get("sampled"):
        sampling = Sampling(recording.facts["seed"], np.array(manifest.action_std, np.float32))
    decider = Decider(policy, manifest.network, manifest.state, sampling)
    observer, notices = Observer(manifest.layout), _notices(recording, bundle)
    report = Report(equality="bit" if tolerance is None else "tolerance", truncated=recording.truncated)
    key, first_ns = _key(bundle), None  # time of recording of the first differing tick's observation
    differing: set[Key] = set()
    undecided: set[Key] = set()
    ticks = Ticks(lambda: recording.messages(("observation", *FOLLOWING), margin_ns=MARGIN_NS), key)
    for (tick, source), said in ticks:
        observed, following = _sort(said)
        if observed is None:
            report.unmatched += sum(recording.covers(message.time_ns) for topic, message in following
                                    if any(source) or topic != "applied")  # a command without a decision has no source
        elif recording.covers(observed.time_ns):
            report.ticks += 1
            if not following:
                continue
            if sampling is not None and tick == LAST_TICK:
                raise Refused("recorded tick", f"a number below {LAST_TICK}", tick, "record it anew")
            signals = cdr.decode(observed.type, observed.data).signals
            right = redecide(policy, decider, observer, signals, tick, manifest.network.agents, notices.at(tick))
            compared = Comparison(tick, tolerance)
            _compare(compared, following, right, manifest.action_map)
            report.values += compared.values
            report.worst = max(report.worst, compared.worst)
            if _is_undecided(following):
                undecided.add((tick, source))
            else:
                report.compared += 1
            if compared.first is not None:
                differing.add((tick, source))
                if first_ns is None or observed.time_ns < first_ns:
                    first_ns, report.first = observed.time_ns, compared.first
    gate = replay_gate(recording, manifest, key, MARGIN_NS)
    for name, (time_ns, place) in gate.differences.items():
        if first_ns is None or time_ns < first_ns or (time_ns == first_ns and name not in differing):
            first_ns, report.first = time_ns, place
    differing |= gate.differences.keys()
    report.compared += len(undecided & differing)  # a difference was found in them all the same
    report.undecided, report.differing = len(undecided - differing), len(differing)
    report.gate = {"commands": gate.commands, "differing": gate.differing, "unknown": gate.unknown,
                   "reason": gate.reason}
    if gate.note:
        report.notes.append(gate.note)
    if not report.ticks and (recording.start_ns or recording.stop_ns is not None):
        report.notes.append("no observation was recorded in this slice")
    if recording.gap:
        report.notes.append(recording.gap)
    return report


def _notices(recording: Recording, bundle: Bundle) -> Notices:
    """Return all notices about broken joints, also those before a slice. A notice holds until the next one."""
    network, notices = bundle.manifest.network, Notices(kept=None)
    for _, message in recording.messages(("overrides",), start_ns=0, margin_ns=MARGIN_NS):
        said = cdr.decode(message.type, message.data)
        if said.manifest == bundle.hash64:
            notices.add(said.tick, read_overrides(said, network.agents, network.act_dim))
    return notices


def _key(bundle: Bundle) -> KeyOf:
    """Return the function that returns the observation to which a message belongs; None for another policy's message.

    The key is tick and source stamp, because a restarted source counts its ticks from zero again.
    """
    manifest = bundle.hash64.to_bytes(8, "little")

    def key(topic: str, message: Message) -> Key | None:
        data = message.data
        return (int.from_bytes(data[TICK], "little"), data[SOURCE[topic]]) if data[MANIFEST] == manifest else None

    return key


def _is_undecided(said: Said) -> bool:
    """Return whether the gate acted in a tick, and no node decided anything in it."""
    commands = [message for topic, message in said if topic == "applied"]
    return (bool(commands) and not any(topic in ("baton", "decision") for topic, _ in said)
            and not any(map(has_decision, commands)))


def _sort(said: Said) -> tuple[Message | None, Said]:
    """Return the observation of a tick and the messages that follow from it, in the order of `FOLLOWING`."""
    observed = [message for topic, message in said if topic == "observation"]
    following = [(topic, message) for topic, message in said if topic != "observation"]
    return observed[-1] if observed else None, sorted(following, key=lambda found: FOLLOWING.index(found[0]))


def _compare(compared: Comparison, said: Said, right: Redecided, action_map: ActionMap) -> None:
    slots, act_dim = right.intended.shape
    for topic, message in said:
        fields = cdr.decode(message.type, message.data)
        if topic == "encoding":
            enc = read_encoding(fields, *right.enc.shape).enc
            compared.rows("encoding.enc", enc, right.enc)
            compared.rows("encoding.values", rows(fields.values, slots, 1, "encoding, values"),
                          right.values.reshape(slots, 1))
        elif topic == "baton":
            prefix = read_baton(fields, act_dim).prefix
            known = right.prefixes[_last(topic, prefix.slots, slots)]
            compared.rows("baton.actions", prefix.actions, known.actions)
            compared.one("baton.state", prefix.slots - 1, prefix.state, known.state)
        elif topic == "decision":
            decision = read_decision(fields, act_dim)
            stop = _last(topic, len(decision.actions), slots) + 1
            own = np.arange(stop)[:, None] >= decision.first
            compared.rows("decision.actions", decision.actions, np.where(own, right.intended[:stop], right.told[:stop]))
        else:
            _compare_applied(compared, fields, right, action_map)


def _last(topic: str, count: int, slots: int) -> int:
    """Return the last of `count` slots. Refuse more slots than the policy has."""
    if count > slots:
        raise Refused(f"recorded {topic}", f"at most {slots} slots", count, "record it anew")
    return count - 1


def _compare_applied(compared: Comparison, message: SimpleNamespace, right: Redecided, action_map: ActionMap) -> None:
    slots, act_dim = right.intended.shape
    actions, validity = rows(message.actions, slots, act_dim, "applied, actions"), message.validity
    if len(validity) != slots:
        raise Refused("applied, validity", f"{slots} values", len(validity), "record it anew")
    said = right.intended.copy()
    for slot, how in enumerate(validity):
        if how == NONE:
            said[slot] = np.nan
        elif how in TOLD and _far(actions[slot], right.told[slot]) < _far(actions[slot], said[slot]):
            said[slot] = right.told[slot]  # no message came from the slot's node, so the gate got the overridden action
    compared.rows("applied.actions", actions, said)
    if compared.first is None:
        compared.one("applied.requested", -1, message.requested, action_map.to_command(said.astype(np.float64)))


def _far(a: NDArray[Any], b: NDArray[Any]) -> float:
    return float(np.abs(a.astype(np.float64) - b).max(initial=0.0))

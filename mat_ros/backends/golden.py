# Copyright 2026 The mat_ros Authors
# SPDX-License-Identifier: Apache-2.0
"""Compare a backend with the golden ticks of its bundle over whole chains, and name the first difference."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from mat_ros.backends.backend import Backend, Float32
from mat_ros.core.errors import Refused
from mat_ros.core.policy.bundle import Bundle
from mat_ros.core.tick.decide import Decider
from mat_ros.core.tick.messages import Validity


@dataclass(frozen=True)
class Verdict:
    """Hold the result of a backend on the golden ticks."""

    ticks: int
    max_error: float  # largest error of an action, in policy units
    difference: str  # words for the first difference that is too large; empty where there is none

    @property
    def ok(self) -> bool:
        """Return whether the backend reproduced every tick."""
        return not self.difference


def verify(backend: Backend, bundle: Bundle, ticks: int | None = None) -> Verdict:
    """Run all or the first golden ticks as a chain; each slot receives the action that this backend decided before."""
    manifest, golden = bundle.manifest, bundle.golden()
    decider = Decider(backend, manifest.network, manifest.state)
    exact = manifest.equality == "bit"
    largest, count = 0.0, len(golden["observation"]) if ticks is None else min(ticks, len(golden["observation"]))
    for tick in range(count):
        enc, values = backend.encode(golden["observation"][tick])
        prefix, actions = decider.extend(decider.start(), tick, manifest.network.agents, enc, Validity.OWN)
        found = {"enc": enc, "values": values, "action": actions, "state": prefix.state}
        largest = max(largest, _worst(found["action"], golden["action"][tick], relative=False))
        for name in ("enc", "values", "action", "state"):  # in the order in which an error spreads
            if tick >= len(golden[name]):
                continue
            wanted, got = golden[name][tick], found[name]
            if exact and got.tobytes() == wanted.tobytes():
                continue
            if exact or not _worst(got, wanted, relative=name != "action") <= manifest.tolerance:
                return Verdict(tick + 1, largest, _say(bundle, tick, name, got, wanted))
    return Verdict(count, largest, "")


def require(backend: Backend, bundle: Bundle, ticks: int | None = None) -> None:
    """Refuse a backend that does not reproduce the golden ticks, because such a backend must not drive a robot."""
    verdict = verify(backend, bundle, ticks)
    if not verdict.ok:
        limit = "the same bits" if bundle.manifest.equality == "bit" else f"within {bundle.manifest.tolerance:g}"
        raise Refused(f"backend {backend.info().name} on bundle {bundle.folder}", f"the golden ticks, {limit}",
                      verdict.difference, "choose another backend, or export the policy anew")


def _worst(got: Float32, wanted: Float32, *, relative: bool) -> float:
    """Return the largest difference, or NaN, which fails every limit, where a difference is not finite."""
    apart = np.abs(got.astype(np.float64) - wanted)
    if relative:
        apart = apart / np.maximum(1.0, np.abs(wanted))
    return float(apart.max()) if apart.size else 0.0


def _say(bundle: Bundle, tick: int, name: str, got: Float32, wanted: Float32) -> str:
    """Return words that name tick, slot and element of the first difference."""
    manifest = bundle.manifest
    limit = 0.0 if manifest.equality == "bit" else manifest.tolerance
    scale = 1.0 if name == "action" else np.maximum(1.0, np.abs(wanted))
    flat = ~(np.abs(got.astype(np.float64) - wanted) <= limit * scale).reshape(-1)
    first = int(flat.argmax())
    place = np.unravel_index(first, wanted.shape)
    if name == "state":
        row, column = divmod(first, manifest.state.row)
        per_block = manifest.state.row // manifest.network.blocks
        where = f"state of {'slot ' + str(row) if manifest.state.grows else 'the last slot'}, " \
                f"block {column // per_block}, float {column % per_block}"
    else:
        agent = manifest.agents[int(place[0])]
        where = f"slot {int(place[0])} ({agent.name})"
        if name == "action":
            joints = [*agent.joints, *["padding"] * manifest.network.act_dim]
            where += f", action of {joints[int(place[1])]}"
        else:
            where += f", {name}" + (f" {int(place[1])}" if len(place) > 1 else "")
    return f"{float(got.reshape(-1)[first])!r} for {float(wanted.reshape(-1)[first])!r} at tick {tick}, {where}"

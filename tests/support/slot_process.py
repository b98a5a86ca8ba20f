# Copyright 2026 The mat_ros Authors
# SPDX-License-Identifier: Apache-2.0
"""Be the node of one slot in a process of its own; without torch, so that 26 of them start quickly."""

from __future__ import annotations

from multiprocessing.connection import Connection
from pathlib import Path

from mat_ros.backends.choose import open_backend
from mat_ros.core.policy.bundle import Bundle


def run_slot(name: str, folder: Path, slot: int, inbox: Connection, outbox: Connection) -> None:
    """Encode each golden observation, wait for the slot before, decide, and pass on what was decided so far."""
    bundle = Bundle.load(folder)
    backend = open_backend(name, bundle)
    for observation in bundle.golden()["observation"]:
        enc, _ = backend.encode(observation)
        decided, action, state = inbox.recv()
        action, state = backend.step(slot, enc[slot], action, state)
        outbox.send(([*decided, action.tobytes()], action, state))

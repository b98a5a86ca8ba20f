# Copyright 2026 The mat_ros Authors
# SPDX-License-Identifier: Apache-2.0
"""Gate, keeper and driver of a small robot in made-up time, and everything that can happen to them.

After every event the robot's own record is held against the limits: each command that reached it is finite, inside its
position limits, and no further from the one before than the rate allows in the time between; a stop ends by an
operator's word alone; and a replay of the gate computes each command again.
`PYTHONPATH=tests python -m support.guard_world --steps 10000000` walks at random and prints how many steps held.
"""

from __future__ import annotations

import argparse
import json
import time
from dataclasses import replace

import numpy as np

from mat_ros.core.policy.bundle import Bundle
from mat_ros.core.policy.manifest import Manifest
from mat_ros.core.record.gate import GateReplay, GateSetup
from mat_ros.core.robot.guard import GuardSettings
from mat_ros.core.tick.keeper import Keeper, Keeping
from mat_ros.core.tick.latch import Stop
from mat_ros.core.tick.messages import Decision, Observation, Outcome
from mat_ros.core.tick.safety import Reason
from mat_ros.hardware.driver import Drive, Driving
from mat_ros.hardware.wire import DriveCommand
from support.places import BUNDLES

MANIFEST = Bundle.load(BUNDLES / "rwkv4").manifest
PERIOD = MANIFEST.period_ns
DEADLINE = PERIOD * 4 // 5
RATE = 2.0  # rad/s, so that many ticks are needed from limit to limit
JOINTS = tuple(replace(joint, rate=RATE, fallback="default" if k % 2 else "hold")
               for k, joint in enumerate(MANIFEST.joints))
ARM: Manifest = replace(MANIFEST, joints=JOINTS)
LOWER, UPPER = np.array([joint.lower for joint in JOINTS]), np.array([joint.upper for joint in JOINTS])
SETTINGS = GuardSettings(hold_ticks=2, stop_ticks=8, blend_s=0.05)
SETUP = GateSetup(JOINTS, PERIOD, SETTINGS, lockstep=False, simulated=False)
SAG = 0.03  # of a weak robot: more than the samples of a joint at rest may differ
FOUND = 0.02 * (UPPER - LOWER)  # how near to where it stands a robot may be taken over


class Memory:
    """A latch in memory; the disk is another test's."""

    def __init__(self) -> None:
        self.stop: Stop | None = None

    def read(self) -> Stop | None:
        return self.stop

    def write(self, cause: str) -> Stop:
        self.stop = self.stop or Stop("arm", cause, "now")
        return self.stop

    def write_aside(self, cause: str) -> None:
        self.write(cause)


class GuardWorld:
    """One robot, its driver, its gate, and a clock for the ticks that may be set."""

    def __init__(self, sag: float = 0.0) -> None:
        """Take how far each joint stays behind its command, as a share of its range."""
        self.sag = sag * (UPPER - LOWER)
        self.now, self.offset = 10 * PERIOD, 0  # monotonic, and what the tick's clock is ahead of it
        self.tick = self.steps = 0
        self.sequence = 0  # of the last command; that of a new gate goes on from it
        self.place = np.clip(np.zeros(len(JOINTS)), LOWER, UPPER)  # where the joints stand
        self.latch = Memory()
        self.written: list[tuple[int, np.ndarray]] = []  # since the robot was last taken over
        self.broken = False  # the bus does not take commands
        self.taken_over = True  # the next command may begin anywhere near the robot
        self.replay = GateReplay(SETUP, ARM)
        self.signals: dict[int, np.ndarray] = {}  # by tick
        self._stopped_at: int | None = None
        self._found = self._stated = np.zeros(len(JOINTS), dtype=bool)  # joints that were found elsewhere: by the
        # newest command that was written, and by the one that the gate states now
        self.restart_driver()
        self.restart_gate()

    # -- what can happen -----------------------------------------------------------------------------------------

    def restart_driver(self) -> None:
        self.driving = Driving(Drive(JOINTS, SETTINGS, PERIOD), self._write, self.latch, lambda: self.place.copy())
        self.taken_over = True

    def restart_gate(self) -> None:
        self.keeper = Keeper(ARM, SETUP.gate(), Keeping(SETUP.lockstep, SETUP.simulated))
        self.keeper.take_over(latched=self.latch.read() is not None)

    def step(self, asked: np.ndarray, present: bool = True, bogus: np.ndarray | None = None, start_ns: int = 0,
             source: int = 0, late_ns: int = 0) -> None:
        """Measure and decide one tick, in time or out of it, and let a period pass."""
        begun = self.now
        measured = self.place if bogus is None else bogus
        signals = np.zeros(8, np.float32)
        signals[:4] = measured
        self.signals[self.tick] = signals
        start = self.now + self.offset + start_ns
        seen = Observation(self.tick, start, start + DEADLINE, begun, 0, signals)
        self._command(self.keeper.on_observation(seen, self.now + self.offset))
        if present:
            with np.errstate(all="ignore"):
                actions = ARM.action_map.to_actions(asked).astype(np.float32)
            whole = Decision(self.tick, begun + source, 0, 0, 4, actions, np.zeros(4, np.uint8))
            self.now += late_ns
            self._command(self.keeper.on_decision(whole, self.now + self.offset))
        self.tick += 1
        self.pass_time(max(0, begun + PERIOD - self.now))

    def pass_time(self, span_ns: int) -> None:
        """Let time pass for gate and driver."""
        until = self.now + span_ns
        for _ in range(1000):
            wakes = [] if self.driving.wake_ns is None else [self.driving.wake_ns]
            if self.keeper.wake_ns is not None:
                wakes.append(self.keeper.wake_ns - self.offset)
            due = min((wake for wake in wakes if wake <= until), default=None)
            if due is None:
                break
            self.now = max(self.now, due)
            self.driving.poll(self.now)
            self._command(self.keeper.poll(self.now + self.offset))
        self.now = until

    def hang_gate(self, periods: int) -> None:
        """Stop the gate's process for a while: only the driver acts."""
        until = self.now + periods * PERIOD
        while self.driving.wake_ns is not None and self.driving.wake_ns <= until:
            self.now = max(self.now, self.driving.wake_ns)
            self.driving.poll(self.now)
        self.now = until

    def displace(self, where: np.ndarray) -> None:
        """Move the robot by hand while nobody measures it."""
        self.pass_time(6 * PERIOD)
        self.place = where

    def stop(self) -> None:
        self.latch.write("operator")
        self.keeper.stop()

    def resume(self) -> None:
        self.latch.stop = None
        self.driving.release()
        self.keeper.release()
        self.taken_over = True

    # -- what must hold ------------------------------------------------------------------------------------------

    def _command(self, outcomes: list[Outcome]) -> None:
        for outcome in outcomes:
            again = self.replay.follow(outcome, self.signals[outcome.tick])
            assert again == (True, None), f"a replay computes another command: {again}"
            self.sequence += 1
            found = (outcome.applied.reasons & Reason.SETTLED) != 0
            self._stated = found
            answer = self.driving.on_command(DriveCommand(self.sequence, outcome.applied.applied, found), self.now)
            if not answer.taken:
                self.keeper.not_taken()
                if self.driving.cause:
                    self.keeper.stop()
            if outcome.applied.stopped and not self.keeper.stopped:
                self.latch.write(self.keeper.cause)
            self.keeper.stopped = outcome.applied.stopped
            if answer.misplaced and self.keeper.active:
                self.keeper.take_over(latched=self.latch.read() is not None)

    def _write(self, command: np.ndarray) -> None:
        assert np.isfinite(command).all(), command
        assert (command >= LOWER).all() and (command <= UPPER).all(), command
        if self.broken:
            raise ConnectionError("no carrier")
        jumped = np.zeros(len(JOINTS), dtype=bool)
        if self.taken_over or not self.written:
            assert (np.abs(command - np.clip(self.place, LOWER, UPPER)) <= FOUND + 1e-9).all(), (command, self.place)
        else:
            then, before = self.written[-1]
            allowed = RATE * min(self.now - then, PERIOD) * 1e-9
            jumped = np.abs(command - before) > allowed + 1e-9
            # What was found elsewhere is commanded to where it stands, which moves nothing.
            assert (np.abs(command - self.place)[jumped] <= FOUND[jumped] + 1e-9).all(), (command, before, self.place)
        self.taken_over = False
        self._found, self._stated = self._stated | jumped, np.zeros(len(JOINTS), dtype=bool)
        self.written = [*self.written[-1:], (self.now, command.copy())]
        self.place = command - self.sag

    def check(self) -> None:
        """Hold what no single command shows."""
        self.steps += 1
        if self.latch.stop is None:
            self._stopped_at = None
            return
        # From the second command after a stop on, a joint holds or comes nearer to its fallback, wherever it was found.
        if self._stopped_at is not None and len(self.written) == 2 and self._stopped_at < self.written[0][0]:
            (_, before), (_, after) = self.written
            rest = np.array([joint.default for joint in JOINTS])
            nearer = np.abs(after - rest) <= np.abs(before - rest) + 1e-6  # measurements travel as float32
            assert (nearer | self._found).all(), "a stopped robot moves away from its fallback"
        self._stopped_at = self.now if self._stopped_at is None else self._stopped_at


def event(world: GuardWorld, rng: np.random.Generator) -> None:
    """Let one thing happen, drawn at random."""
    asked = rng.choice(np.array([np.nan, np.inf, -np.inf, 1e308, 0.0, *rng.normal(size=4)]), 4)
    kind = int(rng.integers(22))
    if kind < 8:
        world.step(rng.uniform(LOWER, UPPER))
    elif kind == 8:
        world.step(asked)
    elif kind == 9:
        world.step(asked, present=False)
    elif kind == 10:
        world.step(asked, late_ns=int(rng.integers(0, 5 * PERIOD)))
    elif kind == 11:
        world.step(asked, start_ns=int(rng.choice([-3600 * 10**9, -2 * PERIOD, PERIOD // 2, 3600 * 10**9])))
    elif kind == 12:
        world.step(asked, source=1)
    elif kind == 13:
        world.step(asked, bogus=rng.uniform(-20.0, 20.0, 4))
    elif kind == 14:
        world.pass_time(int(rng.integers(0, 12 * PERIOD)))
    elif kind == 15:
        world.offset += int(rng.choice([-3600 * 10**9, -PERIOD // 3, PERIOD // 3, 3600 * 10**9]))
    elif kind == 16:
        world.broken = not world.broken
    elif kind == 17:
        world.displace(rng.uniform(LOWER, UPPER))
    elif kind == 18:
        world.stop()
    elif kind == 19:
        world.resume()
    elif kind == 20:
        world.hang_gate(int(rng.integers(0, 12)))
    elif rng.random() < 0.5:
        world.restart_gate()
    else:
        world.restart_driver()
    world.check()


def walk(seed: int, steps: int) -> int:
    """Let so many things happen to one robot, stiff or weak; return how many held."""
    rng, world = np.random.default_rng(seed), GuardWorld(sag=SAG * (seed % 2))
    for _ in range(steps):
        event(world, rng)
    return world.steps


def main() -> None:
    """Walk at random, in pieces of one seed each, and print how many steps held."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--steps", type=int, default=1_000_000)
    parser.add_argument("--seed", type=int, default=0)
    given = parser.parse_args()
    begun, held, piece = time.monotonic(), 0, 10_000
    for seed in range(given.seed, given.seed + -(-given.steps // piece)):
        held += walk(seed, min(piece, given.steps - held))
    print(json.dumps({"steps": held, "violations": 0, "seconds": round(time.monotonic() - begun, 1)}))


if __name__ == "__main__":
    main()



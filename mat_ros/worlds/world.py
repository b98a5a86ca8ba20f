# Copyright 2026 The mat_ros Authors
# SPDX-License-Identifier: Apache-2.0
"""Define a world: many simulations of one robot, which are commanded and measured by name.

Training steps many simulations at once; the runtime steps one, with the same code. Each simulation is one row of the
arrays. Rows are independent: the bits of a row do not depend on the number of rows, or on the rows that are reset or
stepped with it. `mat_ros.worlds.batch` steps MuJoCo. `mat_ros.worlds.kinematic` steps plain arrays.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Protocol

import numpy as np
from numpy.typing import ArrayLike, NDArray

from mat_ros.core import randomness
from mat_ros.core.errors import Refused
from mat_ros.core.robot.observe import Term
from mat_ros.worlds.scatter import Scatter

Float = NDArray[np.float64]
Ids = NDArray[np.intp]


class Motors(Protocol):
    """Change the motors of simulations, as faults do."""

    def prepare(self) -> None:
        """Prepare for faults. A run without faults never calls this method."""
        ...

    def note_whole(self, row: int) -> None:
        """Store the whole motors of a simulation, because parameters may have changed since the last fault."""
        ...

    def apply(self, row: int, strength: Float, stuck: Sequence[int]) -> None:
        """Let each motor keep this share of its strength (joint,), and lock the joints with these numbers."""
        ...

    def halt(self, row: int, joint: int) -> None:
        """Take the velocity from a joint that is locked from now on."""
        ...

    def memory(self) -> dict[str, NDArray[Any]]:
        """Return a copy of the stored motors."""
        ...

    def recall(self, state: Mapping[str, NDArray[Any]]) -> None:
        """Restore the stored motors."""
        ...


class World:
    """Hold many simulations of one robot. Each robot is a subclass, which starts episodes (`_start`).

    A subclass for another physics also defines `_clear`, `_advance`, `_settle`, `_fill` and `motor_faults`.
    """

    def __init__(self, count: int, control_period_ns: int, joint_names: Sequence[str],
                 command_limits: tuple[Float, Float], terms: Sequence[Term]) -> None:
        self.count = count
        self.first = 0  # index of row 0 in a larger batch that is split over several worlds
        self.scatter = Scatter()  # random offsets of the start pose, added to those of the task
        self.control_period_ns = control_period_ns
        self.joint_names = tuple(joint_names)
        self.command_lower, self.command_upper = command_limits  # (joint,)
        self.terms = tuple(terms)
        ends = np.cumsum([0, *(len(term.elements) for term in self.terms)]).tolist()
        self._slices = {term.name: slice(ends[k], ends[k + 1]) for k, term in enumerate(self.terms)}
        self._measured = np.zeros((count, ends[-1]))
        self._command_share = np.zeros((count, len(self.joint_names)))
        self._seeds = np.zeros(count, dtype=np.int64)
        self._episodes = np.zeros(count, dtype=np.int64)  # (simulation,), episodes that began since the last seed
        self.ticks = np.zeros(count, dtype=np.int64)  # (simulation,), control steps since the reset

    # -- the episode ---------------------------------------------------------------------------------------------

    def reset(self, ids: ArrayLike | None = None, seed: int | ArrayLike | None = None) -> None:
        """Start the next episode of all or some simulations; a seed restarts their sequence of episodes."""
        rows = self.rows(ids)
        if seed is not None:
            self._seeds[rows] = seed
            self._episodes[rows] = 0
        self._clear(rows)
        self._start(rows)
        if self.scatter.joint_position:
            self._scatter(rows)
        self._episodes[rows] += 1
        self.ticks[rows], self._command_share[rows] = 0, 0.0
        self._settle(rows)
        self._fill(rows)

    def step(self, command: ArrayLike, ids: ArrayLike | None = None) -> None:
        """Advance by one control period; `command` is (simulation, joint) in the joints' units."""
        command = np.asarray(command, dtype=np.float64)
        rows = None if ids is None else self.rows(ids)
        expected = (self.count if rows is None else len(rows), len(self.joint_names))
        if command.shape != expected:
            raise Refused("command", f"an array (simulation, joint) of {expected}", command.shape,
                          "give one value per joint and simulation")
        where: Any = slice(None) if rows is None else rows
        middle, half = (self.command_upper + self.command_lower) / 2, (self.command_upper - self.command_lower) / 2
        self._command_share[where] = (command - middle) / half
        self._advance(rows, command)
        self.ticks[where] += 1
        self._fill(rows)

    def uniform(self, rows: Ids, size: int, name: str = "reset") -> Float:
        """Draw (row, size) numbers in [0, 1) that depend on name, seed, simulation and episode only."""
        keys = [randomness.stream(int(self._seeds[row]), f"{name}/{row + self.first}") for row in rows]
        return np.array([randomness.uniform(key, int(episode), size)
                         for key, episode in zip(keys, self._episodes[rows], strict=True)])

    def measure(self) -> Float:
        """Return the measurements of all simulations, (simulation, signal), in the order of `terms`."""
        return self._measured.copy()

    def signal(self, term: str) -> Float:
        """Return one term of all simulations, (simulation, element)."""
        if term not in self._slices:
            raise Refused("term", f"one of {sorted(self._slices)}", term, "choose a measured term")
        return np.array(self._measured[:, self._slices[term]])

    def warnings(self) -> NDArray[np.int64]:
        """Return the number of the physics' warnings since the reset, (simulation,); one warning spoils the episode."""
        return np.zeros(self.count, dtype=np.int64)

    # -- what a kind of physics defines ----------------------------------------------------------------------------

    def _start(self, rows: Ids) -> None:
        """Place the simulations of `rows` for a new episode. The rest of their state has its defaults."""

    def _scatter(self, rows: Ids) -> None:
        """Move the joints of `rows` away from where the task has placed them."""
        raise Refused("scatter", "0 in this world", self.scatter.joint_position, "leave it out")

    def _clear(self, rows: Ids) -> None:
        """Set the state of `rows` to its defaults."""

    def _settle(self, rows: Ids) -> None:
        """Compute what follows from the start of `rows`."""

    def _advance(self, rows: Ids | None, command: Float) -> None:
        """Advance `rows` (None: all) by one control period."""
        raise NotImplementedError

    def _fill(self, rows: Ids | None) -> None:
        """Write the measurements of `rows` (None: all) into `_measured`."""
        raise NotImplementedError

    def motor_faults(self) -> Motors:
        """Return what weakens and locks the motors of this world."""
        raise NotImplementedError

    # -- snapshots -----------------------------------------------------------------------------------------------

    def state(self) -> dict[str, NDArray[Any]]:
        """Copy everything that the next step and the next reset depend on."""
        return {"measured": self._measured.copy(), "command_share": self._command_share.copy(),
                "seeds": self._seeds.copy(), "episodes": self._episodes.copy(), "ticks": self.ticks.copy()}

    def set_state(self, state: Mapping[str, NDArray[Any]]) -> None:
        """Restore a state, so that the next steps have the same bits as those after `state()`."""
        if state["measured"].shape != self._measured.shape:
            raise Refused("state", f"measurements of {self._measured.shape}", state["measured"].shape,
                          "restore into a world of the same scene and count")
        self._measured[:], self._command_share[:] = state["measured"], state["command_share"]
        self._seeds[:], self._episodes[:], self.ticks[:] = state["seeds"], state["episodes"], state["ticks"]

    def rows(self, ids: ArrayLike | None) -> Ids:
        """Return an array of simulation ids from None (all of them), a list of ids, or a mask."""
        if ids is None:
            return np.arange(self.count)
        rows = np.asarray(ids)
        rows = np.flatnonzero(rows) if rows.dtype == bool else rows.astype(np.intp)
        if rows.ndim != 1 or (len(rows) and (rows.min() < 0 or rows.max() >= self.count or (np.diff(rows) < 1).any())):
            raise Refused("simulations", f"ascending ids in [0, {self.count})", ids, "sort the ids, each one once")
        return rows

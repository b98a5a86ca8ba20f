# Copyright 2026 The mat_ros Authors
# SPDX-License-Identifier: Apache-2.0
"""Read a grid of faults: the list of the cells that a benchmark runs one after the other."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any

from mat_ros.bench.faults.lockstep import INFORMATION
from mat_ros.bench.faults.table import GAP, NOMINAL, Key
from mat_ros.core.errors import Refused
from mat_ros.core.faults.schedule import KINDS, LEVELS, Fault, Schedule
from mat_ros.core.faults.targets import targets
from mat_ros.core.plain import number, read_yaml_file
from mat_ros.core.policy.manifest import Manifest
from mat_ros.worlds.randomise import Variation
from mat_ros.worlds.scatter import Scatter

TOGETHER = "together"
LONGEST_S = 1e9  # greatest onset; 30 years
FIELDS = ("onset_s", "start", "information", "faults", "gap")


@dataclass(frozen=True)
class Cell:
    """Describe one condition of the benchmark."""

    level: str  # nominal, one of LEVELS, or gap
    kind: str
    severity: float
    target: str  # a name, or a pattern that names parts which break together
    information: str = "intent"
    together: bool = False
    table: tuple[Variation, ...] = ()  # randomisation table of a gap

    @property
    def key(self) -> Key:
        """Return the key of the cell in the table of results."""
        return self.level, self.kind, self.severity, self.target, self.information

    @property
    def words(self) -> str:
        """Return the text of the cell."""
        return " ".join(filter(None, (self.level, self.kind, f"{self.severity:g}", self.target, self.information)))

    def fits(self, pattern: str) -> bool:
        """Return whether a shell pattern matches the cell's `level:kind:target`."""
        return fnmatchcase(f"{self.level}:{self.kind}:{self.target}", pattern)

    def schedule(self, manifest: Manifest, onset: int, seed: int) -> Schedule:
        """Return the fault schedule of an episode; the same seed makes the same schedule for every policy."""
        if self.level in (NOMINAL, GAP):
            return Schedule(seed)
        named = targets(manifest)
        names = named.matching(self.level, self.target) if self.together else (self.target,)
        end = onset + 1 if (self.level, self.kind) == ("node", "restart") else None
        return Schedule(seed, [Fault(f"{self.kind}/{name}", self.level, self.kind, name, self.severity, onset, end)
                               for name in names])


@dataclass(frozen=True)
class Grid:
    """Hold all cells for one policy."""

    onset_s: float
    cells: tuple[Cell, ...]
    scatter: Scatter = field(default_factory=Scatter)  # random offsets of the start pose, added to the task's

    def onset(self, period_ns: int, horizon: int) -> int:
        """Return the tick at which the faults start, early enough in a short episode to show their effect."""
        return min(round(self.onset_s * 1e9 / period_ns), horizon // 3)

    def cell(self, key: Key) -> Cell:
        """Return the cell of a key."""
        return next(cell for cell in self.cells if cell.key == key)

    @classmethod
    def load(cls, path: Path, manifest: Manifest) -> Grid:
        """Read a grid from YAML; a row that selects no part of this robot is refused."""
        data = read_yaml_file(path, "grid")
        if not isinstance(data, dict) or set(data) - set(FIELDS):
            raise Refused(f"grid {path}", f"the fields {FIELDS}", list(data) if isinstance(data, dict) else data,
                          "correct the file")
        information, faults, gap = (_list(data.get(name, default), f"grid {path}, {name}") for name, default in
                                    (("information", ["intent"]), ("faults", []), ("gap", [])))
        if unknown := [word for word in information if word not in INFORMATION] or not information:
            raise Refused(f"grid {path}, information", f"some of {INFORMATION}", unknown, "correct the file")
        cells = [Cell(NOMINAL, "none", 0.0, "")]
        for row in faults:
            cells += _faults(row, manifest, tuple(information))
        for row in gap:
            cells += _gaps(row)
        onset_s = number(data.get("onset_s", 0.0), f"grid {path}, onset_s", "correct the file")
        if not 0.0 <= onset_s <= LONGEST_S:
            raise Refused(f"grid {path}, onset_s", f"0 to {LONGEST_S:g} seconds", onset_s, "correct the file")
        return cls(onset_s, tuple(cells), Scatter.read(data.get("start", {})))


def _list(value: Any, what: str) -> list[Any]:
    """Return a list of the grid, or refuse another value."""
    if not isinstance(value, list):
        raise Refused(what, "a list", value, "write it as [...]")
    return value


def _faults(row: Any, manifest: Manifest, information: tuple[str, ...]) -> Iterator[Cell]:
    levels = [level for level in LEVELS if level in row] if isinstance(row, Mapping) else []
    if len(levels) != 1 or (levels[0], str(row[levels[0]])) not in KINDS or ("each" in row) == (TOGETHER in row):
        raise Refused("row of the grid", "a level with its kind, and either each or together", row,
                      "write it as {actuator: weak, each: '*', severity: [0.5]}")
    if unknown := set(row) - {levels[0], "each", TOGETHER, "severity"}:
        raise Refused("row of the grid", f"{levels[0]}, each or {TOGETHER}, and severity", f"also {unknown}",
                      "remove or rename them")
    level, kind = levels[0], str(row[levels[0]])
    pattern = str(row.get("each", row.get(TOGETHER)))
    names = targets(manifest).matching(level, pattern)
    if not names:
        raise Refused("row of the grid", f"a pattern that selects one of {getattr(targets(manifest), level)}", pattern,
                      "correct the grid")
    severities = [number(severity, "row of the grid, severity", "correct the grid") for severity in
                  _list(row.get("severity", [KINDS[level, kind].default]), "row of the grid, severity")]
    for severity in severities:
        Fault(f"{kind}/{names[0]}", level, kind, names[0], severity, 0)  # refuses a severity out of range
    # Intent and truth differ only for a broken motor.
    told = information if level == "actuator" else information[:1]
    for severity in severities:
        for name in (pattern,) if TOGETHER in row else names:
            for info in told:
                yield Cell(level, kind, severity, name, info, TOGETHER in row)


def _gaps(row: Any) -> Iterator[Cell]:
    if not isinstance(row, Mapping) or not {"what", "how", "values"} <= set(row):
        raise Refused("gap of the grid", "what, how and values", row, "write it as {what: mass, how: scale, values: "
                      "[0.7]}")
    values = _list(row["values"], "gap of the grid, values")
    for value in [number(value, "gap of the grid, values", "correct the grid") for value in values]:
        normal = row.get("distribution") == "normal"
        span = (0.0, value) if normal else (value, value)
        variation = Variation(str(row["what"]), str(row["how"]), "normal" if normal else "uniform", span,
                              when="startup" if row["what"] not in ("observation_delay", "command_delay") else "reset",
                              of=str(row.get("of", "*")))
        yield Cell(GAP, str(row["what"]), value, str(row.get("of", "*")), table=(variation,))


def matching(cells: tuple[Cell, ...], pattern: str) -> tuple[Cell, ...]:
    """Return the nominal cell and the cells whose `level:kind:target` matches a shell pattern."""
    chosen = tuple(c for c in cells if c.level == NOMINAL or c.fits(pattern))
    if all(c.level == NOMINAL for c in chosen) and any(c.level != NOMINAL for c in cells):
        known = sorted({f"{c.level}:{c.kind}:{c.target}" for c in cells if c.level != NOMINAL})
        raise Refused("--only", f"a pattern that selects some of {', '.join(known)}", pattern, "correct the pattern")
    return chosen

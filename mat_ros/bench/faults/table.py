# Copyright 2026 The mat_ros Authors
# SPDX-License-Identifier: Apache-2.0
"""Store the raw rows of a benchmark on disk, a whole cell at a time, so that a killed run can continue."""

from __future__ import annotations

import csv
import json
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from mat_ros.core.errors import Refused
from mat_ros.core.files import named, replaced, write_text

KEY = ("level", "kind", "severity", "target", "information")  # columns that identify a cell
COLUMNS = ("policy", *KEY, "episode", "return", "ticks", "detect_ticks", "false_alarms", "recover_ticks", "missing",
           "commands", "outside_before", "outside_after", "clamped", "latency_p50_ms", "latency_p99_ms",
           "computing_p50_us", "computing_p99_us", "computing_max_us")  # columns of episodes in lock-step
NOMINAL, GAP = "nominal", "gap"  # levels of cells without scheduled faults: the trained physics, or other physics
UNTOLD = -2  # recover_ticks of an episode that is too short
Key = tuple[str, str, float, str, str]
Rows = Sequence[dict[str, Any]]


@dataclass(frozen=True)
class Table:
    """Read and write a CSV file with a row for each episode of each cell."""

    path: Path
    columns: tuple[str, ...]
    episodes: int  # number of episodes of a whole cell
    origin: Mapping[str, object]  # settings of all rows; stored beside the table, so that no others join

    @property
    def _common(self) -> dict[str, object]:
        return {**self.origin, "episodes": self.episodes}

    @property
    def origin_path(self) -> Path:
        """Return the path of the origin's file."""
        return self.path.with_suffix(".json")

    def finished(self) -> set[Key]:
        """Return the cells with all episodes in the table; rows of an incomplete cell are removed from the table."""
        if not self.path.exists():
            return set()
        self._require_same_origin()
        with self.path.open(newline="", encoding="utf-8") as file:
            rows = [row for row in csv.DictReader(file)
                    if all(row.get(name) not in (None, "") or name == "target" for name in self.columns)]
        counts = Counter(map(key_of, rows))
        if counts and max(counts.values()) > self.episodes:
            raise Refused(f"table {self.path}", f"{self.episodes} episodes per cell", max(counts.values()),
                          "give the same number of episodes, or another --out")
        whole = {key for key, count in counts.items() if count == self.episodes}
        with replaced(self.path) as beside:
            self._append([row for row in rows if key_of(row) in whole], beside)
        return whole

    def add(self, rows: Sequence[dict[str, Any]]) -> None:
        """Append the rows of a cell."""
        write_text(self.origin_path, json.dumps(self._common, indent=1) + "\n")
        with named(self.path):
            self._append(rows, self.path)

    def _require_same_origin(self) -> None:
        try:
            before = json.loads(self.origin_path.read_text(encoding="utf-8"))
        except (OSError, ValueError) as error:
            raise Refused(f"table {self.path}", f"a readable {self.origin_path.name} beside it", error,
                          "give another --out") from error
        if apart := [name for name, value in self._common.items() if before.get(name) != value]:
            raise Refused(f"table {self.path}", {name: before.get(name) for name in apart},
                          {name: self._common[name] for name in apart}, "ask for the same, or give another --out")

    def _append(self, rows: Sequence[dict[str, Any]], path: Path) -> None:
        with path.open("a", newline="", encoding="utf-8") as file:
            writer = csv.DictWriter(file, self.columns)
            if file.tell() == 0:
                writer.writeheader()
            writer.writerows(rows)


def key_of(row: dict[str, Any]) -> Key:
    """Return the key of a row's cell."""
    return row["level"], row["kind"], float(row["severity"]), row["target"], row["information"]

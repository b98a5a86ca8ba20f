# Copyright 2026 The mat_ros Authors
# SPDX-License-Identifier: Apache-2.0
"""Log a run: metrics.csv and TensorBoard always, and progress on the terminal."""

from __future__ import annotations

import csv
import sys
import time
from collections import deque
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from torch.utils.tensorboard import SummaryWriter

from mat_ros.core.files import write_text
from training.envs.protocol import GOALS

MEANS = ("return", "length", *GOALS)  # the columns of the means of RESULTS
# The names in a checkpoint. `successes` is older than the word `reached` and has its meaning: the task was done once.
SAVED = ("returns", "lengths", "successes", "held")


class RecentEpisodes:
    """Keep the results of the last finished episodes."""

    def __init__(self, window: int = 100) -> None:
        self.returns: deque[float] = deque(maxlen=window)
        self.lengths: deque[float] = deque(maxlen=window)
        self.reached: deque[float] = deque(maxlen=window)
        self.held: deque[float] = deque(maxlen=window)

    def take(self, finished: NDArray[np.float64]) -> None:
        """Add the results (result, tick, copy), in the order of `MEANS`. An entry is NaN where no episode ended."""
        for kept, block in zip(self._kept, finished, strict=True):
            kept.extend(block[np.isfinite(block)].tolist())

    def snapshot(self) -> dict[str, NDArray[np.float64]]:
        """Return the episodes, for a checkpoint."""
        return {name: np.array(kept) for name, kept in zip(SAVED, self._kept, strict=True)}

    def restore(self, kept: Mapping[str, NDArray[np.float64]]) -> None:
        """Add the episodes of a checkpoint. Older checkpoints hold nothing of whether a task stayed done."""
        for name, values in zip(SAVED, self._kept, strict=True):
            values.extend(kept[name].tolist() if name in kept else [])

    @property
    def _kept(self) -> tuple[deque[float], ...]:
        return self.returns, self.lengths, self.reached, self.held

    def summary(self) -> dict[str, float]:
        """Return their means. A mean is NaN before an episode has ended, and where a task has no goal."""
        return {name: _mean(kept) for name, kept in zip(MEANS, self._kept, strict=True)}


def _mean(values: deque[float]) -> float:
    return float(np.mean(values)) if values else float("nan")


class MetricLog:
    """Write one line per update. The first line fixes the columns."""

    def __init__(self, run: Path, total_steps: int, resume_at: int | None) -> None:
        self.path, self.total = run / "metrics.csv", total_steps
        self._began, self._start = time.monotonic(), resume_at or 0
        self._terminal, self._printed = sys.stderr.isatty(), 0.0
        if resume_at is not None:
            self._drop_after(resume_at)
        self._file = self.path.open("a", newline="", encoding="utf-8")
        self._columns: list[str] | None = self._read_columns()
        self._events = SummaryWriter(str(run / "tensorboard"), purge_step=resume_at)  # type: ignore[no-untyped-call]

    def _read_columns(self) -> list[str] | None:
        with self.path.open(newline="", encoding="utf-8") as file:
            return next(csv.reader(file), None)

    def _drop_after(self, steps: int) -> None:
        """Remove the lines that were written after the checkpoint from which the run resumes."""
        if not self.path.is_file():
            return
        lines = self.path.read_text(encoding="utf-8").splitlines()
        kept = lines[:1] + [line for line in lines[1:] if int(line.split(",", 1)[0]) <= steps]
        columns = kept[0].split(",") if kept else []
        if "success" in columns and "reached" not in columns:  # an older run, whose column has the other meaning
            kept[0] = ",".join("reached" if name == "success" else name for name in columns)
        write_text(self.path, "\n".join(kept) + "\n" if kept else "")

    def write(self, steps: int, metrics: Mapping[str, float]) -> None:
        """Log the metrics of an update that ended at `steps`."""
        elapsed = time.monotonic() - self._began
        row = {"steps": steps, **metrics, "elapsed_s": round(elapsed, 3),
               "steps_per_s": round((steps - self._start) / max(elapsed, 1e-9), 1)}
        if self._columns is None:
            self._columns = list(row)
            csv.writer(self._file).writerow(self._columns)
        csv.writer(self._file).writerow([_short(row.get(name, "")) for name in self._columns])
        self._file.flush()
        for name in metrics.keys() & set(self._columns):
            self._events.add_scalar(name, metrics[name], steps)  # type: ignore[no-untyped-call]
        self._show(steps, row, elapsed)

    def _show(self, steps: int, row: Mapping[str, float], elapsed: float) -> None:
        rate = float(row["steps_per_s"])
        left = max(0, self.total - steps) / max(rate, 1e-9)
        goal = "".join(f"   {name} {100 * row[name]:3.0f} %" for name in GOALS if row[name] == row[name])
        text = (f"{steps:>10,} / {self.total:,} steps   return {row['return']:9.1f}{goal}   {rate:7.0f} steps/s   "
                f"left {int(left // 3600)}:{int(left % 3600 // 60):02d}:{int(left % 60):02d}")
        if self._terminal:
            sys.stderr.write("\r" + text)
            sys.stderr.flush()
        elif elapsed - self._printed >= 10.0 or steps >= self.total:
            self._printed = elapsed
            print(text, flush=True)

    def close(self) -> None:
        """Close the files."""
        if self._terminal:
            sys.stderr.write("\n")
        self._file.close()
        self._events.close()  # type: ignore[no-untyped-call]


def _short(value: Any) -> Any:
    return f"{value:.6g}" if isinstance(value, float) else value

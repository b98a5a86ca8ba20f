# Copyright 2026 The mat_ros Authors
# SPDX-License-Identifier: Apache-2.0
"""Draw learning curves over seeds: `python -m training.plot --runs MAT=runs/mat_s1,runs/mat_s2 PPO=runs/ppo_s1`.

The line is the interquartile mean over the seeds. The band is the 95 % bootstrap interval of the mean; one seed has
none.
"""

from __future__ import annotations

import csv
import sys
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import tyro
from matplotlib import ticker
from matplotlib.figure import Figure
from numpy.typing import NDArray

from mat_ros.core.errors import Refused, unusable
from mat_ros.core.files import replaced
from mat_ros.core.statistics import estimate

Float = NDArray[np.float64]
POINTS = 200  # number of points of the common grid
COLOURS = ("#2b6cb0", "#c05621", "#2f855a", "#805ad5", "#b83280", "#4a5568", "#975a16", "#0987a0")
FEW = 4  # largest number of curves whose legend fits among the curves


@dataclass(frozen=True)
class PlotConfig:
    """Draw curves."""

    runs: tuple[str, ...]
    """Each group is one curve: LABEL=FOLDER,FOLDER,... with one folder (or metrics file) per seed."""
    out: tuple[Path, ...] = (Path("curves.png"), Path("curves.svg"))
    """The figure is written into these files. Their endings set the format."""
    column: str = "return"
    """The curves show this column of metrics.csv."""
    title: str = ""
    """The figure has this title."""
    csv: Path | None = None
    """The numbers behind the curves are written into this file."""
    wall_clock: bool = False
    """The curves run over seconds instead of steps."""


@dataclass(frozen=True)
class Curve:
    """Hold the statistics of one group of seeds on a common grid."""

    label: str
    x: Float  # (point,)
    middle: Float
    low: Float
    high: Float
    seeds: int


def read_curve(path: Path, column: str, along: str) -> tuple[Float, Float]:
    """Return one run's steps and the numbers of a column, without the lines that have no number."""
    file = path / "metrics.csv" if path.is_dir() else path
    try:
        with file.open(newline="", encoding="utf-8") as text:
            rows = [(float(row[along]), float(row[column])) for row in csv.DictReader(text)]
    except (OSError, KeyError, ValueError) as error:
        raise Refused(f"run {path}", f"metrics with the column {column}", error, "name a started run") from error
    found = np.array([row for row in rows if np.isfinite(row[1])])
    if not len(found):
        raise Refused(f"run {path}", f"numbers in {column}", "none yet", "wait for the first finished episodes")
    return found[:, 0], found[:, 1]


def group_curve(label: str, runs: list[tuple[Float, Float]], draws: int = 1000) -> Curve:
    """Return the interquartile mean of a group of seeds, and its interval, on the steps that all seeds reached."""
    start, end = max(x[0] for x, _ in runs), min(x[-1] for x, _ in runs)
    grid = np.linspace(start, end, POINTS)
    values = np.stack([np.interp(grid, x, y) for x, y in runs])  # (seed, point)
    found = estimate([values], draws=draws)
    return Curve(label, grid, found.middle, found.low, found.high, len(runs))


def draw(curves: list[Curve], config: PlotConfig) -> None:
    """Draw the curves and write the figure."""
    figure = Figure(figsize=(7.5, 4.5))
    axes = figure.subplots()
    for k, curve in enumerate(curves):
        again, k = divmod(k, len(COLOURS))
        colour, dashes = COLOURS[k], "--" if again else "-"
        seeds = f"{curve.seeds} seed" + ("s" if curve.seeds > 1 else "")
        axes.plot(curve.x, curve.middle, color=colour, label=f"{curve.label} ({seeds})", linewidth=1.8,
                  linestyle=dashes)
        if curve.seeds > 1:
            axes.fill_between(curve.x, curve.low, curve.high, color=colour, alpha=0.2, linewidth=0)
    axes.set_xlabel("seconds" if config.wall_clock else "environment steps")
    axes.xaxis.set_major_formatter(ticker.EngFormatter(sep=" "))  # writes 2 M, and not 0.2 with 1e7 in the corner
    axes.set_ylabel(config.column)
    axes.set_title(config.title)
    axes.grid(alpha=0.25)
    axes.spines[["top", "right"]].set_visible(False)
    if len(curves) > FEW:
        axes.legend(frameon=False, loc="center left", bbox_to_anchor=(1.0, 0.5))
        figure.set_figwidth(9.5)
    else:
        axes.legend(frameon=False)
    figure.tight_layout()
    for path in config.out:
        with replaced(path) as beside:
            figure.savefig(beside, dpi=150, format=path.suffix.removeprefix(".") or "png")


def plot(config: PlotConfig) -> list[Curve]:
    """Read the groups, draw them and return the curves."""
    curves = []
    along = "elapsed_s" if config.wall_clock else "steps"
    for group in config.runs:
        label, _, folders = group.rpartition("=")
        runs = [read_curve(Path(folder), config.column, along) for folder in folders.split(",")]
        curves.append(group_curve(label or Path(folders).name, runs))
    draw(curves, config)
    if config.csv:
        with replaced(config.csv) as beside, beside.open("w", newline="", encoding="utf-8") as file:
            writer = csv.writer(file, lineterminator="\n")
            writer.writerow(("label", along, "iqm", "low", "high", "seeds"))
            for curve in curves:
                for row in zip(curve.x, curve.middle, curve.low, curve.high, strict=True):
                    writer.writerow((curve.label, *(f"{value:.6g}" for value in row), curve.seeds))
    return curves


def main() -> int:
    """Run the command line."""
    try:
        config = tyro.cli(PlotConfig, prog="python -m training.plot", description=__doc__)
        plot(config)
    except Refused as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    except OSError as error:
        print(f"error: {unusable(error)}", file=sys.stderr)
        return 1
    print(f"written: {', '.join(map(str, config.out))}")
    return 0


if __name__ == "__main__":
    sys.exit(main())

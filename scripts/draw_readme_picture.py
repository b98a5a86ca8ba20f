# Copyright 2026 The mat_ros Authors
# SPDX-License-Identifier: Apache-2.0
"""Draw the picture of the README from a run of the demonstration: `python scripts/draw_readme_picture.py`.

The upper part shows the hands at the door while one node is dead. Below, on the same time axis, the picture shows which
node decided for each agent and how far the door is open. Needs the extras ros, sim and train.
"""

from __future__ import annotations

import io
import os
import random
import sys
import tempfile
from pathlib import Path

import matplotlib
import numpy as np
from PIL import Image

from mat_ros.core import shipped
from mat_ros.demo import run as demo
from mat_ros.demo.report import OPEN_M
from mat_ros.graph import ros_environment
from mat_ros.view.film import replay

matplotlib.use("Agg")
from matplotlib import pyplot

OUT = Path(__file__).resolve().parents[1] / "docs" / "images" / "demo.png"
FRAMES = 5
SIZE = (640, 480)
CROP = (slice(40, 460), slice(70, 610))  # the part of a frame that shows the hands and the door
OWN, REDECIDED, OTHER, SOFT = "#2563b8", "#d9741c", "#c0392f", "#5d6670"
COLOURS = 256  # a palette halves the file without a visible change


def run() -> demo.DemoRun:
    """Run the demonstration in its own graph and return the record of the run."""
    os.environ.setdefault("ROS_DOMAIN_ID", str(random.SystemRandom().randrange(1, 100)))
    ros_environment.set_defaults()
    ros_environment.keep_to_loopback()
    with tempfile.TemporaryDirectory(prefix="mat_ros_log_") as logs:
        os.environ["ROS_LOG_DIR"] = logs
        return demo.run(shipped.policy_folder(demo.POLICY).resolve(), False, True, 0)


def draw(found: demo.DemoRun, path: Path) -> None:
    """Draw the episode in which the node dies."""
    manifest, ticks = found.planned.bundle.manifest, list(found.watch.ticks)
    rows = [k for k, tick in enumerate(ticks) if tick.episode == 1]
    length = len(rows)
    period_s = manifest.period_ns * 1e-9
    at = [round((k + 0.5) * length / FRAMES) for k in range(FRAMES)]
    film = replay(manifest, ticks, found.planned.settings.seed, "handle_position", [rows[k] for k in at], SIZE)
    gaps_m = np.abs(film.measured[:, 1] - film.measured[:, 4])[rows]

    figure = pyplot.figure(figsize=(14, 6.4), dpi=100, facecolor="white")
    left, width = 0.085, 0.9
    for k, picture in enumerate(film.pictures):
        axes = figure.add_axes((left + k * width / FRAMES + 0.002, 0.63, width / FRAMES - 0.004, 0.31))
        axes.imshow(picture[CROP])
        axes.set_axis_off()
        axes.set_title(f"{at[k] * period_s:.1f} s", fontsize=11, color=SOFT, pad=4)

    lanes = figure.add_axes((left, 0.245, width, 0.37))
    colours = {"own": OWN, "redecided": REDECIDED}
    for lane, name in enumerate(found.watch.agents):
        states = [ticks[k].states[lane] for k in rows]
        for kind in dict.fromkeys(states):
            here = [(k * period_s, period_s) for k, state in enumerate(states) if state == kind]
            lanes.broken_barh(here, (lane - 0.38, 0.76), color=colours.get(kind, OTHER), linewidth=0.3)
        lanes.text(-0.012 * length * period_s, lane, name, ha="right", va="center", fontsize=10, color="#1c1f23")
    victim = found.watch.agents.index(demo.VICTIM)
    lanes.text((demo.KILL_TICK + 4) * period_s, victim, "its node is dead: decided by another one, with the same bits",
               va="center", fontsize=9.5, color="white")
    lanes.invert_yaxis()
    _bare(lanes)
    lanes.set_xticks([])

    door = figure.add_axes((left, 0.09, width, 0.14))
    door.plot(np.arange(length) * period_s, gaps_m, color="#1c1f23", linewidth=1.8)
    door.axhline(OPEN_M, color=SOFT, linestyle=":", linewidth=1)
    door.text(0.01 * length * period_s, OPEN_M + 0.03, "open", fontsize=10, color=SOFT, va="bottom")
    door.text(-0.012 * length * period_s, 0.4, "m between\nthe handles", ha="right", va="center", fontsize=10)
    _bare(door)
    door.set_ylim(0.0, 0.85)
    door.set_yticks([])
    door.tick_params(colors=SOFT)
    door.set_xlabel("s", color=SOFT, labelpad=-2)
    for axes in (lanes, door):
        axes.set_xlim(0, length * period_s)
        axes.axvline(demo.KILL_TICK * period_s, color=OTHER, linestyle="--", linewidth=1.2)
    door.text((demo.KILL_TICK + 2) * period_s, 0.78, f"kill -9 {found.killed}", color=OTHER, fontsize=10, va="top")

    path.parent.mkdir(parents=True, exist_ok=True)
    drawn = io.BytesIO()
    figure.savefig(drawn, format="png")
    drawn.seek(0)
    Image.open(drawn).convert("RGB").quantize(COLOURS, dither=Image.Dither.NONE).save(path, optimize=True)


def _bare(axes: pyplot.Axes) -> None:
    axes.set_yticks([])
    for side in ("left", "right", "top"):
        axes.spines[side].set_visible(False)
    axes.spines["bottom"].set_color("#cfd4da")


def main() -> int:
    """Run the demonstration, and draw the picture if the door was open at the end."""
    found = run()
    if not found.success:
        reason = found.trouble or found.summary()
        print(f"draw_readme_picture: the door was not open at the end ({reason}); run it again", file=sys.stderr)
        return 1
    draw(found, OUT)
    print(OUT)
    return 0


if __name__ == "__main__":
    sys.exit(main())

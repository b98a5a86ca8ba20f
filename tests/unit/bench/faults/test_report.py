# Copyright 2026 The mat_ros Authors
# SPDX-License-Identifier: Apache-2.0
"""The page of a fault benchmark has the right figures, needs no other file, and can be displayed."""

import csv
import shutil
import subprocess
import sys

import numpy as np
import pytest

from mat_ros.bench.faults.figures import headline, read_table, shown_cells, truth_against_intent
from mat_ros.bench.faults.findings import CloseUp, Findings, SlotInfluence, Strip
from mat_ros.bench.faults.report import write_report
from mat_ros.bench.faults.summary import write_summary
from mat_ros.bench.faults.table import COLUMNS

RUNS_SOMETHING = ("mujoco", "rclpy", "mat_ros.backends", "mat_ros.worlds", "mat_ros.bench.faults.cells",
                  "mat_ros.bench.faults.film", "mat_ros.bench.faults.lockstep")


@pytest.fixture
def rows(tmp_path):
    """Return a table in which `off` halves the return for joint a and leaves a tenth of the return for joint b."""
    cells = [("nominal", "none", 0.0, "", "intent", 1.0)]
    for told, gain in (("intent", 0.0), ("truth", 0.05)):
        cells += [("actuator", "off", 1.0, "a", told, 0.5 + gain), ("actuator", "off", 1.0, "b", told, 0.1 + gain)]
    cells += [("message", "drop", 0.2, "*", "intent", 1.0), ("gap", "friction", 0.5, "*", "intent", 0.8)]
    with (tmp_path / "episodes.csv").open("w", newline="") as file:
        writer = csv.DictWriter(file, COLUMNS)
        writer.writeheader()
        for level, kind, severity, target, told, share in cells:
            for episode in range(8):
                values = dict.fromkeys(COLUMNS, 1) | {
                    "policy": "toy", "level": level, "kind": kind, "severity": severity, "target": target,
                    "information": told, "episode": episode, "return": share * (100 + episode), "ticks": 50,
                    "commands": 100, "missing": 0, "outside_after": 0, "false_alarms": 0,
                    "detect_ticks": 7 if level == "actuator" else -1}
                writer.writerow(values)
    return read_table([tmp_path / "episodes.csv"])


def findings(rows, **more):
    return Findings("mat-ros bench faults --policy toy", rows, headline(rows), truth_against_intent(rows), **more)


def test_retention_is_paired_with_the_same_episode_without_a_fault(rows):
    off = next(line for line in headline(rows) if line["kind"] == "off" and line["information"] == "intent")
    assert off["worst_target"] == "b"
    assert off["worst_retention"] == pytest.approx(0.1)
    assert off["retention_iqm"] == pytest.approx(0.3)
    assert (off["detected"], off["detect_ticks_median"], off["availability"]) == (1.0, 7.0, 1.0)


def test_truth_is_compared_with_intent_episode_by_episode(rows):
    (line,) = truth_against_intent(rows)
    assert line["gain"] == pytest.approx(0.05)
    assert line["low"] == pytest.approx(0.05)
    assert line["high"] == pytest.approx(0.05)


def test_the_page_stands_alone_and_shows_what_broke(rows, tmp_path):
    write_report(tmp_path / "report.html", findings(rows))
    page = (tmp_path / "report.html").read_text()
    assert "http" not in page.replace("http://www.w3.org", "")
    for words in ("toy: what is left", "Intent or truth", "friction 0.5", "mat-ros bench faults --policy toy"):
        assert words in page


def test_the_page_warns_where_all_episodes_are_one(rows, tmp_path):
    for row in rows:
        row["return"] = 3.0
    write_report(tmp_path / "report.html", findings(rows))
    assert "the task starts them alike" in (tmp_path / "report.html").read_text()


def test_a_reader_sees_nothing_broken_then_the_worst_cell_then_the_mildest(rows):
    assert [(shown.name, *shown.key[1:4:2], shown.key[4]) for shown in shown_cells(rows)] == [
        ("nothing broken", "none", "", "intent"), ("worst", "off", "b", "intent"), ("mildest", "off", "a", "truth")]
    assert shown_cells([row for row in rows if row["level"] in ("nominal", "message", "gap")]) == ()


def test_the_page_shows_each_film_or_says_why_there_is_none(rows, tmp_path):
    moved, values = np.array([[0.0, 0.5], [0.0, 0.0]], np.float32), np.zeros(2, np.float32)
    influence = SlotInfluence(("left", "right"), moved, values)
    images = (np.zeros((4, 6, 3), np.uint8), None, None)
    strips = tuple(Strip(shown, image, "" if image is not None else "no way to draw")
                   for shown, image in zip(shown_cells(rows), images, strict=True))
    write_report(tmp_path / "report.html", findings(rows, close_ups=(CloseUp("toy", influence, strips),)))
    page = (tmp_path / "report.html").read_text()
    assert page.count('<img alt="nothing broken"') == 1
    assert "worst: actuator off b, chain information intent, retention 0.10. no way to draw" in page
    assert "left, right: 0.50" in page


def test_what_ran_live_and_what_could_not_stand_on_the_page_and_in_the_summary(rows, tmp_path):
    line = {"policy": "toy", "level": "nominal", "kind": "none", "severity": 0.0, "target": "", "information": "intent",
            "episodes": 2, "lockstep": 103.0, "live": 99.5, "missing": 3, "availability": 0.97, "p50_ms": 2.0,
            "p99_ms": 9.0, "load": 1.0}
    found = findings(rows, live=[line], left_out=("toy, message drop: no episode",))
    write_report(tmp_path / "report.html", found)
    write_summary(tmp_path / "summary.md", found)
    for file in ("report.html", "summary.md"):
        text = (tmp_path / file).read_text()
        assert "99.5" in text
        assert "Left out: toy, message drop: no episode" in text


@pytest.mark.parametrize(("modules", "absent"), [("report, summary", RUNS_SOMETHING), ("command", ("mujoco", "rclpy"))])
def test_writing_runs_nothing_and_the_arguments_are_explained_without_a_simulator(modules, absent):
    program = ("import sys\n"
               f"from mat_ros.bench.faults import {modules}\n"
               f"print([name for name in {absent!r} if name in sys.modules])")
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


@pytest.mark.skipif(shutil.which("chromium") is None, reason="needs chromium")
@pytest.mark.slow
def test_a_browser_draws_the_page(rows, tmp_path):
    write_report(tmp_path / "report.html", findings(rows))
    picture = tmp_path / "report.png"
    subprocess.run(["chromium", "--headless=new", "--no-sandbox", "--disable-gpu", "--window-size=1160,1600",
                    f"--screenshot={picture}", (tmp_path / "report.html").as_uri()], check=True, capture_output=True)
    assert picture.stat().st_size > 30_000  # the picture of an empty page is a tenth of this

# Copyright 2026 The mat_ros Authors
# SPDX-License-Identifier: Apache-2.0
"""The page of a fault benchmark holds the right figures, stands alone, and can be looked at."""

import csv
import shutil
import subprocess

import pytest

pytest.importorskip("mujoco", reason="needs the sim extra")

from mat_ros.bench.faults.cells import COLUMNS
from mat_ros.bench.faults.figures import headline, read_table, truth_against_intent
from mat_ros.bench.faults.report import write_report


@pytest.fixture
def rows(tmp_path):
    """A table in which `off` halves the return of joint a and leaves a tenth of that of joint b."""
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
    write_report(tmp_path / "report.html", rows, {}, "mat-ros bench faults --policy toy")
    page = (tmp_path / "report.html").read_text()
    assert "http" not in page.replace("http://www.w3.org", "")
    for words in ("toy: what is left", "Intent or truth", "friction 0.5", "mat-ros bench faults --policy toy"):
        assert words in page


def test_the_page_warns_where_all_episodes_are_one(rows, tmp_path):
    for row in rows:
        row["return"] = 3.0
    write_report(tmp_path / "report.html", rows, {}, "mat-ros bench faults")
    assert "the task starts them alike" in (tmp_path / "report.html").read_text()


@pytest.mark.skipif(shutil.which("chromium") is None, reason="needs chromium")
@pytest.mark.slow
def test_a_browser_draws_the_page(rows, tmp_path):
    write_report(tmp_path / "report.html", rows, {}, "mat-ros bench faults --policy toy")
    picture = tmp_path / "report.png"
    subprocess.run(["chromium", "--headless=new", "--no-sandbox", "--disable-gpu", "--window-size=1160,1600",
                    f"--screenshot={picture}", (tmp_path / "report.html").as_uri()], check=True, capture_output=True)
    assert picture.stat().st_size > 30_000  # an empty page has a tenth of that

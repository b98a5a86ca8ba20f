# Copyright 2026 The mat_ros Authors
# SPDX-License-Identifier: Apache-2.0
"""Turn the table of a fault benchmark into figures with intervals, and into a page that is read in a minute."""

from __future__ import annotations

import csv
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from mat_ros.core.faults import KINDS
from mat_ros.fault_grid import GAP, NOMINAL
from mat_ros.view import charts
from mat_ros.view.page import KeyFigure, Page, Toned, code, figure, folded, key_figures, paragraph, picture, table

if TYPE_CHECKING:
    from mat_ros.bench_faults import Plan

Float = NDArray[np.float64]
Rows = list[dict[str, Any]]
TEXTS = ("policy", "level", "kind", "target", "information")
TOGETHER_WORDS = "where a column has a *, all that it matches broke at once."
RESAMPLES = 2000
WORST = 25.0  # percent that the interquartile mean leaves out on each side


def read_table(files: Sequence[Path]) -> Rows:
    """Read raw tables and pair every episode with the same one where nothing broke."""
    rows: Rows = []
    for file in files:
        with file.open(newline="", encoding="utf-8") as text:
            rows += [{k: v if k in TEXTS else float(v) for k, v in row.items()} for row in csv.DictReader(text)]
    whole = {(r["policy"], r["episode"]): r["return"] for r in rows if r["level"] == NOMINAL}
    for row in rows:
        row["together"] = row["target"] if any(c in row["target"] for c in "*?[") and row["level"] != GAP else ""
        nominal = whole[row["policy"], row["episode"]]
        row["retention"] = row["return"] / nominal if nominal > 0 else float("nan")
    return rows


def iqm(values: Float) -> float:
    """Give the mean of the middle half."""
    finite = np.sort(values[np.isfinite(values)])
    cut = int(len(finite) * WORST / 100)
    return float(finite[cut:len(finite) - cut].mean()) if len(finite) else float("nan")


def interval(groups: Sequence[Float], statistic: Callable[[Float], float] = iqm) -> tuple[float, float, float]:
    """Give a statistic of pooled groups with its 95 % interval; resampling stays within each group (stratified)."""
    rng = np.random.default_rng(0)
    drawn = [statistic(np.concatenate([rng.choice(g, len(g)) for g in groups])) for _ in range(RESAMPLES)]
    low, high = np.nanpercentile(drawn, (2.5, 97.5)) if np.isfinite(drawn).any() else (np.nan, np.nan)
    return statistic(np.concatenate(groups)), float(low), float(high)


def grouped(rows: Rows, *names: str) -> dict[tuple[Any, ...], Rows]:
    """Group rows by columns, in the order in which they first appear."""
    found: dict[tuple[Any, ...], Rows] = {}
    for row in rows:
        found.setdefault(tuple(row[name] for name in names), []).append(row)
    return found


def column(rows: Rows, name: str) -> Float:
    """Give one column of rows."""
    return np.array([row[name] for row in rows], dtype=np.float64)


def condition(level: str, kind: str, severity: float) -> str:
    """Name a condition in words."""
    with_degree = level == GAP or bool(KINDS[level, kind].severity)
    return f"{level} {kind}" + (f" {severity:g}" if with_degree else "")


def _named(line: dict[str, Any]) -> str:
    return condition(line["level"], line["kind"], line["severity"]) + (
        f", all of {line['together']}" if line["together"] else "")


def headline(rows: Rows) -> Rows:
    """Give the table that a reader takes home: a line for each policy, condition and chain information."""
    found = []
    for (policy, level, kind, severity, information, together), part in grouped(
            rows, "policy", "level", "kind", "severity", "information", "together").items():
        targets = grouped(part, "target")
        middle, low, high = interval([column(r, "retention") for r in targets.values()])
        worst = {target[0]: float(np.mean(column(r, "retention"))) for target, r in targets.items()}
        late = column(part, "detect_ticks")
        found.append({
            "policy": policy, "level": level, "kind": kind, "severity": severity, "information": information,
            "together": together, "episodes": len(part), "return_mean": float(column(part, "return").mean()),
            "retention_iqm": middle,
            "retention_low": low, "retention_high": high, "worst_target": min(worst, key=lambda k: worst[k]),
            "worst_retention": min(worst.values()), "detected": float((late >= 0).mean()),
            "detect_ticks_median": float(np.median(late[late >= 0])) if (late >= 0).any() else None,
            "false_alarms_per_episode": float(column(part, "false_alarms").mean()),
            "recovered": float((column(part, "recover_ticks") >= 0).mean()),
            "availability": 1.0 - float(column(part, "missing").sum() / column(part, "commands").sum()),
            "outside_before": int(column(part, "outside_before").sum()),
            "outside_after": int(column(part, "outside_after").sum())})
    return found


def truth_against_intent(rows: Rows) -> Rows:
    """Compare, episode by episode, a chain that is told the truth with one that is told intentions."""
    found = []
    for (policy, kind, severity), part in grouped(
            [r for r in rows if r["level"] == "actuator"], "policy", "kind", "severity").items():
        told = grouped(part, "information")
        intent = {(r["target"], r["episode"]): r["retention"] for r in told.get(("intent",), [])}
        for (information,), others in told.items():
            if information == "intent" or not intent:
                continue
            gains = [np.array([r["retention"] - intent[r["target"], r["episode"]] for r in joint])
                     for joint in grouped(others, "target").values()]
            middle, low, high = interval(gains, lambda v: float(np.nanmean(v)))
            found.append({"policy": policy, "kind": kind, "severity": severity, "information": information,
                          "gain": middle, "low": low, "high": high})
    return found


def write_report(path: Path, rows: Rows, plans: Mapping[str, Plan], command: str) -> None:
    """Write the page."""
    lines = headline(rows)
    policies = list(dict.fromkeys(row["policy"] for row in rows))
    broken = [line for line in lines if line["level"] == "actuator"]
    page = Page("What faults leave of a policy",
                f"{', '.join(policies)}: {len(rows)} episodes in simulation, every condition with the same starts. "
                "Retention is the return under a fault as a share of the same episode's return without one.")
    page.add(key_figures(_figures(rows, lines, broken)))
    if alike := [policy for policy in policies if _starts_alike(rows, policy)]:
        page.add(paragraph(f"{', '.join(alike)}: every healthy episode is the same, since the task starts them alike. "
                           "An interval of zero width stands for one episode, not for certainty.", "warn"))
    for policy in policies:
        _add_heat_maps(page, [r for r in rows if r["policy"] == policy], policy)
    _add_conditions(page, lines)
    _add_truth(page, truth_against_intent(rows))
    _add_detection(page, rows, lines)
    _add_latency(page, rows)
    for policy, plan in plans.items():
        _add_influence(page, plan)
        _add_strip(page, [r for r in rows if r["policy"] == policy], plan)
    section = page.section("How it was made", "The command, and what the words mean.")
    section.add(code(command), paragraph(
        "Retention: interquartile mean over targets and episodes; intervals are 95 % bootstrap intervals, resampled "
        "within each target. Detection: ticks from the onset until a broken joint stands in error. Recovery: the "
        "reward over a second is back at 80 % of what it was before the onset, and stays there. Availability: share of "
        "joints and ticks with a decision before the deadline. The raw table lies beside this page."))
    page.write(path)


def _figures(rows: Rows, lines: Rows, broken: Rows) -> list[KeyFigure]:
    nominal = [r for r in rows if r["level"] == NOMINAL]
    found = [KeyFigure("return without faults", f"{column(nominal, 'return').mean():.0f}",
                       f"± {column(nominal, 'return').std():.0f} over {len(nominal)} episodes")]
    if broken:
        intent = [line for line in broken if line["information"] == "intent"] or broken
        worst = min(intent, key=lambda line: line["worst_retention"])
        name = condition("actuator", worst["kind"], worst["severity"]).partition(" ")[2]
        found += [KeyFigure("one motor broken", f"{np.mean([li['retention_iqm'] for li in intent]):.0%}",
                            "retention, mean over conditions"),
                  KeyFigure("worst", f"{worst['worst_retention']:.0%}",
                            f"{name} {worst['worst_target']}", "bad")]
    outside = sum(line["outside_after"] for line in lines)
    found.append(KeyFigure("commands beyond limits", str(outside),
                           f"after the gate; {sum(line['outside_before'] for line in lines)} before",
                           "good" if not outside else "bad"))
    alarms = column(nominal, "false_alarms").sum()
    found.append(KeyFigure("false alarms", f"{alarms:.0f}",
                           f"in {column(nominal, 'ticks').sum():.0f} healthy ticks", "good" if not alarms else "warn"))
    return found


def _starts_alike(rows: Rows, policy: str) -> bool:
    found = column([r for r in rows if r["policy"] == policy and r["level"] == NOMINAL], "return")
    return len(found) > 1 and bool((found == found[0]).all())


def _add_heat_maps(page: Page, rows: Rows, policy: str) -> None:
    section = page.section(f"{policy}: what is left", "Mean retention; dark is good. Rows are conditions, columns are "
                           "what breaks. Where the chain could be told the truth, it hears intentions here.")
    for level, what in (("actuator", "motors"), ("sensor", "readings"), ("message", "messages"), ("node", "processes"),
                        (GAP, "physics: another robot than the trained one")):
        part = [r for r in rows if r["level"] == level and r["information"] == "intent"]
        cells = grouped(part, "kind", "severity", "target")
        names = list(dict.fromkeys(condition(level, k, s).partition(" ")[2] for k, s, _ in cells))
        targets = list(dict.fromkeys(t for _, _, t in cells))
        if not cells:
            continue
        grid = np.full((len(names), len(targets)), np.nan)
        for (kind, severity, target), found in cells.items():
            name = condition(level, kind, severity).partition(" ")[2]
            grid[names.index(name), targets.index(target)] = column(found, "retention").mean()
        short = [t.replace("joint_position/", "q ").replace("joint_velocity/", "v ").removeprefix("chain_")
                 for t in targets]
        words = f"Other {what}." if level == GAP else f"Broken {what}; {TOGETHER_WORDS}" if "*" in "".join(
            targets) else f"Broken {what}."
        section.add(figure(charts.heat_map(grid, names, short, low=0.0, high=1.0), words))


def _add_conditions(page: Page, lines: Rows) -> None:
    section = page.section("Every condition", "Interquartile mean of retention with its 95 % interval, the worst "
                           "target, and how often and how soon the fault was noticed.")
    body = []
    for line in lines:
        if line["level"] == NOMINAL:
            continue
        tone = "good" if line["retention_iqm"] > 0.9 else "bad" if line["retention_iqm"] < 0.5 else ""
        body.append([line["policy"], _named(line), line["information"],
                     Toned(f"{line['retention_iqm']:.2f}", tone),  # type: ignore[arg-type]
                     f"{line['retention_low']:.2f} – {line['retention_high']:.2f}",
                     f"{line['worst_target']} {line['worst_retention']:.2f}", f"{line['detected']:.0%}",
                     line["detect_ticks_median"], f"{line['recovered']:.0%}", f"{line['availability']:.2%}"])
    section.add(folded(f"{len(body)} conditions", table(
        ("policy", "condition", "told", "retention", "95 %", "worst", "noticed", "after ticks", "recovered",
         "commands in time"), body)))


def _add_truth(page: Page, lines: Rows) -> None:
    if not lines:
        return
    section = page.section("Intent or truth", "What the rest of the chain is told of a broken motor: what it was meant "
                           "to do, or the share of it that the detector sees. Gain in retention, paired by episode; an "
                           "interval that holds 0 shows no difference.")
    body = [[line["policy"], condition("actuator", line["kind"], line["severity"]).partition(" ")[2],
             line["information"],
             Toned(f"{line['gain']:+.3f}", "good" if line["low"] > 0 else "bad" if line["high"] < 0 else "quiet"),
             f"{line['low']:+.3f} – {line['high']:+.3f}"] for line in lines]
    section.add(table(("policy", "motor", "told", "gain", "95 %"), body))


def _add_detection(page: Page, rows: Rows, lines: Rows) -> None:
    late = column([r for r in rows if r["level"] in ("actuator", "sensor")], "detect_ticks")
    if not (late >= 0).any():
        return
    section = page.section("Noticing", "Ticks from the onset of a fault until the detector, which is told nothing, "
                           "finds the broken joint in error.")
    section.add(figure(charts.histogram(late[late >= 0], "ticks", name="episodes"),
                       f"{(late >= 0).mean():.0%} of {len(late)} broken joints were found."))


def _add_latency(page: Page, rows: Rows) -> None:
    section = page.section("Time", "What a tick costs.")
    section.add(figure(charts.histogram(column(rows, "computing_p50_us"), "µs", name="episodes"),
                       "Encoding, deciding and guarding a tick on this machine: the median of each episode."))
    networked = column([r for r in rows if r["level"] in ("message", "node")], "latency_p99_ms")
    if networked.any():
        section.add(figure(charts.histogram(networked, "ms", name="episodes"),
                           "Simulated graph under broken messages and nodes: the last decision, 99th percentile."))


def _add_influence(page: Page, plan: Plan) -> None:
    from mat_ros.bench_faults import influence_of

    names, moved, values = influence_of(plan)
    section = page.section(f"{names[0]}: who moves whom", "How far each slot's action changes, in policy units, when "
                           "the row's action is told as zero: the mean over healthy ticks. It is a counterfactual of "
                           "the decisions, and says nothing about what an action was worth.")
    section.add(figure(charts.heat_map(np.where(moved > 0, moved, np.nan), names[1], names[1]),
                       "Rows are silenced, columns answer; nobody hears a successor."))
    section.add(table(("slot", "mean value of the critic, normalised"),
                      [[name, float(value)] for name, value in zip(names[1], values, strict=True)]))


def _add_strip(page: Page, rows: Rows, plan: Plan) -> None:
    cells = {key: float(column(r, "retention").mean()) for key, r in grouped(
        [r for r in rows if r["level"] in ("actuator", "sensor")], "level", "kind", "severity", "target",
        "information").items()}
    cells = {key: value for key, value in cells.items() if np.isfinite(value)}
    if not cells:
        return
    from mat_ros.fault_film import film

    section = page.section(f"{rows[0]['policy']}: worst and best", "The same first episode, without a fault, under the "
                           "worst one and under the mildest; the first picture is the moment of the onset.")
    chosen = {"nothing broken": None, "worst": min(cells, key=lambda k: cells[k]),
              "mildest": max(cells, key=lambda k: cells[k])}
    for name, key in chosen.items():
        words = name if key is None else f"{name}: {condition(*key[:3])} {key[3]}, retention {cells[key]:.2f}"
        image, note = film(plan, key)
        section.add(picture(image, words, words) if image is not None else paragraph(f"{words}. {note}", "quiet"))

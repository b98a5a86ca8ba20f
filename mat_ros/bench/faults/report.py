# Copyright 2026 The mat_ros Authors
# SPDX-License-Identifier: Apache-2.0
"""Write the findings of a fault benchmark as a page that a reader can take in within a minute. No episode runs here."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from mat_ros.bench.faults.figures import cell_words, column, condition, grouped, named
from mat_ros.bench.faults.findings import CloseUp, Findings, ShownCell, SlotInfluence, Strip
from mat_ros.bench.faults.table import GAP, NOMINAL, Rows
from mat_ros.view import charts
from mat_ros.view.page import (
    Block,
    KeyFigure,
    Page,
    Toned,
    code,
    figure,
    folded,
    key_figures,
    paragraph,
    picture,
    table,
)

TOGETHER_WORDS = "in a column with a *, all parts that match broke together."
GOOD = 0.9  # retention from which on a condition is marked good
SEEN = 0.0005  # smallest gain that does not round to zero with three digits


def write_report(path: Path, findings: Findings) -> None:
    """Write the page of the findings."""
    rows, lines = findings.episodes, findings.conditions
    policies = list(dict.fromkeys(row["policy"] for row in rows))
    broken = [line for line in lines if line["level"] == "actuator"]
    page = Page("A policy's return under faults",
                f"{', '.join(policies)}: {len(rows)} episodes in simulation, every condition with the same starts. "
                "Retention is the return under a fault as a share of the same episode's return without one.")
    page.add(key_figures(_figures(rows, lines, broken)))
    if alike := [policy for policy in policies if _starts_alike(rows, policy)]:
        page.add(paragraph(f"{', '.join(alike)}: all healthy episodes are equal, because the task starts them alike. "
                           "An interval of zero width stands for one episode and is no sign of certainty.", "warn"))
    for policy in policies:
        _add_heat_maps(page, [r for r in rows if r["policy"] == policy], policy)
    _add_conditions(page, lines)
    _add_truth(page, findings.gains)
    _add_detection(page, rows, lines)
    _add_latency(page, rows)
    _add_live(page, findings.live, findings.left_out)
    for close_up in findings.close_ups:
        _add_influence(page, close_up.policy, close_up.influence)
        _add_strips(page, close_up)
    section = page.section("How it was made", "The command, and the meaning of the words.")
    section.add(code(findings.command), paragraph(
        "Retention: interquartile mean over targets and episodes; intervals are 95 % bootstrap intervals, resampled "
        "within each target. Noticed: share of the episodes in which the detector, which does not receive the "
        "schedule, found the broken joint in error, and the ticks from the onset until then. The detector finds no "
        "faults of messages and nodes. False alarm: a healthy joint found in error. Recovered: share of the episodes "
        "in which the reward over a second returned to 80 % of its level before the onset and stayed there; empty "
        "where the episode has no whole second before the onset. Commands in time: share of joints and ticks with a "
        "decision before the deadline. The raw tables are POLICY/episodes.csv beside this page."))
    page.write(path)


def _figures(rows: Rows, lines: Rows, broken: Rows) -> list[KeyFigure]:
    nominal = [r for r in rows if r["level"] == NOMINAL]
    own = {policy: column(part, "return") for (policy,), part in grouped(nominal, "policy").items()}
    found = [KeyFigure("return without faults", f"{returns.mean():.0f}", f"± {returns.std():.0f} over {len(returns)} "
                       "episodes" + (f" of {policy}" if len(own) > 1 else "")) for policy, returns in own.items()]
    if broken:
        intent = [line for line in broken if line["information"] == "intent"] or broken
        worst = min(intent, key=lambda line: line["worst_retention"])
        name = condition("actuator", worst["kind"], worst["severity"]).partition(" ")[2]
        found += [KeyFigure("return kept, motors broken", f"{np.mean([li['retention_iqm'] for li in intent]):.0%}",
                            f"mean over {len(intent)} condition{'s' if len(intent) > 1 else ''}"),
                  KeyFigure("return kept in the worst", f"{worst['worst_retention']:.0%}",
                            f"{name} {worst['worst_target']}", "bad" if worst["worst_retention"] < GOOD else "good")]
    outside = sum(line["outside_after"] for line in lines)
    asked = sum(line["outside_before"] for line in lines)
    found.append(KeyFigure("commands beyond limits", str(outside),
                           f"behind the gate, which limited {asked} requests", "good" if not outside else "bad"))
    alarms = column(nominal, "false_alarms").sum()
    found.append(KeyFigure("false alarms", f"{alarms:.0f}",
                           f"in {column(nominal, 'ticks').sum():.0f} healthy ticks", "good" if not alarms else "warn"))
    return found


def _starts_alike(rows: Rows, policy: str) -> bool:
    found = column([r for r in rows if r["policy"] == policy and r["level"] == NOMINAL], "return")
    return len(found) > 1 and bool((found == found[0]).all())


def _add_heat_maps(page: Page, rows: Rows, policy: str) -> None:
    section = page.section(f"{policy}: what is left", "Mean retention; dark is good. Rows are conditions, columns are "
                           "broken parts. Where intent and truth differ, the chain receives intentions.")
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
        tone = "good" if line["retention_iqm"] > GOOD else "bad" if line["retention_iqm"] < 0.5 else ""
        body.append([line["policy"], named(line), line["information"],
                     Toned(f"{line['retention_iqm']:.2f}", tone),  # type: ignore[arg-type]
                     f"{line['retention_low']:.2f} to {line['retention_high']:.2f}",
                     f"{line['worst_target']} {line['worst_retention']:.2f}", f"{line['detected']:.0%}",
                     line["detect_ticks_median"],
                     None if line["recovered"] is None else f"{line['recovered']:.0%}", f"{line['availability']:.2%}"])
    section.add(folded(f"{len(body)} conditions", table(
        ("policy", "condition", "told", "retention", "95 %", "worst", "noticed", "after ticks", "recovered",
         "commands in time"), body)))


def _add_truth(page: Page, lines: Rows) -> None:
    if not lines:
        return
    section = page.section("Intent or truth", "What the rest of the chain receives for a broken motor: the intended "
                           "action, or the share of the action that the detector measures. Gain in retention, paired "
                           "by episode; an interval that contains 0 shows no difference.")
    body = [[line["policy"], condition("actuator", line["kind"], line["severity"]).partition(" ")[2],
             line["information"],
             Toned(f"{line['gain']:+.3f}",
                   "good" if line["low"] >= SEEN else "bad" if line["high"] <= -SEEN else "quiet"),
             f"{line['low']:+.3f} to {line['high']:+.3f}"] for line in lines]
    section.add(table(("policy", "motor", "told", "gain", "95 %"), body))


def _add_detection(page: Page, rows: Rows, lines: Rows) -> None:
    late = column([r for r in rows if r["level"] in ("actuator", "sensor")], "detect_ticks")
    if not (late >= 0).any():
        return
    section = page.section("Noticing", "Ticks from the onset of a fault until the detector, which does not "
                           "receive the schedule, finds the broken joint in error.")
    section.add(figure(charts.histogram(late[late >= 0], "ticks", name="episodes"),
                       f"Found in {(late >= 0).mean():.0%} of {len(late)} episodes with a broken joint or reading."))


def _add_latency(page: Page, rows: Rows) -> None:
    section = page.section("Time", "The time of a tick.")
    # Where messages or nodes break, one process simulates a whole chain of nodes. No deployment has this cost.
    alone = column([r for r in rows if r["level"] not in ("message", "node")], "computing_p50_us")
    section.add(figure(charts.histogram(alone, "µs", name="episodes", cut=float(np.percentile(alone, 99))),
                       "Encoding, deciding and guarding a tick on this machine: the median of each episode."))
    networked = column([r for r in rows if r["level"] in ("message", "node")], "latency_p99_ms")
    if networked.any():
        section.add(figure(charts.histogram(networked, "ms", name="episodes"),
                           "Simulated graph under broken messages and nodes: the last decision, 99th percentile."))


def _add_live(page: Page, live: Rows, left_out: Sequence[str]) -> None:
    if not live and not left_out:
        return
    section = page.section("On the live graph", "The same episodes as node processes over DDS, free-running against "
                           "the wall clock of this machine. Delays of the machine add to the effect of the fault. "
                           "Returns are means. Missed "
                           "are decisions (joints × ticks) that were in no command before the robot moved on.")
    if live:
        section.add(table(
            ("policy", "condition", "episodes", "lock-step", "live", "in time", "missed", "p50 ms", "p99 ms", "load"),
            [[line["policy"], cell_words(line), line["episodes"], round(line["lockstep"], 1), round(line["live"], 1),
              f"{line['availability']:.2%}", line["missing"], round(line["p50_ms"], 2), round(line["p99_ms"], 2),
              round(line["load"], 1)] for line in live]))
    for sentence in left_out:
        section.add(paragraph(f"Left out: {sentence}", "warn"))


def _add_influence(page: Page, policy: str, influence: SlotInfluence) -> None:
    section = page.section(f"{policy}: influence of the slots", "Change of each slot's action, in policy "
                           "units, when the row's action is sent as zero: the mean over healthy ticks. This is a "
                           "counterfactual of the decisions and does not measure an action's part in the return.")
    slots, moved = influence.slots, influence.moved
    section.add(figure(charts.heat_map(np.where(moved > 0, moved, np.nan), slots, slots),
                       "Rows are sent as zero, columns change; no slot receives a successor's action."))
    section.add(table(("slot", "mean value of the critic, normalised"),
                      [[name, float(value)] for name, value in zip(slots, influence.values, strict=True)]))


def _add_strips(page: Page, close_up: CloseUp) -> None:
    if not close_up.strips:
        return
    section = page.section(f"{close_up.policy}: worst and best", "The first episode without a fault, under the worst "
                           "fault and under the mildest fault; the first picture shows the onset.")
    for strip in close_up.strips:
        section.add(_strip(strip))


def _strip(strip: Strip) -> Block:
    words = _shown_words(strip.shown)
    if strip.image is None:
        return paragraph(f"{words}. {strip.trouble}", "quiet")
    return picture(strip.image, words, words)


def _shown_words(shown: ShownCell) -> str:
    level, kind, severity, target, information = shown.key
    if level == NOMINAL:
        return shown.name
    return (f"{shown.name}: {condition(level, kind, severity)} {target}, chain information {information}, "
            f"retention {shown.retention:.2f}")

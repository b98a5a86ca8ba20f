# Copyright 2026 The mat_ros Authors
# SPDX-License-Identifier: Apache-2.0
"""Compute figures with intervals from the raw table of a fault benchmark."""

from __future__ import annotations

import csv
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mat_ros.bench.faults.findings import ShownCell
from mat_ros.bench.faults.table import GAP, KEY, NOMINAL, UNTOLD, Rows
from mat_ros.core.faults.schedule import KINDS
from mat_ros.core.statistics import estimate

Float = NDArray[np.float64]
TEXTS = ("policy", "level", "kind", "target", "information")


def read_rows(files: Sequence[Path]) -> Rows:
    """Return the rows of raw tables."""
    rows: list[dict[str, Any]] = []
    for file in files:
        with file.open(newline="", encoding="utf-8") as text:
            rows += [{k: v if k in TEXTS else float(v) for k, v in row.items()} for row in csv.DictReader(text)]
    return rows


def read_table(files: Sequence[Path]) -> Rows:
    """Return the rows of raw tables, each paired with the same episode without a fault."""
    rows = read_rows(files)
    whole = {(r["policy"], r["episode"]): r["return"] for r in rows if r["level"] == NOMINAL}
    for row in rows:
        row["together"] = row["target"] if any(c in row["target"] for c in "*?[") and row["level"] != GAP else ""
        nominal = whole[row["policy"], row["episode"]]
        row["retention"] = row["return"] / nominal if nominal > 0 else float("nan")
    return rows


def grouped(rows: Rows, *names: str) -> Mapping[tuple[Any, ...], Rows]:
    """Return rows grouped by columns, in the order in which the groups first appear."""
    found: dict[tuple[Any, ...], list[dict[str, Any]]] = {}
    for row in rows:
        found.setdefault(tuple(row[name] for name in names), []).append(row)
    return found


def column(rows: Rows, name: str) -> Float:
    """Return one column of rows."""
    return np.array([row[name] for row in rows], dtype=np.float64)


def condition(level: str, kind: str, severity: float) -> str:
    """Return the text of a condition, as in `actuator weak 0.5`."""
    with_degree = level == GAP or bool(KINDS[level, kind].severity)
    return f"{level} {kind}" + (f" {severity:g}" if with_degree else "")


def named(line: dict[str, Any]) -> str:
    return condition(line["level"], line["kind"], line["severity"]) + (
        f", all of {line['together']}" if line["together"] else "")


def cell_words(row: dict[str, Any]) -> str:
    """Return the text of a row's cell: condition, target and chain information."""
    if row["level"] == NOMINAL:
        return "nothing broken"
    truth = ", the chain receives the truth" if row["information"] == "truth" else ""
    return f"{condition(row['level'], row['kind'], row['severity'])}: {row['target']}{truth}"


def headline(rows: Rows) -> Rows:
    """Return the main table: a line for each policy, condition and chain information."""
    found = []
    for (policy, level, kind, severity, information, together), part in grouped(
            rows, "policy", "level", "kind", "severity", "information", "together").items():
        targets = grouped(part, "target")
        kept = estimate([column(r, "retention") for r in targets.values()])
        worst = {target[0]: float(np.mean(column(r, "retention"))) for target, r in targets.items()}
        late, recovered = column(part, "detect_ticks"), column(part, "recover_ticks")
        recovered = recovered[recovered != UNTOLD]
        found.append({
            "policy": policy, "level": level, "kind": kind, "severity": severity, "information": information,
            "together": together, "episodes": len(part), "return_mean": float(column(part, "return").mean()),
            "targets": len(targets), "retention_iqm": float(kept.middle), "retention_low": float(kept.low),
            "retention_high": float(kept.high),
            "worst_target": min(worst, key=lambda k: worst[k]), "worst_retention": min(worst.values()),
            "detected": float((late >= 0).mean()),
            "detect_ticks_median": float(np.median(late[late >= 0])) if (late >= 0).any() else None,
            "false_alarms_per_episode": float(column(part, "false_alarms").mean()),
            "recovered": float((recovered >= 0).mean()) if len(recovered) else None,
            "availability": 1.0 - float(column(part, "missing").sum() / column(part, "commands").sum()),
            "outside_before": int(column(part, "outside_before").sum()),
            "outside_after": int(column(part, "outside_after").sum())})
    return found


def truth_against_intent(rows: Rows) -> Rows:
    """Return the gain of chains that receive the truth over chains that receive intentions, paired by episode."""
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
            gain = estimate(gains, np.nanmean)
            found.append({"policy": policy, "kind": kind, "severity": severity, "information": information,
                          "gain": float(gain.middle), "low": float(gain.low), "high": float(gain.high)})
    return found


def shown_cells(rows: Rows) -> tuple[ShownCell, ...]:
    """Return the cells of a policy that the report shows: no fault, the worst and the mildest cell of a broken joint.

    Return no cell where no joint was broken, or where the policy has no return without faults.
    """
    means = {key: float(column(part, "retention").mean()) for key, part in grouped(rows, *KEY).items()}
    kept = {key: mean for key, mean in means.items() if key[0] in ("actuator", "sensor") and np.isfinite(mean)}
    if not kept:
        return ()
    chosen = {"nothing broken": next(key for key in means if key[0] == NOMINAL),
              "worst": min(kept, key=lambda key: kept[key])}
    if len(kept) > 1:
        chosen["mildest"] = max(kept, key=lambda key: kept[key])
    return tuple(ShownCell(name, key, means[key]) for name, key in chosen.items())

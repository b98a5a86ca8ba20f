# Copyright 2026 The mat_ros Authors
# SPDX-License-Identifier: Apache-2.0
"""Write the figures of a fault benchmark as a table for the documentation."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from mat_ros.bench.faults.figures import cell_words, condition
from mat_ros.bench.faults.findings import Findings
from mat_ros.bench.faults.table import NOMINAL
from mat_ros.core.files import write_text

HEAD = "| {} |\n|{}|"


def write_summary(path: Path, findings: Findings) -> None:
    """Write the policies, the retention under each condition, the gain from the truth, and the live cells."""
    lines = findings.conditions
    policies = list(dict.fromkeys(line["policy"] for line in lines))
    nominal = {line["policy"]: line for line in lines if line["level"] == NOMINAL}
    whole = [[name, f"{nominal[name]['episodes']}", f"{nominal[name]['return_mean']:.1f}",
              f"{nominal[name]['false_alarms_per_episode']:.2f} per episode"] for name in policies]
    parts = [f"    {findings.command}\n",
             _table(["policy", "episodes per cell", "return without faults", "false alarms"], whole)]
    found: dict[str, dict[str, str]] = {}
    for line in lines:
        if line["level"] != NOMINAL and line["information"] == "intent":
            name = condition(line["level"], line["kind"], line["severity"])
            name += f", all of `{line['together']}`" if line["together"] else ""
            worst = f", worst `{line['worst_target']}` {line['worst_retention']:.2f}" if line["targets"] > 1 else ""
            found.setdefault(name, {})[line["policy"]] = (
                f"{line['retention_iqm']:.2f} ({line['retention_low']:.2f} to {line['retention_high']:.2f}){worst}")
    parts.append("Retention with its 95 % interval; the chain receives intentions.\n\n" + _table(
        ["condition", *policies], [[name, *(cells.get(p, "") for p in policies)] for name, cells in found.items()]))
    told = [[line["policy"], condition("actuator", line["kind"], line["severity"]), line["information"],
             f"{line['gain']:+.3f} ({line['low']:+.3f} to {line['high']:+.3f})"] for line in findings.gains]
    parts.append("Gain in retention when the chain receives the truth, paired by episode.\n\n"
                 + _table(["policy", "condition", "told", "gain"], told))
    if findings.live:
        parts.append("The same episodes on a live graph, free-running against the wall clock.\n\n" + _table(
            ["policy", "condition", "episodes", "return in lock-step", "return live", "commands in time",
             "missed decisions", "p50, p99 of a tick"],
            [[line["policy"], _cell(line), f"{line['episodes']}", f"{line['lockstep']:.1f}",
              f"{line['live']:.1f}", f"{line['availability']:.2%}", f"{line['missing']}",
              f"{line['p50_ms']:.2f}, {line['p99_ms']:.2f} ms"] for line in findings.live]))
    parts += [f"Left out: {sentence}" for sentence in findings.left_out]
    write_text(path, "\n\n".join(parts) + "\n")


def _cell(line: dict[str, Any]) -> str:
    words, _, target = cell_words(line).partition(": ")
    return f"{words}: `{target}`" if target else words


def _table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    return "\n".join([HEAD.format(" | ".join(head), "---|" * (len(head) - 1) + "---"),
                      *(f"| {' | '.join(row)} |" for row in rows)])

# Copyright 2026 The mat_ros Authors
# SPDX-License-Identifier: Apache-2.0
"""Read a fault plan from YAML. Every refusal names the line of the mistake.

The reader uses the text of each scalar and never YAML's types, because YAML reads ``kind: off`` as ``false``.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from pathlib import Path
from typing import NoReturn, TypeVar

import yaml

from mat_ros.core.errors import Refused
from mat_ros.core.faults.schedule import KINDS, LEVELS, Draw, Fault, Plan, Schedule, Targets
from mat_ros.core.plain import compose_yaml, one_line, read_text

T = TypeVar("T")
FAULT_FIELDS = ("id", "target", "severity", "start_s", "duration_s")
DRAW_FIELDS = (*FAULT_FIELDS, "count", "probability")
LONGEST_S = 1e9  # greatest start and duration; 30 years


def load_plan(path: Path, period_ns: int, targets: Targets) -> Plan:
    """Return the plan of a fault file, for a robot or graph whose names are `targets`."""
    return parse_plan(read_text(path, "fault file"), period_ns, targets, str(path))


def parse_plan(text: str, period_ns: int, targets: Targets, source: str = "fault plan") -> Plan:
    """Return the plan of a YAML text."""
    try:
        root = compose_yaml(text)
    except yaml.YAMLError as error:
        raise Refused(source, "YAML", one_line(error), "correct the file") from error
    reader = _Reader(source, period_ns, targets)
    if root is None:
        return Plan(source, 0)
    top = reader.mapping(root, ("name", "seed", "faults", "random"))
    faults: list[Fault] = []
    for node in reader.sequence(top.get("faults")):
        for fault in reader.fault(node):
            reader.refusing(node, lambda fault=fault: Schedule(0, (*faults, fault)))  # type: ignore[misc]
            faults.append(fault)
    return Plan(
        name=reader.text(top["name"]) if "name" in top else source,
        seed=reader.whole(top["seed"]) if "seed" in top else 0,
        faults=tuple(faults),
        draws=tuple(reader.draw(node) for node in reader.sequence(top.get("random"))),
    )


def plan_text(schedule: Schedule, name: str, period_ns: int) -> str:
    """Return the faults of an episode as the YAML text of a plan. A live graph can then repeat the same faults."""
    entries = []
    for fault in schedule.faults:
        entry: dict[str, str | float] = {"id": fault.id, fault.level: fault.kind, "target": fault.target,
                                         "start_s": fault.start * period_ns * 1e-9}
        if KINDS[fault.level, fault.kind].severity:
            entry["severity"] = fault.severity
        if fault.end is not None:
            entry["duration_s"] = (fault.end - fault.start) * period_ns * 1e-9
        entries.append(entry)
    return yaml.safe_dump({"name": name, "seed": schedule.seed, "faults": entries}, sort_keys=False)


class _Reader:
    """Read the YAML nodes of one file, so that each refusal can name the line."""

    def __init__(self, source: str, period_ns: int, targets: Targets) -> None:
        self.source, self.period_ns, self.targets = source, period_ns, targets

    def refuse(self, node: yaml.Node, expected: object, got: object, remedy: str = "correct the line") -> NoReturn:
        raise Refused(f"{self.source}, line {node.start_mark.line + 1}", expected, got, remedy)

    def refusing(self, node: yaml.Node, make: Callable[[], T]) -> T:
        """Return the result of `make`. Add the line to the error when `make` refuses."""
        try:
            return make()
        except Refused as error:
            raise error.at(f"{self.source}, line {node.start_mark.line + 1}") from error

    def mapping(self, node: yaml.Node, fields: tuple[str, ...]) -> dict[str, yaml.Node]:
        if not isinstance(node, yaml.MappingNode):
            self.refuse(node, f"fields {fields}", node.tag.rsplit(":", 1)[-1])
        found = {self.text(key): value for key, value in node.value}
        if unknown := sorted(set(found) - set(fields)):
            self.refuse(node, f"the fields {fields}", unknown, "remove or rename them")
        return found

    def sequence(self, node: yaml.Node | None) -> list[yaml.Node]:
        if node is None:
            return []
        if not isinstance(node, yaml.SequenceNode):
            self.refuse(node, "a list", node.tag.rsplit(":", 1)[-1])
        return list(node.value)

    def text(self, node: yaml.Node) -> str:
        if not isinstance(node, yaml.ScalarNode):
            self.refuse(node, "one word or number", "a list or mapping")
        return str(node.value)

    def number(self, node: yaml.Node) -> float:
        text = self.text(node)
        try:
            value = math.inf if text == ".inf" else float(text)
        except ValueError:
            self.refuse(node, "a number", text)
        if math.isnan(value):
            self.refuse(node, "a number", text)
        return value

    def whole(self, node: yaml.Node) -> int:
        value = self.number(node)
        if not abs(value) < 2**63:
            self.refuse(node, "a whole number of 64 bits", self.text(node))
        return int(value)

    def span(self, node: yaml.Node) -> tuple[float, float]:
        """Return the two ends of a range. One number alone is both ends."""
        ends = node.value if isinstance(node, yaml.SequenceNode) else [node, node]
        values = [self.number(end) for end in ends]
        if len(values) != 2 or values[0] > values[1]:
            self.refuse(node, "one number or [least, greatest]", values)
        return values[0], values[1]

    def ticks(self, node: yaml.Node, seconds: float) -> int:
        if not 0.0 <= seconds <= LONGEST_S:
            self.refuse(node, f"0 to {LONGEST_S:g} seconds", seconds)
        return round(seconds * 1e9 / self.period_ns)

    def kind(self, node: yaml.Node, fields: tuple[str, ...]) -> tuple[dict[str, yaml.Node], str, str, tuple[str, ...]]:
        """Return the fields of an entry, the level, the kind, and the names that the target selects."""
        found = self.mapping(node, (*fields, *LEVELS))
        levels = [level for level in LEVELS if level in found]
        if len(levels) != 1:
            self.refuse(node, f"exactly one of {LEVELS}, as in `actuator: off`", levels)
        level, kind = levels[0], self.text(found[levels[0]])
        if (level, kind) not in KINDS:
            self.refuse(found[level], f"one of {[name for at, name in KINDS if at == level]}", kind)
        if "target" not in found:
            self.refuse(node, "a target", sorted(found), "name what breaks")
        pattern = self.text(found["target"])
        names = self.targets.matching(level, pattern)
        if not names:
            self.refuse(found["target"], f"a name among {list(getattr(self.targets, level))}", pattern)
        return found, level, kind, names

    def fault(self, node: yaml.Node) -> list[Fault]:
        """Return the faults of an entry of `faults`: one for each name that the target selects."""
        found, level, kind, names = self.kind(node, FAULT_FIELDS)
        severity = self.number(found["severity"]) if "severity" in found else KINDS[level, kind].default
        start = self.ticks(found["start_s"], self.number(found["start_s"])) if "start_s" in found else 0
        duration = self._duration(found)
        end = None if duration is None else start + duration
        label = self.text(found["id"]) if "id" in found else kind
        return [self.refusing(node, lambda name=name: Fault(  # type: ignore[misc]
            label if len(names) == 1 and "id" in found else f"{label}/{name}", level, kind, name, severity, start, end))
            for name in names]

    def draw(self, node: yaml.Node) -> Draw:
        """Return the draw of an entry of `random`."""
        found, level, kind, names = self.kind(node, DRAW_FIELDS)
        default = KINDS[level, kind].default
        start = self.span(found["start_s"]) if "start_s" in found else (0.0, 0.0)
        draw = Draw(
            id=self.text(found["id"]) if "id" in found else kind, level=level, kind=kind, targets=names,
            severity=self.span(found["severity"]) if "severity" in found else (default, default),
            start=(self.ticks(node, start[0]), self.ticks(node, start[1])),
            duration=self._duration(found),
            count=self.whole(found["count"]) if "count" in found else 1,
            probability=self.number(found["probability"]) if "probability" in found else 1.0,
        )
        if not 1 <= draw.count <= len(names):
            self.refuse(node, f"a count from 1 to {len(names)}", draw.count)
        if not 0.0 < draw.probability <= 1.0:
            self.refuse(node, "a probability in (0, 1]", draw.probability)
        for severity in draw.severity:
            self.refusing(node, lambda severity=severity: Fault(  # type: ignore[misc]
                draw.id, level, kind, names[0], severity, draw.start[0]))
        return draw

    def _duration(self, found: dict[str, yaml.Node]) -> int | None:
        if "duration_s" not in found or math.isinf(self.number(found["duration_s"])):
            return None
        ticks = self.ticks(found["duration_s"], self.number(found["duration_s"]))
        if ticks < 1:
            self.refuse(found["duration_s"], "a duration of at least one tick", f"{ticks} ticks")
        return ticks

# Copyright 2026 The mat_ros Authors
# SPDX-License-Identifier: Apache-2.0
"""Print the registered tasks of robots as a table: `python -m training.envs`."""

from __future__ import annotations

from rich.console import Console
from rich.table import Table

from mat_ros.core import named
from mat_ros.core.errors import Missing, Refused
from mat_ros.worlds.task import find_task
from training.envs import make


def table(tasks: list[str]) -> Table:
    """Return a table of tasks with their sizes at each split of their robots. A task that cannot open has a reason."""
    found = Table("task", "aim", "ticks", "split: agents x actions, observation")
    for name in tasks:
        try:
            task = find_task(name)[0]()
            sizes = (_sizes(name, split) for split in task.description().splits)
            found.add_row(name, task.aim, str(task.horizon), "\n".join(filter(None, sizes)))
        except (Refused, Missing) as error:
            found.add_row(name, str(error), "", "")
    return found


def _sizes(task: str, split: str) -> str:
    """Return the sizes of a task at a split, or nothing where the task refuses the split."""
    try:
        spec = make(f"{task}_{split}", 1).spec
    except Refused:
        return ""
    return f"{split}: {spec.agent_count} x {spec.act_dim}, {spec.obs_dim}"


if __name__ == "__main__":
    Console(width=120).print(table(named.names(named.TASKS)))

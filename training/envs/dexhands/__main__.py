# Copyright 2026 The mat_ros Authors
# SPDX-License-Identifier: Apache-2.0
"""Print the tasks as a table: `python -m training.envs.dexhands`."""

from rich.console import Console
from rich.table import Table

from training.envs.dexhands import SPLITS, TASKS, make


def table() -> Table:
    """Return a table of every task with its sizes at each split."""
    found = Table("task", "aim", "ticks", *(f"{split}: agents x actions, obs" for split in SPLITS))
    for name, task in TASKS.items():
        specs = [make(f"{name}_{split}", 1).spec for split in SPLITS]
        found.add_row(name, task.aim, str(task.horizon),
                      *(f"{spec.agent_count} x {spec.act_dim}, {spec.obs_dim}" for spec in specs))
    return found


if __name__ == "__main__":
    Console(width=150).print(table())

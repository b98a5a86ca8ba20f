# Copyright 2026 The mat_ros Authors
# SPDX-License-Identifier: Apache-2.0
"""Find an environment by the name of its task. The module of a task is imported when the task is first made."""

from __future__ import annotations

import inspect
import re
from collections.abc import Callable
from typing import Any

from mat_ros.core import named
from mat_ros.core.errors import Refused
from mat_ros.worlds.task import Task, find_task
from training.envs.legacy import LegacyEnvironment
from training.envs.protocol import Environment
from training.envs.robot import RobotEnvironment


def make(task: str, count: int, **options: Any) -> Environment:
    """Return `count` copies of a task: NAME_SPLIT, as in `halfcheetah_6x1` or `arm_task:Reach_joint`."""
    foreign = "" if ":" in task else named.split_name(task, named.ENVIRONMENTS)[0]
    found, split = (named.find(named.ENVIRONMENTS, foreign), "") if foreign else find_task(task)
    if not (isinstance(found, type) and issubclass(found, Task)):  # a function that makes an environment
        return _call(found, task, options, task, count)
    quirks, own = options.pop("legacy", False), set(inspect.signature(RobotEnvironment).parameters)
    made = _call(found, task, {name: value for name, value in options.items() if name not in own})
    if not split:
        raise Refused(f"task {task}", f"one of its splits {sorted(made.description().splits)} behind an underscore",
                      "none", f"write it as {task}_joint")
    kind = LegacyEnvironment if quirks else RobotEnvironment
    return kind(made, split, count, **{name: value for name, value in options.items() if name in own})


def _call(build: Callable[..., Any], task: str, options: dict[str, Any], *arguments: Any) -> Any:
    """Call a task or a function with its options. Refuse a setting that it does not have."""
    try:
        return build(*arguments, **options)
    except TypeError as error:
        stranger = re.search(r"unexpected keyword argument '(\w+)'", str(error))
        stranger = stranger or re.search(r"(\w+)\(\) takes no arguments", str(error))
        if stranger is None or not options:
            raise
        setting = stranger[1] if stranger[1] in options else next(iter(options))
        raise Refused(f"setting {setting}", f"the default, since {task} has no such setting", options[setting],
                      "leave it out") from error

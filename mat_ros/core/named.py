# Copyright 2026 The mat_ros Authors
# SPDX-License-Identifier: Apache-2.0
"""Find a world, a task, an environment or an adapter by its name: a registered name, or a user's `module:Class`.

Packages register names as entry points. The entry points of this package are in `mat_ros/entry_points.ini`. pip and
colcon install them from this file, and this module reads the same file. So a source tree finds its own names, even
where the installed metadata are older.
"""

from __future__ import annotations

import configparser
import hashlib
import importlib
import inspect
import os
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from importlib.metadata import EntryPoint, entry_points
from pathlib import Path
from typing import Any

from mat_ros import __version__
from mat_ros.core.errors import Missing, Refused, foreign
from mat_ros.core.shipped import PACKAGE_FOLDER, install_command

PREFIX = "mat_ros."  # of each group of entry points
WORLDS, TASKS, ADAPTERS = "worlds", "tasks", "hardware"
ENVIRONMENTS = "environments"  # what only training steps; the runtime never reads this group
NOUNS = {WORLDS: "world", TASKS: "task", ADAPTERS: "hardware", ENVIRONMENTS: "environment"}
EXTRAS = {"mujoco": "sim", "gymnasium": "sim", "torch": "train"}  # extra of this package that installs a library


@dataclass(frozen=True)
class CodeSource:
    """Name the code behind a name: what a manifest states about the world and the task of a policy."""

    object: str  # module:Class
    version: str  # version of its package, or a digest of a module that belongs to no package


@cache
def own_entries() -> tuple[EntryPoint, ...]:
    """Return the entry points of this package."""
    table = configparser.ConfigParser(delimiters=("=",))
    table.optionxform = str  # type: ignore[assignment,method-assign]  # names keep their capitals
    table.read(PACKAGE_FOLDER / "entry_points.ini", encoding="utf-8")
    return tuple(EntryPoint(name, value, group) for group in table.sections() for name, value in table[group].items())


def own_names(group: str) -> list[str]:
    """Return the names of a group that this package registers."""
    return sorted(entry.name for entry in own_entries() if entry.group == PREFIX + group)


def names(group: str) -> list[str]:
    """Return the registered names of a group."""
    return sorted({entry.name for entry in _entries(group)})


def find(group: str, name: str) -> Any:
    """Import and return what a name stands for. Only this function imports a user's module, by a name that he wrote."""
    what = f"{NOUNS[group]} {name}"
    if ":" in name:
        module, _, attribute = name.partition(":")
        found = getattr(_import(what, module), attribute, None)
        if found is None:
            raise Refused(what, "an importable module:Class", f"a module without {attribute}", "correct the name")
        return found
    for entry in _entries(group):
        if entry.name == name:
            return find(group, entry.value.partition("[")[0].strip())
    raise Refused(what, f"one of {', '.join(names(group)) or 'none (nothing is registered)'}, or module:Class",
                  repr(name), "choose one of them, or name a class of your own")


def split_name(name: str, group: str) -> tuple[str, str]:
    """Return the parts of NAME_SPLIT, as in `halfcheetah_6x1` or `arm_task:Reach_joint`. A part may be empty.

    Both parts may contain underscores. The longest beginning that is registered, or that the module has, is the name.
    """
    module, sign, rest = name.rpartition(":")
    if sign:
        known: Sequence[str] = dir(_import(f"{NOUNS[group]} {name}", module))
    else:
        known = names(group)
    words = rest.split("_")
    for count in range(len(words), 0, -1):
        if (first := "_".join(words[:count])) in known:
            return module + sign + first, "_".join(words[count:])
    return "", name


def source_of(found: object) -> CodeSource:
    """Return the module, the class and the version of what `find` returned."""
    kind = found if inspect.isclass(found) or inspect.isfunction(found) else type(found)
    top = kind.__module__.partition(".")[0]
    version = getattr(sys.modules.get(top), "__version__", "")
    if top == "mat_ros":
        version = __version__
    if not version:
        try:
            text = Path(inspect.getfile(kind)).read_bytes()
        except (OSError, TypeError):
            return CodeSource(f"{kind.__module__}:{kind.__qualname__}", "unknown")
        version = f"sha256:{hashlib.sha256(text).hexdigest()[:12]}"
    return CodeSource(f"{kind.__module__}:{kind.__qualname__}", str(version))


def _entries(group: str) -> list[EntryPoint]:
    """Return the entry points of a group. Those of this package come first, and hide their older installed form."""
    own = (entry for entry in own_entries() if entry.group == PREFIX + group)
    return [*own, *entry_points(group=PREFIX + group)]


def _import(what: str, module: str) -> Any:
    """Import a module from the current folder or from Python's path. Any error in it becomes one sentence.

    The current folder comes last on the path, so that a file in it replaces no module of an installed package.
    """
    if not {"", os.getcwd()} & set(sys.path):
        sys.path.append(os.getcwd())
    try:
        return importlib.import_module(module)
    except (Refused, Missing):
        raise
    except ModuleNotFoundError as error:
        absent = error.name or module
        if module.startswith(absent):
            raise Refused(what, "an importable module:Class", error,
                          "put its folder on PYTHONPATH, or correct the name") from error
        extra = EXTRAS.get(absent.partition(".")[0])
        raise Missing(f"the Python package '{absent}', which {what} needs,",
                      f"run {install_command(extra)}" if extra else "install it") from error
    except Exception as error:  # a module of a user may raise anything
        raise Refused(what, f"a module {module} that can be imported", foreign(error), "correct the module") from error

# Copyright 2026 The mat_ros Authors
# SPDX-License-Identifier: Apache-2.0
"""Find the files that come with the package, after an installation by pip, pip -e or colcon.

Configurations and policies lie inside the Python package. Launch files lie below share/, as ROS requires. An editable
installation has no share/ and uses the launch files of the checkout.
"""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Iterator
from importlib import metadata
from pathlib import Path

from mat_ros.core.errors import Missing, Refused

PACKAGE_FOLDER = Path(__file__).resolve().parents[1]


def config_names(kind: str) -> list[str]:
    """Return the names of the shipped configurations of one kind: `robots`, `faults` or `grids`."""
    return sorted(path.stem for path in (PACKAGE_FOLDER / "config" / kind).glob("*.yaml"))


def config_file(kind: str, name: str) -> Path:
    """Return the path of a shipped configuration. A name that looks like a path is the user's own file."""
    if "/" in name or name.endswith((".yaml", ".yml")):
        return Path(name)
    return _choose(f"{kind} configuration", name, {n: f"config/{kind}/{n}.yaml" for n in config_names(kind)})


def policy_names() -> list[str]:
    """Return the names of the policy bundles that come with the package."""
    return sorted(path.parent.name for path in (PACKAGE_FOLDER / "policies").glob("*/manifest.yaml"))


def policy_folder(name: str) -> Path:
    """Return the folder of a policy bundle, named by a shipped name or a path."""
    if Path(name).is_file():
        raise Refused("policy", "a bundle: a folder with manifest.yaml", f"the file {name}",
                      "name the folder that `python -m training.export` has written, or a shipped policy")
    if "/" in name or Path(name).is_dir():
        return Path(name)
    return _choose("policy", name, {n: f"policies/{n}" for n in policy_names()})


def launch_file(name: str) -> Path:
    """Return the path of `<name>.launch.py`."""
    for share in share_folders():
        path = share / "launch" / f"{name}.launch.py"
        if path.is_file():
            return path
    searched = ", ".join(str(share / "launch") for share in share_folders())
    raise Missing(f"{name}.launch.py (searched {searched or 'nothing: no share/mat_ros found'})", install_command())


def share_folders() -> Iterator[Path]:
    """Yield every possible share/mat_ros: the checkout, this environment's folder, then those of the ament index."""
    checkout = PACKAGE_FOLDER.parent
    if (checkout / "package.xml").is_file():
        yield checkout
    prefixes = [sys.prefix, *os.environ.get("AMENT_PREFIX_PATH", "").split(os.pathsep)]
    for prefix in dict.fromkeys(p for p in prefixes if p):
        share = Path(prefix) / "share" / "mat_ros"
        if (share / "package.xml").is_file():
            yield share


def check_writable(file: Path) -> None:
    """Make the folder of a file, and open the file once. On failure, the system's error names place and reason."""
    file.parent.mkdir(parents=True, exist_ok=True)
    existed = file.exists()
    file.open("ab").close()  # a real attempt, since permissions alone do not decide
    if not existed:
        file.unlink()


def install_command(extra: str = "") -> str:
    """Return the command that installs this package again from the same source, with one more extra."""
    suffix = f"[{extra}]" if extra else ""
    pip = f"{_short(Path(sys.executable))} -m pip install"
    source = _source()
    if source is None:
        return f"{pip} '.{suffix}' in a checkout of mat_ros"
    folder, editable = source
    return f"{pip} {'-e ' if editable else ''}'{_short(folder)}{suffix}'"


def _source() -> tuple[Path, bool] | None:
    """Return the folder from which pip installed this package, and whether the installation is editable."""
    try:
        text = metadata.distribution("mat_ros").read_text("direct_url.json")
    except metadata.PackageNotFoundError:
        return None
    origin = json.loads(text) if text else {}
    if not origin.get("url", "").startswith("file://"):
        return None
    return Path(origin["url"].removeprefix("file://")), origin.get("dir_info", {}).get("editable", False)


def _short(path: Path) -> str:
    """Return a path as text. A path below the working directory becomes relative."""
    return str(path.relative_to(Path.cwd())) if path.is_relative_to(Path.cwd()) else str(path)


def _choose(what: str, name: str, path_of_name: dict[str, str]) -> Path:
    if name not in path_of_name:
        known = ", ".join(path_of_name) or "none (nothing is shipped)"
        raise Refused(what, f"one of {known}", name, "choose one of them or give a path")
    return PACKAGE_FOLDER / path_of_name[name]

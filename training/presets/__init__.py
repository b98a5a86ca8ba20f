# Copyright 2026 The mat_ros Authors
# SPDX-License-Identifier: Apache-2.0
"""Read the papers' settings from files: `python -m training.train --preset mat_halfcheetah`."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from mat_ros.core.errors import Refused
from mat_ros.core.plain import read_yaml_file
from training.run.config import TrainConfig

FOLDER = Path(__file__).parent


def preset_names() -> list[str]:
    """Return the names of the shipped presets."""
    return sorted(path.stem for path in FOLDER.glob("*.yaml"))


def load_preset(name: str) -> TrainConfig:
    """Return the settings of a preset: a shipped one by name, or a YAML file."""
    path = FOLDER / f"{name}.yaml" if name in preset_names() else Path(name)
    if not path.is_file():
        raise Refused("preset", f"a YAML file, or one of {preset_names()}", name, "choose one of them")
    data: Any = read_yaml_file(path, "preset")
    if not isinstance(data, dict):
        raise Refused(f"preset {name}", "settings with values", type(data).__name__, "correct the file")
    return TrainConfig.from_dict(data)

# Copyright 2026 The mat_ros Authors
# SPDX-License-Identifier: Apache-2.0
"""Read plain values from the text of a YAML file.

An alias of YAML repeats a value, and an alias of an alias multiplies it. So some hundred bytes can stand for gigabytes.
A text that stands for too much is refused before anything is made of its values.
"""

from __future__ import annotations

import math
from typing import Any

import yaml

LARGEST = 1_000_000  # values and characters that a text may stand for


def read_yaml(text: str) -> Any:
    """Return the plain values of a YAML text. Every mistake in the text is a `yaml.YAMLError`."""
    try:
        values = yaml.safe_load(text)
        size = _size(values, {})
    except RecursionError as error:
        raise yaml.YAMLError("expected lists in lists, got too many of them") from error
    except ValueError as error:  # a date that does not exist
        raise yaml.YAMLError(str(error)) from error
    if size > LARGEST:
        raise yaml.YAMLError(f"expected at most {LARGEST:,} values, got aliases that stand for {size:g}")
    return values


def _size(value: Any, known: dict[int, float]) -> float:
    """Return the number of values and characters; infinity for a value that contains itself."""
    if isinstance(value, str):
        return 1 + len(value)
    if not isinstance(value, list | dict):
        return 1
    if id(value) not in known:
        known[id(value)] = math.inf
        parts = value if isinstance(value, list) else [*value, *value.values()]
        known[id(value)] = 1 + sum(_size(part, known) for part in parts)
    return known[id(value)]

# Copyright 2026 The mat_ros Authors
# SPDX-License-Identifier: Apache-2.0
"""Read plain values from a YAML file that a user has written, or refuse the file in one sentence.

An alias of YAML repeats a value, and an alias of an alias multiplies it. So some hundred bytes can stand for gigabytes.
A text that stands for too much is refused before anything is made of its values. A key that a map has twice is refused
too: YAML's own loader would keep the last value and drop the others in silence.
"""

from __future__ import annotations

import contextlib
import math
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import yaml

from mat_ros.core.errors import Refused

# What the loader raises for a date that does not exist, and for a tag that its text does not fit.
BROKEN = (ValueError, OverflowError, AttributeError, TypeError, LookupError)
LARGEST = 1_000_000  # values and characters that a text may stand for
LARGEST_BYTES = 1 << 24  # of a file


class PlainLoader(yaml.SafeLoader):
    """Load plain values, and refuse a key that a map has twice and a text that cannot be printed."""

    def compose_scalar_node(self, anchor: dict[Any, yaml.Node]) -> yaml.ScalarNode:
        """Return the node of a text or a number. Nobody could print a text with half a surrogate pair."""
        node = super().compose_scalar_node(anchor)
        if not str(node.value).isascii() and any("\ud800" <= c <= "\udfff" for c in node.value):
            raise yaml.composer.ComposerError("in a text", node.start_mark, "expected characters, got half a pair",
                                              node.start_mark)
        return node

    def compose_mapping_node(self, anchor: dict[Any, yaml.Node]) -> yaml.MappingNode:
        """Return the node of a map."""
        node = super().compose_mapping_node(anchor)
        seen = set()
        for key, _ in node.value:
            if isinstance(key, yaml.ScalarNode):
                if (key.tag, key.value) in seen:
                    raise yaml.composer.ComposerError("in a map", node.start_mark, f"expected each key once, got "
                                                      f"{key.value} twice", key.start_mark)
                seen.add((key.tag, key.value))
        return node


def read_text(path: Path, what: str) -> str:
    """Return the text of a file, or refuse the file. `what` names its kind, as in `robot file`."""
    try:
        with path.open("rb") as file:
            data = file.read(LARGEST_BYTES + 1)
    except (OSError, ValueError) as error:  # ValueError: a path with a null character or half a surrogate pair
        reason = error.strerror if isinstance(error, OSError) and error.strerror else error
        raise Refused(f"{what} {path}", "a readable file", reason, "correct the path") from error
    if len(data) > LARGEST_BYTES:
        raise Refused(f"{what} {path}", f"at most {LARGEST_BYTES >> 20} MB of text", "more", "name another file")
    try:
        return data.decode("utf-8")
    except UnicodeDecodeError as error:
        raise Refused(f"{what} {path}", "readable YAML in UTF-8", f"the byte 0x{data[error.start]:02x} at "
                      f"{error.start}", "name a text file, or save it as UTF-8") from error


def read_yaml_file(path: Path, what: str) -> Any:
    """Return the plain values of a YAML file, or refuse the file. `what` names its kind, as in `robot file`."""
    text = read_text(path, what)
    try:
        return read_yaml(text)
    except yaml.YAMLError as error:
        raise Refused(f"{what} {path}", "readable YAML", one_line(error), "correct the file") from error


def read_yaml(text: str) -> Any:
    """Return the plain values of a YAML text. Every mistake in the text is a `yaml.YAMLError`."""
    with mistakes_of_yaml():
        values = yaml.load(text, Loader=PlainLoader)
        size = _size(values, {})
    if size > LARGEST:
        raise yaml.YAMLError(f"expected at most {LARGEST:,} values, got aliases that stand for {size:g}")
    return values


def compose_yaml(text: str) -> yaml.Node | None:
    """Return the root of a YAML text, whose nodes name their lines. Every mistake in the text is a `yaml.YAMLError`."""
    with mistakes_of_yaml():
        return yaml.compose(text, Loader=PlainLoader)


@contextlib.contextmanager
def mistakes_of_yaml() -> Iterator[None]:
    """Make a `yaml.YAMLError` of every other error that a text raises in a loader of YAML."""
    try:
        yield
    except RecursionError as error:
        raise yaml.YAMLError("expected lists in lists, got too many of them") from error
    except BROKEN as error:
        raise yaml.YAMLError(str(error)) from error


def number(value: object, what: str, remedy: str) -> float:
    """Return a plain value as a number, or refuse it. `what` names the field."""
    try:
        if isinstance(value, bool):
            raise TypeError("true and false are no numbers")
        return float(value)  # type: ignore[arg-type]
    except (TypeError, ValueError, OverflowError) as error:
        raise Refused(what, "a number", value, remedy) from error


def one_line(error: Exception) -> str:
    """Return the message of an error of YAML, which has several lines, as one line."""
    return " ".join(str(error).split())


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

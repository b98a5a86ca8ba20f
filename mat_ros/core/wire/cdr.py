# Copyright 2026 The mat_ros Authors
# SPDX-License-Identifier: Apache-2.0
"""Read and write the bytes of ROS 2 messages, sent or recorded. The module needs the .msg files and no ROS.

A message is a namespace with the fields of its .msg file. Arrays of numbers are numpy arrays. Received bytes must fit
the definition. A length that exceeds its bound or the remaining bytes is refused before any memory is allocated.
"""

from __future__ import annotations

import functools
import re
import struct
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np

from mat_ros.core.errors import Missing, Refused
from mat_ros.core.wire.seal import NO_TAG

LITTLE_ENDIAN = b"\x00\x01\x00\x00"  # header before every message
CODES: Mapping[str, str] = {  # codes of both struct and numpy
    "bool": "?", "byte": "B", "char": "B", "int8": "b", "uint8": "B", "int16": "h", "uint16": "H", "int32": "i",
    "uint32": "I", "int64": "q", "uint64": "Q", "float32": "f", "float64": "d"}
DTYPES: Mapping[str, np.dtype[Any]] = {name: np.dtype(f"<{code}") for name, code in CODES.items()}
TAG = "tag"  # field that ends a sealed message
# Fields at the end of messages that older recordings lack. Such a field is None, and an absent tag is empty.
LATER = frozenset({TAG, "number", "elapsed_ns", "blend", "events", "undecided", "gate"})
PADDING = 4  # fewer bytes than this behind the last field are padding
FIELD = re.compile(r"(?P<type>[\w/]+)(?:<=(?P<length>\d+))?(?P<array>\[(?:<=)?\d*\])?\s+(?P<name>\w+)\s*(?P<value>=?)")
# Definitions of other packages. The messages of mat_ros contain these, or recordings hold these beside them.
FOREIGN = {
    "builtin_interfaces/msg/Time": "int32 sec\nuint32 nanosec\n",
    "std_msgs/msg/Header": "builtin_interfaces/Time stamp\nstring frame_id\n",
    "diagnostic_msgs/msg/KeyValue": "string key\nstring value\n",
    "diagnostic_msgs/msg/DiagnosticStatus":
        "byte level\nstring name\nstring message\nstring hardware_id\ndiagnostic_msgs/KeyValue[] values\n",
    "diagnostic_msgs/msg/DiagnosticArray": "std_msgs/Header header\ndiagnostic_msgs/DiagnosticStatus[] status\n",
}
NO_TAG_NUMBERS = np.frombuffer(NO_TAG, np.dtype("<u4"))


@dataclass(frozen=True)
class Field:
    """Describe the field of one line of a .msg file."""

    name: str
    type: str  # a key of DTYPES, "string", or the full name of a message
    length: int | None = None  # bound of a string
    many: bool = False
    size: int | None = None  # size of a fixed array, or bound of a sequence
    fixed: bool = False


def message_folder() -> Path:
    """Return the folder of the package's .msg files, in the source tree or in the installed package."""
    root = Path(__file__).resolve().parents[3]
    for folder in (root / "msg", Path(sys.prefix) / "share/mat_ros/msg", *(
            parent / "share/mat_ros/msg" for parent in Path(__file__).resolve().parents)):
        if (folder / "Baton.msg").exists():
            return folder
    raise Missing("the folder of mat_ros's message definitions", "install the package anew")


@functools.cache
def definition(name: str) -> str:
    """Return the definition text of a message type such as `mat_ros/msg/Baton`."""
    if name in FOREIGN:
        return FOREIGN[name]
    path = message_folder() / f"{name.rsplit('/', 1)[-1]}.msg"
    if not name.startswith("mat_ros/msg/") or not path.exists():
        raise Refused("message type", f"mat_ros/msg/... or one of {sorted(FOREIGN)}", name, "name a known type")
    return path.read_text(encoding="utf-8")


@functools.cache
def fields(name: str) -> tuple[Field, ...]:
    """Return the fields of a message type without its constants."""
    found = []
    for line in definition(name).splitlines():
        line = line.partition("#")[0].strip()
        match = FIELD.match(line)
        if match is None or match["value"]:
            continue
        kind, array = match["type"], match["array"]
        if kind not in DTYPES and kind != "string":
            package, _, bare = kind.rpartition("/")
            kind = f"{package or name.split('/')[0]}/msg/{bare}"
        size = int(digits) if array and (digits := array.strip("[]<=")) else None
        length = int(match["length"]) if match["length"] else None
        found.append(Field(match["name"], kind, length, bool(array), size, bool(array) and size is not None
                           and "<=" not in array))
    return tuple(found)


@functools.cache
def schema(name: str) -> str:
    """Return the definition of a message type, followed by those of the types inside it. MCAP requires this form."""
    parts, queue = [definition(name)], [name]
    seen = {name}
    while queue:
        for field in fields(queue.pop(0)):
            if "/" in field.type and field.type not in seen:
                seen.add(field.type)
                queue.append(field.type)
                parts.append(f"{'=' * 80}\nMSG: {field.type.replace('/msg/', '/')}\n{definition(field.type)}")
    return "\n".join(parts)


def encode(name: str, message: Any) -> bytes:
    """Return the bytes of a message, which is a namespace or any object with the fields."""
    out = bytearray()
    _write(out, name, message)
    return LITTLE_ENDIAN + bytes(out)


def decode(name: str, data: bytes) -> SimpleNamespace:
    """Return the message of bytes. Refuse bytes that are no message."""
    if data[:4] != LITTLE_ENDIAN:
        raise Refused(f"message {name}", "little-endian CDR", data[:4].hex() or "no bytes", "record it with ROS 2")
    reader = _Reader(memoryview(data)[4:], name)
    return reader.message(name)


def _write(out: bytearray, name: str, message: Any) -> None:
    for field in fields(name):
        value = getattr(message, field.name) if field.name != TAG else getattr(message, TAG, NO_TAG_NUMBERS)
        if not field.many:
            _write_one(out, field, value)
            continue
        count = len(value)
        if field.size is not None and (count > field.size or (field.fixed and count != field.size)):
            raise Refused(f"{name}.{field.name}", f"{'' if field.fixed else 'at most '}{field.size} values", count,
                          "send fewer values")
        if not field.fixed:
            _write_number(out, "uint32", count)
        if field.type in DTYPES:
            dtype = DTYPES[field.type]
            if count:
                _align(out, dtype.itemsize)
                out += np.asarray(value, dtype).tobytes()
        else:
            for item in value:
                _write_one(out, field, item)


def _write_one(out: bytearray, field: Field, value: Any) -> None:
    if field.type == "string":
        text = value.encode()
        if field.length is not None and len(text) > field.length:
            raise Refused(f"text {field.name}", f"at most {field.length} bytes", len(text), "shorten it")
        _write_number(out, "uint32", len(text) + 1)
        out += text + b"\x00"
    elif field.type in DTYPES:
        value = value[0] if isinstance(value, bytes) else value  # rclpy represents a `byte` as bytes
        _write_number(out, field.type, value)
    else:
        _write(out, field.type, value)


def _write_number(out: bytearray, kind: str, value: Any) -> None:
    _align(out, DTYPES[kind].itemsize)
    try:
        out += struct.pack("<" + CODES[kind], value)
    except struct.error as error:
        raise Refused(f"a number of type {kind}", "one in its range", value, "correct the value") from error


def _align(out: bytearray, size: int) -> None:
    out += b"\x00" * (-len(out) % size)


class _Reader:
    """Read the bytes of one message field by field."""

    def __init__(self, data: memoryview, name: str) -> None:
        self.data, self.name, self.place = data, name, 0

    def take(self, size: int, align: int, field: str) -> memoryview:
        start = self.place + (-self.place % align if size else 0)
        if start + size > len(self.data):
            raise Refused(f"message {self.name}, {field}", f"{size} more bytes", max(0, len(self.data) - start),
                          "drop the message")
        self.place = start + size
        return self.data[start:self.place]

    def message(self, name: str) -> SimpleNamespace:
        found = SimpleNamespace()
        for field in fields(name):
            if field.name in LATER and len(self.data) - self.place < PADDING:
                setattr(found, field.name, NO_TAG_NUMBERS if field.name == TAG else None)
                continue
            setattr(found, field.name, self.many(field) if field.many else self.one(field))
        return found

    def many(self, field: Field) -> Any:
        count = field.size if field.fixed and field.size is not None else self.number("uint32", field.name)
        if field.size is not None and count > field.size:
            raise Refused(f"message {self.name}, {field.name}", f"at most {field.size} values", count,
                          "drop the message")
        if field.type in DTYPES:
            dtype = DTYPES[field.type]
            return np.frombuffer(self.take(count * dtype.itemsize, dtype.itemsize, field.name), dtype)
        if count > len(self.data) - self.place:  # every item takes at least one byte
            raise Refused(f"message {self.name}, {field.name}", f"{count} items", "too few bytes", "drop the message")
        return [self.one(field) for _ in range(count)]

    def one(self, field: Field) -> Any:
        if field.type in DTYPES:
            return self.number(field.type, field.name)
        if field.type != "string":
            return self.message(field.type)
        size = self.number("uint32", field.name)
        if size == 0:
            return ""
        if field.length is not None and size > field.length + 1:
            raise Refused(f"message {self.name}, {field.name}", f"at most {field.length} bytes", size - 1,
                          "drop the message")
        text = bytes(self.take(size, 1, field.name))
        try:
            return text[:-1].decode()
        except UnicodeDecodeError as error:
            raise Refused(f"message {self.name}, {field.name}", "UTF-8", text[:16], "drop the message") from error

    def number(self, kind: str, field: str) -> Any:
        dtype = DTYPES[kind]
        return np.frombuffer(self.take(dtype.itemsize, dtype.itemsize, field), dtype)[0].item()

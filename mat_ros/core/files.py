# Copyright 2026 The mat_ros Authors
# SPDX-License-Identifier: Apache-2.0
"""Write files whole or not at all, and name the file that a full disk does not take: the system's error names none."""

from __future__ import annotations

import contextlib
import errno
from collections.abc import Iterator
from pathlib import Path

FULL = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EIO)  # errors of a disk that takes no more


def is_full(error: OSError) -> bool:
    """Return whether a disk, or the share of a user, takes no more. The command itself was right."""
    return error.errno in FULL


@contextlib.contextmanager
def named(path: Path) -> Iterator[None]:
    """Put the path of a file into every error of the system that names no file."""
    try:
        yield
    except OSError as error:
        if error.filename is not None or error.errno is None:
            raise
        raise OSError(error.errno, error.strerror, str(path)) from error


@contextlib.contextmanager
def replaced(path: Path) -> Iterator[Path]:
    """Yield a path to write to. Its file takes the place of `path` at the end of the block; after an error it goes."""
    beside = path.with_name(f".{path.name}.part")
    with named(path):
        path.parent.mkdir(parents=True, exist_ok=True)
        try:
            yield beside
            beside.replace(path)
        except BaseException:
            with contextlib.suppress(OSError):
                beside.unlink(missing_ok=True)
            raise


def write_text(path: Path, text: str) -> None:
    """Write a text file whole or not at all."""
    with replaced(path) as beside:
        beside.write_text(text, encoding="utf-8")

# Copyright 2026 The mat_ros Authors
# SPDX-License-Identifier: Apache-2.0
"""Compile mat_ros/backends/native/**/*.cpp into one shared library beside the sources, which ctypes loads.

setup.py and CMakeLists.txt both call this file, so that one place defines the flags, on which the bits depend.
"""

from __future__ import annotations

import argparse
import os
import shutil
import subprocess
from collections.abc import Sequence
from pathlib import Path

FOLDER = Path("mat_ros/backends/native")
LIBRARY_NAME = "libmat_ros_native.so"
FLAGS = [
    "-std=c++17",
    "-O3",                # no -march: faster instructions are chosen at run time, so one file fits every CPU
    "-ffp-contract=off",  # the compiler must not fuse a*b+c where the source does not: same bits everywhere
    "-fPIC",
    "-shared",
    "-fvisibility=hidden",
    "-Wall",
    "-Wextra",
]  # fmt: skip


def native_sources(root: Path) -> list[Path]:
    """Return the C++ sources; none when this tree has no native backend."""
    return sorted((root / FOLDER).rglob("*.cpp"))


def reason_to_skip(root: Path) -> str | None:
    """Return why this machine does not build the library, or None when it builds the library."""
    if not native_sources(root):
        return f"there are no sources in {FOLDER}"
    return reason_without_compiler()


def build(root: Path, destination: Path, sanitizers: str = "") -> Path:
    """Compile into the folder `destination` and return the library's path.

    `sanitizers` are names for -fsanitize. The program that loads such a library ends at the first mistake.
    """
    # With -O3, g++ needs many minutes for the kernels and their checks.
    checks = [f"-fsanitize={sanitizers}", "-fno-sanitize-recover=all", "-O1", "-g"] if sanitizers else []
    return compile_library(native_sources(root), [*FLAGS, *checks], destination / LIBRARY_NAME)


def compile_library(sources: Sequence[Path], flags: Sequence[str], library: Path, linked: Sequence[str] = ()) -> Path:
    """Compile C++ sources into a library and return its path."""
    library.parent.mkdir(parents=True, exist_ok=True)
    fresh = library.with_name(f".{library.name}.{os.getpid()}")
    subprocess.run([*compiler(), *flags, *map(str, sources), *linked, "-o", str(fresh)], check=True)
    fresh.replace(library)  # a process that has loaded the old library keeps the old file
    return library


def compiler() -> list[str]:
    """Return the command line of the C++ compiler."""
    return os.environ.get("CXX", "g++").split()


def reason_without_compiler() -> str | None:
    """Return that the C++ compiler is missing, or None where it is installed."""
    if shutil.which(compiler()[0]) is None:
        return f"the compiler {compiler()[0]} is missing (`apt-get install g++` brings it)"
    return None


def main() -> None:
    """Build the library from the command line, which CMake runs."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("destination", type=Path)
    parser.add_argument("--sanitize", default="", help="names for -fsanitize, as in address,undefined")
    arguments = parser.parse_args()
    root = Path(__file__).resolve().parents[1]
    reason = reason_to_skip(root)
    if reason is None:
        print(f"built {build(root, arguments.destination, arguments.sanitize)}")
    else:
        print(f"native backend not built: {reason}")


if __name__ == "__main__":
    main()

# Copyright 2026 The mat_ros Authors
# SPDX-License-Identifier: Apache-2.0
"""Compile mat_ros/nodes/native/*.cpp, which runs the tick of nodes, into one shared library beside the sources.

The compiler needs the headers of rcl, from the ROS wheels or from a sourced ROS. The library links no ROS: it finds the
functions of rcl at run time. setup.py and CMakeLists.txt both call this file.
"""

from __future__ import annotations

import argparse
import importlib.util
import os
from collections.abc import Iterator
from pathlib import Path

import build_native

FOLDER = Path("mat_ros/nodes/native")
LIBRARY_NAME = "libmat_ros_loop.so"
FLAGS = ["-std=c++17", "-O2", "-fPIC", "-shared", "-fvisibility=hidden", "-pthread", "-Wall", "-Wextra"]
LIBRARIES = ["-ldl"]  # a part of the C library since glibc 2.34


def reason_to_skip(root: Path) -> str | None:
    """Return why this machine does not build the library, or None when it builds the library."""
    if not loop_sources(root):
        return f"there are no sources in {FOLDER}"
    if header_folder() is None:
        return "the headers of rcl are not installed (the extra ros, or ROS's own setup.bash, brings them)"
    return build_native.reason_without_compiler()


def loop_sources(root: Path) -> list[Path]:
    """Return the C++ sources; none when this tree has no loop."""
    return sorted((root / FOLDER).glob("*.cpp"))


def header_folder() -> Path | None:
    """Return the folder with a folder of headers for each ROS package; None where no ROS is installed."""
    return next((folder for folder in _candidates() if (folder / "rcl" / "rcl" / "rcl.h").exists()), None)


def _candidates() -> Iterator[Path]:
    """Yield the places of headers: of the ROS that the shell sourced, and of the wheels."""
    yield from (Path(prefix) / "include" for prefix in os.environ.get("AMENT_PREFIX_PATH", "").split(":") if prefix)
    found = importlib.util.find_spec("rclpy")
    if found is not None and found.origin is not None:  # the environment in which pip builds holds the wheels
        yield from (folder / "include" for folder in Path(found.origin).resolve().parents)


def build(root: Path, destination: Path) -> Path:
    """Compile into the folder `destination` and return the library's path."""
    headers = header_folder()
    if headers is None:
        raise RuntimeError(reason_to_skip(root))
    # As system headers, since no contributor can fix a warning in ROS.
    includes = [part for folder in sorted(headers.iterdir()) if folder.is_dir() for part in ("-isystem", str(folder))]
    return build_native.compile_library(loop_sources(root), [*FLAGS, *includes], destination / LIBRARY_NAME, LIBRARIES)


def main() -> None:
    """Build the library from the command line, which CMake runs."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("destination", type=Path)
    destination = parser.parse_args().destination
    root = Path(__file__).resolve().parents[1]
    reason = reason_to_skip(root)
    print(f"native tick not built: {reason}" if reason else f"built {build(root, destination)}")


if __name__ == "__main__":
    main()

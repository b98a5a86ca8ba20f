# Copyright 2026 The mat_ros Authors
# SPDX-License-Identifier: Apache-2.0
"""Build the package with pip, as CMakeLists.txt does with colcon: messages, native backend, native tick, ROS's share/.

pyproject.toml contains all plain data about the project.
"""

import shutil
import sys
from pathlib import Path

from setuptools import Extension, setup
from setuptools.command.build_ext import build_ext

ROOT = Path(__file__).resolve().parent
sys.path.insert(0, str(ROOT / "scripts"))

import build_loop  # noqa: E402
import build_messages  # noqa: E402
import build_native  # noqa: E402


class BuildCompiled(build_ext):
    """Build the compiled parts, into the source tree for an editable install and otherwise into the wheel."""

    def run(self) -> None:
        package = Path(self.build_lib) / "mat_ros"
        if self.inplace:
            package = ROOT / "mat_ros"
        for extension in self.extensions:
            if extension.name == MESSAGES.name:
                file = Path(self.get_ext_filename(extension.name)).name
                build_messages.build(ROOT, Path(self.build_temp) / "messages", package, file)
            else:
                part = LIBRARIES[extension.name]
                part.build(ROOT, package / part.FOLDER.relative_to("mat_ros"))


MESSAGES = Extension(f"mat_ros.{build_messages.EXTENSION_NAME}", sources=[])
NATIVE = Extension("mat_ros.backends.native.libmat_ros_native", sources=[])
LOOP = Extension("mat_ros.nodes.native.libmat_ros_loop", sources=[])
LIBRARIES = {NATIVE.name: build_native, LOOP.name: build_loop}


def compiled_parts() -> list[Extension]:
    """Return the parts that this machine can compile, and print one sentence for each part that is left out."""
    parts = []
    for name, extension, reason in (
        ("mat_ros.msg", MESSAGES, build_messages.reason_to_skip()),
        ("the native backend", NATIVE, build_native.reason_to_skip(ROOT)),
        ("the native tick", LOOP, build_loop.reason_to_skip(ROOT)),
    ):
        if reason is None:
            parts.append(extension)
        else:
            print(f"mat_ros: {name} is not built, since {reason}.", file=sys.stderr)
    return parts


def node_executables() -> list[str]:
    """Copy the node starter under each node's name and return the copies."""
    folder = ROOT / "build" / "executables"
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    table = (ROOT / "scripts" / "executables.txt").read_text().split("\n")
    names = [name for name in table if name and not name.startswith("#")]
    present = [name for name in names if (ROOT / "mat_ros" / "nodes" / f"{name}.py").exists()]
    return [str(shutil.copy(ROOT / "scripts" / "run_node", folder / name).relative_to(ROOT)) for name in present]


def files(pattern: str) -> list[str]:
    """Return shipped files relative to the root, as setuptools requires."""
    return [str(path.relative_to(ROOT)) for path in sorted(ROOT.glob(pattern))]


setup(
    ext_modules=compiled_parts(),
    cmdclass={"build_ext": BuildCompiled},
    # `ros2 launch`, `ros2 run` and `ros2 interface` search these folders below the environment's prefix.
    data_files=[
        ("share/ament_index/resource_index/packages", ["resource/mat_ros"]),
        ("share/mat_ros", ["package.xml"]),
        ("share/mat_ros/launch", files("launch/*.launch.py")),
        ("share/mat_ros/msg", files("msg/*.msg")),
        ("share/mat_ros/srv", files("srv/*.srv")),
        ("lib/mat_ros", node_executables()),
    ],
)

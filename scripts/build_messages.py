# Copyright 2026 The mat_ros Authors
# SPDX-License-Identifier: Apache-2.0
"""Compile msg/ and srv/ into `mat_ros.msg` and `mat_ros.srv` with the ROS wheels' own generators and a C compiler.

colcon does the same through CMake. pip builds without CMake and ament. This script calls the generators as Python
functions in the order of rosidl_generate_interfaces(), so type hashes and wire format are equal. The C++ type support
is left out, because rclpy does not use it.
"""

from __future__ import annotations

import json
import os
import platform
import shutil
import subprocess
import sys
import sysconfig
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

PACKAGE = "mat_ros"
DEPENDENCIES = ("builtin_interfaces", "service_msgs")  # packages whose types our interfaces may name
EXTENSION_NAME = f"{PACKAGE}_s__rosidl_typesupport_c"  # the generated code imports this name

# In the order of linking: each library needs the libraries before it.
TYPESUPPORT_LIBRARIES = {
    "rosidl_generator_c": [],
    "rosidl_typesupport_fastrtps_c": ["rosidl_typesupport_fastrtps_c", "rosidl_typesupport_fastrtps_cpp", "fastcdr"],
    # This code never calls the library, but without it rcl prints errors at the start of a node.
    "rosidl_typesupport_introspection_c": ["rosidl_typesupport_introspection_c"],
}
EXTENSION_PARTS = ("rosidl_typesupport_c", "rosidl_generator_py")


class CannotCompile(RuntimeError):
    """Report in one sentence why this machine cannot compile the messages."""


@dataclass(frozen=True)
class Toolchain:
    """Hold the folder of the installed generators and the compilers of their output."""

    prefix: Path  # folder with share/rosidl_generator_c, include/ and lib/: a venv, or pip's build environment
    c: str
    cxx: str


def reason_to_skip() -> str | None:
    """Return why this machine compiles no messages, or None when it should compile them."""
    if sys.platform != "linux" or platform.machine() != "x86_64":
        return f"ROS wheels exist for Linux on x86_64 only, not for {sys.platform} on {platform.machine()}"
    if os.environ.get("MAT_ROS_MESSAGES") == "0":
        return "MAT_ROS_MESSAGES=0 asks for it"
    try:
        _generators_prefix()
    except ImportError as error:
        return f"the ROS message generators are not installed ({error})"
    return None


def find_toolchain() -> Toolchain:
    """Return generators, compilers and Python's C header, or name the missing one in an error."""
    c, cxx = os.environ.get("CC", "gcc"), os.environ.get("CXX", "g++")
    for compiler in (c, cxx):
        if shutil.which(compiler.split()[0]) is None:
            raise CannotCompile(_missing(f"the compiler {compiler}"))
    header = Path(sysconfig.get_paths()["include"]) / "Python.h"
    if not header.exists():
        raise CannotCompile(_missing(f"Python's C header {header}"))
    return Toolchain(_generators_prefix(), c, cxx)


def interface_files(root: Path) -> list[Path]:
    """Return the package's .msg and .srv files, relative to its root."""
    return [path.relative_to(root) for kind in ("msg", "srv") for path in sorted((root / kind).glob(f"*.{kind}"))]


def build(root: Path, scratch: Path, destination: Path, extension_file: str) -> None:
    """Generate and compile the messages, and put modules and libraries into the package folder `destination`."""
    toolchain = find_toolchain()
    shutil.rmtree(scratch, ignore_errors=True)
    scratch.mkdir(parents=True)
    generate(root.resolve(), scratch.resolve(), toolchain.prefix)
    _clear_previous(destination)
    compile_and_link(scratch.resolve(), destination.resolve(), toolchain, extension_file)
    for kind in ("msg", "srv"):
        modules = sorted((scratch / "rosidl_generator_py" / PACKAGE / kind).glob("*.py"))
        if modules:
            (destination / kind).mkdir(exist_ok=True)
        for module in modules:
            shutil.copy(module, destination / kind / module.name)


def generate(root: Path, out: Path, prefix: Path) -> None:
    """Write IDL, type hashes, C, type support and Python sources below `out`, a folder for each generator."""
    os.environ["AMENT_PREFIX_PATH"] = str(prefix)  # the generators find their templates through this variable
    from rosidl_adapter import convert_to_idl
    from rosidl_generator_c import generate_c
    from rosidl_generator_py import generate_py
    from rosidl_generator_type_description import generate_type_hash
    from rosidl_typesupport_c import generate_c as generate_typesupport_c
    from rosidl_typesupport_fastrtps_c import generate_typesupport_fastrtps_c
    from rosidl_typesupport_introspection_c import generate_c as generate_introspection_c

    interfaces = interface_files(root)
    idl_root = out / "idl" / PACKAGE
    idl_files = [convert_to_idl(root, PACKAGE, path, idl_root).relative_to(idl_root) for path in interfaces]

    def arguments(generator: str, **more: object) -> str:
        (out / generator / PACKAGE).mkdir(parents=True, exist_ok=True)
        file = out / f"{generator}.json"
        share = prefix / "share"
        values = {
            "package_name": PACKAGE,
            "idl_tuples": [f"{idl_root}:{path}" for path in idl_files],
            "output_dir": str(out / generator / PACKAGE),
            "template_dir": str(share / generator / "resource"),
            "ros_interface_dependencies": [f"{d}:{idl}" for d in DEPENDENCIES for idl in (share / d).glob("*/*.idl")],
            "target_dependencies": [],
        }
        file.write_text(json.dumps(values | more))
        return str(file)

    hashes = "rosidl_generator_type_description"
    generate_type_hash(arguments(hashes, include_paths=[f"{d}:{prefix}/share/{d}" for d in DEPENDENCIES]))
    descriptions = [f"{path}:{out / hashes / PACKAGE / path.with_suffix('.json')}" for path in idl_files]
    sources = [str(root / path) for path in interfaces]
    more = {"type_description_tuples": descriptions, "ros_interface_files": sources}
    generate_c(arguments("rosidl_generator_c", **more), disable_description_codegen=False)
    generate_typesupport_fastrtps_c(arguments("rosidl_typesupport_fastrtps_c"))
    generate_introspection_c(arguments("rosidl_typesupport_introspection_c"))
    supports = ["rosidl_typesupport_fastrtps_c", "rosidl_typesupport_introspection_c"]
    generate_typesupport_c(arguments("rosidl_typesupport_c"), supports)
    generate_py(arguments("rosidl_generator_py"), ["rosidl_typesupport_c"])
    for generator in TYPESUPPORT_LIBRARIES:
        _write_visibility_header(generator, out, prefix)


def compile_and_link(out: Path, destination: Path, toolchain: Toolchain, extension_file: str) -> None:
    """Make one shared library for each type support, and the extension module that ties them to Python."""
    destination.mkdir(parents=True, exist_ok=True)
    parts = [*TYPESUPPORT_LIBRARIES, *EXTENSION_PARTS]
    sources = [path for part in parts for path in sorted((out / part).rglob("*.c*")) if path.suffix in (".c", ".cpp")]
    flags = _compile_flags(out, toolchain.prefix)

    def compile_one(source: Path) -> Path:
        compiler = toolchain.c if source.suffix == ".c" else toolchain.cxx
        target = source.with_name(source.name + ".o")
        _run([*compiler.split(), *flags, "-c", str(source), "-o", str(target)])
        return target

    with ThreadPoolExecutor(os.cpu_count()) as pool:
        objects = list(pool.map(compile_one, sources))

    def link(file: str, parts: tuple[str, ...], libraries: list[str]) -> None:
        own = [str(path) for path in objects if path.relative_to(out).parts[0] in parts]
        # The libraries are found beside the extension, or in the lib/ of the venv that contains this site-packages.
        search = [f"-L{destination}", f"-L{toolchain.prefix}/lib", "-Wl,-rpath,$ORIGIN:$ORIGIN/../../.."]
        needs = [f"-l{name}" for name in (*libraries, "rosidl_runtime_c", "rcutils")]
        _run([*toolchain.cxx.split(), "-shared", "-o", str(destination / file), f"-Wl,-soname,{file}", *own, *search,
              "-Wl,--no-as-needed", *needs])  # fmt: skip

    made: list[str] = []
    for part, runtime in TYPESUPPORT_LIBRARIES.items():
        foreign = [f"{dependency}__{part}" for dependency in DEPENDENCIES]
        link(f"lib{PACKAGE}__{part}.so", (part,), [*made, *foreign, *runtime])
        made.append(f"{PACKAGE}__{part}")
    foreign = [f"{d}__{part}" for part in ("rosidl_generator_c", "rosidl_generator_py") for d in DEPENDENCIES]
    link(extension_file, EXTENSION_PARTS, [*made, *foreign, "rosidl_typesupport_c"])


def _compile_flags(out: Path, prefix: Path) -> list[str]:
    import numpy

    includes = [out / part for part in (*TYPESUPPORT_LIBRARIES, *EXTENSION_PARTS)]
    includes += [prefix / "include", *sorted(path for path in (prefix / "include").iterdir() if path.is_dir())]
    includes += [Path(numpy.get_include()), Path(sysconfig.get_paths()["include"])]
    exports = [f"-D{part.upper()}_BUILDING_DLL_{PACKAGE}" for part in TYPESUPPORT_LIBRARIES]
    # -w: no contributor can fix a warning in generated code.
    return ["-fPIC", "-O2", "-w", "-DFASTCDR_DYN_LINK", f'-DROS_PACKAGE_NAME="{PACKAGE}"', *exports,
            *(f"-I{path}" for path in includes)]  # fmt: skip


def _write_visibility_header(generator: str, out: Path, prefix: Path) -> None:
    name = f"{generator}__visibility_control.h"
    template = (prefix / "share" / generator / "resource" / f"{name}.in").read_text()
    text = template.replace("@PROJECT_NAME@", PACKAGE).replace("@PROJECT_NAME_UPPER@", PACKAGE.upper())
    folder = out / generator / PACKAGE / "msg"
    folder.mkdir(parents=True, exist_ok=True)
    (folder / name).write_text(text)


def _clear_previous(destination: Path) -> None:
    """Remove the files of an earlier build, so that an editable install has no module of a deleted message."""
    for kind in ("msg", "srv"):
        shutil.rmtree(destination / kind, ignore_errors=True)
    for file in (*destination.glob(f"lib{PACKAGE}__*.so"), *destination.glob(f"{EXTENSION_NAME}*.so")):
        file.unlink()


def _generators_prefix() -> Path:
    import rosidl_generator_c

    for folder in Path(rosidl_generator_c.__file__).resolve().parents:
        if (folder / "share" / "rosidl_generator_c" / "resource").is_dir():
            return folder
    raise ImportError("rosidl_generator_c has no templates beside it")


def _missing(what: str) -> str:
    return (
        f"mat_ros.msg cannot be compiled: {what} is missing; run `apt-get install g++ python3-dev`, "
        "or set MAT_ROS_MESSAGES=0 to install without messages"
    )


def _run(command: list[str]) -> None:
    done = subprocess.run(command, capture_output=True, text=True)
    if done.returncode != 0:
        raise CannotCompile(f"{' '.join(command)}\n{done.stderr}")

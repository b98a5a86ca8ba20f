# Copyright 2026 The mat_ros Authors
# SPDX-License-Identifier: Apache-2.0
"""Write a fingerprint beside each plan, and refuse a plan whose fingerprint does not fit the bundle or the machine.

A plan of another version, GPU or policy can crash the process that loads it. So the library loads only checked plans.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import yaml

from mat_ros.backends.tensorrt_machine import Machine
from mat_ros.core.errors import Refused
from mat_ros.core.files import write_text
from mat_ros.core.policy.bundle import Bundle

SCHEMA = 1
GRAPHS = ("encoder", "step")
Shapes = Mapping[str, tuple[tuple[int, ...], tuple[int, ...], tuple[int, ...]]]  # input -> smallest, usual, largest


@dataclass(frozen=True)
class Fingerprint:
    """Hold everything that a plan depends on."""

    graph: str  # "encoder" or "step"
    flavour: str
    version: str
    graph_sha256: str
    weights_sha256: str
    plan_sha256: str
    built_on: Machine
    capabilities: tuple[str, ...]  # GPUs that the plan is for, as in "8.9"; empty: the flavour's default
    precision: str
    profile: Shapes
    kernels: int  # number of kernels after fusion
    build_seconds: float
    max_error: float | None = None  # largest error of an action on the golden ticks; `verify` sets it
    step_us_p50: float | None = None
    step_us_p99: float | None = None
    schema: int = SCHEMA
    packages: Mapping[str, str] = field(default_factory=dict)
    plugins: tuple[str, ...] = ()  # plugins in the plan that replace plain operations of the graph


def digest(data: bytes) -> str:
    """Return the sha256 of data."""
    return hashlib.sha256(data).hexdigest()


def plan_path(folder: Path, graph: str, flavour: str) -> Path:
    """Return the path of a plan."""
    return folder / f"{graph}.{flavour}.plan"


def write(path: Path, fingerprint: Fingerprint) -> None:
    """Write the fingerprint of the plan at `path`."""
    plain = asdict(fingerprint)
    plain["capabilities"], plain["plugins"] = list(fingerprint.capabilities), list(fingerprint.plugins)
    plain["profile"] = {name: [list(shape) for shape in shapes] for name, shapes in fingerprint.profile.items()}
    write_text(path.with_suffix(".yaml"), yaml.safe_dump(plain, sort_keys=False))


def read(path: Path) -> Fingerprint:
    """Return the fingerprint of the plan at `path`."""
    file = path.with_suffix(".yaml")
    try:
        data = yaml.safe_load(file.read_text(encoding="utf-8"))
        if not isinstance(data, dict) or not isinstance(data.get("schema"), int) or data["schema"] > SCHEMA:
            got = data.get("schema") if isinstance(data, dict) else type(data).__name__
            raise Refused(f"fingerprint {file}", f"schema {SCHEMA}", got, "install a newer mat_ros, or build anew")
        data["built_on"] = Machine(**data["built_on"])
        data["capabilities"], data["plugins"] = tuple(data["capabilities"]), tuple(data.get("plugins", ()))
        data["profile"] = {name: tuple(tuple(shape) for shape in shapes) for name, shapes in data["profile"].items()}
        return Fingerprint(**data)
    except OSError as error:
        raise Refused(f"engine {path}", "a fingerprint beside it", error.strerror,
                      "run `mat-ros engines build`") from error
    except (yaml.YAMLError, TypeError, KeyError, ValueError) as error:
        raise Refused(f"fingerprint {file}", f"the fields of schema {SCHEMA}", str(error).replace("\n", " "),
                      "run `mat-ros engines build`") from error


def checked_plan(path: Path, bundle: Bundle, version: str, machine: Machine) -> tuple[bytes, Fingerprint]:
    """Return a plan that fits this bundle, library and machine, or refuse the plan before a library loads it."""
    mark = read(path)
    mend = f"run `mat-ros engines build {bundle.folder} --flavour {mark.flavour}` on this machine"
    try:
        plan = path.read_bytes()
    except OSError as error:
        raise Refused(f"engine {path}", "a readable plan", error.strerror, mend) from error
    wanted: tuple[tuple[str, Any, Any], ...] = (
        ("plan", mark.plan_sha256, digest(plan)),
        (f"graph of {bundle.manifest.name}", mark.graph_sha256, bundle.manifest.files[f"{mark.graph}.onnx"]),
        (f"weights of {bundle.manifest.name}", mark.weights_sha256, bundle.manifest.files["weights.safetensors"]),
        (f"version of {mark.flavour}", mark.version, version),
        ("operating system", mark.built_on.system, machine.system),
        ("processor", mark.built_on.processor, machine.processor),
    )
    for what, expected, got in wanted:
        if expected != got:
            raise Refused(f"engine {path}, {what}", expected, got, mend)
    if not machine.gpu:
        raise Refused(f"engine {path}, GPU", "an NVIDIA GPU with a driver", "none",
                      "install the driver, or choose the native backend")
    if mark.built_on.gpu and (mark.built_on.gpu, mark.built_on.capability) != (machine.gpu, machine.capability):
        raise Refused(f"engine {path}, GPU", f"{mark.built_on.gpu} ({mark.built_on.capability})",
                      f"{machine.gpu} ({machine.capability})", mend)
    if mark.capabilities and machine.capability not in mark.capabilities:
        raise Refused(f"engine {path}, compute capability", f"one of {list(mark.capabilities)}", machine.capability,
                      mend)
    if mark.built_on.driver_cuda and _number(machine.driver_cuda) < _number(mark.built_on.driver_cuda):
        raise Refused(f"engine {path}, CUDA of the driver", f"at least {mark.built_on.driver_cuda}",
                      machine.driver_cuda, f"update the driver, or {mend}")
    return plan, mark


def _number(version: str) -> tuple[int, ...]:
    return tuple(int(part) for part in version.split(".") if part.isdigit())

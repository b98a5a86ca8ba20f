# Copyright 2026 The mat_ros Authors
# SPDX-License-Identifier: Apache-2.0
"""mat-ros doctor: list what this machine has and lacks, and the command that mends each part.

Each probe runs in a process of its own, because a broken graphics driver or a mixture of ROS releases may kill the
process that loads it.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import random
import shutil
import subprocess
import sys
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass
from pathlib import Path

from mat_ros.core.shipped import PACKAGE_FOLDER, install_command
from mat_ros.graph import ros_environment

SUPPORTED_PYTHON = ((3, 10), (3, 13))
HAS_ROS_WHEELS = sys.platform == "linux" and platform.machine() == "x86_64"
PROBE_TIMEOUT_S = 60

LOOPBACK = """
import time, rclpy
from builtin_interfaces.msg import Time
rclpy.init()
node = rclpy.create_node("mat_ros_doctor")
heard = []
node.create_subscription(Time, "mat_ros_doctor", heard.append, 1)
publisher = node.create_publisher(Time, "mat_ros_doctor", 1)
give_up = time.monotonic() + 20
while not heard and time.monotonic() < give_up:
    publisher.publish(Time(sec=7))
    rclpy.spin_once(node, timeout_sec=0.1)
assert heard and heard[0].sec == 7, "expected the sent message back within 20 s, got none"
print(rclpy.get_rmw_implementation_identifier())
node.destroy_node()
rclpy.shutdown()
"""

RENDER = """
import mujoco
model = mujoco.MjModel.from_xml_string(
    '<mujoco><worldbody><light pos="0 0 3"/><geom size="1" rgba="1 1 1 1"/></worldbody></mujoco>')
data = mujoco.MjData(model)
mujoco.mj_forward(model, data)
with mujoco.Renderer(model, 32, 32) as renderer:
    renderer.update_scene(data)
    assert renderer.render().any(), "the picture is black"
"""


@dataclass(frozen=True)
class Finding:
    """The result of one probe."""

    name: str
    found: bool
    detail: str  # a version, or the reason why the probe failed
    remedy: str = ""  # command that repairs the machine
    essential: bool = False  # a graph cannot run without this part


def python() -> Finding:
    """Compare the version of the interpreter with the tested versions."""
    low, high = (".".join(map(str, version)) for version in SUPPORTED_PYTHON)
    found = SUPPORTED_PYTHON[0] <= sys.version_info[:2] <= SUPPORTED_PYTHON[1]
    remedy = f"make the environment with a Python from {low} to {high}"
    return Finding("Python", found, platform.python_version(), remedy, essential=True)


def base_packages() -> Finding:
    """Import the packages that every command needs."""
    code = "import numpy, yaml, safetensors, rich; print('numpy', numpy.__version__)"
    return _probe("base packages", code, install_command(), essential=True)


def ros() -> Finding:
    """Import rclpy, from the wheels or from a sourced ROS."""
    if HAS_ROS_WHEELS:
        remedy = install_command("ros")
    else:
        remedy = "install ROS 2 with apt (there are no wheels for this machine) and source its setup.bash"
    if ros_environment.ros_comes_from_wheels():
        chosen = os.environ.get("RMW_IMPLEMENTATION", ros_environment.WHEELS_RMW)
        if chosen != ros_environment.WHEELS_RMW:
            detail = f"RMW_IMPLEMENTATION={chosen}, but the wheels hold {ros_environment.WHEELS_RMW} only"
            return Finding("ROS 2", False, detail, "unset RMW_IMPLEMENTATION", essential=True)
        code = "import rclpy; from importlib.metadata import version; print('wheels, rclpy', version('ros-rclpy'))"
    else:
        code = "import os, rclpy; print('system ROS', os.environ.get('ROS_DISTRO', '(ROS_DISTRO is not set)'))"
    return _probe("ROS 2", code, remedy, essential=True)


def messages() -> Finding:
    """Import the compiled messages."""
    code = "import mat_ros.msg as m; from mat_ros.msg import Baton; print(sum(n[0].isupper() for n in dir(m)), 'types')"
    if HAS_ROS_WHEELS:
        remedy = f"apt-get install g++ python3-dev, then {install_command('ros')} --force-reinstall --no-deps"
    else:
        remedy = "colcon build, then source install/setup.bash"
    return _probe("messages", code, remedy, essential=True)


def loopback() -> Finding:
    """Send a message through DDS to the same process, in a random domain, so that no other graph takes part."""
    private = {"ROS_DOMAIN_ID": str(random.SystemRandom().randrange(1, 100))}
    if "RMW_IMPLEMENTATION" in os.environ:
        private["RMW_IMPLEMENTATION"] = os.environ["RMW_IMPLEMENTATION"]
    ros_environment.keep_to_loopback(private)
    remedy = "allow UDP on the loopback device (firewall, container network)"
    return _probe("DDS loopback", LOOPBACK, remedy, environment=private, essential=True)


def native_backend() -> Finding:
    """Load the compiled C++ backend."""
    return _library("native backend", "backends/native/libmat_ros_native.so", "not built")


def native_tick() -> Finding:
    """Load the compiled loop that runs the tick of nodes in C++."""
    absent = "not built; nodes run their tick in Python"
    return _library("native tick", "nodes/native/libmat_ros_loop.so", absent, "ros")


def onnxruntime() -> Finding:
    """Import ONNX Runtime and list its execution providers."""
    code = "import os; os.environ['ORT_DISABLE_TELEMETRY'] = '1'\n" \
           "import onnxruntime as o; print(o.__version__, *o.get_available_providers())"
    return _probe("onnxruntime", code, install_command("onnx"))


def mujoco() -> Finding:
    """Import the simulator."""
    return _probe("mujoco", "import mujoco; print(mujoco.__version__)", install_command("sim"))


def headless_rendering() -> Finding:
    """Render one picture without a display: with the GPU's EGL, else in software."""
    remedy = "apt-get install libegl1 libopengl0 libgl1-mesa-dri"
    for backend in ("egl", "osmesa"):
        finding = _probe("GL without display", RENDER, remedy, environment={"MUJOCO_GL": backend})
        if finding.found:
            return Finding(finding.name, True, backend)
    return Finding(finding.name, False, "neither egl nor osmesa renders a picture", remedy)


def torch() -> Finding:
    """Import torch and report whether it can use a GPU."""
    code = "import torch; print(torch.__version__, 'with CUDA' if torch.cuda.is_available() else 'on the CPU')"
    return _probe("torch", code, install_command("train"))


def gpu() -> Finding:
    """Ask the driver for NVIDIA GPUs."""
    remedy = "only TensorRT and CUDA need a GPU; where the machine has one, install its driver"
    jetson = Path("/etc/nv_tegra_release")
    if jetson.exists():
        return Finding("NVIDIA GPU", True, jetson.read_text().split("\n")[0])
    if shutil.which("nvidia-smi") is None:
        return Finding("NVIDIA GPU", False, "no nvidia-smi", remedy)
    query = ["nvidia-smi", "--query-gpu=name,driver_version,compute_cap", "--format=csv,noheader"]
    asked = subprocess.run(query, capture_output=True, text=True, timeout=PROBE_TIMEOUT_S)
    return Finding("NVIDIA GPU", asked.returncode == 0, "; ".join(asked.stdout.split("\n")).strip("; "), remedy)


def tensorrt() -> Finding:
    """Import enterprise TensorRT, whose libraries pip does not install."""
    remedy = "install NVIDIA's TensorRT packages (JetPack contains them on a Jetson); pip installs no libraries"
    return _probe("TensorRT", "import tensorrt as t; t.Builder; print(t.__version__)", remedy)


def tensorrt_rtx() -> Finding:
    """Import TensorRT-RTX, under the name of either of its wheels."""
    code = "import tensorrt_rtx_bindings as t; t.Builder; print(t.__version__)"
    return _probe("TensorRT-RTX", code, install_command("rtx"))


PROBES: tuple[Callable[[], Finding], ...] = (
    python, base_packages, ros, messages, loopback, native_backend, native_tick, onnxruntime, mujoco,
    headless_rendering, torch, gpu, tensorrt, tensorrt_rtx,
)  # fmt: skip


def examine() -> list[Finding]:
    """Run all probes, a few at a time."""
    ros_environment.set_defaults()
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        return list(pool.map(lambda probe: probe(), PROBES))


def parser() -> argparse.ArgumentParser:
    """Declare the arguments of `mat-ros doctor`."""
    parser = argparse.ArgumentParser(prog="mat-ros doctor", description=__doc__)
    parser.add_argument("--json", action="store_true", help="print one JSON object instead of a table")
    return parser


def main(arguments: list[str]) -> int:
    """Print the findings; return 1 when a graph cannot run on this machine."""
    as_json = parser().parse_args(arguments).json
    findings = examine()
    lacking = [finding.name for finding in findings if finding.essential and not finding.found]
    if as_json:
        print(json.dumps({"ok": not lacking, "findings": [asdict(finding) for finding in findings]}, indent=2))
    else:
        print("\n".join(_row(finding) for finding in findings))
        simulated = all(finding.found for finding in findings if finding.name == "mujoco")
        able = "A graph can run here" + ("." if simulated else " with a real robot; a simulated robot needs mujoco.")
        print(f"\nA graph cannot run here: {', '.join(lacking)}." if lacking else f"\n{able}")
    return 1 if lacking else 0


def _row(finding: Finding) -> str:
    if finding.found:
        return f"  found    {finding.name:<20}{finding.detail}"
    mark, mend = ("MISSING", "mend it") if finding.essential else ("absent ", "optional")
    return f"  {mark}  {finding.name:<20}{finding.detail}\n{'':31}{mend}: {finding.remedy}"


def _library(name: str, file: str, absent: str, extra: str = "") -> Finding:
    """Load a library that is compiled when the package is installed; `extra` brings what its compilation needs."""
    library = PACKAGE_FOLDER / file
    remedy = f"apt-get install g++, then {install_command(extra)} --force-reinstall --no-deps"
    if not library.exists():
        return Finding(name, False, absent, remedy)
    return _probe(name, f"import ctypes; ctypes.CDLL({str(library)!r}); print('loads')", remedy)


def _probe(
    name: str, code: str, remedy: str, environment: dict[str, str] | None = None, essential: bool = False
) -> Finding:
    """Run code in a new Python; its last line of output is the version, and its last line of errors is the reason."""
    command = [sys.executable, "-c", code]
    try:
        done = subprocess.run(
            command, capture_output=True, text=True, timeout=PROBE_TIMEOUT_S, env=os.environ | (environment or {})
        )
    except subprocess.TimeoutExpired:
        return Finding(name, False, f"no answer within {PROBE_TIMEOUT_S} s", remedy, essential)
    said = (done.stdout if done.returncode == 0 else done.stderr).strip().split("\n")[-1]
    if done.returncode == 0:
        return Finding(name, True, said, essential=essential)
    return Finding(name, False, said or f"ended with status {done.returncode}", remedy, essential)

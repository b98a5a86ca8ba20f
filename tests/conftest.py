# Copyright 2026 The mat_ros Authors
# SPDX-License-Identifier: Apache-2.0
"""Give every test a private ROS graph, skip the tiers that this machine cannot run, and list what was skipped.

A run that leaves something on the machine fails, and names it.
"""

from __future__ import annotations

import ctypes
import getpass
import importlib.util
import multiprocessing.util
import os
import shutil
import signal
import sys
import tempfile
import uuid
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import hypothesis
import pytest

from mat_ros.backends import native_library
from mat_ros.core.tick.latch import STATE
from mat_ros.core.wire.seal import SECRET, new_secret
from mat_ros.graph import ros_environment
from support import ros_domain
from support.stray_check import StrayCheck
from support.strays import MARK

IS_WORKER = "PYTEST_XDIST_WORKER" in os.environ
RUN = os.environ[MARK] if IS_WORKER else uuid.uuid4().hex
FOLDER = Path(tempfile.mkdtemp(prefix="mat_ros_test_"))
LOGS, TEMPORARY, RUNTIME = FOLDER / "log", FOLDER / "tmp", FOLDER / "run"
DOMAIN = ros_domain.claim()
M_MMAP_THRESHOLD = -3  # number of this parameter in malloc.h

# pytest keeps the folders of its last runs, and torch what it has compiled, where they always do.
os.environ.setdefault("PYTEST_DEBUG_TEMPROOT", tempfile.gettempdir())
os.environ.setdefault("TORCHINDUCTOR_CACHE_DIR", str(Path(tempfile.gettempdir(), f"torchinductor_{getpass.getuser()}")))
# rclpy and DDS read these once, so they are set before any test module is imported. Child processes inherit them.
os.environ |= {
    MARK: RUN,
    "TMPDIR": str(TEMPORARY),  # what is left in it at the end was left by this run
    "ROS_DOMAIN_ID": str(DOMAIN.number),
    "RMW_IMPLEMENTATION": "rmw_fastrtps_cpp",
    "ROS_LOG_DIR": str(LOGS),
    "XDG_RUNTIME_DIR": str(RUNTIME),  # sockets of drivers
    "OMP_NUM_THREADS": "1",  # sums in one order
    SECRET: new_secret(),  # nodes that a test makes in its own process take part in the graphs that it launches
    "ORT_DISABLE_TELEMETRY": "1",  # tests that import ONNX Runtime themselves send nothing and leave no file of it
}
# Python removes the folder after multiprocessing has removed its own one in it.
multiprocessing.util.Finalize(None, shutil.rmtree, args=(FOLDER, True), exitpriority=-200)
for folder in (LOGS, TEMPORARY, RUNTIME):
    folder.mkdir(mode=0o700)
tempfile.tempdir = None  # it is read anew
if sys.platform == "linux":
    # Otherwise glibc keeps the address space of freed simulators, and a process with too much of it cannot fork.
    ctypes.CDLL(None).mallopt(M_MMAP_THRESHOLD, 1 << 20)
os.environ.setdefault("AMENT_PREFIX_PATH", sys.prefix)
ros_environment.keep_to_loopback()

if "MAT_ROS_TEST_LIBRARY" in os.environ:  # the native library of `make sanitize`
    native_library.LIBRARY = Path(os.environ["MAT_ROS_TEST_LIBRARY"])

hypothesis.settings.register_profile("mat_ros", deadline=None, derandomize=bool(os.environ.get("CI")))
hypothesis.settings.load_profile("mat_ros")


def _importable(module: str) -> bool:
    try:
        return importlib.util.find_spec(module) is not None
    except ModuleNotFoundError:  # its parent package is absent
        return False


def _has_nvidia_gpu() -> bool:
    return Path("/dev/nvidiactl").exists() or shutil.which("tegrastats") is not None


TIERS = {  # marker: (is it possible here?, what is missing otherwise)
    "sim": (lambda: _importable("mujoco"), "needs the sim extra (mujoco)"),
    "ros": (lambda: _importable("rclpy") and _importable("mat_ros.msg"), "needs the ros extra and compiled messages"),
    "train": (lambda: _importable("torch"), "needs the train extra (torch)"),
    "gpu": (_has_nvidia_gpu, "needs an NVIDIA GPU"),
}


RANKS = (("slow", 2), ("train", 5), ("gpu", 4), ("ros", 3), ("sim", 1))  # the first marker that a test has counts


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Skip what cannot run here, and run the quick tiers first, so that a mistake shows within a minute.

    What takes longest comes next: then no worker waits long for another one at the end.
    """
    missing = {tier: reason for tier, (possible, reason) in TIERS.items() if not possible()}
    for item in items:
        for tier, reason in missing.items():
            if item.get_closest_marker(tier):
                item.add_marker(pytest.mark.skip(reason=reason))
    items.sort(key=lambda item: next((rank for tier, rank in RANKS if item.get_closest_marker(tier)), 0))


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> Any:
    """Let `-n 2` share the tests out in our way; `--dist` chooses another one."""
    from support.scheduling import FileScheduling

    return FileScheduling(config, log) if config.getvalue("dist") == "load" else None


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """List each skip once, with its reason and how many tests it cost."""
    tests_of_reason: dict[str, list[str]] = defaultdict(list)
    for report in terminalreporter.getreports("skipped"):
        reason = report.longrepr[2] if isinstance(report.longrepr, tuple) else str(report.longrepr)
        tests_of_reason[reason.removeprefix("Skipped: ")].append(report.nodeid)
    if not tests_of_reason:
        return
    terminalreporter.section("skipped, and why")
    for reason, tests in sorted(tests_of_reason.items()):
        terminalreporter.write_line(f"{len(tests):4d}  {reason}")
        for test in tests:
            terminalreporter.write_line(f"      {test}")


def pytest_configure(config: pytest.Config) -> None:
    """Watch from the start what this run leaves on the machine, and let its children receive SIGINT.

    A shell starts a job in the background with SIGINT ignored, and children inherit that. A node that is still starting
    would then lose the signal that ends it.
    """
    if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
        signal.signal(signal.SIGINT, signal.default_int_handler)
    config.pluginmanager.register(StrayCheck(RUN, TEMPORARY, IS_WORKER), "stray_check")


@pytest.fixture(autouse=True)
def state() -> Iterator[None]:
    """Let each test latch stops in a folder of its own, and read none that a robot of this user has latched."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv(STATE, str(FOLDER / "state" / uuid.uuid4().hex))
        yield


@pytest.fixture(scope="session")
def rtx() -> Any:
    """TensorRT for RTX, which builds engines without a GPU."""
    from mat_ros.backends.tensorrt_flavour import load_flavour
    from mat_ros.core.errors import Missing

    try:
        return load_flavour("tensorrt_rtx")
    except Missing:
        pytest.skip("needs the rtx extra")

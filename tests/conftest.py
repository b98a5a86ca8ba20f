# Copyright 2026 The mat_ros Authors
# SPDX-License-Identifier: Apache-2.0
"""Give every test a private ROS graph, skip the tiers that this machine cannot run, and list what was skipped."""

from __future__ import annotations

import importlib.util
import os
import random
import shutil
import sys
import tempfile
from collections import defaultdict
from pathlib import Path
from typing import Any

import hypothesis
import pytest

from mat_ros.graph import ros_environment

# rclpy and DDS read these once, so they are set before any test module is imported. Child processes inherit them.
LOG_FOLDER = tempfile.mkdtemp(prefix="mat_ros_test_")
os.environ |= {
    "ROS_DOMAIN_ID": str(random.SystemRandom().randrange(1, 100)),  # above 101 DDS ports may meet ephemeral ones
    "RMW_IMPLEMENTATION": "rmw_fastrtps_cpp",
    "ROS_LOG_DIR": LOG_FOLDER,
    "OMP_NUM_THREADS": "1",  # sums in one order
}
os.environ.setdefault("AMENT_PREFIX_PATH", sys.prefix)
ros_environment.keep_to_loopback()

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


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Skip what cannot run here and run the quick tiers first, so that a mistake shows within a minute."""
    missing = {tier: reason for tier, (possible, reason) in TIERS.items() if not possible()}
    for item in items:
        for tier, reason in missing.items():
            if item.get_closest_marker(tier):
                item.add_marker(pytest.mark.skip(reason=reason))
    items.sort(key=_tier_rank)


def _tier_rank(item: pytest.Item) -> int:
    ranks = {"sim": 1, "ros": 2, "train": 3, "gpu": 4, "slow": 5}
    return max((rank for tier, rank in ranks.items() if item.get_closest_marker(tier)), default=0)


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


def pytest_unconfigure() -> None:
    """Leave no log folder behind."""
    shutil.rmtree(LOG_FOLDER, ignore_errors=True)


@pytest.fixture(scope="session")
def rtx() -> Any:
    """TensorRT for RTX, which builds engines without a GPU."""
    from mat_ros.backends.engines.flavour import load_flavour
    from mat_ros.core.errors import Missing

    try:
        return load_flavour("tensorrt_rtx")
    except Missing:
        pytest.skip("needs the rtx extra")

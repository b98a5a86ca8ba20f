# Copyright 2026 The mat_ros Authors
# SPDX-License-Identifier: Apache-2.0
"""Set what ROS expects of a shell and pip's wheels never set."""

from __future__ import annotations

import importlib.util
import os
import sys
from collections.abc import MutableMapping

from mat_ros.core.shipped import PACKAGE_FOLDER

WHEELS_RMW = "rmw_fastrtps_cpp"  # the only middleware among the wheels
PROFILES = PACKAGE_FOLDER / "config" / "dds"
LOOPBACK_PROFILE, OPEN_PROFILE = PROFILES / "loopback.xml", PROFILES / "open.xml"


def ros_comes_from_wheels() -> bool:
    """Tell pip's ROS from one that apt installed and the shell sourced."""
    return importlib.util.find_spec("ros_wheels_bootstrapper") is not None


def set_defaults(environment: MutableMapping[str, str] = os.environ) -> None:
    """Name the ament index and the middleware where the user has not, before rclpy is imported."""
    if ros_comes_from_wheels():
        environment.setdefault("AMENT_PREFIX_PATH", sys.prefix)
        environment.setdefault("RMW_IMPLEMENTATION", WHEELS_RMW)


def keep_to_loopback(environment: MutableMapping[str, str] = os.environ) -> None:
    """Let a graph reach this machine only, and leave no file behind when one of its processes is killed.

    ROS's own LOCALHOST range brings the shared memory transport along whatever FASTDDS_BUILTIN_TRANSPORTS says, and
    each killed process then leaves its files in /dev/shm. The wheels' Fast DDS therefore gets a profile of ours. Any
    other middleware or release might not read it and talk to the whole network, so it gets LOCALHOST.
    """
    if ros_comes_from_wheels() and environment.get("RMW_IMPLEMENTATION", WHEELS_RMW) == WHEELS_RMW:
        environment["FASTDDS_DEFAULT_PROFILES_FILE"] = str(LOOPBACK_PROFILE)
        environment["RMW_FASTRTPS_USE_QOS_FROM_XML"] = "1"  # for what ROS has no word for: how memory is taken
        environment["ROS_AUTOMATIC_DISCOVERY_RANGE"] = "SYSTEM_DEFAULT"  # which is: as the profile says
    else:
        environment["ROS_AUTOMATIC_DISCOVERY_RANGE"] = "LOCALHOST"


def open_to_network(environment: MutableMapping[str, str] = os.environ) -> None:
    """Let a graph reach every host of the network; a DDS profile of the user's own stays."""
    environment["ROS_AUTOMATIC_DISCOVERY_RANGE"] = "SUBNET"
    own = environment.get("FASTDDS_DEFAULT_PROFILES_FILE", "")
    if ros_comes_from_wheels() and own in ("", str(LOOPBACK_PROFILE)):
        environment["FASTDDS_DEFAULT_PROFILES_FILE"] = str(OPEN_PROFILE)

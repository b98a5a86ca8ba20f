# Copyright 2026 The mat_ros Authors
# SPDX-License-Identifier: Apache-2.0
"""Set the environment variables that ROS expects from a shell and that pip's wheels do not set."""

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
    """Return whether ROS comes from pip's wheels, and not from an apt installation that the shell sourced."""
    return importlib.util.find_spec("ros_wheels_bootstrapper") is not None


def set_defaults(environment: MutableMapping[str, str] = os.environ) -> None:
    """Set the ament index and the middleware unless the user has set them. Call before rclpy is imported."""
    if ros_comes_from_wheels():
        environment.setdefault("AMENT_PREFIX_PATH", sys.prefix)
        environment.setdefault("RMW_IMPLEMENTATION", WHEELS_RMW)


def keep_to_loopback(environment: MutableMapping[str, str] = os.environ) -> None:
    """Limit a graph to this machine, without files that stay behind when one of its processes is killed.

    ROS's own LOCALHOST range uses the shared memory transport even where FASTDDS_BUILTIN_TRANSPORTS excludes it, and
    each killed process then leaves its files in /dev/shm. So the wheels' Fast DDS gets a profile of this project. Any
    other middleware or release might ignore the profile and send to the whole network, so it gets LOCALHOST.
    """
    if ros_comes_from_wheels() and environment.get("RMW_IMPLEMENTATION", WHEELS_RMW) == WHEELS_RMW:
        environment["FASTDDS_DEFAULT_PROFILES_FILE"] = str(LOOPBACK_PROFILE)
        environment["RMW_FASTRTPS_USE_QOS_FROM_XML"] = "1"  # for the memory policy, which ROS's QoS lacks
        environment["ROS_AUTOMATIC_DISCOVERY_RANGE"] = "SYSTEM_DEFAULT"  # this value leaves the range to the profile
    else:
        environment["ROS_AUTOMATIC_DISCOVERY_RANGE"] = "LOCALHOST"


def open_to_network(environment: MutableMapping[str, str] = os.environ) -> None:
    """Open a graph to every host of the network; keep a DDS profile that the user has set."""
    environment["ROS_AUTOMATIC_DISCOVERY_RANGE"] = "SUBNET"
    own = environment.get("FASTDDS_DEFAULT_PROFILES_FILE", "")
    if ros_comes_from_wheels() and own in ("", str(LOOPBACK_PROFILE)):
        environment["FASTDDS_DEFAULT_PROFILES_FILE"] = str(OPEN_PROFILE)

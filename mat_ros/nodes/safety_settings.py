# Copyright 2026 The mat_ros Authors
# SPDX-License-Identifier: Apache-2.0
"""Declare the parameters of the safety gate's node."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

from mat_ros.core.options import option
from mat_ros.core.robot.guard import GuardSettings
from mat_ros.graph.tick_choice import TICKS
from mat_ros.nodes.shell import NodeSettings

ROBOTS = -1  # a setting of the guard that is left to the robot file


@dataclass(frozen=True)
class SafetySettings(NodeSettings):
    """Set how the gate bridges missed ticks, and which robot the gate commands."""

    hardware: str = option("sim", "sim: the node sim simulates the robot; otherwise the adapter that the driver opens")
    robot: str = option("", "robot: a shipped name or a YAML file; empty: the one the policy was trained on")
    lockstep: bool = option(True, "the simulated robot waits for every command")
    rate_hz: float = option(0.0, "ticks per second; 0: the policy's own rate", 0.0, 1000.0)
    deadline: float = option(0.8, "when the gate applies what it has, as a share of the period", 0.05, 1.0)
    hold_ticks: int = option(ROBOTS, "missed ticks during which the last command stays; -1: as the robot file says",
                             ROBOTS, 10**6)
    stop_ticks: int = option(ROBOTS, "missed ticks after which a stop is latched; 0: never; -1: as the robot file says",
                             ROBOTS, 10**6)
    blend_s: float = option(float(ROBOTS), "time to go over to the requests once active; -1: as the robot file says",
                            float(ROBOTS), 60.0)
    tick: str = option("auto", "what gathers the decisions of a tick: C++ where possible (auto), always C++ (native), "
                       "or Python (python)", choices=TICKS)
    trace: str = option("", "file for the times of every tick, an array (tick, 5) in ns; empty: none")

    def over(self, robots: GuardSettings) -> GuardSettings:
        """Return the guard settings of the robot file with the changes of the launch."""
        changes: dict[str, Any] = {name: value for name in ("hold_ticks", "stop_ticks", "blend_s")
                                   if (value := getattr(self, name)) >= 0}
        return replace(robots, **changes)

# Copyright 2026 The mat_ros Authors
# SPDX-License-Identifier: Apache-2.0
"""Declare the launch arguments, and refuse those that contradict each other."""

from __future__ import annotations

import math
from dataclasses import dataclass

from mat_ros.backends.choose import BACKENDS
from mat_ros.core.errors import Refused
from mat_ros.core.options import Value, option
from mat_ros.core.policy.manifest import Manifest
from mat_ros.core.robot.topics import JOY_SPEED, TOPIC_FIELDS, TOPIC_TEXTS, RobotTopics
from mat_ros.core.tick.chain import BATONS, MODES
from mat_ros.core.tick.wiring import WIRINGS
from mat_ros.graph.discovery import DISCOVERIES
from mat_ros.graph.tick_choice import NATIVE, TICKS, TickNeeds, choose_tick
from mat_ros.hardware.commands import COMMANDS


@dataclass(frozen=True)
class LaunchSettings:
    """Declare the launch arguments. The ROS launch files, `mat-ros launch` and the reference page use these."""

    policy: str = option("", "policy bundle: a shipped name or a folder; empty: the default of the launch file")
    robot: str = option("", "robot: a shipped name or a YAML file; empty: the one the policy was trained on")
    task: str = option("", "task of the simulated robot; empty: the one the policy was trained on")
    wiring: str = option("per_agent", "which process runs which slots", choices=WIRINGS)
    mode: str = option("optimistic", "patience: how long a slot waits for the baton of its predecessor", choices=MODES)
    budget_ms: float = option(1.0, "bounded mode: how long a slot waits for each slot before it", 0.01, 1000.0)
    baton: str = option("", "when a node sends a baton; empty: as usual in the mode",
                        choices=("", *BATONS))
    backend: str = option("auto", "backend that runs the policy", choices=BACKENDS)
    tick: str = option("auto", "what runs the tick of encoder, chain nodes and gate, with the same bits: C++ where "
                       "possible (auto), always C++ (native), or Python (python)", choices=TICKS)
    encoder: str = option("central", "one node encodes (central), or every chain node encodes (replicated)",
                          choices=("central", "replicated"))
    rate: float = option(0.0, "ticks per second; 0: the policy's own rate", 0.0, 1000.0)
    deadline: float = option(0.8, "share of the period after which the safety gate applies the decisions that have "
                             "arrived", 0.05, 1.0)
    realtime: int = option(0, "SCHED_RR priority of the processes, whose memory stays in RAM; the gate has one more, "
                           "and the driver two more; 0: none", 0, 97)
    sim: str = option("lockstep", "simulated robot: waits for commands (lockstep), runs in real time (free), or none",
                      choices=("lockstep", "free", "none"))
    hardware: str = option("", "adapter of a real robot, with sim:=none: ros2_control, trajectory, shadow, fake, "
                               "or your own as module:Class")
    state_topic: str = option("", TOPIC_TEXTS["state_topic"])
    command_topic: str = option("", TOPIC_TEXTS["command_topic"])
    poses: str = option("", TOPIC_TEXTS["poses"])
    odometry: str = option("", TOPIC_TEXTS["odometry"])
    imu: str = option("", TOPIC_TEXTS["imu"])
    command: str = option("", TOPIC_TEXTS["command"])
    goal_topic: str = option("", TOPIC_TEXTS["goal_topic"])
    joy: str = option("", TOPIC_TEXTS["joy"])
    joy_speed: float = option(0.5, JOY_SPEED, 0.0, 10.0)
    seed: int = option(0, "seed of the world and of sampled decisions", 0, 2**31 - 1)
    sampled: bool = option(False, "draw actions instead of taking the mean")
    episodes: int = option(0, "stop after this many episodes of the simulated robot; 0: never", 0, 10**9)
    chain_information: str = option("", "what the next slots receive for a broken joint: the intended action (intent) "
                                    "or the performed action (truth); empty: as in training",
                                    choices=("", "intent", "truth"))
    faults: str = option("", "fault plan: a shipped name or a YAML file; empty: none")
    inject: bool = option(False, "allow faults to be injected while the graph runs")
    record: str = option("", "MCAP file to record into; empty: none")
    flight: str = option("", "MCAP file for the last seconds before a stop, a NaN or a crash; empty: none")
    check: bool = option(True, "decide every tick again in one process and compare the bits")
    namespace: str = option("", "ROS namespace of every node and topic")
    use_sim_time: bool = option(False, "the simulated robot publishes its time on /clock, and stamps use this time")
    discovery: str = option("auto", "how processes of one machine find each other: through a server of the graph, each "
                            "by itself (plain), or through a server in a large graph (auto)", choices=DISCOVERIES)
    viewer: str = option("none", "live view, in a process of its own", choices=("none", "terminal", "rerun"))
    rrd: str = option("", "with viewer:=rerun, file for what Rerun shows; empty: a window, or mat_ros.rrd where there "
                      "is no display")
    nodes: str = option("", "start only these nodes on this host: names or patterns, as in chain_robot1_*,encoder; "
                            "a leading ! leaves nodes out; empty: all")
    network: str = option("loopback", "hosts that may reach the graph: this one (loopback) or all (open)",
                          choices=("loopback", "open"))

    @property
    def breakable(self) -> bool:
        """Return whether faults are possible in this graph, from a fault plan or on request."""
        return self.inject or bool(self.faults)

    @property
    def deciding(self) -> dict[str, Value]:
        """Return the parameters that every deciding node has in common."""
        return {"backend": self.backend, "seed": self.seed, "sampled": self.sampled}

    @property
    def topics(self) -> dict[str, str]:
        """Return the topics of the robot that were set, by argument."""
        return {name: value for name in TOPIC_FIELDS if (value := str(getattr(self, name)))}

    def rate_hz(self, manifest: Manifest) -> float:
        """Return the ticks per second: the rate that was set, or the policy's own rate."""
        return self.rate or _trained_hz(manifest)

    def information(self, manifest: Manifest) -> str:
        """Return what successors receive about a broken joint: the value that was set, or the one of training."""
        return self.chain_information or manifest.chain_information

    def check_against(self, manifest: Manifest) -> None:
        """Refuse arguments that contradict each other or the policy."""
        if self.sim == "lockstep" and not math.isclose(self.rate_hz(manifest), _trained_hz(manifest), rel_tol=1e-6):
            raise Refused("rate", f"{_trained_hz(manifest):g} Hz, the policy's own, in lock-step simulation", self.rate,
                          "leave the rate out, or run sim:=free")
        if self.sim == "none" and not self.hardware:
            raise Refused("hardware", "an adapter where sim is none", "none", "set hardware:=...")
        if self.sim != "none" and self.hardware:
            raise Refused(f"hardware {self.hardware}", "sim:=none beside it", f"sim:={self.sim}",
                          "add sim:=none to drive the robot, or leave hardware out to simulate it")
        RobotTopics.read("argument", self.topics)  # refuses what is no topic
        if self.topics and (self.sim != "none" or self.hardware not in COMMANDS):
            raise Refused(", ".join(f"{name}:=" for name in self.topics), f"hardware:= one of {', '.join(COMMANDS)}, "
                          "with sim:=none", f"hardware:={self.hardware or 'none'}, sim:={self.sim}",
                          "name the adapter of a robot on ROS, or leave the topics out")
        if self.mode != "optimistic" and self.baton == "on_deviation":
            raise Refused("baton", f"always in {self.mode} mode, whose nodes wait for it", "on_deviation",
                          "leave the baton out, or use mode:=optimistic")
        choose_tick(self.tick, TickNeeds(NATIVE if self.backend == "auto" else self.backend, self.sampled,
                                         self.encoder == "replicated", self.breakable))


def _trained_hz(manifest: Manifest) -> float:
    return 1e9 / manifest.period_ns

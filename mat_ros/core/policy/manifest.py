# Copyright 2026 The mat_ros Authors
# SPDX-License-Identifier: Apache-2.0
"""Define the manifest of a bundle: all facts about a policy that deployment needs, by names and with units."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from mat_ros.core.errors import Refused
from mat_ros.core.named import CodeSource
from mat_ros.core.robot.description import Agent, RobotDescription
from mat_ros.core.robot.joints import ActionMap, Joint
from mat_ros.core.robot.observe import Layout, Observer

SCHEMA = 1
MIXERS = ("attention", "rwkv4", "rwkv5", "rwkv6", "rwkv7", "none")


@dataclass(frozen=True)
class Network:
    """Hold the architecture and the sizes of the policy's network."""

    encoder: str  # mixer of the encoder, one of MIXERS
    decoder: str  # mixer of the decoder; "none": an MLP without input from predecessors
    bidirectional: bool  # the encoding of an agent depends on all agents
    agents: int  # n
    obs_dim: int  # width of the widest observation
    act_dim: int  # width of the widest action
    width: int  # width of the layers, d
    enc_dim: int  # width of a slot's encoding: d, or more where a slot also needs its own observation
    blocks: int
    heads: int

    def __post_init__(self) -> None:
        """Refuse unknown mixers and impossible sizes."""
        if self.encoder not in MIXERS or self.decoder not in MIXERS:
            raise Refused("network mixers", f"two of {MIXERS}", (self.encoder, self.decoder), "export it anew")
        sizes = (self.agents, self.obs_dim, self.act_dim, self.width, self.enc_dim, self.blocks, self.heads)
        if min(sizes) < 1 or self.width % self.heads:
            raise Refused("network sizes", "positive numbers, width a multiple of heads", sizes, "export it anew")


@dataclass(frozen=True)
class StateLayout:
    """Describe the state that a step carries to the next slot: one flat float32 vector.

    A recurrent decoder always carries `row` floats. An attention decoder appends a row of `row` floats for each decided
    slot, so that slot i receives ``i * row`` floats.
    """

    grows: bool  # the state grows by a row with each slot
    row: int  # number of floats in a row
    parts: tuple[str, ...]  # names of the parts of a row, in order
    initial: float = 0.0  # value of the running maxima at the start; the other floats start at zero
    maxima: tuple[tuple[int, int], ...] = ()  # the [start, stop) of the running maxima in the row

    def size(self, slot: int) -> int:
        """Return the number of floats that a slot receives."""
        return slot * self.row if self.grows else self.row

    def start(self) -> NDArray[np.float32]:
        """Return the state that the first slot receives."""
        state = np.zeros(self.size(0), dtype=np.float32)
        for begin, end in self.maxima:
            state[begin:end] = self.initial
        return state


@dataclass(frozen=True)
class Normaliser:
    """Hold the running statistics of the observations (agent, obs_dim). The encoder graph applies them."""

    mean: tuple[tuple[float, ...], ...]
    std: tuple[tuple[float, ...], ...]
    clip: float  # greatest absolute value after normalisation

    def apply(self, obs: NDArray[np.float32]) -> NDArray[np.float32]:
        """Return normalised observations (..., agent, obs_dim)."""
        mean, std = np.array(self.mean, np.float32), np.array(self.std, np.float32)
        normal: NDArray[np.float32] = np.clip((obs - mean) / std, np.float32(-self.clip), np.float32(self.clip))
        return normal


@dataclass(frozen=True)
class Training:
    """Record how the policy was trained, so that the training can be repeated."""

    command: str
    seed: int
    steps: int  # environment steps
    commit: str
    packages: Mapping[str, str] = field(default_factory=dict)  # versions by package


@dataclass(frozen=True)
class Manifest:
    """Hold all facts about a policy that deployment needs. Training writes the manifest; nobody edits it by hand."""

    name: str
    algorithm: str
    robot: str  # name of the robot in training
    world: str  # simulated robot: a registered name, or module:Class; a robot on hardware never imports it
    task: str  # task of the training: a registered name, or module:Class, and then the split
    period_ns: int  # control period
    split: str  # how the robot is split into agents
    agents: tuple[Agent, ...]  # in chain order
    joints: tuple[Joint, ...]  # in command order
    layout: Layout  # observations of the agents
    normaliser: Normaliser
    network: Network
    state: StateLayout
    action_std: tuple[float, ...]  # (act_dim,): standard deviation of the Gaussian policy, for sampled decisions
    chain_information: Literal["intent", "truth"]  # which action of a broken joint its successors received in training
    faults: str  # faults in training: "none" or the name of a fault plan
    training: Training
    equality: Literal["bit", "tolerance"]  # class of the golden ticks
    tolerance: float  # greatest difference of an action where the class is "tolerance"
    files: Mapping[str, str]  # name -> sha256
    sources: Mapping[str, CodeSource] = field(default_factory=dict)  # code of `world` and `task`; empty in old bundles
    schema: int = SCHEMA

    def __post_init__(self) -> None:
        """Refuse a manifest whose parts do not fit each other."""
        n, obs_dim = self.network.agents, self.network.obs_dim
        if len(self.agents) != n or len(self.layout.views) != n:
            raise Refused("manifest agents", f"{n} agents and views", (len(self.agents), len(self.layout.views)),
                          "export the policy anew")
        if [agent.name for agent in self.agents] != [view.agent for view in self.layout.views]:
            raise Refused("manifest views", f"the agents {[a.name for a in self.agents]} in this order",
                          [v.agent for v in self.layout.views], "export the policy anew")
        if self.action_map.act_dim != self.network.act_dim or len(self.action_std) != self.network.act_dim:
            raise Refused("manifest joints", f"{self.network.act_dim} actions and deviations per agent",
                          (self.action_map.act_dim, len(self.action_std)), "export the policy anew")
        if self.observed.shape != (n, obs_dim):
            raise Refused("manifest layout", f"observations of {n} x {obs_dim}", self.observed.shape,
                          "export the policy anew")
        for label, rows in (("mean", self.normaliser.mean), ("std", self.normaliser.std)):
            values = np.array(rows, dtype=np.float64)
            if values.shape != (n, obs_dim) or not np.isfinite(values).all() or (label == "std" and values.min() <= 0):
                raise Refused(f"manifest normaliser {label}", f"{n} x {obs_dim} finite numbers, positive for std",
                              f"shape {values.shape}, {int((~np.isfinite(values)).sum())} not finite",
                              "export the policy anew")
        if self.equality not in ("bit", "tolerance") or self.chain_information not in ("intent", "truth"):
            raise Refused("manifest", "equality bit | tolerance, chain_information intent | truth",
                          (self.equality, self.chain_information), "export the policy anew")

    @property
    def observed(self) -> NDArray[np.bool_]:
        """Return a mask (agent, obs_dim) of an observation: True in measurements and agent ids, False in padding."""
        measured = Observer(self.layout).measured
        if self.layout.agent_id:
            measured[:, -len(self.layout.views):] = True
        return measured

    @property
    def action_map(self) -> ActionMap:
        """Return the map from the agents' actions to joint commands."""
        return ActionMap(self.joints, [agent.joints for agent in self.agents])

    def to_dict(self) -> dict[str, Any]:
        """Return the manifest as plain values. `from_dict` restores every float to the bit."""
        data = {name: getattr(self, name) for name in ("schema", "name", "algorithm", "robot", "world", "task",
                                                       "period_ns", "split", "chain_information", "faults", "equality",
                                                       "tolerance")}
        return {
            **data,
            "agents": {agent.name: list(agent.joints) for agent in self.agents},
            "joints": [joint.to_dict() for joint in self.joints],
            "network": asdict(self.network),
            "state": {**asdict(self.state), "parts": list(self.state.parts),
                      "maxima": [list(span) for span in self.state.maxima]},
            "action_std": list(self.action_std),
            "layout": self.layout.to_dict(),
            "normaliser": {"clip": self.normaliser.clip, "mean": [list(row) for row in self.normaliser.mean],
                           "std": [list(row) for row in self.normaliser.std]},
            "training": {**asdict(self.training), "packages": dict(self.training.packages)},
            "files": dict(self.files),
            **({"sources": {of: asdict(source) for of, source in self.sources.items()}} if self.sources else {}),
        }

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> Manifest:
        """Return the manifest of plain values. A newer schema is refused before any other field is read."""
        schema = data.get("schema")
        if not isinstance(schema, int) or schema > SCHEMA or schema < 1:
            raise Refused("manifest schema", f"at most {SCHEMA}", schema, "install a newer mat_ros to run this policy")
        try:
            state, normaliser = dict(data["state"]), data["normaliser"]
            state["parts"] = tuple(state["parts"])
            state["maxima"] = tuple((int(a), int(b)) for a, b in state["maxima"])
            return cls(
                **{k: data[k] for k in ("name", "algorithm", "robot", "world", "task", "period_ns", "split",
                                        "chain_information", "faults", "equality", "tolerance", "schema")},
                agents=tuple(Agent(name, tuple(joints)) for name, joints in data["agents"].items()),
                joints=tuple(Joint.from_dict(joint) for joint in data["joints"]),
                layout=Layout.from_dict(data["layout"]),
                normaliser=Normaliser(_rows(normaliser["mean"]), _rows(normaliser["std"]), float(normaliser["clip"])),
                network=Network(**data["network"]),
                state=StateLayout(**state),
                action_std=tuple(map(float, data["action_std"])),
                training=Training(**data["training"]),
                files={str(name): str(digest) for name, digest in data["files"].items()},
                sources={str(of): CodeSource(str(source["object"]), str(source["version"]))
                         for of, source in data.get("sources", {}).items()},
            )
        except (KeyError, TypeError, AttributeError) as error:
            raise Refused("manifest", f"the fields of schema {SCHEMA}", f"trouble with {error}",
                          "export the policy anew") from error

    def check_robot(self, robot: RobotDescription) -> None:
        """Refuse a robot with other joints than the policy's (names, quantities, units, scaling) or rate.

        Limits may differ: the stricter limit rules (`mat_ros.core.robot.limits`).
        """
        offered = {joint.name: joint for joint in robot.joints}
        for mine in self.joints:
            if mine.name not in offered:
                raise Refused(f"robot {robot.name}", f"a joint named {mine.name}", sorted(offered),
                              "choose the robot of the policy, or map its names")
            for part in ("quantity", "unit", "scale", "offset"):
                expected, got = getattr(mine, part), getattr(offered[mine.name], part)
                if expected != got:
                    raise Refused(f"robot {robot.name}, joint {mine.name}, {part}", expected, got,
                                  "correct the robot file or train on this robot")
        if extra := sorted(set(offered) - {joint.name for joint in self.joints}):
            raise Refused(f"robot {robot.name}", f"only joints that the policy decides ({len(self.joints)})",
                          f"also {extra}", "choose the robot of the policy")
        if robot.period_ns != self.period_ns:
            raise Refused(f"robot {robot.name}, control period", f"that of {1e9 / self.period_ns:g} Hz",
                          f"that of {1e9 / robot.period_ns:g} Hz", "run the robot at the rate of the policy")


def _rows(values: Any) -> tuple[tuple[float, ...], ...]:
    return tuple(tuple(float(x) for x in row) for row in values)

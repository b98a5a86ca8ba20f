# Copyright 2026 The mat_ros Authors
# SPDX-License-Identifier: Apache-2.0
"""Declare every setting of a training run: default, type and meaning. `python -m training.train --help` prints them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Any, Literal

from mat_ros.core.errors import Refused

Policy = Literal["mat", "mat_dec", "marwkv4", "marwkv5", "marwkv6", "marwkv7", "hybrid", "mlp"]
Algorithm = Literal["mat", "mappo", "ippo", "happo", "hatrpo", "ia2c", "maa2c", "ppo"]


@dataclass(frozen=True)
class TrainConfig:
    """Train a policy on a task."""

    task: str = "halfcheetah_6x1"
    """The policy is trained on this task: NAME_SPLIT, as in halfcheetah_6x1, catch_over2underarm_hand.
    The name is registered (python -m training.envs lists the names), or is your own, as in arm_task:Reach_joint."""
    algorithm: Algorithm = "mat"
    """The policy learns by this algorithm. mat is PPO over a sequence policy; the others train separate networks."""
    policy: Policy = "mat"
    """The algorithm mat trains this sequence policy. The other algorithms always train perceptrons (mlp)."""
    run: Path = Path("runs/halfcheetah_6x1")
    """The run writes its configuration, metrics and checkpoints into this folder."""
    resume: bool = False
    """The run continues from the newest checkpoint of its folder, bit for bit."""
    seed: int = 1
    """Every random number of the run is drawn from this seed."""
    steps: int = 10_000_000
    """The run ends after this many environment steps, counted over all copies."""
    envs: int = 40
    """The run steps this many copies of the environment together."""
    ticks: int = 100
    """Each copy runs this many ticks between two updates."""
    epochs: int = 10
    """Each update passes over the collected experience this many times."""
    minibatches: int = 40
    """Each pass is cut into this many parts, and each part is one step of the optimiser."""
    learning_rate: float = 5e-5
    """Adam trains the policy with this learning rate."""
    critic_learning_rate: float = 5e-3
    """Adam trains the critic with this learning rate where actors and critic are separate networks."""
    adam_epsilon: float = 1e-5
    """Adam adds this number to the root that it divides by, so that tiny gradients make small steps."""
    gamma: float = 0.99
    """A reward is multiplied by this factor for every tick that it lies ahead."""
    lam: float = 0.95
    """Generalised advantage estimation decays by this factor per tick: 0 trusts the critic, 1 the returns."""
    clip: float = 0.05
    """The probability ratio and the value may move this far before their gradient stops."""
    huber: float = 10.0
    """The value loss turns from squared to linear at this error, in normalised returns."""
    entropy: float = 0.001
    """The loss counts the entropy bonus with this weight."""
    value_weight: float = 1.0
    """The loss counts the value loss with this weight."""
    gradient_norm: float = 0.5
    """A gradient that is longer than this is shortened to it."""
    ratio: Literal["dimension", "agent"] = "dimension"
    """The probability ratio is clipped for each action dimension, or as the product over those of an agent."""
    target_kl: float = 0.0
    """An update ends early when the policy has moved by this KL divergence. 0 never ends it early."""
    kl_limit: float = 0.005
    """The algorithm hatrpo moves an actor by at most this KL divergence in an update."""
    width: int = 64
    """The networks have this width."""
    blocks: int = 1
    """The encoder and the decoder of a sequence policy have this many mixer blocks each."""
    heads: int = 1
    """Attention, or the matrix state of RWKV-5, 6 and 7, has this many heads."""
    log_std: float = 1.0
    """The parameter of the actions' spread begins at this number. The spread is half its logistic function."""
    bidirectional: bool = False
    """A recurrent encoder lets an agent see all agents instead of its predecessors only."""
    hops: int = 0
    """An agent sees the joints that lie up to this many hops away along the skeleton. -1 shows it all joints."""
    observation: Literal["full_state", "compact"] = "full_state"
    """Dexterous hands observe the published full state, or only what a real robot can measure (compact)."""
    reward: Literal["paper", "shaped"] = "paper"
    """Dexterous hands earn the published reward (paper), or one that also pays for progress (shaped)."""
    curriculum: float = 0.0
    """This share of the episodes of a door to pull begins along a scripted demonstration.
    The beginnings lie at its end first, then earlier as episodes succeed. Evaluation has none."""
    imitate: int = 0
    """The policy imitates the task's script for this many environment steps, then learns without it.
    Doors to pull and `over` have a script."""
    teacher: str = ""
    """The policy imitates this bundle (a folder or a shipped name) in place of the task's script.
    The teacher may be of another kind, and divide the same robot differently."""
    legacy: bool = False
    """The environment repeats quirks of the first public copies, so that old curves can be compared."""
    normalise: bool = True
    """Observations are normalised by their running mean and deviation."""
    randomisation: str = ""
    """This table varies physics, readings and commands: a YAML file, bidexhands or gap. Empty varies nothing."""
    faults: str = ""
    """This fault plan breaks things while training: a YAML file or a shipped plan. Empty breaks nothing."""
    information: Literal["intent", "truth"] = "intent"
    """Successors of a broken joint receive its intended action (intent), or what it really does (truth)."""
    fault_flag: bool = False
    """Each agent observes whether its own joints are broken."""
    engine: Literal["auto", "torch", "fused"] = "auto"
    """Torch or the compiled loop (fused: mat, marwkv4, hybrid on a CPU) computes updates. auto takes the faster."""
    device: str = "cpu"
    """Torch computes on this device: cpu, cuda, cuda:1."""
    amp: bool = False
    """A GPU computes updates with automatic mixed precision."""
    threads: int = 1
    """An update is computed by this many threads."""
    physics_threads: int = 1
    """The copies of the environment are stepped by this many threads. No result depends on it."""
    checkpoint_minutes: float = 3.0
    """The run writes a checkpoint when this many minutes have passed since the last."""
    keep: int = 3
    """The run keeps this many of its newest checkpoints."""
    start_from: str = ""
    """A new run takes weights and observation statistics from this checkpoint. Without one it begins afresh."""

    def check(self) -> None:
        """Refuse numbers that cannot work. The trainer calls this; a command line would print a traceback otherwise."""
        for name in ("steps", "envs", "ticks", "epochs", "minibatches", "width", "blocks", "heads", "threads",
                     "physics_threads"):
            if getattr(self, name) < 1:
                raise Refused(f"setting {name}", "at least 1", getattr(self, name), "give a positive number")
        if (self.envs * self.ticks) % self.minibatches:
            raise Refused("setting minibatches", f"a divisor of envs x ticks = {self.envs * self.ticks}",
                          self.minibatches, "change one of the three")
        if self.teacher and not self.imitate:
            raise Refused("setting teacher", "a number of steps in imitate, for which the teacher is imitated", 0,
                          "add --imitate 200000, or leave teacher empty")

    @property
    def samples(self) -> int:
        """Return the number of joint samples of one update."""
        return self.envs * self.ticks

    def to_dict(self) -> dict[str, Any]:
        """Return the settings as plain values."""
        return {k: str(v) if isinstance(v, Path) else v for k, v in asdict(self).items()}

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> TrainConfig:
        """Return the settings that `to_dict` wrote. Refuse unknown settings."""
        known = {f.name for f in fields(cls)}
        if unknown := sorted(set(data) - known):
            raise Refused("training configuration", f"settings {sorted(known)}", unknown, "remove or rename them")
        return cls(**{k: Path(v) if k == "run" else v for k, v in data.items()})

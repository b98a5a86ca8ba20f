# Copyright 2026 The mat_ros Authors
# SPDX-License-Identifier: Apache-2.0
"""Every setting of a training run, once: default, type and meaning. `python -m training.train --help` prints them."""

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
    """Robot and split, as in halfcheetah_6x1, ant_8x1, catch_over2underarm_hand."""
    algorithm: Algorithm = "mat"
    """How the policy learns: mat is PPO over a sequence policy, the others train separate networks per agent."""
    policy: Policy = "mat"
    """Sequence policy of the algorithm mat; the others always use multilayer perceptrons."""
    run: Path = Path("runs/halfcheetah_6x1")
    """Folder of the run: configuration, metrics and checkpoints go there."""
    resume: bool = False
    """Continue the newest checkpoint of the run folder, bit for bit."""
    seed: int = 1
    """Everything random is drawn from this number."""
    steps: int = 10_000_000
    """Environment steps to train for, counted over all copies."""
    envs: int = 40
    """Copies of the environment."""
    ticks: int = 100
    """Ticks that each copy runs between two updates."""
    epochs: int = 10
    """Passes over the experience in each update."""
    minibatches: int = 40
    """Parts that a pass is cut into; each is one optimiser step."""
    learning_rate: float = 5e-5
    """Of Adam."""
    critic_learning_rate: float = 5e-3
    """Of the critic's Adam where actors and critic are separate networks."""
    adam_epsilon: float = 1e-5
    """Of Adam."""
    gamma: float = 0.99
    """Discount per tick."""
    lam: float = 0.95
    """Decay of generalised advantage estimation."""
    clip: float = 0.05
    """How far the probability ratio and the value may move before their gradient stops."""
    huber: float = 10.0
    """Where the value loss turns from squared to linear, in normalised returns."""
    entropy: float = 0.001
    """Weight of the entropy bonus."""
    value_weight: float = 1.0
    """Weight of the value loss."""
    gradient_norm: float = 0.5
    """Longest gradient; longer ones are shortened."""
    ratio: Literal["dimension", "agent"] = "dimension"
    """Clip the probability ratio of each action dimension, or the product over an agent's dimensions."""
    target_kl: float = 0.0
    """Stop the passes of an update when the policy has moved this far; 0 never stops early."""
    kl_limit: float = 0.005
    """Trust region of hatrpo."""
    width: int = 64
    """Width of the networks."""
    blocks: int = 1
    """Mixer blocks of a sequence policy."""
    heads: int = 1
    """Attention heads, or heads of a matrix state."""
    log_std: float = 1.0
    """Initial parameter of the action spread; the spread is half its logistic function."""
    bidirectional: bool = False
    """Let a recurrent encoder see all agents instead of the predecessors only."""
    hops: int = 0
    """How far along the skeleton an agent sees other joints; -1 sees the whole robot."""
    observation: Literal["full_state", "compact"] = "full_state"
    """What dexterous hands see: the published full state, or only what a real robot can measure."""
    reward: Literal["paper", "shaped"] = "paper"
    """Reward of the dexterous hands: the published formula, or one that also pays for progress."""
    curriculum: float = 0.0
    """Share of the episodes of a door to pull that begin along a scripted demonstration, first at its end, then earlier
    as they succeed; evaluation has none."""
    imitate: int = 0
    """Environment steps of the beginning in which a task's script is imitated; after that it is gone.
    Doors to pull and `over` have one."""
    legacy: bool = False
    """Reproduce the quirks of the first public environment copies, to compare with old curves."""
    normalise: bool = True
    """Normalise observations by running statistics."""
    randomisation: str = ""
    """Table that varies the physics of hands (a YAML file, or a shipped one: bidexhands, gap); empty: none."""
    faults: str = ""
    """Fault plan that breaks things while training: a YAML file, or a shipped one's name; empty: nothing breaks."""
    information: Literal["intent", "truth"] = "intent"
    """What the chain is told of a broken joint: the intended action, or what the joint really does."""
    fault_flag: bool = False
    """Append to each agent's observation whether its own joints are broken."""
    engine: Literal["auto", "torch", "fused"] = "auto"
    """What computes the update: torch, or the compiled loop (mat, marwkv4, hybrid on a CPU). auto takes the faster."""
    device: str = "cpu"
    """Torch device: cpu, cuda, cuda:1."""
    amp: bool = False
    """Automatic mixed precision on a GPU."""
    threads: int = 1
    """Threads of the update."""
    physics_threads: int = 1
    """Threads that step the copies of the environment; the results do not depend on it."""
    checkpoint_minutes: float = 3.0
    """Minutes between two checkpoints."""
    keep: int = 3
    """Checkpoints to keep."""
    start_from: str = ""
    """Checkpoint whose weights and observation statistics begin a new run (few-shot); empty: a fresh policy."""

    def check(self) -> None:
        """Refuse numbers that cannot work. The trainer calls it; a command line would quote a traceback otherwise."""
        for name in ("steps", "envs", "ticks", "epochs", "minibatches", "width", "blocks", "heads", "threads",
                     "physics_threads"):
            if getattr(self, name) < 1:
                raise Refused(f"setting {name}", "at least 1", getattr(self, name), "give a positive number")
        if (self.envs * self.ticks) % self.minibatches:
            raise Refused("setting minibatches", f"a divisor of envs x ticks = {self.envs * self.ticks}",
                          self.minibatches, "change one of the three")

    @property
    def samples(self) -> int:
        """Count the joint samples of one update."""
        return self.envs * self.ticks

    def to_dict(self) -> dict[str, Any]:
        """Give plain values."""
        return {k: str(v) if isinstance(v, Path) else v for k, v in asdict(self).items()}

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> TrainConfig:
        """Read what `to_dict` wrote; unknown settings are refused."""
        known = {f.name for f in fields(cls)}
        if unknown := sorted(set(data) - known):
            raise Refused("training configuration", f"settings {sorted(known)}", unknown, "remove or rename them")
        return cls(**{k: Path(v) if k == "run" else v for k, v in data.items()})

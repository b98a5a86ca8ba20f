# Copyright 2026 The mat_ros Authors
# SPDX-License-Identifier: Apache-2.0
"""Export a policy for deployment: `python -m training.export RUN -o DIR` writes a bundle and proves it.

The policy in torch drives its own environment and so computes the golden ticks. The bundle is then loaded as a robot
loads it, and every installed backend has to reproduce those ticks. Where a backend does not, the error names the first
tick, slot and element that differ, and no file remains.
"""

from __future__ import annotations

import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

import numpy as np
import torch
import tyro
from numpy.typing import NDArray

from mat_ros.backends.choose import installed
from mat_ros.core import named
from mat_ros.core.errors import Missing, Refused, unusable
from mat_ros.core.policy.bundle import Bundle
from mat_ros.core.policy.manifest import Normaliser, Training
from mat_ros.core.robot.observe import Layout
from training.envs import make
from training.envs.protocol import Environment
from training.envs.robot import RobotEnvironment
from training.exporting.bundle import Origin, export_policy
from training.loop.checkpoint import Checkpoint, newest_checkpoint, read_checkpoint
from training.loop.trainer import environment_options
from training.models import Policy, PolicyConfig, build_policy
from training.run.config import TrainConfig


@dataclass(frozen=True)
class ExportConfig:
    """Export the newest checkpoint of a run, or a given checkpoint, as a policy bundle."""

    run: tyro.conf.Positional[Path]
    """This run, or this checkpoint, is exported."""
    out: Annotated[Path, tyro.conf.arg(aliases=["-o"])]
    """The bundle is written into this folder, which is new or empty."""
    name: str = ""
    """The manifest calls the bundle by this name. Empty: by the name of its folder."""
    ticks: int = 200
    """The policy drives its environment for this many ticks, which become the golden ticks."""
    seed: int = 0
    """That environment starts from this seed."""
    tolerance: float = 1e-4
    """The actions of torch and of a backend may differ by this much, in policy units."""


def export_run(config: ExportConfig) -> Bundle:
    """Export a checkpoint of a run as a bundle."""
    checkpoint = read_checkpoint(newest_checkpoint(config.run))
    policy = policy_of(checkpoint)
    trained = TrainConfig.from_dict(checkpoint.manifest["config"])
    environment = make(trained.task, 1, **environment_options(trained))
    origin = origin_of(checkpoint, environment, config.name or config.out.resolve().name, config.tolerance)
    observations = drive(policy, origin, environment, config.ticks, config.seed)
    return export_policy(policy, origin, observations, config.out)


def policy_of(checkpoint: Checkpoint) -> Policy:
    """Return the trained policy of a checkpoint."""
    if "policy_config" not in checkpoint.manifest:
        raise Refused("checkpoint", "a sequence policy (mat, marwkv4, ...)", checkpoint.manifest["policy"],
                      "only sequence policies decide as a chain; train one with --algorithm mat")
    policy = build_policy(PolicyConfig.from_dict(checkpoint.manifest["policy_config"]))
    policy.load_state_dict(checkpoint.policy)
    return policy.eval()


def origin_of(checkpoint: Checkpoint, environment: Environment, name: str, tolerance: float) -> Origin:
    """Return the manifest's facts about robot, task and training, as the environment of the training has them."""
    kept, robot = checkpoint.manifest, getattr(environment, "robot", None)
    if kept["layout"] is None or robot is None:
        raise Refused(f"task {kept['task']}", "a robot that measures what the agents observe", "none",
                      "export policies of robot tasks only")
    if kept["config"].get("legacy"):
        raise Refused(f"task {kept['task']}", "observations as a robot measures them", "the legacy quirks",
                      "train without --legacy")
    agents = {agent.name: agent for agent in robot.agents(kept["split"])}
    if set(agents) != set(kept["agents"]):
        raise Refused(f"checkpoint of {kept['task']}", f"the agents {sorted(agents)}", sorted(kept["agents"]),
                      "train again: the robot's split has changed")
    normaliser, world, sources = kept["normaliser"], robot.world, {}
    if isinstance(environment, RobotEnvironment):
        sources = {"world": named.source_of(environment.world), "task": named.source_of(environment.task)}
        world = world or sources["world"].object
    return Origin(
        name=name, algorithm=kept["policy"], robot=robot.name, world=world, task=kept["task"],
        period_ns=robot.period_ns, split=kept["split"], agents=tuple(agents[agent] for agent in kept["agents"]),
        joints=robot.joints, layout=Layout.from_dict(kept["layout"]),
        normaliser=Normaliser(_rows(normaliser["mean"]), _rows(normaliser["std"]), float(normaliser["clip"])),
        training=Training(kept["command"], int(kept["seed"]), int(kept["steps"]), kept["commit"],
                          dict(kept["packages"])),
        chain_information=kept["information"], faults=kept["faults"], tolerance=tolerance,
        sources=sources,
    )


@torch.no_grad()
def drive(policy: Policy, origin: Origin, environment: Environment, ticks: int, seed: int) -> NDArray[np.float32]:
    """Let the policy drive its environment and return the observations (tick, n, obs_dim)."""
    seen = np.zeros((ticks, policy.config.agents, policy.config.obs_dim), np.float32)
    obs = environment.reset(seed)
    for tick in range(ticks):
        seen[tick] = obs[0]
        actions, _, _ = policy.act(torch.from_numpy(origin.normaliser.apply(obs)), deterministic=True)
        obs, *_ = environment.step(actions.numpy())
    return seen


def _rows(values: Any) -> tuple[tuple[float, ...], ...]:
    return tuple(tuple(map(float, row)) for row in values)


def main() -> int:
    """Run the command line. Print every refusal as one sentence."""
    torch.set_num_threads(1)
    try:
        config = tyro.cli(ExportConfig, prog="python -m training.export", description=__doc__)
        bundle = export_run(config)
    except (Refused, Missing) as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    except OSError as error:
        print(f"error: {unusable(error)}", file=sys.stderr)
        return 1
    size = sum(path.stat().st_size for path in bundle.folder.iterdir())
    print(f"{bundle.folder}: {size / 1e6:.2f} MB, sha256 {bundle.digest[:16]}…")
    print(f"{config.ticks} golden ticks, driven by torch, are reproduced by {', '.join(installed())}")
    return 0


if __name__ == "__main__":
    sys.exit(main())

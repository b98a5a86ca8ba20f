# Copyright 2026 The mat_ros Authors
# SPDX-License-Identifier: Apache-2.0
"""Look at a policy: moments of a noiseless episode side by side: `python -m training.film runs/mat --out strip.png`."""

from __future__ import annotations

import sys
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Annotated

import torch
import tyro

from mat_ros.core.errors import Missing, Refused, unusable
from training.envs import make
from training.evaluate import load_policy
from training.loop.checkpoint import newest_checkpoint, read_checkpoint
from training.loop.trainer import environment_options
from training.run.config import TrainConfig


@dataclass(frozen=True)
class FilmConfig:
    """Film a policy."""

    checkpoint: Annotated[Path, tyro.conf.Positional]
    """Run folder (its newest checkpoint) or checkpoint folder."""
    out: Path = Path("strip.png")
    """Picture to write."""
    ticks: tuple[int, ...] = (0, 45, 90, 240)
    """Moments of the episode, in ticks; one that it does not reach is left out."""
    seed: int = 1_000_000
    """Seed of the start state."""
    camera: str = ""
    """Camera of the scene; empty: its first."""
    width: int = 480
    """Pixels of each moment."""
    height: int = 270
    """Pixels of each moment."""
    faults: str = ""
    """Fault plan, as for training."""


def film(config: FilmConfig) -> list[int]:
    """Write the picture; give the ticks that it shows."""
    import matplotlib.image

    from mat_ros.worlds.render import Camera, film_strip

    checkpoint = read_checkpoint(newest_checkpoint(config.checkpoint))
    trained = replace(TrainConfig.from_dict(checkpoint.manifest["config"]), faults=config.faults, curriculum=0.0)
    environment = make(trained.task, 1, **environment_options(trained))
    if not hasattr(environment, "world"):
        raise Refused(f"film of {trained.task}", "a task with a simulated robot", "none", "choose another run")
    learner, normaliser = load_policy(checkpoint, environment)
    generator = torch.Generator().manual_seed(config.seed)  # not drawn from
    obs, pictures, shown = environment.reset(config.seed), [], []
    name = config.camera or environment.world.model.camera(0).name
    with Camera(environment.world, config.width, config.height) as camera:
        for tick in range(max(config.ticks) + 1):
            if tick in config.ticks:
                pictures.append(camera.take(name))
                shown.append(tick)
            share = environment.share() if environment.spec.information == "truth" else None
            actions, _, _ = learner.act(normaliser.apply(obs), generator, True, share)
            obs, _, _, _, info = environment.step(actions)
            if info["ended"].size:
                break
    config.out.parent.mkdir(parents=True, exist_ok=True)
    matplotlib.image.imsave(config.out, film_strip(pictures))
    return shown


def main() -> int:
    """Run the command line; every refusal is one sentence."""
    config = tyro.cli(FilmConfig, description=__doc__)
    torch.set_num_threads(1)
    try:
        print(f"{config.out} shows the ticks {', '.join(map(str, film(config)))}")
    except (Refused, Missing) as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    except OSError as error:
        print(f"error: {unusable(error)}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())

# Copyright 2026 The mat_ros Authors
# SPDX-License-Identifier: Apache-2.0
"""Draw moments of a noiseless episode side by side: `python -m training.film runs/mat --out strip.png`."""

from __future__ import annotations

import sys
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Annotated

import matplotlib.image
import torch
import tyro

from mat_ros.core.errors import Missing, Refused, unusable
from mat_ros.core.files import replaced
from mat_ros.worlds.render import Camera, film_strip
from training.envs import make
from training.evaluate import load_policy
from training.loop.checkpoint import newest_checkpoint, read_checkpoint
from training.loop.trainer import environment_options
from training.run.config import TrainConfig


@dataclass(frozen=True)
class FilmConfig:
    """Film a policy."""

    checkpoint: Annotated[Path, tyro.conf.Positional]
    """This checkpoint, or the newest one of this run folder, is filmed."""
    out: Path = Path("strip.png")
    """The picture is written into this file."""
    ticks: tuple[int, ...] = (0, 45, 90, 240)
    """The picture shows these ticks of the episode, as far as it reaches them."""
    seed: int = 1_000_000
    """The start state is drawn from this seed."""
    camera: str = ""
    """This camera of the scene takes the pictures. Empty: the first camera takes them."""
    width: int = 480
    """Each moment is this many pixels wide."""
    height: int = 270
    """Each moment is this many pixels high."""
    faults: str = ""
    """This fault plan breaks things, as in training."""


def film(config: FilmConfig) -> list[int]:
    """Write the picture and return the ticks that it shows."""
    checkpoint = read_checkpoint(newest_checkpoint(config.checkpoint))
    trained = replace(TrainConfig.from_dict(checkpoint.manifest["config"]), faults=config.faults, curriculum=0.0)
    environment = make(trained.task, 1, **environment_options(trained))
    if not hasattr(environment, "world"):
        raise Refused(f"film of {trained.task}", "a task with a simulated robot", "none", "choose another run")
    learner, normaliser = load_policy(checkpoint, environment)
    generator = torch.Generator().manual_seed(config.seed)  # a deterministic decision draws nothing
    obs, pictures, shown = environment.reset(config.seed), [], []
    with Camera(environment.world, config.width, config.height) as camera:
        for tick in range(max(config.ticks) + 1):
            if tick in config.ticks:
                pictures.append(camera.take(config.camera))
                shown.append(tick)
            share = environment.share() if environment.spec.information == "truth" else None
            actions, _, _ = learner.act(normaliser.apply(obs), generator, True, share)
            obs, _, _, _, info = environment.step(actions)
            if info["ended"].size:
                break
    with replaced(config.out) as beside:
        matplotlib.image.imsave(beside, film_strip(pictures), format=config.out.suffix.removeprefix(".") or "png")
    return shown


def main() -> int:
    """Run the command line. Print every refusal as one sentence."""
    config = tyro.cli(FilmConfig, prog="python -m training.film", description=__doc__)
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

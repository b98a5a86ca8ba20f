# Copyright 2026 The mat_ros Authors
# SPDX-License-Identifier: Apache-2.0
"""Train a policy: `python -m training.train --task halfcheetah_6x1 --policy mat --run runs/mat`."""

from __future__ import annotations

import signal
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from types import FrameType

import torch
import tyro
import yaml

from mat_ros.core.errors import Missing, Refused, unusable
from mat_ros.core.files import write_text
from training.loop.checkpoint import newest_checkpoint, read_checkpoint
from training.loop.metrics import MetricLog
from training.loop.trainer import Diverged, Trainer
from training.presets import load_preset, preset_names
from training.run.config import TrainConfig
from training.run.distributed import end, join_team, leave_team

DESCRIPTION = f"{__doc__}\n\n--preset NAME takes the defaults from a file: {', '.join(preset_names())}."


def train(config: TrainConfig, stop: Callable[[], bool] = lambda: False) -> Trainer:
    """Train from the beginning, or from the newest checkpoint where the configuration requests it."""
    torch.set_num_threads(config.threads)
    team = join_team(config.device)
    started = (config.run / "metrics.csv").exists()
    if started and not config.resume:
        raise Refused(f"run {config.run}", "a folder that no run has used", "metrics of an earlier run",
                      "add --resume, or choose another --run")
    if config.resume and not started:
        print(f"{config.run} has no earlier run: a new one begins", file=sys.stderr, flush=True)
    trainer = Trainer(config, team=team)
    config.run.mkdir(parents=True, exist_ok=True)  # not before: a refused training leaves no folder
    resumed = None
    if config.resume and started:
        trainer.restore(read_checkpoint(newest_checkpoint(config.run)))
        resumed = trainer.steps
    elif config.start_from:
        trainer.begin_from(read_checkpoint(newest_checkpoint(Path(config.start_from))))
    log = None
    if team.leads:
        text = yaml.safe_dump(config.to_dict(), sort_keys=False)
        write_text(config.run / "config.yaml", text)
        log = MetricLog(config.run, config.steps, resumed)
    try:
        trainer.train(log, stop)
    finally:
        if log is not None:
            log.close()
        leave_team()
    return trainer


class Interrupt:
    """Turn the first Ctrl-C or SIGTERM into a request to stop after the update. A second signal stops at once."""

    def __init__(self) -> None:
        self.wished = False
        for number in (signal.SIGINT, signal.SIGTERM):
            signal.signal(number, self._note)

    def _note(self, number: int, frame: FrameType | None) -> None:
        if self.wished:
            raise KeyboardInterrupt
        self.wished = True
        print("\nstopping after this update; a second signal stops now and loses it", file=sys.stderr, flush=True)

    def __call__(self) -> bool:
        """Return whether to stop."""
        return self.wished


def read_command_line(words: Sequence[str]) -> TrainConfig:
    """Return the settings. The preset of `--preset NAME` sets the values that the command line does not set."""
    words = list(words)
    defaults = TrainConfig()
    if "--preset" in words[:-1]:
        place = words.index("--preset")
        defaults = load_preset(words[place + 1])
        del words[place:place + 2]
    return tyro.cli(TrainConfig, prog="python -m training.train", description=DESCRIPTION, default=defaults, args=words)


def main() -> int:
    """Run the command line. Print every refusal as one sentence."""
    stop = Interrupt()
    try:
        trainer = train(read_command_line(sys.argv[1:]), stop)
    except (Refused, Missing, Diverged) as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    except OSError as error:
        print(f"error: {unusable(error)}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        return 130
    if trainer.team.leads:
        print(f"{trainer.config.run}: kept at {trainer.steps:,} steps; "
              f"{'--resume continues' if stop() else 'python -m training.export packs it'}", file=sys.stderr)
    return 130 if stop() else 0


if __name__ == "__main__":
    end(main())

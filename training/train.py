# Copyright 2026 The mat_ros Authors
# SPDX-License-Identifier: Apache-2.0
"""Train a policy: `python -m training.train --task halfcheetah_6x1 --policy mat --run runs/mat`."""

from __future__ import annotations

import signal
import sys
from pathlib import Path
from types import FrameType
from typing import NoReturn

import torch
import tyro
import yaml

from mat_ros.core.errors import Missing, Refused
from training.checkpoint import newest_checkpoint, read_checkpoint
from training.config import TrainConfig
from training.distributed import join_team, leave_team
from training.metrics import MetricLog
from training.trainer import Diverged, Trainer


def train(config: TrainConfig) -> Trainer:
    """Train from the beginning, or from the newest checkpoint where the configuration says so."""
    torch.set_num_threads(config.threads)
    team = join_team(config.device)
    started = (config.run / "metrics.csv").exists()
    if started and not config.resume:
        raise Refused(f"run {config.run}", "a folder that no run has used", "metrics of an earlier run",
                      "add --resume, or choose another --run")
    config.run.mkdir(parents=True, exist_ok=True)
    trainer = Trainer(config, team=team)
    resumed = None
    if config.resume and started:
        trainer.restore(read_checkpoint(newest_checkpoint(config.run)))
        resumed = trainer.steps
    elif config.start_from:
        trainer.begin_from(read_checkpoint(newest_checkpoint(Path(config.start_from))))
    log = None
    if team.leads:
        text = yaml.safe_dump(config.to_dict(), sort_keys=False)
        (config.run / "config.yaml").write_text(text, encoding="utf-8")
        log = MetricLog(config.run, config.steps, resumed)
    try:
        trainer.train(log)
    finally:
        if log is not None:
            log.close()
        leave_team()
    return trainer


def _interrupt(number: int, frame: FrameType | None) -> NoReturn:
    raise KeyboardInterrupt


def main() -> int:
    """Run the command line; every refusal is one sentence."""
    signal.signal(signal.SIGTERM, _interrupt)
    try:
        train(tyro.cli(TrainConfig, description=__doc__))
    except (Refused, Missing, Diverged) as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        return 130
    return 0


if __name__ == "__main__":
    sys.exit(main())

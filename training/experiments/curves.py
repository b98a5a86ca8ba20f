# Copyright 2026 The mat_ros Authors
# SPDX-License-Identifier: Apache-2.0
"""Draw the learning curves of every sequence policy and baseline on HalfCheetah 6x1."""

from __future__ import annotations

import tyro

from training.experiments.study import StudyConfig, StudyRun, curves_of, score, train_all, write_table
from training.plot import PlotConfig, plot

SEQUENCE = {"MAT": "mat", "MAT-Dec": "mat_dec", "MARWKV-4": "marwkv4", "hybrid": "hybrid"}
BASELINES = ("mappo", "happo", "hatrpo", "ppo")


def main(config: StudyConfig) -> None:
    """Train, plot and write the tables."""
    runs = [StudyRun(name, "mat_halfcheetah", seed, {"policy": policy})
            for name, policy in SEQUENCE.items() for seed in config.seeds]
    runs += [StudyRun(name.upper(), f"{name}_halfcheetah", seed, {}) for name in BASELINES for seed in config.seeds]
    train_all(runs, config)
    plot(PlotConfig(curves_of(runs, config), (config.out / "curves.png", config.out / "curves.svg"),
                    title="HalfCheetah 6x1", csv=config.out / "curves.csv"))
    write_table(config.out / "curves_final.csv", (score(run, config) for run in runs))


if __name__ == "__main__":
    main(tyro.cli(StudyConfig, prog="python -m training.experiments.curves", description=__doc__))

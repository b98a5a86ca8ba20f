# Copyright 2026 The mat_ros Authors
# SPDX-License-Identifier: Apache-2.0
"""Compare RWKV 4, 5, 6 and 7 as mixers, with a causal encoder as published and with a bidirectional one."""

from __future__ import annotations

import tyro

from training.experiments.study import StudyConfig, StudyRun, curves_of, score, train_all, write_table
from training.plot import PlotConfig, plot


def main(config: StudyConfig) -> None:
    """Train, plot and write the tables."""
    runs = []
    for version in (4, 5, 6, 7):
        for seed in config.seeds:
            policy: dict[str, str | int] = {"policy": f"marwkv{version}"}
            runs.append(StudyRun(f"RWKV-{version}", "mat_halfcheetah", seed, policy))
            both = {**policy, "bidirectional": True}
            runs.append(StudyRun(f"RWKV-{version} bidirectional", "mat_halfcheetah", seed, both))
    train_all(runs, config)
    plot(PlotConfig(curves_of(runs, config), (config.out / "rwkv.png", config.out / "rwkv.svg"),
                    title="RWKV versions, HalfCheetah 6x1", csv=config.out / "rwkv.csv"))
    write_table(config.out / "rwkv_final.csv", (score(run, config) for run in runs))


if __name__ == "__main__":
    main(tyro.cli(StudyConfig, prog="python -m training.experiments.rwkv_versions", description=__doc__))

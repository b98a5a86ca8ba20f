# Copyright 2026 The mat_ros Authors
# SPDX-License-Identifier: Apache-2.0
"""Compare trainings with each joint of HalfCheetah 6x1 off in turn with the intact policy, evaluated zero-shot."""

from __future__ import annotations

import tyro

from training.experiments.study import JOINTS, StudyConfig, StudyRun, curves_of, score, train_all, write_table
from training.plot import PlotConfig, plot

POLICIES = {"MAT": "mat", "MARWKV-4": "marwkv4"}


def main(config: StudyConfig) -> None:
    """Train, evaluate and write the tables."""
    intact = [StudyRun(name, "mat_halfcheetah", seed, {"policy": policy})
              for name, policy in POLICIES.items() for seed in config.seeds]
    broken = {joint: [StudyRun(f"{name} {joint} off", "mat_halfcheetah", seed,
                               {"policy": policy, "faults": f"{joint}:off"})
                      for name, policy in POLICIES.items() for seed in config.seeds] for joint in JOINTS}
    train_all([*intact, *(run for runs in broken.values() for run in runs)], config)
    rows = [{"trained": "intact", **score(run, config, fault)}
            for run in intact for fault in ("", *(f"{joint}:off" for joint in JOINTS))]
    rows += [{"trained": "with the fault", **score(run, config, f"{joint}:off")}
             for joint, runs in broken.items() for run in runs]
    write_table(config.out / "broken_joints.csv", rows)
    for joint, runs in broken.items():
        figure = (config.out / f"broken_{joint}.png",)
        plot(PlotConfig(curves_of(runs, config), figure, title=f"{joint} without torque"))


if __name__ == "__main__":
    main(tyro.cli(StudyConfig, prog="python -m training.experiments.broken_joints", description=__doc__))

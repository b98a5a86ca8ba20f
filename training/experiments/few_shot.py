# Copyright 2026 The mat_ros Authors
# SPDX-License-Identifier: Apache-2.0
"""Compare a policy trained intact and then a little with one joint off with one trained from scratch on that data.

The amounts of data are 0, 1, 5 and 10 % of the pre-training.
"""

from __future__ import annotations

import tyro

from mat_ros.core.errors import Refused
from training.experiments.study import JOINTS, StudyConfig, StudyRun, curves_of, score, train_all, write_table
from training.plot import PlotConfig, plot

SHARES = (0.01, 0.05, 0.10)
POLICIES = {"MAT": "mat", "MARWKV-4": "marwkv4"}


def main(config: StudyConfig) -> None:
    """Train, evaluate and write the tables."""
    intact = {(name, seed): StudyRun(f"{name} intact", "mat_halfcheetah", seed, {"policy": policy})
              for name, policy in POLICIES.items() for seed in config.seeds}
    train_all(list(intact.values()), config)
    rows, longest = [], {}
    for joint in JOINTS:
        fault, tuned, scratch = f"{joint}:off", [], []
        for (name, seed), source in intact.items():
            rows.append({"share": 0.0, "start": "pre-trained", **score(source, config, fault)})
            for share in SHARES:
                steps = max(1, round(share * config.steps))
                common: dict[str, str | int] = {"policy": POLICIES[name], "faults": fault, "steps": steps}
                amount = f"{name} {joint} {share:.0%}"
                tuned.append((share, StudyRun(f"{amount} pre-trained", "mat_halfcheetah", seed,
                                              {**common, "start_from": str(source.folder(config))})))
                scratch.append((share, StudyRun(f"{amount} scratch", "mat_halfcheetah", seed, common)))
        train_all([run for _, run in (*tuned, *scratch)], config)
        for label, group in (("pre-trained", tuned), ("scratch", scratch)):
            rows += [{"share": share, "start": label, **score(run, config, fault)} for share, run in group]
        longest[joint] = [run for share, run in (*tuned, *scratch) if share == SHARES[-1]]
    write_table(config.out / "few_shot.csv", rows)
    for joint, runs in longest.items():
        figure = (config.out / f"few_shot_{joint}.png",)
        try:
            plot(PlotConfig(curves_of(runs, config), figure, title=f"{joint} without torque"))
        except Refused as error:  # with very little data, no training episode has ended
            print(f"no {figure[0].name}: {error}")


if __name__ == "__main__":
    main(tyro.cli(StudyConfig, prog="python -m training.experiments.few_shot", description=__doc__))

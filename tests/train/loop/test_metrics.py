# Copyright 2026 The mat_ros Authors
# SPDX-License-Identifier: Apache-2.0
"""The log of a run keeps the meaning of each column, also where an older run goes on."""

import numpy as np
import pytest

pytest.importorskip("torch", reason="needs the train extra")
pytest.importorskip("tensorboard", reason="needs the train extra")

from training.loop.metrics import MetricLog, RecentEpisodes

pytestmark = pytest.mark.train


def test_the_column_success_of_an_older_run_goes_on_as_reached_and_takes_no_held_success(tmp_path):
    (tmp_path / "metrics.csv").write_text("steps,return,length,success\n100,1,5,0.9\n200,2,5,0.8\n", encoding="utf-8")
    log = MetricLog(tmp_path, 1000, resume_at=100)
    log.write(200, {"return": 3.0, "length": 5.0, "reached": 0.7, "success": 0.1})
    log.close()
    assert (tmp_path / "metrics.csv").read_text(encoding="utf-8").splitlines() == [
        "steps,return,length,reached", "100,1,5,0.9", "200,3,5,0.7"]


def test_the_episodes_of_an_older_checkpoint_are_those_that_reached_the_goal():
    episodes = RecentEpisodes()
    episodes.restore({"returns": np.array([1.0, 3.0]), "lengths": np.array([5.0, 5.0]),
                      "successes": np.array([1.0, 0.0])})
    found = episodes.summary()
    assert (found["return"], found["reached"]) == (2.0, 0.5)
    assert np.isnan(found["success"])
    again = RecentEpisodes()
    again.restore(episodes.snapshot())
    assert again.snapshot().keys() == episodes.snapshot().keys() and again.summary()["reached"] == 0.5

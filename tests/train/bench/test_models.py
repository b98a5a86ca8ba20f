# Copyright 2026 The mat_ros Authors
# SPDX-License-Identifier: Apache-2.0
"""The benchmark runs and prints its documented keys. No test checks the times."""

from __future__ import annotations

import json

import pytest

torch = pytest.importorskip("torch", reason="needs the train extra")

from training.bench.models import main, print_report  # noqa: E402


@pytest.mark.train
@pytest.mark.slow
def test_the_benchmark_prints_naive_step_and_compiled_times_and_the_update(capsys):
    main(["--json", "--policies", "mat", "--agents", "2", "--batches", "1", "--seconds", "0"])
    report = json.loads(capsys.readouterr().out)
    assert set(report["act"]["mat"]["2"]["1"]) == {"naive_us", "step_us", "compiled_us"}
    assert set(report["update"]["mat"]) == {"plain_us", "eager_us", "compiled_us"}
    report["act"]["mat"]["2"]["1"] = {"naive_us": 40.0, "step_us": 20.0, "compiled_us": 10.0}
    print_report(report)
    assert "compiled_us 10 (4.0x)" in capsys.readouterr().out

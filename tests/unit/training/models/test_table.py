# Copyright 2026 The mat_ros Authors
# SPDX-License-Identifier: Apache-2.0
"""The table of costs agrees with the models."""

from __future__ import annotations

import pytest

torch = pytest.importorskip("torch", reason="needs the train extra")

from torch.nn.attention import SDPBackend, sdpa_kernel  # noqa: E402
from torch.utils.flop_counter import FlopCounterMode  # noqa: E402

from training.models import build_policy, policy_config  # noqa: E402
from training.models.__main__ import cost, main  # noqa: E402
from training.models.config import MIXERS_OF  # noqa: E402


def test_the_table_has_a_row_per_policy_with_the_known_counts(capsys):
    main([])
    rows = {line.split()[0]: line.split()[1:] for line in capsys.readouterr().out.splitlines()[3:10]}
    assert set(rows) == set(MIXERS_OF)
    assert rows["mat"][:4] == ["77213", "80641", "1024", "5120"]
    assert rows["marwkv4"][:4] == ["117789", "121217", "1280", "1280"]


def test_the_names_are_those_of_the_parameters(capsys):
    main(["--names", "hybrid"])
    out = capsys.readouterr().out
    assert all(name in out for name, _ in build_policy(policy_config("hybrid", 6, 13, 1)).named_parameters())
    assert "0.max" in out


@pytest.mark.parametrize("name", ["mat", "mat_dec", "marwkv4", "hybrid"])
def test_the_counted_operations_are_those_that_torch_counts(name):
    policy = build_policy(policy_config(name, 6, 13, 1))
    counted = cost(policy)
    with sdpa_kernel(SDPBackend.MATH), FlopCounterMode(display=False) as by_torch:  # the counter skips the fused kernel
        policy.act(torch.zeros(1, 6, 13), deterministic=True)
    critic = 6 * 2 * (64 * 64 + 64)  # `act` also runs the value head, which is not part of a deployed tick
    if name == "mat_dec":
        critic += cost(build_policy(policy_config("mat", 6, 13, 1))).encode_flops
    assert by_torch.get_total_flops() - critic == counted.tick_flops

# Copyright 2026 The mat_ros Authors
# SPDX-License-Identifier: Apache-2.0
"""On a GPU one launch decides the same as the native backend robot by robot, for fewer robots than blocks and more."""

from __future__ import annotations

import shutil

import numpy as np
import pytest

from mat_ros.backends.choose import open_backend
from mat_ros.backends.cuda_driver import Driver
from mat_ros.backends.fused_decode import FusedDecode
from mat_ros.bench.decode import compile_kernel, decide_one_by_one, encodings
from mat_ros.core.errors import Refused
from mat_ros.core.policy.bundle import Bundle
from mat_ros.core.tick.decide import Decider
from support.places import ROOT

pytestmark = [pytest.mark.gpu, pytest.mark.skipif(shutil.which("nvcc") is None, reason="needs nvcc")]
POLICIES = ROOT / "mat_ros" / "policies"
BATCHES = (1, 7, 300)


@pytest.fixture(scope="module")
def code() -> bytes:
    return compile_kernel(Driver().capability)


@pytest.mark.parametrize("batch", BATCHES)
@pytest.mark.parametrize("policy", ["dexhands_door_marwkv4", "halfcheetah_marwkv4"])
def test_one_launch_decides_what_the_slots_decide_in_turn(code: bytes, policy: str, batch: int) -> None:
    bundle = Bundle.load(POLICIES / policy)
    enc = encodings(bundle, batch)
    fused = FusedDecode(bundle, code, batch)
    decided, handed = fused.decide(enc)
    assert np.isfinite(handed).all()
    decider = Decider(open_backend("native", bundle), bundle.manifest.network, bundle.manifest.state)
    np.testing.assert_allclose(decided, decide_one_by_one(decider, enc), atol=2e-5)
    again, _ = fused.decide(enc)
    np.testing.assert_array_equal(decided, again)


def test_code_that_is_none_is_refused_in_one_sentence() -> None:
    bundle = Bundle.load(POLICIES / "halfcheetah_marwkv4")
    with pytest.raises(Refused, match="GPU: expected to load the code of decode_rwkv4"):
        FusedDecode(bundle, b"no code")

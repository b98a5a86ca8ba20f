# Copyright 2026 The mat_ros Authors
# SPDX-License-Identifier: Apache-2.0
"""The ONNX Runtime backend reproduces the golden ticks and computes the same bits in every session."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("onnxruntime", reason="needs the onnx extra")

from mat_ros.backends.golden import verify
from mat_ros.backends.onnxruntime_backend import OnnxRuntimeBackend
from mat_ros.core.errors import Refused
from mat_ros.core.policy.bundle import Bundle
from support.places import BUNDLES


@pytest.mark.parametrize("kind", ["rwkv4", "attention"])
def test_golden_ticks_are_reproduced(kind: str) -> None:
    bundle = Bundle.load(BUNDLES / kind)
    verdict = verify(OnnxRuntimeBackend(bundle), bundle)
    assert verdict.ok, verdict.difference
    assert verdict.ticks == 20 and 0.0 < verdict.max_error < 1e-5


@pytest.mark.parametrize("kind", ["rwkv4", "attention"])
def test_a_session_per_slot_gives_the_bits_of_one_session(kind: str) -> None:
    bundle = Bundle.load(BUNDLES / kind)
    together, apart = OnnxRuntimeBackend(bundle), [OnnxRuntimeBackend(bundle) for _ in range(4)]
    for observation in bundle.golden()["observation"][:4]:
        encodings = {backend.encode(observation)[0].tobytes() for backend in [together, *apart]}
        assert len(encodings) == 1
        enc, _ = together.encode(observation)
        state_together = state_apart = bundle.manifest.state.start()
        told_together = told_apart = np.zeros(1, np.float32)
        for slot in range(4):
            told_together, state_together = together.step(slot, enc[slot], told_together, state_together)
            told_apart, state_apart = apart[slot].step(slot, enc[slot], told_apart, state_apart)
            assert told_together.tobytes() == told_apart.tobytes()
            assert state_together.tobytes() == state_apart.tobytes()


def test_an_absent_device_is_refused_with_those_that_exist() -> None:
    with pytest.raises(Refused, match=r"device of ONNX Runtime: expected one of \['cpu'.*got abacus"):
        OnnxRuntimeBackend(Bundle.load(BUNDLES / "rwkv4"), device="abacus")


def test_a_state_of_another_slot_is_refused() -> None:
    bundle = Bundle.load(BUNDLES / "attention")
    backend = OnnxRuntimeBackend(bundle)
    enc, _ = backend.encode(bundle.golden()["observation"][0])
    with pytest.raises(Refused, match="step of slot 2"):
        backend.step(2, enc[2], np.zeros(1, np.float32), bundle.manifest.state.start())


def test_no_telemetry_of_onnx_runtime_is_started(tmp_path: Path) -> None:
    code = f"""
from pathlib import Path
from mat_ros.backends.onnxruntime_backend import OnnxRuntimeBackend
from mat_ros.core.policy.bundle import Bundle
OnnxRuntimeBackend(Bundle.load(Path({str(BUNDLES / "rwkv4")!r})))
"""
    # ONNX Runtime itself starts none where CI is set; its session file in TMPDIR tells that telemetry has begun.
    kept = {name: value for name, value in os.environ.items() if name not in ("CI", "ORT_DISABLE_TELEMETRY")}
    subprocess.run([sys.executable, "-c", code], check=True,
                   env={**kept, "TMPDIR": str(tmp_path)})
    assert list(tmp_path.iterdir()) == []

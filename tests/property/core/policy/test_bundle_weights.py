# Copyright 2026 The mat_ros Authors
# SPDX-License-Identifier: Apache-2.0
"""Whatever bytes stand in a weights file, the native reader gives a policy or one sentence, and never a crash."""

from __future__ import annotations

import hashlib
import json
import struct
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mat_ros.backends.native_library import LIBRARY
from mat_ros.core.errors import Refused
from mat_ros.core.policy.bundle import Bundle

if not LIBRARY.exists():
    pytest.skip("needs the compiled native backend", allow_module_level=True)

from mat_ros.backends.native_backend import NativeBackend
from support.places import BUNDLES

BUNDLE = Bundle.load(BUNDLES / "attention")
WEIGHTS = BUNDLE.read("weights.safetensors")
TABLE_SIZE = struct.unpack("<Q", WEIGHTS[:8])[0]


def open_with(weights: bytes, folder: Path) -> NativeBackend:
    """Open a bundle that was made with other weights, so that their hash is right."""
    (folder / "weights.safetensors").write_bytes(weights)
    files = {**BUNDLE.manifest.files, "weights.safetensors": hashlib.sha256(weights).hexdigest()}
    return NativeBackend(Bundle(folder, replace(BUNDLE.manifest, files=files), BUNDLE.digest))


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("weights")


@settings(max_examples=150)
@given(data=st.data())
def test_changed_bytes_in_the_table_are_refused_or_harmless(data: st.DataObject, folder: Path) -> None:
    weights = bytearray(WEIGHTS)
    for place, value in data.draw(st.lists(st.tuples(st.integers(0, TABLE_SIZE + 7), st.integers(0, 255)), min_size=1,
                                           max_size=4)):
        weights[place] = value
    try:
        backend = open_with(bytes(weights), folder)
    except Refused as error:
        assert ": expected " in str(error)
    else:
        enc, _ = backend.encode(BUNDLE.golden()["observation"][0])
        actions, _ = backend.decide(0, 4, enc, np.zeros(1, np.float32), BUNDLE.manifest.state.start())
        assert actions.shape == (4, 1)


@settings(max_examples=50)
@given(length=st.integers(0, len(WEIGHTS) - 1))
def test_a_file_that_ends_early_is_refused(length: int, folder: Path) -> None:
    with pytest.raises(Refused, match="expected"):
        open_with(WEIGHTS[:length], folder)


@pytest.mark.parametrize(("change", "sentence"), [
    ({"data_offsets": [0, 1 << 39]}, "floats inside the file"),
    ({"data_offsets": [8, 4]}, "floats inside the file"),
    ({"shape": [1 << 30, 1 << 30]}, "floats inside the file"),
    ({"shape": [6, 16]}, r"expected shape 16 x 6, got 6 x 16"),
    ({"dtype": "F16"}, "expected F32, got F16"),
])
def test_a_tensor_that_is_not_what_the_policy_needs_is_refused_by_name(
    change: dict[str, object], sentence: str, folder: Path
) -> None:
    table = json.loads(WEIGHTS[8:8 + TABLE_SIZE])
    table["encoder.embed.weight"].update(change)
    text = json.dumps(table).encode()
    with pytest.raises(Refused, match=sentence) as caught:
        open_with(struct.pack("<Q", len(text)) + text + WEIGHTS[8 + TABLE_SIZE:], folder)
    assert "encoder.embed.weight" in str(caught.value)


def test_a_missing_tensor_is_refused_by_name(folder: Path) -> None:
    table = json.loads(WEIGHTS[8:8 + TABLE_SIZE])
    del table["decoder.head.out.bias"], table["decoder.head.out.weight"]
    text = json.dumps(table).encode()
    with pytest.raises(Refused, match=r"decoder.head.out.weight: expected a tensor of this name, got none"):
        open_with(struct.pack("<Q", len(text)) + text + WEIGHTS[8 + TABLE_SIZE:], folder)


def test_a_bias_under_another_name_is_not_taken_for_none(folder: Path) -> None:
    renamed = WEIGHTS.replace(b'"encoder.embed.bias"', b'"encoder.embed.bibs"')
    with pytest.raises(Refused, match="tensors: expected those of the policy only, got also encoder.embed.bibs"):
        open_with(renamed, folder)


def test_reading_and_closing_leaves_no_memory_behind(folder: Path) -> None:
    resident = []
    for _ in range(3):
        for _ in range(30):
            open_with(WEIGHTS, folder)
        resident.append(int(Path("/proc/self/statm").read_text().split()[1]))
    assert resident[2] - resident[1] < np.ceil(15 * len(WEIGHTS) / 4096)

# Copyright 2026 The mat_ros Authors
# SPDX-License-Identifier: Apache-2.0
"""Whatever stands in a file that a user writes, its reader takes it or refuses it in one sentence."""

import pytest

pytest.importorskip("mujoco", reason="needs the sim extra (mujoco)")
pytest.importorskip("rich", reason="needs the package's own dependencies")

from mat_ros.core.errors import Refused
from mat_ros.core.plain import LARGEST_BYTES
from support.mutations import fuzz, kinds

KINDS = tuple(kinds())


@pytest.mark.parametrize("kind", KINDS)
def test_a_sound_file_of_each_kind_is_taken(kind, tmp_path):
    file = kinds()[kind]
    if kind != "manifest":  # the other files of a bundle lie beside its manifest
        (tmp_path / file.name).write_text(file.text, encoding="utf-8")
        file.read(tmp_path / file.name)


@pytest.mark.parametrize("kind", KINDS)
def test_no_mistake_in_a_users_file_ends_in_a_traceback(kind, tmp_path):
    found, bugs = fuzz(kind, 200, tmp_path)
    assert bugs == []
    assert found["refused"] > 50 and found.total() == 200


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize(("data", "said"), [
    (b"name: caf\xe9\n", "UTF-8, got the byte 0xe9 at 9"),
    (b"\x89PNG\r\n\x1a\n" + bytes(range(256)), "UTF-8, got the byte 0x89 at 0"),
    (b"", ""),
    (b"a: " + b"[" * 100_000, "too many"),
    (b"a: b\na: c\n", "each key once, got a twice"),
    (b"# " + b"x" * LARGEST_BYTES, "at most 16 MB"),
], ids=["latin", "picture", "empty", "nested", "twice", "huge"])
def test_a_file_that_is_no_text_empty_nested_or_huge_is_refused_in_one_sentence(kind, data, said, tmp_path):
    file = kinds()[kind]
    (tmp_path / file.name).write_bytes(data)
    if kind == "fault plan" and not data:
        return  # a plan without faults
    with pytest.raises(Refused) as refusal:
        file.read(tmp_path / file.name)
    sentence = str(refusal.value)
    assert "\n" not in sentence and len(sentence) < 1000
    assert kind == "manifest" or said in sentence


@pytest.mark.parametrize("kind", KINDS)
def test_a_folder_and_a_file_that_is_not_there_are_refused_by_name(kind, tmp_path):
    file = kinds()[kind]
    (tmp_path / file.name).mkdir()
    for path in (tmp_path / file.name, tmp_path / "none" / file.name):
        with pytest.raises(Refused, match=str(tmp_path)):
            file.read(path)

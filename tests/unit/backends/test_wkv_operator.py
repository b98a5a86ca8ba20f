# Copyright 2026 The mat_ros Authors
# SPDX-License-Identifier: Apache-2.0
"""The operator mat_ros::WKV in ONNX Runtime computes RWKV-4's recurrence, as does the kernel in TensorRT engines."""

from __future__ import annotations

import ctypes
import shutil
import subprocess
from collections.abc import Sequence

import numpy as np
import pytest

ort = pytest.importorskip("onnxruntime", reason="needs the onnx extra")
onnx = pytest.importorskip("onnx", reason="needs the train extra")

from onnx import TensorProto, helper  # noqa: E402

from mat_ros.backends.native_library import LIBRARY  # noqa: E402
from support.places import ROOT  # noqa: E402

if not LIBRARY.exists():
    pytest.skip("needs the compiled native backend", allow_module_level=True)

INPUTS = ("key", "value", "rate", "bonus", "num", "den", "max")
OUTPUTS = ("out", "next_num", "next_den", "next_max")
SIZES = [(1, 1, 1), (1, 1, 64), (3, 1, 50), (2, 6, 17), (4, 26, 16), (1, 52, 64)]
NEVER = np.float32(-1e30)
Arrays = dict[str, np.ndarray]


def session(rank: int | None) -> ort.InferenceSession:
    """Return a graph of one node; rank 2 is one slot, rank 3 is a sequence, and None declares no shapes."""
    key, state, constant = None, None, None
    if rank is not None:
        key = ["batch", "slots", "width"] if rank == 3 else ["batch", "width"]
        state, constant = ["batch", "width"], ["width"]
    inputs = [helper.make_tensor_value_info(name, TensorProto.FLOAT, shape) for name, shape in zip(
        INPUTS, [key, key, constant, constant, state, state, state], strict=True)]
    outputs = [helper.make_tensor_value_info(name, TensorProto.FLOAT, key if name == "out" else state)
               for name in OUTPUTS]
    node = helper.make_node("WKV", INPUTS, OUTPUTS, domain="mat_ros", plugin_namespace="mat_ros", plugin_version="1")
    model = helper.make_model(helper.make_graph([node], "wkv", inputs, outputs), ir_version=10,
                              opset_imports=[helper.make_opsetid("", 20), helper.make_opsetid("mat_ros", 1)])
    options = ort.SessionOptions()
    options.log_severity_level = 4  # otherwise the library prints a refused call
    options.register_custom_ops_library(str(LIBRARY))
    return ort.InferenceSession(model.SerializeToString(), options, providers=["CPUExecutionProvider"])


@pytest.fixture(scope="module")
def sessions() -> dict[int | None, ort.InferenceSession]:
    return {rank: session(rank) for rank in (2, 3, None)}


def random_inputs(batch: int, slots: int, width: int, *, begun: bool = True) -> Arrays:
    rng = np.random.default_rng(slots)
    arrays = {
        "key": 3.0 * rng.normal(size=(batch, slots, width)), "value": 3.0 * rng.normal(size=(batch, slots, width)),
        "rate": 2.0 * rng.random(width), "bonus": rng.normal(size=width), "num": rng.normal(size=(batch, width)),
        "den": rng.uniform(0.5, 2.0, (batch, width)), "max": rng.normal(size=(batch, width)),
    }
    if not begun:
        arrays |= {"num": np.zeros((batch, width)), "den": np.zeros((batch, width)),
                   "max": np.full((batch, width), NEVER)}
    return {name: array.astype(np.float32) for name, array in arrays.items()}


def extreme_inputs() -> Arrays:
    """Return keys, bonus and decay at their limits: channels that forget at once, forget nothing or ignore inputs."""
    arrays = random_inputs(2, 8, 8, begun=False)
    arrays["key"] = np.float32(1e4) * np.array([1, -1] * 4, np.float32)[None, :, None] * np.ones((2, 1, 8), np.float32)
    arrays["rate"] = np.exp(np.array([-1e4, 60, 0, 60, -1e4, 60, 1, 2], np.float32))
    arrays["bonus"] = np.array([-1e4, 1e4, 0, 0, 30, -30, 1e4, -1e4], np.float32)
    return arrays


def recurrence(given: Arrays, dtype: type = np.float64) -> list[np.ndarray]:
    """Return the result of the equations, slot after slot."""
    key, value, rate, bonus, num, den, top = (given[name].astype(dtype) for name in INPUTS)
    out = np.empty_like(key)
    for slot in range(key.shape[1]):
        k, v = key[:, slot], value[:, slot]
        peak = np.maximum(top, bonus + k)
        old, new = np.exp(top - peak), np.exp(bonus + k - peak)
        out[:, slot] = (old * num + new * v) / (old * den + new)
        peak = np.maximum(top - rate, k)
        old, new = np.exp(top - rate - peak), np.exp(k - peak)
        num, den, top = old * num + new * v, old * den + new, peak
    return [out, num, den, top]


def assert_close(found: Sequence[np.ndarray], wanted: Sequence[np.ndarray], relative: float = 5e-6) -> None:
    for got, want in zip(found, wanted, strict=True):
        assert got.shape == want.shape and np.isfinite(got).all()
        assert np.abs(got - want).max() <= relative * max(1.0, np.abs(want).max())


def bits(arrays: Sequence[np.ndarray]) -> list[bytes]:
    return [array.tobytes() for array in arrays]


@pytest.mark.parametrize(("batch", "slots", "width"), SIZES)
def test_the_operator_is_the_recurrence_from_any_state(sessions, batch: int, slots: int, width: int) -> None:
    given = random_inputs(batch, slots, width)
    assert_close(sessions[3].run(None, given), recurrence(given))


@pytest.mark.parametrize(("batch", "slots", "width"), SIZES)
def test_from_an_empty_state_it_is_the_exact_parallel_form(sessions, batch: int, slots: int, width: int) -> None:
    torch = pytest.importorskip("torch", reason="needs the train extra")
    from training.models.wkv_reference import wkv4

    given = random_inputs(batch, slots, width, begun=False)
    wanted = wkv4(*(torch.from_numpy(given[name]).double() for name in ("key", "value", "rate", "bonus")))
    assert_close(sessions[3].run(["out"], given), [wanted.numpy()])


def test_it_stays_finite_and_right_at_the_limits_of_keys_bonus_and_decay(sessions) -> None:
    given = extreme_inputs()  # both sides use float32, because keys of 1e4 round a small bonus away
    assert_close(sessions[3].run(None, given), recurrence(given, np.float32))


@pytest.mark.parametrize("given", [random_inputs(2, 6, 17), random_inputs(1, 26, 64, begun=False), extreme_inputs()])
def test_a_decoders_steps_give_the_bits_of_one_sequence(sessions, given: Arrays) -> None:
    whole = sessions[3].run(None, given)
    state, out = [given[name] for name in INPUTS[4:]], []
    for slot in range(given["key"].shape[1]):
        now = {"key": given["key"][:, slot], "value": given["value"][:, slot], "rate": given["rate"],
               "bonus": given["bonus"], **dict(zip(INPUTS[4:], state, strict=True))}
        out_i, *state = sessions[2].run(None, now)
        out.append(out_i)
    assert bits([np.stack(out, 1), *state]) == bits(whole)


@pytest.mark.parametrize(("name", "shape"), [
    ("value", (2, 6, 16)), ("rate", (16,)), ("bonus", (1, 17)), ("num", (17,)), ("max", (3, 17)),
])
def test_other_shapes_are_refused_in_one_sentence(sessions, name: str, shape: tuple[int, ...]) -> None:
    given = random_inputs(2, 6, 17) | {name: np.zeros(shape, np.float32)}
    with pytest.raises(Exception, match=r"mat_ros::WKV: expected key and value .*, got other shapes; export"):
        sessions[None].run(None, given)


# ---- the kernel of TensorRT engines, in the emulator ----------------------------------------------------------------


@pytest.fixture(scope="module")
def emulated(tmp_path_factory: pytest.TempPathFactory) -> ctypes.CDLL:
    if shutil.which("g++") is None:
        pytest.skip("needs g++")
    library = tmp_path_factory.mktemp("emulated") / "wkv_operator.so"
    subprocess.run(["g++", "-std=c++17", "-O1", "-Wall", "-Wno-unknown-pragmas", "-Werror", "-fPIC", "-shared",
                    "-include", "cuda/emulator.h", "-x", "c++", "cuda/wkv_operator.cu", "-o", str(library)],
                   cwd=ROOT, check=True)
    return ctypes.CDLL(str(library))


def launch(library: ctypes.CDLL, given: Arrays, threads: int) -> list[np.ndarray]:
    batch, slots, width = given["key"].shape
    found = [np.full_like(given[name], np.nan) for name in ("key", "num", "den", "max")]
    addresses = [[ctypes.c_void_p(array.ctypes.data) for array in arrays]
                 for arrays in ([given[name] for name in INPUTS], found)]
    sizes = (batch * width, width, batch * slots * width)
    assert library.mat_ros_wkv_launch(*addresses[0], *sizes, *addresses[1], threads, None) == 0
    return found


@pytest.mark.parametrize("threads", [32, 64, 128])
@pytest.mark.parametrize(("batch", "slots", "width"), SIZES)
def test_the_kernel_for_tensorrt_computes_what_the_operator_computes(
    sessions, emulated: ctypes.CDLL, batch: int, slots: int, width: int, threads: int
) -> None:
    given = random_inputs(batch, slots, width)
    found = launch(emulated, given, threads)
    assert_close(found, recurrence(given))
    assert_close(found, sessions[3].run(None, given))


def test_the_kernel_for_tensorrt_keeps_to_the_operator_at_the_limits(sessions, emulated: ctypes.CDLL) -> None:
    given = extreme_inputs()
    assert_close(launch(emulated, given, 32), sessions[3].run(None, given))

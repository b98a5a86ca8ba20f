# Copyright 2026 The mat_ros Authors
# SPDX-License-Identifier: Apache-2.0
"""Every sequence policy becomes a bundle that all backends reproduce. Other policies are refused with a reason."""

from __future__ import annotations

import errno
import multiprocessing
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from safetensors import SafetensorError

torch = pytest.importorskip("torch", reason="needs the train extra")
pytest.importorskip("onnxscript", reason="needs the train extra")

from mat_ros.backends.choose import open_backend  # noqa: E402
from mat_ros.backends.golden import verify  # noqa: E402
from mat_ros.backends.native_library import LIBRARY  # noqa: E402
from mat_ros.core.errors import Refused  # noqa: E402
from mat_ros.core.policy.bundle import Bundle  # noqa: E402
from support.places import BUNDLES, ROOT  # noqa: E402
from support.slot_process import run_slot  # noqa: E402
from training.export import ExportConfig, export_run  # noqa: E402
from training.exporting.bundle import export_policy, golden_ticks  # noqa: E402
from training.exporting.graphs import EncoderGraph, write_encoder  # noqa: E402
from training.exporting.sample import make_bundle, random_observations, random_origin, random_policy  # noqa: E402
from training.exporting.torch_backend import load_policy  # noqa: E402
from training.models.config import MIXERS_OF  # noqa: E402

pytestmark = pytest.mark.train
needs_native = pytest.mark.skipif(not LIBRARY.exists(), reason="needs the compiled native backend")
BACKENDS = [pytest.param("native", marks=needs_native), "onnxruntime"]


@pytest.fixture(scope="module", params=list(MIXERS_OF))
def bundle(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Bundle:
    """Return one bundle per policy: odd sizes, two blocks and heads, unequal agents, ids made by the policy."""
    encoder, decoder = MIXERS_OF[request.param]
    return make_bundle(tmp_path_factory.mktemp("bundles") / request.param, encoder, decoder, agents=5, act_dim=2,
                       ragged=True, width=24, heads=2, blocks=2, agent_id=True)


@pytest.mark.parametrize("name", [*BACKENDS, "torch"])
def test_every_backend_reproduces_the_golden_ticks(bundle: Bundle, name: str) -> None:
    verdict = verify(open_backend(name, bundle), bundle)
    assert verdict.ok, verdict.difference
    assert verdict.max_error < 2e-5 and (name != "torch" or verdict.max_error == 0.0)


def test_golden_actions_are_those_of_the_policy_that_training_uses(bundle: Bundle) -> None:
    golden = bundle.golden()
    policy = open_backend("torch", bundle)._policy
    normal = bundle.manifest.normaliser.apply(golden["observation"])
    actions, _, values = policy.act(torch.from_numpy(normal), deterministic=True)
    np.testing.assert_allclose(golden["action"], actions.numpy(), atol=2e-5)
    np.testing.assert_allclose(golden["values"], values[..., 0].numpy(), atol=2e-5)


def test_an_agent_with_fewer_joints_decides_zero_for_those_it_lacks(bundle: Bundle) -> None:
    assert not bundle.golden()["action"][:, -1, 1].any()
    assert bundle.golden()["action"][:, -1, 0].any()


def test_the_graphs_take_any_batch(bundle: Bundle) -> None:
    ort = pytest.importorskip("onnxruntime", reason="needs the onnx extra")
    golden = bundle.golden()
    encoder = ort.InferenceSession(bundle.read("encoder.onnx"), providers=["CPUExecutionProvider"])
    enc, values = encoder.run(None, {"observation": golden["observation"]})
    np.testing.assert_allclose(enc, golden["enc"], atol=2e-5)
    np.testing.assert_allclose(values, golden["values"], atol=2e-5)


@pytest.mark.parametrize("slots", [1, 2, 3, 5])
def test_one_encoder_graph_answers_chains_of_any_length_as_the_policy_does(bundle: Bundle, slots: int) -> None:
    ort = pytest.importorskip("onnxruntime", reason="needs the onnx extra")
    observation = bundle.golden()["observation"][:, :slots]
    graph = EncoderGraph(load_policy(bundle), bundle.manifest.normaliser)
    with torch.no_grad():
        enc, values = graph(torch.from_numpy(observation))
    encoder = ort.InferenceSession(bundle.read("encoder.onnx"), providers=["CPUExecutionProvider"])
    for ticks in (slice(0, 1), slice(0, None)):
        found = encoder.run(None, {"observation": observation[ticks]})
        np.testing.assert_allclose(found[0], enc[ticks].numpy(), atol=2e-5)
        np.testing.assert_allclose(found[1], values[ticks].numpy(), atol=2e-5)


def test_only_a_causal_encoder_says_of_the_first_slots_what_it_says_of_them_in_the_whole_chain(bundle: Bundle) -> None:
    """Attention reads later slots, so fewer agents change its encodings."""
    ort = pytest.importorskip("onnxruntime", reason="needs the onnx extra")
    observation = bundle.golden()["observation"]
    encoder = ort.InferenceSession(bundle.read("encoder.onnx"), providers=["CPUExecutionProvider"])
    whole = encoder.run(None, {"observation": observation})
    for slots in range(1, 5):
        first = encoder.run(None, {"observation": observation[:, :slots]})
        agree = [np.allclose(got, want[:, :slots], atol=2e-5) for got, want in zip(first, whole, strict=True)]
        assert all(agree) == (bundle.manifest.network.encoder != "attention")


def test_the_whole_tick_in_one_file_takes_chains_of_any_length(bundle: Bundle) -> None:
    ort = pytest.importorskip("onnxruntime", reason="needs the onnx extra")
    observation = bundle.golden()["observation"]
    tick = ort.InferenceSession(bundle.read("tick.onnx"), providers=["CPUExecutionProvider"])
    backend, start = open_backend("torch", bundle), bundle.manifest.state.start()
    graph = EncoderGraph(load_policy(bundle), bundle.manifest.normaliser)
    for slots in (1, 3):
        with torch.no_grad():
            enc, values = graph(torch.from_numpy(observation[:1, :slots]))
        actions, found = tick.run(None, {"observation": observation[:1, :slots]})
        assert actions.shape[1] == slots
        np.testing.assert_allclose(found, values.numpy(), atol=2e-5)
        action, state = np.zeros(bundle.manifest.network.act_dim, np.float32), start
        for slot in range(slots):
            action, state = backend.step(slot, enc[0, slot].numpy(), action, state)
            np.testing.assert_allclose(actions[0, slot], action, atol=2e-5)


@pytest.mark.parametrize("kind", ["rwkv4", "attention"])
def test_a_graph_for_any_length_gives_the_bits_of_one_for_a_single_length(kind: str, tmp_path: Path) -> None:
    """The stored bundles were exported when graphs had one length."""
    ort = pytest.importorskip("onnxruntime", reason="needs the onnx extra")
    bundle = Bundle.load(BUNDLES / kind)
    write_encoder(EncoderGraph(load_policy(bundle), bundle.manifest.normaliser), tmp_path / "encoder.onnx")
    observation = bundle.golden()["observation"]
    graphs = (bundle.read("encoder.onnx"), (tmp_path / "encoder.onnx").read_bytes())
    before, now = (ort.InferenceSession(graph, providers=["CPUExecutionProvider"]) for graph in graphs)
    assert before.get_inputs()[0].shape[1] == 4 and now.get_inputs()[0].shape[1] == "slots"
    for tick in range(len(observation)):
        given = {"observation": observation[tick:tick + 1]}
        bits = [[part.tobytes() for part in session.run(None, given)] for session in (before, now)]
        assert bits[0] == bits[1]


@pytest.mark.parametrize("agents", [1, 2, 3])
@pytest.mark.parametrize("encoder", ["attention", "rwkv4"])
def test_short_chains_are_exported_for_any_length_too(encoder: str, agents: int, tmp_path: Path) -> None:
    ort = pytest.importorskip("onnxruntime", reason="needs the onnx extra")
    origin = random_origin(agents, 4, 1)
    policy = random_policy(0, 0.1, agents=agents, obs_dim=4, act_dim=1, width=16, encoder=encoder, agent_id=True)
    graph = EncoderGraph(policy, origin.normaliser)
    write_encoder(graph, tmp_path / "encoder.onnx")
    session = ort.InferenceSession(str(tmp_path / "encoder.onnx"), providers=["CPUExecutionProvider"])
    for slots in range(1, agents + 1):
        observation = random_observations(origin, 3)[:, :slots]
        with torch.no_grad():
            wanted = graph(torch.from_numpy(observation))
        for got, want in zip(session.run(None, {"observation": observation}), wanted, strict=True):
            np.testing.assert_allclose(got, want.numpy(), atol=2e-5)


@pytest.mark.parametrize("encoder", ["rwkv4", "rwkv5", "rwkv6", "rwkv7"])
def test_an_encoder_that_looks_both_ways_hears_no_agent_behind_the_end_of_a_shorter_chain(
    encoder: str, tmp_path: Path
) -> None:
    ort = pytest.importorskip("onnxruntime", reason="needs the onnx extra")
    origin = random_origin(5, 4, 1)
    policy = random_policy(0, 0.1, agents=5, obs_dim=4, act_dim=1, width=16, encoder=encoder, agent_id=True,
                           encoder_bidirectional=True)
    graph = EncoderGraph(policy, origin.normaliser)
    write_encoder(graph, tmp_path / "encoder.onnx")
    session = ort.InferenceSession(str(tmp_path / "encoder.onnx"), providers=["CPUExecutionProvider"])
    for slots in (1, 2, 4, 5):
        observation = random_observations(origin, 3)[:, :slots]
        with torch.no_grad():
            wanted = graph(torch.from_numpy(observation))
        for got, want in zip(session.run(None, {"observation": observation}), wanted, strict=True):
            np.testing.assert_allclose(got, want.numpy(), atol=2e-5)


def test_the_whole_tick_in_one_file_decides_the_same_for_any_batch(bundle: Bundle) -> None:
    ort = pytest.importorskip("onnxruntime", reason="needs the onnx extra")
    golden = bundle.golden()
    tick = ort.InferenceSession(bundle.read("tick.onnx"), providers=["CPUExecutionProvider"])
    for ticks in (slice(0, 1), slice(0, None)):
        actions, values = tick.run(None, {"observation": golden["observation"][ticks]})
        np.testing.assert_allclose(actions, golden["action"][ticks], atol=2e-5)
        np.testing.assert_allclose(values, golden["values"][ticks], atol=2e-5)


def test_the_files_say_nothing_about_the_machine_that_wrote_them(bundle: Bundle) -> None:
    here = str(ROOT).encode()
    for name in bundle.manifest.files:
        data = bundle.read(name)
        assert here not in data and b"site-packages" not in data


def test_a_bidirectional_encoder_sees_the_agents_behind(tmp_path: Path) -> None:
    bundle = make_bundle(tmp_path / "both", "rwkv4", "rwkv4", agents=4, encoder_bidirectional=True, width=16)
    for name in ("native", "onnxruntime") if LIBRARY.exists() else ("onnxruntime",):
        backend = open_backend(name, bundle)
        observation = bundle.golden()["observation"][0]
        other = observation.copy()
        other[-1] += 1.0
        assert not np.array_equal(backend.encode(observation)[0][0], backend.encode(other)[0][0])


def test_an_export_that_does_not_prove_itself_leaves_nothing_and_names_the_first_difference(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def forged(*arguments: object) -> dict[str, np.ndarray]:
        ticks = golden_ticks(*arguments)
        ticks["action"][3, 1, 0] += 0.01
        return ticks

    monkeypatch.setattr("training.exporting.bundle.golden_ticks", forged)
    with pytest.raises(Refused, match=r"tick 3, slot 1 \(agent_1\), action of joint_1_0"):
        make_bundle(tmp_path / "forged", width=16)
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("error", [OSError(errno.ENOSPC, "No space left on device"), SafetensorError("I/O error")])
def test_a_full_disk_leaves_no_half_of_a_bundle_and_the_sentence_names_it(
        error: Exception, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: object) -> None:
        raise error

    monkeypatch.setattr("training.exporting.bundle.save_file", full)
    with pytest.raises(Refused, match=f"bundle {tmp_path / 'b'}: expected room and permission to write it, got .*"):
        make_bundle(tmp_path / "b", ticks=1)
    assert list(tmp_path.iterdir()) == []


def test_a_folder_with_files_in_it_is_never_overwritten(tmp_path: Path) -> None:
    (tmp_path / "notes.txt").write_text("mine")
    with pytest.raises(Refused, match="expected an empty or a new one"):
        make_bundle(tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["notes.txt"]


def test_a_policy_that_chooses_among_alternatives_is_refused(tmp_path: Path) -> None:
    origin = random_origin(3, 4, 2)
    policy = random_policy(0, 0.1, agents=3, obs_dim=4, act_dim=2, width=16, discrete=True)
    with pytest.raises(Refused, match="expected continuous actions"):
        export_policy(policy, origin, random_observations(origin, 2), tmp_path / "bundle")


def test_a_normaliser_that_is_not_finite_is_refused_at_export(tmp_path: Path) -> None:
    origin = random_origin(3, 4, 1)
    broken = replace(origin.normaliser, std=((float("nan"),) * 4, *origin.normaliser.std[1:]))
    policy = random_policy(0, 0.1, agents=3, obs_dim=4, act_dim=1, width=16)
    with pytest.raises(Refused, match="normaliser std"):
        export_policy(policy, replace(origin, normaliser=broken), random_observations(origin, 2), tmp_path / "b")


# ---- one process per slot -------------------------------------------------------------------------------------------


@pytest.fixture(scope="module", params=["attention", "rwkv4"])
def long_chain(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Bundle:
    return make_bundle(tmp_path_factory.mktemp("chain") / "bundle", request.param, request.param, agents=26, act_dim=1,
                       ticks=3, spread=0.05)


@pytest.mark.parametrize("name", BACKENDS)
def test_26_processes_give_the_bits_of_one_loop_in_one_process(long_chain: Bundle, name: str) -> None:
    spawn = multiprocessing.get_context("forkserver")
    spawn.set_forkserver_preload(["support.slot_process", "onnxruntime"])
    slots = long_chain.manifest.network.agents
    pipes = [spawn.Pipe(duplex=False) for _ in range(slots + 1)]
    nodes = [spawn.Process(target=run_slot, args=(name, long_chain.folder, slot, pipes[slot][0], pipes[slot + 1][1]))
             for slot in range(slots)]
    for node in nodes:
        node.start()
    backend, start = open_backend(name, long_chain), long_chain.manifest.state.start()
    nothing = np.zeros(1, np.float32)
    for observation in long_chain.golden()["observation"]:
        pipes[0][1].send(([], nothing, start))
        assert pipes[slots][0].poll(300.0)
        decided, _, _ = pipes[slots][0].recv()
        enc, _ = backend.encode(observation)
        action, state, alone = nothing, start, []
        for slot in range(slots):
            action, state = backend.step(slot, enc[slot], action, state)
            alone.append(action.tobytes())
        assert decided == alone
    for node in nodes:
        node.join(60.0)
        assert node.exitcode == 0


# ---- from the trainer -----------------------------------------------------------------------------------------------


@pytest.mark.sim
def test_a_run_of_the_trainer_becomes_a_bundle_that_fits_its_robot(tmp_path: Path) -> None:
    pytest.importorskip("mujoco", reason="needs the sim extra")
    from mat_ros.core.robot.description import RobotDescription
    from mat_ros.core.shipped import config_file
    from training.run.config import TrainConfig
    from training.train import train

    train(TrainConfig(task="halfcheetah_6x1", policy="marwkv4", run=tmp_path / "run", steps=40, envs=2, ticks=10,
                      epochs=1, minibatches=2, width=16, engine="torch"))
    bundle = export_run(ExportConfig(tmp_path / "run", tmp_path / "bundle", ticks=12))
    manifest = bundle.manifest
    manifest.check_robot(RobotDescription.load(config_file("robots", "halfcheetah")))
    assert len(bundle.golden()["observation"]) == 12
    assert (manifest.task, manifest.training.steps, manifest.training.seed) == ("halfcheetah_6x1", 40, 1)
    assert [agent.name for agent in manifest.agents] == ["bfoot", "bshin", "bthigh", "ffoot", "fshin", "fthigh"]


def test_a_folder_that_is_no_run_is_refused(tmp_path: Path) -> None:
    with pytest.raises(Refused, match="expected a folder with checkpoints"):
        export_run(ExportConfig(tmp_path, tmp_path / "bundle"))

# Copyright 2026 The mat_ros Authors
# SPDX-License-Identifier: Apache-2.0
"""Whole runs are repeatable and resumable, refuse wrong settings, and are the same on one process or two."""

from __future__ import annotations

import csv
import os
import signal
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

torch = pytest.importorskip("torch", reason="needs the train extra")
pytest.importorskip("mujoco", reason="needs the sim extra")

from mat_ros.core.errors import Missing, Refused  # noqa: E402
from training import train as command_line  # noqa: E402
from training.evaluate import evaluate  # noqa: E402
from training.film import FilmConfig, film  # noqa: E402
from training.loop.checkpoint import Checkpoint, checkpoints_of, newest_checkpoint, read_checkpoint  # noqa: E402
from training.loop.checkpoint import write_checkpoint as write  # noqa: E402
from training.loop.trainer import Diverged, Trainer  # noqa: E402
from training.run.config import TrainConfig  # noqa: E402
from training.train import train  # noqa: E402

pytestmark = pytest.mark.train
SMALL = TrainConfig(envs=4, ticks=20, minibatches=4, epochs=2, steps=320)
ENGINES = ("torch", "auto")
TIMED = ("steps_per_s", "elapsed_s", "collect_s", "update_s")  # columns of metrics.csv that differ from run to run


def metrics(run: Path) -> list[dict[str, str]]:
    with (run / "metrics.csv").open(encoding="utf-8") as file:
        return [{k: v for k, v in row.items() if k not in TIMED} for row in csv.DictReader(file)]


def tensors(run: Path) -> dict[str, torch.Tensor]:
    checkpoint = read_checkpoint(newest_checkpoint(run))
    return {**checkpoint.policy, **checkpoint.training}


def assert_same(one: dict[str, torch.Tensor], other: dict[str, torch.Tensor]) -> None:
    assert one.keys() == other.keys()
    for name, tensor in one.items():
        assert torch.equal(tensor, other[name]), name


@pytest.mark.parametrize("engine", ENGINES)
def test_the_same_seed_writes_the_same_metrics(tmp_path: Path, engine: str) -> None:
    for name in ("one", "two"):
        train(replace(SMALL, run=tmp_path / name, engine=engine))
    assert metrics(tmp_path / "one") == metrics(tmp_path / "two")
    train(replace(SMALL, run=tmp_path / "other", engine=engine, seed=2))
    assert metrics(tmp_path / "one") != metrics(tmp_path / "other")


@pytest.mark.parametrize("settings", [{"engine": "torch"}, {"engine": "auto"}, {"algorithm": "happo"},
                                      {"faults": "random_joint_off", "fault_flag": True}, {"policy": "marwkv4"}],
                         ids=lambda settings: "-".join(map(str, settings.values())))
def test_a_resumed_run_equals_the_uninterrupted_one_bit_for_bit(tmp_path: Path, settings: dict) -> None:
    train(replace(SMALL, run=tmp_path / "whole", **settings))
    train(replace(SMALL, run=tmp_path / "parts", steps=160, **settings))
    train(replace(SMALL, run=tmp_path / "parts", resume=True, **settings))
    assert metrics(tmp_path / "whole") == metrics(tmp_path / "parts")
    assert_same(tensors(tmp_path / "whole"), tensors(tmp_path / "parts"))


def test_lines_after_the_checkpoint_are_forgotten_on_resuming(tmp_path: Path) -> None:
    train(replace(SMALL, run=tmp_path / "run", steps=160))
    with (tmp_path / "run" / "metrics.csv").open("a", encoding="utf-8") as file:
        file.write("240,9\n")
    train(replace(SMALL, run=tmp_path / "run", resume=True))
    assert [row["steps"] for row in metrics(tmp_path / "run")] == ["80", "160", "240", "320"]


def test_a_used_run_folder_is_not_overwritten(tmp_path: Path) -> None:
    train(replace(SMALL, run=tmp_path, steps=80))
    with pytest.raises(Refused, match="add --resume"):
        train(replace(SMALL, run=tmp_path))


def test_only_the_newest_checkpoints_are_kept_and_none_is_half_written(tmp_path: Path) -> None:
    for steps in (1, 2, 3, 4):
        write(tmp_path, steps, Checkpoint({}, {"w": torch.ones(2)}, {"m": torch.zeros(2)}), keep=2)
    assert [path.name for path in checkpoints_of(tmp_path)] == ["step_000000000003", "step_000000000004"]
    assert not list((tmp_path / "checkpoints").glob(".writing-*"))


def test_a_full_disk_loses_nothing_and_is_said_in_one_sentence(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    kept = write(tmp_path, 1, Checkpoint({}, {"w": torch.ones(2)}, {}), keep=2)

    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("training.loop.checkpoint.save_file", full)
    with pytest.raises(Refused, match="No space left on device; free space"):
        write(tmp_path, 2, Checkpoint({}, {"w": torch.ones(2)}, {}), keep=2)
    assert checkpoints_of(tmp_path) == [kept]


@pytest.mark.parametrize("damage", ["schema: 99\n", "just a word\n", "{broken"])
def test_an_unreadable_or_foreign_checkpoint_is_refused(tmp_path: Path, damage: str) -> None:
    path = write(tmp_path, 1, Checkpoint({}, {"w": torch.ones(2)}, {}), keep=1)
    (path / "manifest.yaml").write_text(damage, encoding="utf-8")
    with pytest.raises(Refused, match=str(path)):
        read_checkpoint(path)


def test_a_checkpoint_of_another_task_is_refused(tmp_path: Path) -> None:
    train(replace(SMALL, run=tmp_path, steps=80))
    with pytest.raises(Refused, match="expected mat on halfcheetah_2x3, got mat on halfcheetah_6x1"):
        train(replace(SMALL, run=tmp_path, resume=True, task="halfcheetah_2x3"))


def test_a_number_that_is_not_finite_stops_the_run_and_leaves_the_batch(tmp_path: Path) -> None:
    trainer = Trainer(replace(SMALL, run=tmp_path, engine="torch"))
    with torch.no_grad():
        trainer.learner.policy_tensors()["decoder.head.out.bias"].fill_(float("nan"))
    with pytest.raises(Diverged, match="expected a finite number, got nan"):
        trainer.iterate()
    dump = np.load(next(tmp_path.glob("diverged_*.npz")))
    assert np.isnan(dump["actions"]).any() and np.isfinite(dump["obs"][0]).all()


@pytest.mark.parametrize("words", [["--task", "elephant_4x1"], ["--task", "hopper_9x9"], ["--minibatches", "7"],
                                   ["--reward", "shaped"], ["--imitate", "100"]])
def test_the_command_line_refuses_in_one_line(words: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str],
                                              monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "argv", ["train", "--run", str(tmp_path / "run"), *words])
    assert command_line.main() == 1
    said = capsys.readouterr().err.strip().splitlines()
    assert len(said) == 1 and said[0].startswith("error: ") and "expected" in said[0]


def test_a_run_is_not_resumed_with_settings_that_would_learn_something_else(tmp_path: Path) -> None:
    train(replace(SMALL, run=tmp_path / "run"))
    with pytest.raises(Refused, match="checkpoint: expected policy mat, width 64, got policy marwkv4, width 32;"):
        train(replace(SMALL, run=tmp_path / "run", resume=True, policy="marwkv4", width=32))
    assert train(replace(SMALL, run=tmp_path / "run", resume=True, steps=400, keep=1)).steps == 400


def test_a_folder_that_cannot_be_is_said_in_one_line(tmp_path: Path, capsys: pytest.CaptureFixture[str],
                                                     monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "file").touch()
    monkeypatch.setattr(sys, "argv", ["train", "--run", str(tmp_path / "file" / "run")])
    assert command_line.main() == 1
    assert capsys.readouterr().err == f"error: cannot use {tmp_path / 'file' / 'run'}: Not a directory\n"


def test_an_interrupted_run_saves_and_can_be_resumed(tmp_path: Path) -> None:
    words = ["--task", "halfcheetah_6x1", "--run", str(tmp_path / "run"), "--envs", "4", "--ticks", "20",
             "--minibatches", "4", "--steps", "100000000", "--engine", "torch"]
    process = subprocess.Popen([sys.executable, "-m", "training.train", *words], stdout=subprocess.PIPE, text=True)
    try:
        while not (tmp_path / "run" / "metrics.csv").exists() or len(metrics(tmp_path / "run")) < 2:
            assert process.poll() is None
            time.sleep(0.05)
        process.send_signal(signal.SIGINT)
        process.wait(timeout=60)
    finally:
        process.kill()
    done = read_checkpoint(newest_checkpoint(tmp_path / "run")).manifest["steps"]
    assert done == int(metrics(tmp_path / "run")[-1]["steps"]) and done > 0
    more = TrainConfig(envs=4, ticks=20, minibatches=4, steps=done + 80, engine="torch", run=tmp_path / "run")
    assert train(replace(more, resume=True)).steps == done + 80
    assert [int(row["steps"]) for row in metrics(tmp_path / "run")] == list(range(80, done + 81, 80))


def test_two_processes_learn_what_one_learns(tmp_path: Path) -> None:
    words = ["--task", "halfcheetah_6x1", "--envs", "4", "--ticks", "20", "--minibatches", "4", "--epochs", "2",
             "--steps", "240", "--engine", "torch"]
    train(replace(SMALL, run=tmp_path / "one", steps=240, engine="torch"))
    done = subprocess.run(
        [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "2",
         "--log-dir", str(tmp_path), "-m", "--", "training.train", *words, "--run", str(tmp_path / "two")],
        timeout=300, env={**os.environ, "OMP_NUM_THREADS": "1"}, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    one, two = (read_checkpoint(newest_checkpoint(tmp_path / name)) for name in ("one", "two"))
    for name, tensor in one.policy.items():
        torch.testing.assert_close(two.policy[name], tensor, atol=1e-5, rtol=1e-4, msg=name)
    np.testing.assert_allclose(two.manifest["normaliser"]["mean"], one.manifest["normaliser"]["mean"], atol=1e-5)


def test_a_new_run_may_start_from_the_weights_and_statistics_of_another(tmp_path: Path) -> None:
    train(replace(SMALL, run=tmp_path / "old", steps=160))
    old = read_checkpoint(newest_checkpoint(tmp_path / "old"))
    trainer = Trainer(replace(SMALL, run=tmp_path / "new", faults="bthigh:off"))
    trainer.begin_from(old)
    assert_same(trainer.learner.policy_tensors(), old.policy)
    np.testing.assert_array_equal(trainer.normaliser.mean, np.float32(old.manifest["normaliser"]["mean"]))
    assert trainer.steps == 0


def test_evaluation_is_repeatable_and_faults_change_it(tmp_path: Path) -> None:
    train(replace(SMALL, run=tmp_path, steps=80, task="hopper_3x1"))
    checkpoint = read_checkpoint(newest_checkpoint(tmp_path))
    one, two = (evaluate(checkpoint, 6, 1, deterministic=False) for _ in range(2))
    np.testing.assert_array_equal(one.returns, two.returns)
    assert len(one.returns) == 6 and np.isfinite(one.returns).all()
    broken = evaluate(checkpoint, 6, 1, deterministic=False, fault="leg_joint:off")
    assert not np.array_equal(one.returns, broken.returns)


def test_an_evaluation_tells_successors_the_truth_where_it_is_asked_to(tmp_path: Path) -> None:
    train(replace(SMALL, run=tmp_path, steps=80, learning_rate=1e-2))
    checkpoint = read_checkpoint(newest_checkpoint(tmp_path))
    fault = f"{checkpoint.manifest['agents'][0]}:off"
    told = [evaluate(checkpoint, 2, 1, True, fault, information).returns for information in ("intent", "truth")]
    assert not np.array_equal(*told)
    of_whole = [evaluate(checkpoint, 2, 1, True, "", information).returns for information in ("intent", "truth")]
    np.testing.assert_array_equal(*of_whole)


def test_a_film_shows_the_moments_that_an_episode_reaches(tmp_path: Path) -> None:
    config = FilmConfig(tmp_path, tmp_path / "pictures" / "strip.png", ticks=(0, 10, 900), width=160, height=120)
    train(replace(SMALL, run=tmp_path, steps=80, task="hopper_3x1"))
    try:
        assert film(config) == [0, 10]  # the hopper falls long before the third tick of the picture
    except Missing as error:
        pytest.skip(str(error))
    import matplotlib.image

    picture = matplotlib.image.imread(config.out)
    assert picture.shape[:2] == (120, 2 * 160 + 6)
    assert (picture[:, :160] != picture[:, -160:]).any()

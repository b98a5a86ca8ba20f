# Copyright 2026 The mat_ros Authors
# SPDX-License-Identifier: Apache-2.0
"""Run many trainings: `python -m training.sweep --presets mat_halfcheetah happo_halfcheetah --seeds 1 2 3`.

Each run is its own process and folder and resumes where it stopped, so that a sweep that is started again goes on. With
Ray (`pip install "mat_ros[ray]"`) the runs spread over a cluster and survive a killed worker; without it they go one
after another, or `--parallel` at a time, on this machine.
"""

from __future__ import annotations

import ctypes
import itertools
import os
import signal
import subprocess
import sys
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import tyro

from mat_ros.core.errors import Missing
from training.loop.checkpoint import checkpoints_of

PR_SET_PDEATHSIG = 1
# Ray listens on every interface of a Linux machine. Its switch for the other systems keeps it to the loopback here too.
LOOPBACK_ONLY = ("RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER", "0")


@dataclass(frozen=True)
class SweepConfig:
    """Train over seeds, presets and faults."""

    presets: tuple[str, ...] = ("mat_halfcheetah",)
    """Presets to train."""
    seeds: tuple[int, ...] = (1,)
    """Seeds of each."""
    faults: tuple[str, ...] = ("",)
    """Fault plans of each; an empty word is the whole robot."""
    steps: int = 10_000_000
    """Environment steps of each run."""
    out: Path = Path("runs/sweep")
    """Folder of the runs."""
    settings: tuple[str, ...] = ()
    """Further settings for every run, as NAME=VALUE."""
    parallel: int = 1
    """Runs at a time on this machine, without Ray."""
    ray: str = ""
    """Use Ray: `local`, or the address of a cluster whose machines share the output folder."""
    retries: int = 3
    """How often a run may die before the sweep gives it up."""


@dataclass(frozen=True)
class Job:
    """One run of a sweep."""

    name: str
    words: tuple[str, ...]
    run: Path
    retries: int


def jobs_of(config: SweepConfig) -> list[Job]:
    """List the runs of a sweep."""
    found = []
    for preset, fault, seed in itertools.product(config.presets, config.faults, config.seeds):
        name = "_".join(filter(None, (preset, fault.replace(":", "-").replace("/", "-"), f"s{seed}")))
        run = (config.out / name).resolve()
        words = ("--preset", preset, "--run", str(run), "--seed", str(seed), "--steps", str(config.steps),
                 *(("--faults", fault) if fault else ()), *words_of(config.settings))
        found.append(Job(name, words, run, config.retries))
    return found


def words_of(settings: Iterable[str]) -> list[str]:
    """Turn NAME=VALUE into words of a training's command line."""
    pairs = (setting.partition("=") for setting in settings)
    return [word for name, _, value in pairs for word in (f"--{name}", value)]


def run_job(job: Job) -> tuple[str, int]:
    """Train one run to its end, resuming after every death; give its name and last exit status."""
    status = 1
    # The training ends with a worker that is killed: its run is resumed elsewhere, and two would write into it.
    with_parent = partial(_end_with_parent, ctypes.CDLL(None)) if sys.platform == "linux" else None
    for _ in range(1 + job.retries):
        job.run.mkdir(parents=True, exist_ok=True)
        if not checkpoints_of(job.run):
            (job.run / "metrics.csv").unlink(missing_ok=True)  # it died before its first checkpoint
        with (job.run / "output.log").open("a", encoding="utf-8") as log:
            command = [sys.executable, "-m", "training.train", *job.words, "--resume"]
            status = subprocess.run(command, stdout=log, stderr=subprocess.STDOUT, check=False,
                                    preexec_fn=with_parent).returncode
        if status in (0, 130):  # done, or stopped by a person
            break
    return job.name, status


def _end_with_parent(libc: ctypes.CDLL) -> None:
    """Ask the kernel for the signal; called in the new process."""
    libc.prctl(PR_SET_PDEATHSIG, signal.SIGKILL)


def run_locally(jobs: list[Job], parallel: int) -> list[tuple[str, int]]:
    """Run the jobs on this machine."""
    with ThreadPoolExecutor(parallel) as pool:
        return list(pool.map(run_job, jobs))


def run_on_ray(jobs: list[Job], address: str) -> list[tuple[str, int]]:
    """Run the jobs as Ray tasks; a task whose worker dies is started again and resumes its run."""
    if address == "local" or address.startswith(("127.", "localhost")):
        os.environ.setdefault(*LOOPBACK_ONLY)  # read once, when Ray is imported
    try:
        import ray
    except ImportError as error:
        remedy = 'pip install "mat_ros[ray]", or leave out --ray'
        raise Missing("Ray, which spreads a sweep over machines", remedy) from error
    ray.init(address=address, include_dashboard=False if address == "local" else None)
    try:
        remote = ray.remote(num_cpus=1, max_retries=3)(run_job)
        results: list[tuple[str, int]] = ray.get([remote.remote(job) for job in jobs])
        return results
    finally:
        ray.shutdown()


def main() -> int:
    """Run the command line."""
    config = tyro.cli(SweepConfig, description=__doc__)
    jobs = jobs_of(config)
    try:
        results = run_on_ray(jobs, config.ray) if config.ray else run_locally(jobs, config.parallel)
    except Missing as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    for name, status in results:
        print(f"{name:50} {'done' if status == 0 else f'exit status {status}, see its output.log'}")
    return max(status for _, status in results)


if __name__ == "__main__":
    sys.exit(main())

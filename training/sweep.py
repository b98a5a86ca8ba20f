# Copyright 2026 The mat_ros Authors
# SPDX-License-Identifier: Apache-2.0
"""Run many trainings: `python -m training.sweep --presets mat_halfcheetah happo_halfcheetah --seeds 1 2 3`.

Each run has its own process and folder and resumes where it stopped, so a restarted sweep continues. With Ray (`pip
install -e '.[ray]'`) the runs spread over a cluster and survive a killed worker. Without Ray they run one after
another, or `--parallel` at a time, on this machine.
"""

from __future__ import annotations

import ctypes
import itertools
import signal
import subprocess
import sys
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import tyro

from mat_ros.core.errors import Missing, Refused
from mat_ros.core.spread import spread
from training.loop.checkpoint import checkpoints_of

PR_SET_PDEATHSIG = 1


@dataclass(frozen=True)
class SweepConfig:
    """Train over seeds, presets and faults."""

    presets: tuple[str, ...] = ("mat_halfcheetah",)
    """These presets are trained."""
    seeds: tuple[int, ...] = (1,)
    """Each preset is trained with each of these seeds."""
    faults: tuple[str, ...] = ("",)
    """Each preset is trained with each of these fault plans. An empty word breaks nothing."""
    steps: int = 10_000_000
    """Each run takes this many environment steps."""
    out: Path = Path("runs/sweep")
    """The folders of the runs lie in this folder."""
    settings: tuple[str, ...] = ()
    """Every run gets these further settings, as NAME=VALUE."""
    parallel: int = 1
    """This machine trains this many runs at a time. Ray ignores it."""
    ray: str = ""
    """Ray trains the runs: `local`, or the address of a cluster whose machines share the output folder."""
    retries: int = 3
    """A run that dies is restarted up to this many times."""


@dataclass(frozen=True)
class Job:
    """Describe one run of a sweep."""

    name: str
    words: tuple[str, ...]
    run: Path


def jobs_of(config: SweepConfig) -> list[Job]:
    """Return the runs of a sweep."""
    found = []
    for preset, fault, seed in itertools.product(config.presets, config.faults, config.seeds):
        name = "_".join(filter(None, (preset, fault.replace(":", "-").replace("/", "-"), f"s{seed}")))
        run = (config.out / name).resolve()
        words = ("--preset", preset, "--run", str(run), "--seed", str(seed), "--steps", str(config.steps),
                 *(("--faults", fault) if fault else ()), *words_of(config.settings))
        found.append(Job(name, words, run))
    return found


def words_of(settings: Iterable[str]) -> list[str]:
    """Return NAME=VALUE settings as words of a training's command line."""
    pairs = (setting.partition("=") for setting in settings)
    return [word for name, _, value in pairs for word in (f"--{name}", value)]


def run_job(retries: int, job: Job) -> tuple[str, int]:
    """Train one run to its end and resume it after every death; return its name and last exit status."""
    status = 1
    # When its worker is killed, the training ends too: Ray resumes the run elsewhere, and two would write into one
    # folder.
    with_parent = partial(_end_with_parent, ctypes.CDLL(None)) if sys.platform == "linux" else None
    for _ in range(1 + retries):
        job.run.mkdir(parents=True, exist_ok=True)
        if not checkpoints_of(job.run):
            (job.run / "metrics.csv").unlink(missing_ok=True)  # the run died before its first checkpoint
        with (job.run / "output.log").open("a", encoding="utf-8") as log:
            command = [sys.executable, "-m", "training.train", *job.words, "--resume"]
            status = subprocess.run(command, stdout=log, stderr=subprocess.STDOUT, check=False,
                                    preexec_fn=with_parent).returncode
        if status in (0, 130):  # finished, or stopped by the user
            break
    return job.name, status


def _end_with_parent(libc: ctypes.CDLL) -> None:
    """Ask the kernel for a signal at the parent's end. The new process calls this function."""
    libc.prctl(PR_SET_PDEATHSIG, signal.SIGKILL)


def run_jobs(jobs: list[Job], parallel: int, ray: str, retries: int) -> list[tuple[str, int]]:
    """Train all runs, on Ray where an address is given; return names and exit statuses in the given order."""
    if ray:
        # Ray restarts a task whose worker died, and the task resumes its run.
        found = dict(spread(run_job, retries, jobs, ray=ray))
        return [(job.name, found[job.name]) for job in jobs]
    with ThreadPoolExecutor(parallel) as pool:  # threads suffice: each waits for a process of its own
        return list(pool.map(partial(run_job, retries), jobs))


def main() -> int:
    """Run the command line."""
    config = tyro.cli(SweepConfig, prog="python -m training.sweep", description=__doc__)
    try:
        results = run_jobs(jobs_of(config), config.parallel, config.ray, config.retries)
    except (Refused, Missing) as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    for name, status in results:
        print(f"{name:50} {'done' if status == 0 else f'exit status {status}, see its output.log'}")
    return max(status for _, status in results)


if __name__ == "__main__":
    sys.exit(main())

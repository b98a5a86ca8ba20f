# Copyright 2026 The mat_ros Authors
# SPDX-License-Identifier: Apache-2.0
"""Measure ticks of the live graph, from the observation to the applied command: `mat-ros bench chain --json`.

A fake robot ticks against the wall clock. All nodes and messages are those of a real deployment. The policy has random
weights, which take as long as trained weights. After each row, the floor is measured without ROS.
"""

from __future__ import annotations

import argparse
import json
import multiprocessing
import os
import signal
import subprocess
import sys
import tempfile
import time
from collections import defaultdict
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
from rich.table import Table

from mat_ros.backends.choose import BACKENDS, open_backend
from mat_ros.bench.case import WIRINGS, Case, arguments_of, groups, lay_out, make_policies
from mat_ros.bench.host import longest_gap_ms, steal_s, wake_us
from mat_ros.bench.model import CORES, costs_of, predict_us
from mat_ros.bench.threads import read_threads, run_ns, thread_costs, to_rows
from mat_ros.core.errors import Refused
from mat_ros.core.policy.bundle import Bundle
from mat_ros.core.robot.observe import Observer
from mat_ros.core.tick.chain import MODES
from mat_ros.core.tick.decide import Decider
from mat_ros.core.tick.messages import Validity
from mat_ros.graph.build import environment
from mat_ros.graph.forked import ForkedNode
from mat_ros.graph.tick_choice import TICKS
from mat_ros.nodes.preload import preload
from mat_ros.view.console import console

PATIENCE_S = 300.0  # longest wait until a graph runs
GRACE_MS = 0.5  # time after the deadline in which the gate's command still counts; a later command is missed
TAIL_S = 0.5  # span at the end of the measurement that is left out
FLOOR_TICKS = 600
GAP_S = 2.0  # time for which a thread spins, to show how long the host stops a core
DOMAIN = 87  # ROS domain that only this benchmark uses
MS = 1e-6  # milliseconds per nanosecond


def run(case: Case, policy: Path, folder: Path) -> dict[str, Any]:
    """Return the figures of one case."""
    if case.cores:
        os.sched_setaffinity(0, sorted(os.sched_getaffinity(0))[:case.cores])
    trace = folder / "trace.npy"
    trace.unlink(missing_ok=True)
    graph = lay_out(case, policy, trace)
    environment = {**os.environ, **graph.environment, "MAT_ROS_EXECUTOR": case.executor}
    began = time.monotonic()
    main = preload(Bundle.load(policy), case.backend)
    if main is None:
        raise Refused("process of the benchmark", "ROS and a single thread, so that the process may fork",
                      "no ROS or more threads", "install the extra ros, and run `mat-ros bench chain` on Linux")
    grouped = groups(case, graph)
    roles = [group[0].executable for group in grouped]
    processes = [ForkedNode(main, group[0].name, arguments_of(group, graph), environment, 0) for group in grouped]
    try:
        handling_us = wait_until_whole(case, processes)
        ready_s = time.monotonic() - began
        before, stolen_s, at = [read_threads(process.pid) for process in processes], steal_s(), time.monotonic()
        time.sleep(case.ticks / case.hz + TAIL_S)
        after, stolen_s, elapsed_s = ([read_threads(process.pid) for process in processes], steal_s() - stolen_s,
                                      time.monotonic() - at)
        pss_mb, private_mb = np.mean([_memory_mb(process.pid) for process in processes], axis=0)
    finally:
        for process in processes:
            process.send_signal(signal.SIGTERM)
        for process in processes:
            process.wait(PATIENCE_S)
            sys.stderr.write(process.stdout.read().decode(errors="replace"))
    threads = thread_costs(roles, before, after, elapsed_s * case.hz)
    cpu = (np.array([run_ns(used) for used in after]) - [run_ns(used) for used in before]) / (elapsed_s * 1e9)
    computing, woken_us = compute_us(policy, case), wake_us()
    # In the last ticks some nodes may already have ended.
    times = np.load(trace)[-case.ticks - round(case.hz * TAIL_S):][:case.ticks]
    heard, first, latency = times[:, 2:].T * MS
    decided = first > 0.0
    costs = costs_of(threads, case.n, float(np.median(heard)) * 1e3, computing["encode_us"], woken_us)
    predicted = {cores: _ms(predict_us(costs, case.n, case.mode, cores) * 1e-3) for cores in CORES}
    p50, p90, p99 = np.percentile(latency, (50, 90, 99))
    late = latency > case.deadline / case.hz * 1e3 + GRACE_MS
    missed = late | (times[:, 1] > 0)
    return {**asdict(case), "ticks": len(times), "processes": len(processes), "missed": int(missed.sum()),
            "p50_ms": _ms(p50), "p90_ms": _ms(p90), "p99_ms": _ms(p99), "max_ms": _ms(latency.max()),
            "to_gate_p50_ms": _ms(np.median(heard)), "first_decision_p50_ms": _ms(np.median(first[decided])),
            "gathering_p50_ms": _ms(np.median((latency - first)[decided])), **computing, **handling_us,
            "cpu_share": round(float(cpu.sum()) / (os.cpu_count() or 1), 3),
            "busiest_process": round(float(cpu.max()), 3), "pss_mb": round(pss_mb, 1),
            "private_mb": round(private_mb, 1),
            "ready_s": round(ready_s, 1), **floor(case, policy), "load": round(os.getloadavg()[0], 1),
            "steal_ms": round(stolen_s * 1e3), "gap_ms": _ms(longest_gap_ms(GAP_S)), "wake_us": round(woken_us, 1),
            "predicted_ms": predicted if case.wiring == "per_joint" else {}, "threads": to_rows(threads)}


def wait_until_whole(case: Case, processes: list[ForkedNode]) -> dict[str, float]:
    """Wait until the gate misses no decision for a second; return the nodes' time per message by role."""
    import rclpy  # imported here: ROS is an extra, and --help works without ROS
    from rclpy.executors import SingleThreadedExecutor

    from mat_ros.nodes import topics

    context = rclpy.Context()
    rclpy.init(context=context)
    handling: defaultdict[str, list[float]] = defaultdict(list)
    node, seen = rclpy.create_node("bench", context=context), [(0, 0)]
    executor = SingleThreadedExecutor(context=context)
    executor.add_node(node)

    def reported(message: Any) -> None:
        for status in message.status:
            values = {pair.key: pair.value for pair in status.values}
            handling[status.hardware_id].append(float(values.get("handling_us", "nan")))
            if status.hardware_id == "safety":
                seen.append((int(values.get("ticks", 0)), int(values.get("missed", 0)) + int(values.get("unheard", 0))))

    node.create_subscription(topics.DIAGNOSTICS.type, topics.DIAGNOSTICS.name, reported, topics.DIAGNOSTICS.qos)
    end = time.monotonic() + PATIENCE_S
    try:
        while len(seen) < 2 or seen[-1][0] - seen[-2][0] < case.hz / 2 or seen[-1][1] > seen[-2][1]:
            executor.spin_once(timeout_sec=0.2)
            if any(process.poll() is not None for process in processes) or time.monotonic() > end:
                raise Refused("graph of the benchmark", f"a second without a missed tick within {PATIENCE_S:g} s",
                              f"counts of ticks and of missed ticks {seen[-3:]}", "measure fewer processes")
    finally:
        executor.remove_node(node)
        node.destroy_node()
        rclpy.try_shutdown(context=context)
    recent = {role: np.array(times)[-3 * case.n:] for role, times in handling.items()}
    return {f"{role}_us": round(float(np.nanmedian(times)), 1) for role, times in recent.items()
            if np.isfinite(times).any()}


def compute_us(policy: Path, case: Case) -> dict[str, float]:
    """Return the computing time of a tick without transport: encoding, and deciding the longest prefix of a node."""
    bundle = Bundle.load(policy)
    backend, m = open_backend(case.backend, bundle), bundle.manifest
    decider, observer = Decider(backend, m.network, m.state), Observer(m.layout)
    obs = observer.observe(np.zeros(observer.signal_count, np.float32))
    enc = backend.encode(obs)[0]
    return {"encode_us": _time_us(lambda: backend.encode(obs)), "decide_us": _time_us(
        lambda: decider.extend(decider.start(), 0, m.network.agents, enc, Validity.OWN))}


def floor(case: Case, policy: Path) -> dict[str, float]:
    """Return the floor: the same processes and sizes without ROS. For one process the floor is its computing alone."""
    if case.wiring not in ("per_joint", "grouped"):
        return {"floor_p50_ms": 0.0, "floor_p99_ms": 0.0, "floor_missed": 0, "floor_ticks": 0}
    m = Bundle.load(policy).manifest
    sizes = (52 + 4 * Observer(m.layout).signal_count, 52 + 4 * m.network.agents * (m.network.enc_dim + 1),
             48 + 4 * (m.state.size(m.network.agents) + m.network.agents), 48 + 5 * m.network.agents)
    n = case.processes if case.wiring == "grouped" else case.n
    mode = "optimistic" if case.mode == "optimistic" else "strict"
    command = [sys.executable, "-m", "mat_ros.bench.floor", "--n", str(n), "--mode", mode, "--hz", str(case.hz),
               "--ticks", str(min(case.ticks, FLOOR_TICKS)), "--realtime", str(case.realtime),
               "--deadline-ms", str(case.deadline / case.hz * 1e3 + GRACE_MS), "--sizes", *map(str, sizes)]
    found: dict[str, float] = json.loads(subprocess.run(command, check=True, capture_output=True).stdout)
    return found


def parser() -> argparse.ArgumentParser:
    """Declare the arguments of `mat-ros bench chain`."""
    parser = argparse.ArgumentParser(prog="mat-ros bench chain", description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--n", type=int, nargs="+", default=[6, 12, 20], help="slots")
    parser.add_argument("--mode", nargs="+", choices=MODES, default=["strict", "optimistic"])
    parser.add_argument("--wiring", nargs="+", choices=WIRINGS, default=["per_joint"])
    parser.add_argument("--executor", nargs="+", choices=("events", "single"), default=["events"])
    parser.add_argument("--backend", nargs="+", choices=BACKENDS, default=["native"])
    parser.add_argument("--tick", nargs="+", choices=TICKS, default=["auto"], help="what runs the tick of nodes")
    parser.add_argument("--encoder", choices=("central", "replicated"), default="central")
    parser.add_argument("--processes", type=int, default=4, help="processes of the chain nodes in the wiring `grouped`")
    parser.add_argument("--hz", type=float, nargs="+", default=[60.0])
    parser.add_argument("--ticks", type=int, default=600)
    parser.add_argument("--deadline", type=float, default=0.8, help="deadline as a share of the period")
    parser.add_argument("--realtime", type=int, default=0, help="SCHED_RR priority of every node, where permitted")
    parser.add_argument("--best-effort", action="store_true", help="DDS does not send a lost message again")
    parser.add_argument("--cores", type=int, nargs="+", default=[0], help="cores that the graph may use; 0: all")
    parser.add_argument("--json", action="store_true", help="print JSON alone")
    return parser


def main(arguments: list[str]) -> int:
    """Measure the requested cases."""
    given = parser().parse_args(arguments)
    _end_in_order()
    os.environ |= {**environment("loopback"), "ROS_DOMAIN_ID": str(DOMAIN)}
    cases = [Case(n, mode, wiring, executor, backend, hz, given.ticks, given.encoder, given.processes, given.realtime,
                  given.deadline, not given.best_effort, tick, cores)
             for n in given.n for mode in given.mode for wiring in given.wiring for executor in given.executor
             for backend in given.backend for hz in given.hz for tick in given.tick
             for cores in given.cores]
    found = []
    with tempfile.TemporaryDirectory(prefix="mat_ros_bench_") as name:
        os.environ["ROS_LOG_DIR"] = name
        make_policies(Path(name), given.n)
        for case in cases:
            cores = case.cores or "all"
            print(f"{case.n} {case.mode} {case.wiring} {case.tick}, {cores} cores ...", file=sys.stderr)
            policy = Path(name) / f"arm_{case.n}"
            # Each case has its own process, because a process that has received DDS messages has threads and cannot
            # safely fork the next graph.
            with multiprocessing.get_context("spawn").Pool(1, _end_in_order) as pool:
                found.append(pool.apply(run, (case, policy, Path(name))))
                pool.close()
                pool.join()  # wait here, because leaving the block would end the process by SIGTERM
    if given.json:
        print(json.dumps({"rows": found}))
    else:
        show(found)
    return 0


def _end_in_order() -> None:
    """Make SIGTERM run every `finally`, so that no node stays behind."""
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))


def show(rows: list[dict[str, Any]]) -> None:
    """Print the main figures as a table."""
    names = ("n", "mode", "wiring", "executor", "tick", "hz", "ticks", "missed", "p50_ms", "p99_ms", "max_ms",
             "floor_p50_ms", "cpu_share", "pss_mb", "ready_s", "load")
    table = Table(*names)
    for row in rows:
        table.add_row(*(str(row[name]) for name in names))
    console().print(table)
    for row in rows:
        show_threads(row)


def show_threads(row: dict[str, Any]) -> None:
    """Print where the time of a row's ticks goes, and what the model predicts for other numbers of cores."""
    table = Table("role", "thread", "processes", "us per tick", "worst", "in the kernel", "waits", "preempted",
                  title=f"{row['n']} {row['mode']} {row['wiring']}: time on a core per process and tick")
    for cost in row["threads"]:
        table.add_row(*(str(value) for value in cost.values()))
    console().print(table)
    if row["predicted_ms"]:
        cores = ", ".join(f"{cores}: {ms} ms" for cores, ms in row["predicted_ms"].items())
        console().print(f"measured p50 {row['p50_ms']} ms; the model predicts by number of cores {cores}")


def _memory_mb(pid: int) -> tuple[float, float]:
    """Return a process's proportional and private memory in MB."""
    lines = Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines()
    kb = {line.partition(":")[0]: int(line.split()[1]) for line in lines[1:]}
    return kb["Pss"] / 1024, (kb["Private_Clean"] + kb["Private_Dirty"]) / 1024


def _time_us(work: Callable[[], object]) -> float:
    times = []
    for _ in range(200):
        start = time.perf_counter_ns()
        work()
        times.append(time.perf_counter_ns() - start)
    return round(float(np.median(times)) * 1e-3, 1)


def _ms(value: float) -> float:
    return round(float(value), 3)

# Copyright 2026 The mat_ros Authors
# SPDX-License-Identifier: Apache-2.0
"""Count the other ends of each node's topics, so that no tick starts before DDS has connected all of them.

Discovery connects two ends within milliseconds, or within seconds where an announcement is lost. A lock-step episode
may be over by then. So the node that starts the ticks waits until every node has found all other ends of its topics.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping

from mat_ros.core.errors import Refused
from mat_ros.core.options import Value

Node = tuple[str, str, Mapping[str, Value]]  # name, executable, parameters


def written(executable: str, parameters: Mapping[str, Value], agents: int) -> set[str]:
    """Return the names of the topics of the tick that a node writes."""
    if executable == "chain_node":
        stop = int(parameters["stop_slot"])
        return {"decision"} | ({f"baton/slot_{stop - 1}"} if stop < agents else set())
    return {"sim": {"observation"}, "observer": {"observation"}, "encoder": {"encoding"},
            "safety": {"applied"}}.get(executable, set())


def read(executable: str, parameters: Mapping[str, Value], everything: set[str]) -> set[str]:
    """Return the names of the topics of the tick that a node reads; `everything` names all written topics."""
    if executable == "chain_node":
        batons = {f"baton/slot_{slot}" for slot in str(parameters["hear"]).split(",") if slot}
        return {"observation" if parameters["replicated"] else "encoding"} | batons
    if executable == "recorder":
        return everything
    if executable == "injector":
        return {"observation"} if parameters["faults"] else set()
    return {"sim": {"applied"}, "encoder": {"observation"}, "safety": {"observation", "decision"},
            "checker": {"observation", "applied"}, "detector": {"observation", "applied"}}.get(executable, set())


def count_peers(nodes: Iterable[Node], agents: int, listened: Iterable[str] = ()) -> dict[str, str]:
    """Return the value of `NodeSettings.peers` for each node: its topics, each with the number of other ends.

    `listened` names topics that a program outside the graph reads as well: DDS counts this program like a node.
    """
    nodes = list(nodes)
    writes = {name: written(executable, parameters, agents) for name, executable, parameters in nodes}
    everything = set().union(*writes.values())
    reads = {name: read(executable, parameters, everything) for name, executable, parameters in nodes}
    writers, readers = Counter(t for ts in writes.values() for t in ts), Counter(t for ts in reads.values() for t in ts)
    readers.update(listened)
    return {name: ",".join(f"{topic}={count}" for topic, count in sorted(
        [(t, readers[t]) for t in writes[name]] + [(t, writers[t]) for t in reads[name]]) if count)
        for name, _, _ in nodes}


def read_peers(text: str) -> dict[str, int]:
    """Return the number of other ends by topic, as `NodeSettings.peers` states it."""
    try:
        return {topic: int(count) for topic, _, count in (part.partition("=") for part in text.split(",") if part)}
    except ValueError as error:
        raise Refused("parameter peers", "topics with counts, as in observation=2,applied=1", text,
                      "leave it to the launch file") from error

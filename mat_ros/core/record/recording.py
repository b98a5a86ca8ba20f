# Copyright 2026 The mat_ros Authors
# SPDX-License-Identifier: Apache-2.0
"""Open a recording, and read its facts and its messages without keeping the messages in memory."""

from __future__ import annotations

import json
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import SimpleNamespace
from typing import Any

from mat_ros.core.errors import Refused
from mat_ros.core.record.mcap import Message, Source
from mat_ros.core.record.reader import open_source
from mat_ros.core.record.record import FACTS, plain
from mat_ros.core.wire import cdr

REQUIRED = ("observation", "encoding", "decision", "applied")
SECOND_NS = 1_000_000_000
SHOWN = 40  # characters of a refused text that an error shows


@dataclass(frozen=True)
class Recording:
    """Hold a file with recorded messages, or a slice of time of the file."""

    path: Path
    facts: dict[str, Any]  # facts about the recording, by name
    truncated: bool  # the end of the file is missing
    length_s: float  # from the first message of the file to the last
    start_ns: int  # start of the slice; 0: the start of the file
    stop_ns: int | None  # end of the slice; None: the end of the file
    _source: Source
    _topics: Mapping[str, str]  # topic in the file -> plain topic

    @classmethod
    def load(cls, path: Path, required: Sequence[str] = REQUIRED, start_s: float = 0.0, stop_s: float | None = None
             ) -> Recording:
        """Return the recording of a file, or its slice from start_s up to stop_s seconds after the first message.

        A file without a required topic is refused. A truncated file is not refused.
        """
        source = open_source(path)
        survey = source.survey
        topics = {}
        for topic in survey.counts:
            try:
                topics[topic] = plain(topic)
            except Refused:
                continue  # no topic of the graph
        facts = read_facts(path, survey.metadata.get(FACTS, {}))
        wanted = [t for t in required if not (t == "encoding" and facts.get("encoder") == "replicated")]
        if absent := [topic for topic in wanted if topic not in topics.values()]:
            raise Refused(f"recording {path}", f"messages of {wanted}", f"none of {absent}", "record the whole graph")
        length_s = (survey.last_ns - survey.first_ns) / SECOND_NS
        if not 0.0 <= start_s <= length_s:
            raise Refused(f"recording {path}, start of the slice", f"0 to {length_s:.3f} s", f"{start_s:g} s",
                          "name a time within the recording")
        if stop_s is not None and not start_s < stop_s:
            raise Refused(f"recording {path}, end of the slice", f"a time behind {start_s:g} s", f"{stop_s:g} s",
                          "name a later time")
        start_ns = survey.first_ns + round(start_s * SECOND_NS) if start_s else 0
        stop_ns = None if stop_s is None or stop_s > length_s else survey.first_ns + round(stop_s * SECOND_NS)
        return cls(path, facts, survey.truncated, length_s, start_ns, stop_ns, source, topics)

    @property
    def gap(self) -> str:
        """Return a sentence about the times of which data is missing; empty where the file is whole."""
        found = []
        if (gap := self.facts.get("gap")) is not None:
            found.append(f"{self.path.name} continues {gap['file']}, whose recorder had ended: what was sent in "
                         f"{(gap['to_ns'] - gap['from_ns']) / SECOND_NS:.3f} s between both is missing")
        if self.truncated:
            found.append(f"{self.path.name} is truncated: what was recorded later than {self.length_s:.3f} s after its "
                         "beginning is missing")
        return "; ".join(found)

    def covers(self, time_ns: int) -> bool:
        """Return whether a time lies in the slice."""
        return self.start_ns <= time_ns and (self.stop_ns is None or time_ns < self.stop_ns)

    def messages(self, topics: Collection[str], start_ns: int | None = None, margin_ns: int = 0
                 ) -> Iterator[tuple[str, Message]]:
        """Yield plain topic and message of the given plain topics, in the order of writing.

        The messages are those of the slice. `margin_ns` extends the slice on both sides; `start_ns` replaces its start.
        """
        names = [name for name, topic in self._topics.items() if topic in topics]
        if not names:
            return
        start_ns = max(0, self.start_ns - margin_ns) if start_ns is None else start_ns
        stop_ns = None if self.stop_ns is None else self.stop_ns + margin_ns
        for message in self._source.messages(names, start_ns, stop_ns):
            yield self._topics[message.topic], message

    def of(self, topic: str) -> list[SimpleNamespace]:
        """Return the messages of a plain topic."""
        return [cdr.decode(message.type, message.data) for _, message in self.messages((topic,))]


def _is_text(value: Any) -> bool:
    return isinstance(value, str)


def _is_seed(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and -(2**63) <= value < 2**63


def _is_backend(value: Any) -> bool:
    return isinstance(value, list) and len(value) == 3 and all(map(_is_text, value))


def _is_gap(value: Any) -> bool:
    return (isinstance(value, dict) and _is_text(value.get("file"))
            and all(_is_seed(value.get(name)) for name in ("from_ns", "to_ns")))


KNOWN: Mapping[str, tuple[Callable[[Any], bool], str]] = {  # checks of facts for a replay
    "digest": (_is_text, "a text"),
    "backend": (_is_backend, "a name, a version and a device"),
    "seed": (_is_seed, "a whole number of 64 bits"),
    "sampled": (lambda value: isinstance(value, bool), "true or false"),
    "encoder": (_is_text, "a text"),
    "gate": (lambda value: isinstance(value, dict), "the setup of a gate"),
    "gap": (_is_gap, "a file and two times in ns"),
}


def read_facts(path: Path, texts: Mapping[str, str]) -> dict[str, Any]:
    """Return the facts of a recording, by name. Each value in the file is a JSON text."""
    found = {}
    for name, text in texts.items():
        try:
            found[name] = json.loads(text)
        except (ValueError, RecursionError) as error:  # no JSON, a number of thousands of digits, thousands of brackets
            raise Refused(f"recording {path}, metadata {name}", "a JSON text", repr(text[:SHOWN]), "record it anew"
                          ) from error
        fits, wanted = KNOWN.get(name, (lambda value: True, ""))
        if not fits(found[name]):
            raise Refused(f"recording {path}, metadata {name}", wanted, repr(text[:SHOWN]), "record it anew")
    if found.get("sampled") and "seed" not in found:
        raise Refused(f"recording {path}, metadata", "a seed, since actions were sampled", sorted(found),
                      "record it anew")
    return found

# Copyright 2026 The mat_ros Authors
# SPDX-License-Identifier: Apache-2.0
"""Fail a run of the tests that leaves something on the machine, and name what it left."""

from __future__ import annotations

import os
from collections import defaultdict
from collections.abc import Generator
from pathlib import Path
from typing import Any

import pytest

from support import strays

GONE_LATER = ("pymp-",)  # folders that multiprocessing removes as Python exits
OF_TORCH = ("torchelastic_", "torchinductor_")  # logs of torchrun and compiled code, which torch keeps by design


class StrayCheck:
    """A plugin of pytest. Each worker notes what it leaves itself; the first process notes that and all the rest."""

    def __init__(self, mark: str, temporary: Path, is_worker: bool) -> None:
        self.mark, self.temporary = mark, temporary
        self.watch = None if is_worker else strays.Watch(mark, os.getpid())
        self.appeared: dict[str, str] = {}  # file in shared memory: the test during which it came
        self.found: list[str] = []

    @pytest.hookimpl(wrapper=True)
    def pytest_runtest_protocol(self, item: pytest.Item) -> Generator[None, object, object]:
        """Note which files come into shared memory during a test."""
        before = strays.shared_memory()
        result = yield
        self.appeared |= dict.fromkeys(strays.shared_memory() - before, item.nodeid)
        return result

    @pytest.hookimpl(optionalhook=True)
    def pytest_testnodedown(self, node: Any) -> None:
        """Take over what a worker has noted."""
        noted = getattr(node, "workeroutput", {})
        self.appeared |= noted.get("appeared", {})
        self.found += noted.get("found", [])

    @pytest.hookimpl(trylast=True)  # the workers have ended by then
    def pytest_sessionfinish(self, session: pytest.Session) -> None:
        """Look for strays; a run that left one has failed."""
        self.found += [f"network namespace {name}" for name in sorted(strays.namespaces(os.getpid()))]
        if self.watch is None:
            self.found += self._in_temporary()
            session.config.workeroutput |= {"appeared": self.appeared, "found": self.found}  # type: ignore[attr-defined]
            return
        lasting = strays.lasting_processes(self.mark, os.getpid(), (self.watch.number,))
        self.found += [f"process {number}: {command}" for number, command in sorted(lasting.items())]
        self.found += self._in_temporary()
        files: dict[str, list[str]] = defaultdict(list)
        for name in sorted(self.watch.end() & strays.shared_memory()):
            files[self.appeared.get(name, "an unknown test")].append(name)
        self.found += [f"shared memory, since {test}: {len(names)} files such as {names[0]}"
                       for test, names in files.items()]
        if self.found and session.exitstatus in (pytest.ExitCode.OK, pytest.ExitCode.NO_TESTS_COLLECTED):
            session.exitstatus = pytest.ExitCode.TESTS_FAILED

    def pytest_terminal_summary(self, terminalreporter: pytest.TerminalReporter) -> None:
        """Name the strays."""
        if self.found:
            terminalreporter.section("left on the machine", red=True, bold=True)
            for stray in self.found:
                terminalreporter.write_line(stray)

    def _in_temporary(self) -> list[str]:
        names = {name for name in strays.entries(self.temporary) if not name.startswith(GONE_LATER + OF_TORCH)}
        return [f"temporary {name}" for name in sorted(names)]

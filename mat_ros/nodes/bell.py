# Copyright 2026 The mat_ros Authors
# SPDX-License-Identifier: Apache-2.0
"""Call a function in a thread of its own, whenever C++ rings and at a given time.

The EventsExecutor of rclpy has no guard conditions, so C++ cannot wake its thread. An eventfd wakes this one.
"""

from __future__ import annotations

import os
import select
import threading
from collections.abc import Callable


class Bell:
    """Wait in one thread for the bell and for the next time."""

    def __init__(self, rung: Callable[[], int | None], now_ns: Callable[[], int],
                 failed: Callable[[Exception], None]) -> None:
        """Take the function to call, which returns the time of its next call; None: it waits for the bell alone.

        After an error the function is not called again, and `failed` receives the error.
        """
        self.number = os.eventfd(0, os.EFD_NONBLOCK | os.EFD_CLOEXEC)  # file that C++ writes
        self._rung, self._now_ns, self._failed = rung, now_ns, failed
        self._ending = False
        self._thread: threading.Thread | None = None

    def begin(self) -> None:
        """Begin to wait."""
        self._thread = threading.Thread(target=self._wait, name="bell", daemon=True)
        self._thread.start()

    def end(self) -> None:
        """Wait until the function has returned. It is not called again."""
        self._ending = True
        if self._thread is not None:
            os.eventfd_write(self.number, 1)
            self._thread.join()
            self._thread = None

    def close(self) -> None:
        """Close the eventfd. C++ must not ring any more."""
        os.close(self.number)

    def _wait(self) -> None:
        due_ns: int | None = None
        try:
            while not self._ending:
                # `poll` and `epoll` round the wait up to milliseconds, which would delay a command.
                wait_s = None if due_ns is None else max(due_ns - self._now_ns(), 0) * 1e-9
                if select.select([self.number], [], [], wait_s)[0]:
                    os.eventfd_read(self.number)
                if not self._ending:
                    due_ns = self._rung()
        except Exception as error:
            self._failed(error)

# Copyright 2026 The mat_ros Authors
# SPDX-License-Identifier: Apache-2.0
"""Show the graph from a process of its own: as lines on the output, or in Rerun."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from typing import Any

from mat_ros.core.options import option
from mat_ros.core.wire import tick as wire
from mat_ros.nodes import topics
from mat_ros.nodes.shell import NodeSettings, Shell
from mat_ros.nodes.topics import Topic
from mat_ros.view.rerun_viewer import rerun_file
from mat_ros.view.terminal import Screen
from mat_ros.view.watch import GRAPH_MODES, GraphWatch

LOOK_S = 0.1  # time between two refreshes of the view
DEPTH = 1024  # messages that are kept while the viewer draws


@dataclass(frozen=True)
class ViewerSettings(NodeSettings):
    """Set how the viewer shows the graph."""

    autostart: str = option("activate", "transitions that the node makes by itself",
                            choices=("none", "configure", "activate"))
    show: str = option("terminal", "where", choices=("terminal", "rerun"))
    rrd: str = option("", "file for what Rerun shows; empty: a window, or mat_ros.rrd where there is no display")
    seed: int = option(0, "seed of the simulated world, which Rerun shows", 0, 2**31 - 1)


class ViewerNode(Shell):
    """Show the graph to a person: observation, applied, status -> a view."""

    role = "viewer"
    settings_type = ViewerSettings

    def set_up(self) -> None:
        """Open the view and the topics. The viewer only receives, so the graph neither waits for it nor needs it."""
        self.watch = GraphWatch(self.manifest, keep=False)
        self._screen = Screen(self.watch, self.manifest.name)
        self._stream: Any = None
        if self.settings.show == "rerun":
            from mat_ros.view.rerun import Stream  # Rerun is an extra, and only this view needs it

            file = rerun_file(self.settings.rrd)
            if file is not None:
                self.get_logger().info(f"Rerun writes {file.resolve()}; `rerun {file}` shows it on a machine with a "
                                       "display")
            self._stream = Stream(self.manifest, self.settings.seed, file)
            self._entities.append(self._stream.close)
        signals = self.manifest.layout.signal_count
        act_dim = self.manifest.network.act_dim
        self.hear(_deep(topics.OBSERVATION), lambda data: self.watch.on_observation(
            wire.read_observation(data, signals)))
        self.hear(_deep(topics.APPLIED), lambda data: self.watch.on_applied(*wire.read_applied(data, act_dim)))
        self.hear_messages(topics.STATUS, self._told)
        timer = self.create_timer(LOOK_S, self._look)
        self._entities.append(lambda: self.destroy_timer(timer))

    def leave(self) -> None:
        """End the file of the view."""
        if self._stream is not None:
            self._stream.close()

    def _told(self, status: Any) -> None:
        self.watch.health.take(GRAPH_MODES[status.mode], status)

    def _look(self) -> None:
        self._screen.refresh()
        if self._stream is not None:
            self._stream.feed(self.watch)


def _deep(topic: Topic) -> Topic:
    return dataclasses.replace(topic, depth=DEPTH)

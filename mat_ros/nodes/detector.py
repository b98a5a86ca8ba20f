# Copyright 2026 The mat_ros Authors
# SPDX-License-Identifier: Apache-2.0
"""Learn how the healthy robot moves, report broken joints, and publish overrides where the chain receives the truth."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from diagnostic_msgs.msg import DiagnosticArray, DiagnosticStatus, KeyValue

from mat_ros.core.faults.detect import Cause, Health
from mat_ros.core.faults.watch import Watch
from mat_ros.core.options import option
from mat_ros.core.wire import cdr
from mat_ros.core.wire import tick as wire
from mat_ros.core.wire.fields import override_fields
from mat_ros.nodes import topics
from mat_ros.nodes.shell import NodeSettings, Shell


@dataclass(frozen=True)
class DetectorNodeSettings(NodeSettings):
    """Set how long the detector learns, and whether the chain receives overrides."""

    learn_ticks: int = option(400, "least number of ticks from which the detector learns; a large robot takes more", 50,
                              10**6)
    lead_ticks: int = option(2, "ticks until a published override holds; every node must receive it by then", 1, 100)
    chain_information: str = option("intent", "what the next slots receive for a broken joint: the intended action "
                                    "(intent) or the performed action (truth)", choices=("intent", "truth"))


class DetectorNode(Shell):
    """Detect broken joints: observation, applied -> /diagnostics, overrides."""

    role = "detector"
    settings_type = DetectorNodeSettings

    def set_up(self) -> None:
        """Open the topics."""
        self.watch = Watch(self.manifest, self.settings.learn_ticks)
        self._tell = self.announce(topics.OVERRIDES)
        self._signals = self.manifest.layout.signal_count
        self.hear(topics.OBSERVATION, self._observed)
        self.hear(topics.APPLIED, self._applied)
        self._said: dict[int, bytes] = {}
        self._heard_ns = 0

    def facts(self) -> Mapping[str, object]:
        """Return whether the detector has learned how the robot moves."""
        return {"learned": self.watch.learned} if not self.reason else {}

    def _observed(self, data: bytes) -> None:
        observation = wire.read_observation(data, self._signals)
        self._heard_ns = self.now_ns()
        before = self.watch.health.copy()
        self.watch.observe(observation.signals, observation.source_ns, observation.episode)
        if (self.watch.health != before).any():
            self._report_joints()
        if self.settings.chain_information == "truth":
            overrides = self.watch.overrides()
            said = {slot: o.share.tobytes() for slot, o in overrides.items()}
            if said != self._said:
                self._said = said
                fields = override_fields(observation.tick + self.settings.lead_ticks, overrides, self.bundle.hash64)
                self._tell(cdr.encode("mat_ros/msg/OverrideSet", fields))

    def _applied(self, data: bytes) -> None:
        outcome, _ = wire.read_applied(data, self.manifest.network.act_dim)
        self.watch.commanded(outcome.applied.applied, outcome.validity)

    def report(self) -> None:
        """Publish the state of the node and of every joint."""
        super().report()
        if self.active and not self.reason:
            self._report_joints()

    def _report_joints(self) -> None:
        silent = self._heard_ns and self.now_ns() - self._heard_ns > 10 * self.manifest.period_ns + 10**9
        array = DiagnosticArray()
        array.header.stamp = self.get_clock().now().to_msg()
        for k, joint in enumerate(self.manifest.joints):
            level = Health.STALE if silent else Health(int(self.watch.health[k]))
            causes = Cause(int(self.watch.causes[k]))
            names = ", ".join(str(c.name).lower() for c in Cause if c in causes)
            words = "no new measurements" if silent else names or ("OK" if self.watch.learned else "learning")
            array.status.append(DiagnosticStatus(
                level=bytes([level]), name=f"{self.get_fully_qualified_name()}: {joint.name}", message=words,
                hardware_id=self.manifest.robot,
                values=[KeyValue(key="follows", value=f"{float(np.clip(self.watch.share[k], -9, 9)):.2f}")]))
        self._diagnostics.publish(array)

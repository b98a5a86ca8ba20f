# Copyright 2026 The mat_ros Authors
# SPDX-License-Identifier: Apache-2.0
"""Learn one robot from its first ticks, then detect its broken joints. This is the detector node, without ROS."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from mat_ros.core.faults.detect import Detector, DetectorSettings, Float, Model, Places
from mat_ros.core.policy.manifest import Manifest
from mat_ros.core.tick.collect import NONE
from mat_ros.core.tick.messages import Override


class Watch:
    """Detect the broken joints of one robot. The robot must be healthy while the model is learned."""

    def __init__(self, manifest: Manifest, learn_ticks: int, settings: DetectorSettings | None = None) -> None:
        self._manifest, self._settings = manifest, settings or DetectorSettings()
        self._places = Places.of(manifest)
        self._map = manifest.action_map
        joints = len(manifest.joints)
        self._wanted = max(learn_ticks, 4 * (manifest.layout.signal_count + joints))
        self._signals: list[list[Float]] = []
        self._commands: list[list[Float]] = []
        self._detector: Detector | None = None
        self._episode: int | None = None
        self._source_ns, self._age = -1, 0
        self._whole = np.zeros(joints, np.int64)

    @property
    def learned(self) -> bool:
        """Return whether the model is learned, so that joints can be judged."""
        return self._detector is not None

    @property
    def health(self) -> NDArray[np.int64]:
        """Return the health of each joint (joint,); OK before the model is learned."""
        return self._whole if self._detector is None else self._detector.health[0]

    @property
    def causes(self) -> NDArray[np.int64]:
        """Return the causes of each joint (joint,), as bits of `Cause`."""
        return self._whole if self._detector is None else self._detector.causes[0]

    @property
    def share(self) -> Float:
        """Return the share of its commands that each joint follows (joint,)."""
        return np.ones(len(self._whole)) if self._detector is None else self._detector.share[0]

    def observe(self, signals: NDArray[np.float32], source_ns: int, episode: int) -> None:
        """Take the measurements (signal,) of a tick."""
        self._age = self._age + 1 if source_ns == self._source_ns else 0
        self._source_ns = source_ns
        if episode != self._episode:
            self._episode = episode
            self._signals.append([])
            self._commands.append([])
            if self._detector is not None:
                self._detector.reset()
        if self._detector is not None:
            self._detector.observe(signals.astype(np.float64), float(self._age))
            return
        if len(self._signals[-1]) > len(self._commands[-1]):
            self._commands[-1].append(self._commands[-1][-1] if self._commands[-1] else np.zeros(len(self._whole)))
        self._signals[-1].append(signals.astype(np.float64))
        if sum(map(len, self._commands)) >= self._wanted:
            self._learn()

    def commanded(self, command: Float, validity: NDArray[np.uint8]) -> None:
        """Take the applied command (joint,) and the validity of each slot's decision (slot,)."""
        if self._detector is not None:
            self._detector.commanded(command, validity[self._map.slot_of_joint] != NONE)
        elif self._signals and len(self._commands[-1]) < len(self._signals[-1]):
            self._commands[-1].append(np.array(command, np.float64))

    def overrides(self) -> dict[int, Override]:
        """Return the override of each slot with a broken joint."""
        if self._detector is None:
            return {}
        return self._detector.overrides(self._map.slot_of_joint, self._map.column_of_joint, self._map.act_dim)

    def _learn(self) -> None:
        whole = [(np.array(s), np.array(u[:len(s) - 1])) for s, u in zip(self._signals, self._commands, strict=True)
                 if len(s) > self._settings.memory_ticks]
        model = Model.learn(self._places, [s for s, _ in whole], [u for _, u in whole], self._settings.memory_ticks)
        self._detector = Detector(self._places, model, self._settings)
        self._signals, self._commands = [], []

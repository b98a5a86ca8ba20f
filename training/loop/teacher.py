# Copyright 2026 The mat_ros Authors
# SPDX-License-Identifier: Apache-2.0
"""Decide as a trained policy would, so that another policy of the same robot imitates it.

The two policies may divide the robot's joints into agents differently, and may be of different kinds. The teacher's
observation is computed from the same measurements, and its commands become the actions of the student's agents.
"""

from __future__ import annotations

import numpy as np

from mat_ros.backends.choose import open_backend
from mat_ros.core import shipped
from mat_ros.core.errors import Refused
from mat_ros.core.policy.bundle import Bundle
from mat_ros.core.robot.observe import Columns
from mat_ros.core.tick.central import Central
from mat_ros.core.tick.messages import Observation
from training.envs.protocol import Environment, Float32
from training.envs.robot import RobotEnvironment


class Teacher:
    """Decide the ticks of all copies of an environment by the mean actions of a bundle's policy."""

    def __init__(self, bundle: str, environment: Environment) -> None:
        layout = environment.spec.layout
        if layout is None or not isinstance(environment, RobotEnvironment):
            raise Refused("setting teacher", "the task of a robot", environment.spec.task, "leave teacher empty")
        opened = Bundle.load(shipped.policy_folder(bundle))
        manifest = opened.manifest
        self._map, names = manifest.action_map, environment.action_map.joint_names
        if self._map.joint_names != names:
            raise Refused(f"teacher {bundle}", f"the joints of {environment.spec.task}", list(self._map.joint_names),
                          "name a policy of the same robot")
        self._environment = environment
        self._columns = Columns(manifest.layout.terms, layout.terms)
        self._central = Central(manifest, open_backend("auto", opened))
        self._shape = environment.count, manifest.network.agents, manifest.network.act_dim

    def shown(self) -> Float32:
        """Return the actions (env, agent, act_dim) that the teacher takes in this tick; zeros without measurements."""
        decided = np.zeros(self._shape, np.float32)
        for row, signals in enumerate(self._columns.take(self._environment.signals())):
            encoded = self._central.encode(Observation(0, 0, 0, 0, 0, signals))
            if encoded is not None:
                decided[row] = self._central.decide(encoded[0]).actions
        return self._environment.action_map.to_actions(self._map.to_command(decided)).astype(np.float32)

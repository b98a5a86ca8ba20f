# Copyright 2026 The mat_ros Authors
# SPDX-License-Identifier: Apache-2.0
"""The core runs where there is no ROS, no torch, no simulator and no library for recordings."""

import subprocess
import sys

BLOCKED = ("rclpy", "torch", "mujoco", "onnxruntime", "mcap", "mat_ros.backends", "mat_ros.worlds", "training")
PROGRAM = f"""
import importlib, pkgutil, sys
class Block:
    def find_spec(self, name, path=None, target=None):
        if any(name == b or name.startswith(b + ".") for b in {BLOCKED!r}):
            raise ImportError("blocked: " + name)
sys.meta_path.insert(0, Block())
import mat_ros.core
names = [m.name for m in pkgutil.walk_packages(mat_ros.core.__path__, "mat_ros.core.")]
for name in names:
    importlib.import_module(name)
print(len(names))
"""


def test_core_imports_with_ros_torch_simulator_and_backends_blocked():
    found = subprocess.run([sys.executable, "-c", PROGRAM], capture_output=True, text=True, check=False)
    assert found.returncode == 0, found.stderr
    assert int(found.stdout) >= 8

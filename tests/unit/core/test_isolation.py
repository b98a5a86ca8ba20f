# Copyright 2026 The mat_ros Authors
# SPDX-License-Identifier: Apache-2.0
"""The core runs where nothing is installed but numpy and PyYAML: no ROS, no torch, no simulator, no other room."""

import subprocess
import sys
from pathlib import Path

import mat_ros.core

PROGRAM = """
import importlib, pkgutil, sys
class OnlyTheCore:
    def find_spec(self, name, path=None, target=None):
        package, _, rest = name.partition(".")
        own = package == "mat_ros" and (not rest or rest.split(".")[0] == "core")
        if not own and package not in {"numpy", "yaml", "_yaml", *sys.stdlib_module_names}:
            raise ImportError("blocked: " + name)
sys.meta_path.insert(0, OnlyTheCore())
import mat_ros.core
for module in pkgutil.walk_packages(mat_ros.core.__path__, "mat_ros.core."):
    importlib.import_module(module.name)
    print(module.name)
"""


def test_every_module_of_the_core_imports_where_there_is_only_numpy_and_yaml():
    found = subprocess.run([sys.executable, "-c", PROGRAM], capture_output=True, text=True, check=False)
    assert found.returncode == 0, found.stderr
    folder = Path(mat_ros.core.__file__).parent
    files = {".".join(("mat_ros.core", *file.relative_to(folder).with_suffix("").parts)).removesuffix(".__init__")
             for file in folder.rglob("*.py")}
    assert set(found.stdout.split()) == files - {"mat_ros.core"}
    assert len(files) > 1

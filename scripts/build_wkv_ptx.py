# Copyright 2026 The mat_ros Authors
# SPDX-License-Identifier: Apache-2.0
"""Compile cuda/wkv_operator.cu to trt_engines/wkv_operator.ptx, which TensorRT puts into its engines.

The PTX is shipped, so that building an engine needs no CUDA toolkit. A driver refuses PTX of a newer version than its
own, and nvcc always writes its newest version. The kernel uses no feature of newer versions. So this script writes the
oldest version that drivers for TensorRT's plugins accept, and ptxas of the same toolkit checks the result.
"""

from __future__ import annotations

import argparse
import re
import subprocess
import tempfile
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
SOURCE, RESULT = "cuda/wkv_operator.cu", "trt_engines/wkv_operator.ptx"
VERSION = "7.8"  # PTX version of CUDA 11.8
TARGET = "75"  # the oldest GPU that TensorRT 10 supports; a driver compiles the PTX for any later GPU
CHECKED = ("sm_75", "sm_80", "sm_87", "sm_90", "sm_120")
LICENCE = ("// Copyright 2026 The mat_ros Authors", "// SPDX-License-Identifier: Apache-2.0")


def nvcc_release() -> str:
    """Return the release of nvcc, as in "13.0"; raises FileNotFoundError without nvcc."""
    said = subprocess.run(["nvcc", "--version"], check=True, capture_output=True, text=True).stdout
    found = re.search(r"release ([\d.]+)", said)
    assert found is not None, said
    return found[1]


def compiled() -> str:
    """Return the compiled PTX with the lowered version; ptxas assembles the PTX for several GPUs as a check."""
    with tempfile.TemporaryDirectory() as folder:
        ptx = Path(folder) / "wkv_operator.ptx"
        nvcc = ["nvcc", "-std=c++17", "-O3", f"-arch=compute_{TARGET}", "-ptx", SOURCE, "-o", str(ptx)]
        subprocess.run(nvcc, cwd=ROOT, check=True)
        lines = [line.rstrip() for line in ptx.read_text().splitlines() if not line.lstrip().startswith("//")]
        body = re.sub(r"^\.version .*$", f".version {VERSION}", "\n".join(lines).strip(), flags=re.MULTILINE)
        head = [*LICENCE, f"// {SOURCE}, compiled by nvcc {nvcc_release()} through scripts/build_wkv_ptx.py"]
        text = "\n".join([*head, body]) + "\n"
        ptx.write_text(text)
        for gpu in CHECKED:
            subprocess.run(["ptxas", f"-arch={gpu}", str(ptx), "-o", str(Path(folder) / "wkv.cubin")], check=True)
    return text


if __name__ == "__main__":
    argparse.ArgumentParser(description=__doc__).parse_args()
    (ROOT / RESULT).write_text(compiled())
    print(f"{RESULT}: PTX {VERSION} for sm_{TARGET} and later, assembled for {', '.join(CHECKED)}")

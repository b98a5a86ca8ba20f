# Copyright 2026 The mat_ros Authors
# SPDX-License-Identifier: Apache-2.0
"""Run the experiments of the papers. Each is one command that trains, evaluates, and writes its tables and plots.

    python -m training.experiments.curves          learning curves of every policy and baseline
    python -m training.experiments.broken_joints   each joint disabled in turn, trained with the fault and zero-shot
    python -m training.experiments.rwkv_versions   RWKV 4, 5, 6 and 7
    python -m training.experiments.wall_clock      time and parameters, with and without the CUDA kernel
    python -m training.experiments.few_shot        pre-trained intact, then a little data with a fault, or from scratch

All take --steps, so that they run at any scale, and --seeds. A command that is started again continues where it
stopped.
"""

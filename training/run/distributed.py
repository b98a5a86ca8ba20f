# Copyright 2026 The mat_ros Authors
# SPDX-License-Identifier: Apache-2.0
"""Train on several processes: each rank has its own copies of the environment and its share of every minibatch.

`torchrun --nproc-per-node 2 -m -- training.train ...` starts two ranks. The batch of the configuration is the whole
batch. The ranks exchange their rollouts, so each rank has the same rollout, order and statistics as one process would.
The ranks average the gradients of their shares (gloo on CPUs, NCCL on GPUs). Two ranks compute what one rank computes,
up to the order of sums.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, NoReturn

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch import distributed as dist

from mat_ros.core.errors import Refused
from training.run.config import TrainConfig


@dataclass(frozen=True)
class Team:
    """Describe this process among the ranks of a run. One process alone is a team of one."""

    rank: int = 0
    size: int = 1

    @property
    def leads(self) -> bool:
        """Return whether this rank writes files."""
        return self.rank == 0

    def copies(self, config: TrainConfig) -> int:
        """Return the number of this rank's copies of the environment."""
        if config.envs % self.size or (config.samples // config.minibatches) % self.size:
            raise Refused("setting envs", f"copies and minibatches that {self.size} ranks can share evenly",
                          f"{config.envs} copies and {config.minibatches} minibatches",
                          "change them or the number of ranks")
        return config.envs // self.size

    def own(self, rows: Tensor) -> Tensor:
        """Return this rank's share of the first dimension."""
        return rows.chunk(self.size)[self.rank]

    def average_gradients(self, parameters: Iterable[nn.Parameter]) -> None:
        """Replace every rank's gradient by the gradient of the whole minibatch."""
        if self.size == 1:
            return
        gradients = [p.grad for p in parameters if p.grad is not None]
        flat = torch.cat([g.flatten() for g in gradients])
        dist.all_reduce(flat)
        place = 0
        for gradient in gradients:
            gradient.copy_((flat[place:place + gradient.numel()] / self.size).view_as(gradient))
            place += gradient.numel()

    def mean(self, values: Tensor) -> Tensor:
        """Return the mean over the ranks."""
        return torch.from_numpy(self.gather(values.detach().cpu().numpy()[None], axis=0)).mean(0)

    def gather(self, array: NDArray[Any], axis: int) -> NDArray[Any]:
        """Return an array of all ranks, joined along an axis in the ranks' order."""
        if self.size == 1:
            return array
        mine = torch.from_numpy(np.ascontiguousarray(array))
        as_bytes = mine.dtype == torch.bool
        mine = mine.to(torch.uint8) if as_bytes else mine
        if dist.get_backend() == "nccl":
            mine = mine.cuda()
        parts = [torch.empty_like(mine) for _ in range(self.size)]
        dist.all_gather(parts, mine)
        joined = torch.cat(parts, dim=axis).cpu()
        return (joined.bool() if as_bytes else joined).numpy()


ALONE = Team()


def join_team(device: str) -> Team:
    """Join the ranks that torchrun started, and return the team. Without torchrun the team is this process."""
    size = int(os.environ.get("WORLD_SIZE", "1"))
    if size == 1:
        return ALONE
    if not dist.is_initialized():
        dist.init_process_group("nccl" if device.startswith("cuda") else "gloo")
    return Team(dist.get_rank(), size)


def leave_team() -> None:
    """Leave the group of ranks."""
    if dist.is_available() and dist.is_initialized():
        dist.destroy_process_group()


def end(status: int) -> NoReturn:
    """End the process.

    A rank ends without the shutdown of the interpreter. A thread of gloo may still have to free the last tensor. When
    that thread asks the ending interpreter for its lock, the process aborts (about 1 of 15 trainings of two ranks).
    """
    if int(os.environ.get("WORLD_SIZE", "1")) > 1:
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(status)
    sys.exit(status)

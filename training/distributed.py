"""The processes of a training run: one, or those that torchrun started."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import torch
from torch import distributed


@dataclass(frozen=True)
class Group:
    """This process among those that train together.

    Attributes:
        rank: Number of this process, from 0.
        size: Processes in all.
        device: What this process computes on.
        autocast_dtype: Lower precision to compute in; None means float32. A GPU has one by itself.
    """

    rank: int
    size: int
    device: torch.device
    autocast_dtype: torch.dtype | None

    @property
    def is_main(self) -> bool:
        """Tells whether this process validates, reports and saves."""
        return self.rank == 0

    @property
    def device_name(self) -> str:
        """Name of the GPU; empty on a CPU."""
        return torch.cuda.get_device_name(self.device) if self.device.type == "cuda" else ""

    @property
    def workers(self) -> int:
        """How many processes should prepare items: on a GPU, a step takes as long as a few items.

        One on a CPU, which the network needs; this process's share of the cores but one on a GPU.
        """
        if self.device.type != "cuda":
            return 1
        return max(1, (os.cpu_count() or 1) // self.size - 1)

    def share(self, value: int) -> int:
        """Gives every process the main process's value."""
        if self.size == 1:
            return value
        shared = torch.tensor([value], device=self.device)
        distributed.broadcast(shared, src=0)
        return int(shared.item())


@contextmanager
def join_group() -> Iterator[Group]:
    """Joins the processes that torchrun started, or makes a group of one."""
    size = int(os.environ.get("WORLD_SIZE", "1"))
    rank = int(os.environ.get("RANK", "0"))
    device, dtype = _device(int(os.environ.get("LOCAL_RANK", "0")))
    if size > 1:
        distributed.init_process_group("nccl" if device.type == "cuda" else "gloo")
    try:
        yield Group(rank, size, device, dtype)
    finally:
        if size > 1:
            distributed.destroy_process_group()


def _device(local_rank: int) -> tuple[torch.device, torch.dtype | None]:
    if not torch.cuda.is_available():
        return torch.device("cpu"), None  # bfloat16 is slower than float32 on most CPUs
    torch.cuda.set_device(local_rank)
    torch.backends.cudnn.benchmark = True  # all batches have one shape
    dtype = torch.bfloat16 if torch.cuda.is_bf16_supported() else torch.float16
    return torch.device("cuda", local_rank), dtype

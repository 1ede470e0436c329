import os

import pytest
import torch

from training.distributed import Group

CPU = Group(rank=0, size=1, device=torch.device("cpu"), autocast_dtype=None)


def test_a_cpu_is_left_to_the_network() -> None:
    assert CPU.workers == 1
    assert CPU.device_name == ""


@pytest.mark.parametrize(("cores", "size", "workers"), [(16, 1, 15), (16, 4, 3), (1, 1, 1)])
def test_a_gpu_gets_items_from_its_share_of_the_cores(
    monkeypatch: pytest.MonkeyPatch, cores: int, size: int, workers: int
) -> None:
    monkeypatch.setattr(os, "cpu_count", lambda: cores)
    group = Group(rank=0, size=size, device=torch.device("cuda", 0), autocast_dtype=torch.bfloat16)
    assert group.workers == workers

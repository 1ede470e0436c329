"""Weights on disk: safetensors, loaded strictly, never by pickle."""

from __future__ import annotations

import os
from pathlib import Path

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file
from torch import nn


def save_weights(model: nn.Module, path: Path, half: bool = True) -> None:
    """Writes a network's weights; the file is whole or absent, never half written.

    Args:
        model: The network.
        path: The file to write, replaced if it exists.
        half: Store floating-point tensors in half precision: half the size.
    """
    tensors = {
        name: (value.half() if half and value.is_floating_point() else value)
        .detach()
        .cpu()
        .contiguous()
        for name, value in model.state_dict().items()
    }
    temporary = path.with_name(f".{path.name}.{os.getpid()}")
    save_file(tensors, temporary)
    temporary.chmod(0o644)  # safetensors lets only the owner read it
    temporary.replace(path)


def load_weights(model: nn.Module, path: Path) -> None:
    """Loads weights into a network, in place, in the network's own precision.

    Args:
        model: The network, built with the options the weights were trained with.
        path: A file that `save_weights` wrote.

    Raises:
        FileNotFoundError: There is no such file.
        ValueError: The file is not safetensors, or its tensors do not fit the network exactly.
    """
    if not path.is_file():
        raise FileNotFoundError(f"no weights at {path}")
    try:
        tensors: dict[str, torch.Tensor] = load_file(path)
        model.load_state_dict(tensors, strict=True)
    except (SafetensorError, RuntimeError) as error:
        raise ValueError(f"{path} does not hold weights of this network: {error}") from error

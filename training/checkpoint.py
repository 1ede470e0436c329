"""Checkpoints to resume from, and the best weights so far; every file is whole or absent."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import torch


def write_whole(path: Path, data: bytes) -> None:
    """Writes a file that is whole or absent."""
    temporary = path.with_name(f".{path.name}.{os.getpid()}")
    temporary.write_bytes(data)
    temporary.replace(path)


def write_json(path: Path, values: object) -> None:
    """Writes JSON; the file is whole or absent."""
    write_whole(path, (json.dumps(values, indent=2) + "\n").encode())


def save_checkpoint(path: Path, state: dict[str, Any]) -> None:
    """Writes a training state of tensors and plain values; the file is whole or absent."""
    temporary = path.with_name(f".{path.name}.{os.getpid()}")
    torch.save(state, temporary)
    temporary.replace(path)


def load_checkpoint(path: Path) -> dict[str, Any] | None:
    """Reads what `save_checkpoint` wrote, onto the CPU; None when there is none.

    Raises:
        ValueError: The file cannot be read; the message says how to go on.
    """
    if not path.is_file():
        return None
    try:
        state: dict[str, Any] = torch.load(path, map_location="cpu", weights_only=True)
    except Exception as error:  # torch raises many kinds for a damaged file
        raise ValueError(f"{path} cannot be read ({error}); remove it to start anew") from error
    return state

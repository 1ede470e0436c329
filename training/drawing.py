"""What the modules share that let networks of installed packages draw faces."""

from __future__ import annotations

import importlib.util
import multiprocessing
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, TypeVar

from PIL import Image
from tqdm import tqdm

Item = TypeVar("Item")

KERNELS = (
    Image.Resampling.BOX,
    Image.Resampling.BILINEAR,
    Image.Resampling.BICUBIC,
    Image.Resampling.LANCZOS,
)
"""Ways that pictures are brought to another size."""


def shipped_folder(package: str, folder: str, engine: str) -> Path:
    """Finds the folder of weights that a package ships, without importing it.

    Args:
        package: Name to import it by.
        folder: Its folder of weights.
        engine: The package that runs them.

    Raises:
        FileNotFoundError: One of the two is not installed; the message says how to install them.
    """
    found = importlib.util.find_spec(package)
    if found is None or importlib.util.find_spec(engine) is None:
        raise FileNotFoundError(
            f"the packages {package} and {engine} are not installed; "
            "install them with: make env-generator"
        )
    return Path(str((found.submodule_search_locations or [""])[0])) / folder


def draw_all(
    items: Sequence[Item],
    draw: Callable[[Item], None],
    start: Callable[..., None],
    arguments: tuple[Any, ...],
    workers: int,
    title: str,
) -> None:
    """Draws faces in processes of their own, with a bar.

    Args:
        items: What to draw.
        draw: Draws one and keeps it.
        start: What each process calls first, with `arguments`.
        arguments: See `start`.
        workers: How many processes.
        title: Stands before the bar.
    """
    if not items:
        return
    # Spawned: the engines have threads of their own, which a forked process would lack.
    with multiprocessing.get_context("spawn").Pool(workers, start, arguments) as pool:
        drawn = pool.imap_unordered(draw, items)
        for _ in tqdm(drawn, total=len(items), desc=title, unit="face"):
            pass

"""Whether a Grad-CAM map points anywhere in particular, and the grid that is shown; no torch.

Grad-CAM always has a highest cell, also on a blank picture, where it shows nothing but the
network's biases and what zero padding does at the borders. Two conditions must hold before a map
is shown as evidence:

1. The crop has content where it is judged: at least half of its cells have contrast. A blank
   picture has none, and a frame, a letterbox or a split between two flat areas touches fewer than
   half of them.
2. The map itself has contrast: some cell speaks for the predicted class, and the peak stands out
   from the mean. A map that is as high everywhere says that no place matters more than another.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

UInt8Array = npt.NDArray[np.uint8]
FloatArray = npt.NDArray[np.float32]
BoolArray = npt.NDArray[np.bool_]

MIN_CELL_CONTRAST = 2.0
"""Standard deviation, in grey levels of 255, above which a cell of a crop has content."""

MIN_MAP_CONTRAST = 0.25
"""Least share of its peak by which a map's peak must exceed its mean."""

_CELLS = 8  # a crop is looked at in 8 x 8 cells of 28 pixels
_NOISE = 1e-6  # share of the largest absolute value below which a peak is rounding


def cell_contrast(crops: UInt8Array) -> FloatArray:
    """Measures how much there is to see in each part of each crop.

    Args:
        crops: uint8 N x S x S x 3, S at least 8.

    Returns:
        float32 N x 8 x 8: standard deviation of the pixels of each cell, of the channel that
        varies most.
    """
    side = crops.shape[1] // _CELLS
    used = np.ascontiguousarray(crops[:, : side * _CELLS, : side * _CELLS])
    mean = _cell_sums(used, side) / side**2
    mean_square = _cell_sums(np.square(used, dtype=np.uint16), side) / side**2
    variance = np.maximum(mean_square - mean**2, 0)  # N x 8 x 8 x 3
    deviation: FloatArray = np.sqrt(variance.max(axis=-1)).astype(np.float32)
    return deviation


def _cell_sums(values: npt.NDArray[np.unsignedinteger[Any]], side: int) -> npt.NDArray[np.uint32]:
    """Sums N x S x S x 3 over cells of side x side; rows first, which is several times faster."""
    rows = values.reshape(-1, _CELLS, side, _CELLS * side * 3).sum(axis=2, dtype=np.uint32)
    sums: npt.NDArray[np.uint32] = rows.reshape(-1, _CELLS, _CELLS, side, 3).sum(
        axis=3, dtype=np.uint32
    )
    return sums


def has_content(crops: UInt8Array) -> BoolArray:
    """Tells which crops show something in at least half of their area; bool N."""
    contrast = cell_contrast(crops).reshape(len(crops), -1)
    filled: BoolArray = np.median(contrast, axis=1) >= MIN_CELL_CONTRAST
    return filled


def map_contrast(maps: FloatArray) -> FloatArray:
    """Measures how far each map's peak stands out: (peak - mean) / peak of its positive part.

    Args:
        maps: float32 N x h x w, signed, not normalised.

    Returns:
        float32 N in [0, 1): 0 for a flat map and for one without any positive cell.
    """
    positive = np.maximum(maps, 0).reshape(len(maps), -1)
    peak = positive.max(axis=1)
    scale = np.abs(maps).reshape(len(maps), -1).max(axis=1)
    real = peak > _NOISE * scale
    contrast: FloatArray = np.where(
        real, 1 - positive.mean(axis=1) / np.where(real, peak, 1), 0
    ).astype(np.float32)
    return contrast


def shown_grids(maps: FloatArray, crops: UInt8Array) -> tuple[FloatArray, BoolArray]:
    """Turns maps into the grids that replies carry.

    The positive part is divided by its peak and its minimum is left where it is, so that a cell
    of 0.5 speaks for the class half as much as the strongest one.

    Args:
        maps: float32 N x h x w, signed, not normalised.
        crops: uint8 N x S x S x 3, what the maps are about.

    Returns:
        Grids, float32 N x h x w in [0, 1], all zero where nothing is localised; and whether it
        is, bool N.
    """
    localised: BoolArray = has_content(crops) & (map_contrast(maps) >= MIN_MAP_CONTRAST)
    positive = np.where(localised[:, None, None], np.maximum(maps, 0), 0)
    peak = positive.max(axis=(1, 2), keepdims=True)
    grids: FloatArray = (positive / np.where(peak > 0, peak, 1)).astype(np.float32)
    return grids, localised

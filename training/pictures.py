"""Example pictures of the report. They show people: they stay under build/, out of git."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from io import BytesIO
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import numpy.typing as npt
from PIL import Image

from detection.evidence import shown_grids
from detection.geometry import measure_cells
from detection.overlay import Cells, render_png
from detection.version import ModelVersion
from training.explanations import Forgeries, probabilities
from training.face_loader import FaceLoader
from training.figures import Judged
from training.manifest import Sample

UInt8Array = npt.NDArray[np.uint8]

_SIDE = 144  # px of a picture in the report
_EXAMPLES = 6
_OUTLINE = (255, 255, 255)


def save_mistakes(
    said: Mapping[str, Judged],
    decider: str,
    samples: Sequence[Sample],
    loader: FaceLoader,
    folder: Path,
    most: int,
) -> dict[str, list[dict[str, Any]]]:
    """Saves the faces that were judged worst.

    Args:
        said: What each subject says of the samples.
        decider: The subject whose mistakes are shown.
        samples: The images.
        loader: Reads their crops.
        folder: Where pictures go.
        most: Most mistakes of each kind.

    Returns:
        ``real`` and ``fake`` faces, the worst first: ``picture`` (file), ``source``, ``kind``
        and the ``probability`` of a fake by each subject.
    """
    judged = said[decider]
    found: dict[str, list[dict[str, Any]]] = {}
    for name, chosen, wrong in (
        ("real", ~judged.fake, judged.probability),
        ("fake", judged.fake, 1 - judged.probability),
    ):
        rows = np.flatnonzero(chosen & (wrong > 0.5))
        worst = rows[np.argsort(-wrong[rows], kind="stable")][:most]
        found[name] = []
        for place, row in enumerate(worst):
            path = folder / f"mistake-{name}-{place}.jpg"
            _save(np.array(loader.crop(samples[row])), path)
            probability = {
                who: round(float(each.probability[row]), 3) for who, each in said.items()
            }
            found[name].append(
                {
                    "picture": str(path),
                    "source": samples[row].source,
                    "kind": samples[row].kind,
                    "probability": probability,
                }
            )
    return found


def save_examples(
    version: ModelVersion, forgeries: Forgeries, maps: npt.NDArray[np.float32], folder: Path
) -> list[dict[str, Any]]:
    """Saves forgeries with their region and the map; a random choice, not the best.

    Args:
        version: The model version.
        forgeries: Self-blended fakes.
        maps: Signed maps of the class Fake.
        folder: Where pictures go.

    Returns:
        Of each: ``picture`` (original, forgery with the region's outline, forgery with the map,
        side by side), ``probability`` of a fake and whether the map is ``localised``.
    """
    few = forgeries.first(_EXAMPLES)
    grids, localised = shown_grids(maps[: len(few)], few.fakes)
    cells = measure_cells(version.detector)
    found = []
    for index, probability in enumerate(probabilities(version, few.fakes)):
        path = folder / f"map-{version.facts.name}-{index}.jpg"
        fake = few.fakes[index]
        parts = [few.originals[index], _outlined(fake, few.regions[index]), fake]
        if localised[index]:
            parts[2] = _overlaid(fake, grids[index], cells)
        _save(_side_by_side(parts), path)
        found.append(
            {
                "picture": str(path),
                "probability": round(float(probability), 3),
                "localised": bool(localised[index]),
            }
        )
    return found


def _outlined(crop: UInt8Array, region: npt.NDArray[np.bool_]) -> UInt8Array:
    contours, _ = cv2.findContours(
        region.astype(np.uint8), cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_NONE
    )
    drawn = np.ascontiguousarray(crop)
    return np.asarray(cv2.drawContours(drawn.copy(), contours, -1, _OUTLINE, 2), np.uint8)


def _overlaid(crop: UInt8Array, grid: npt.NDArray[np.float32], cells: Cells) -> UInt8Array:
    with Image.open(BytesIO(render_png(grid, cells))) as overlay:
        layer = overlay.convert("RGBA").resize((crop.shape[1], crop.shape[0]))
    picture = Image.fromarray(crop).convert("RGBA")
    return np.asarray(Image.alpha_composite(picture, layer).convert("RGB"))


def _side_by_side(crops: Sequence[UInt8Array]) -> UInt8Array:
    gap = np.full((_SIDE, 4, 3), 255, np.uint8)
    parts = [part for crop in crops for part in (_scaled(crop), gap)]
    return np.concatenate(parts[:-1], axis=1)


def _scaled(crop: UInt8Array) -> UInt8Array:
    return np.asarray(cv2.resize(crop, (_SIDE, _SIDE), interpolation=cv2.INTER_AREA), np.uint8)


def _save(pixels: UInt8Array, path: Path) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    if pixels.shape[0] != _SIDE:
        pixels = _scaled(pixels)
    Image.fromarray(pixels).save(path, quality=88)

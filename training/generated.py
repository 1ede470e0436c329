"""Faces of a GAN that the project can run itself, as examples of wholly generated pictures.

The package random-face ships MobileStyleGAN (Belousov, 2021, arXiv 2104.04767), a small network
distilled from StyleGAN2, which learnt from the FFHQ photos. A generator that makes as many faces
as wanted shows far more than a few hundred pictures can what is common to generated faces, and
what is one picture's own.

`python -m training.generated` writes the faces to ``build/generated``, a data root of its own
(``manifest.csv``, pictures, ``regions.jsonl``), in about half an hour on two cores. Every face
follows from its number alone; an interrupted run goes on where it stopped.
"""

from __future__ import annotations

import argparse
import csv
import io
from collections.abc import Iterable
from pathlib import Path

import numpy as np
import numpy.typing as npt
from PIL import Image
from PIL.JpegImagePlugin import JpegImageFile, get_sampling

from detection.faces import crop_face
from training.augment import Crop, Generator
from training.checkpoint import write_whole
from training.drawing import KERNELS, draw_all, shipped_folder
from training.manifest import Sample, Split, in_split, load_samples
from training.regions import find_regions, load_regions

DEFAULT_ROOT = Path("build/generated")
SOURCE = "mobilestylegan"
KIND = "GAN (MobileStyleGAN)"

_SPLITS: tuple[Split, ...] = ("train", "validation")
_STYLE_SIZE = 512
_MEAN_OF = 2048  # styles that the mean style is taken over
# Truncation (Karras et al., "A Style-Based Generator Architecture", CVPR 2019): 0 is the mean
# face, 1 all that the network can draw. What people publish lies in this range.
_TRUNCATION = (0.5, 1.0)
_SIDE = 512  # px of the pictures kept; generated at 1024
_QUALITY = 96


class FaceGenerator:
    """MobileStyleGAN on OpenVINO, one thread."""

    def __init__(self) -> None:
        """Loads the networks.

        Raises:
            FileNotFoundError: The packages that they come from are not installed.
        """
        folder = shipped_folder("random_face", "data", "openvino")
        import openvino  # noqa: PLC0415 - only who draws faces has it

        core = openvino.Core()
        # Full precision: processors differ in their faster formats, and faces would too.
        options = {"INFERENCE_NUM_THREADS": 1, "INFERENCE_PRECISION_HINT": "f32"}
        self._styles, self._pictures = (
            core.compile_model(core.read_model(folder / f"{name}.xml"), "CPU", options)
            for name in ("MappingNetwork", "SynthesisNetwork")
        )
        rng = np.random.default_rng(0)
        self._mean = np.mean([self._style(rng) for _ in range(_MEAN_OF)], axis=0)

    def _style(self, rng: np.random.Generator) -> npt.NDArray[np.float32]:
        noise = rng.standard_normal((1, _STYLE_SIZE)).astype(np.float32)
        return np.asarray(self._styles(noise)[self._styles.output(0)], np.float32)

    def face(self, number: int) -> Image.Image:
        """Draws a face, RGB, 512 x 512 px; the same number gives the same face always."""
        rng = np.random.default_rng((1, number))
        style = self._mean + rng.uniform(*_TRUNCATION) * (self._style(rng) - self._mean)
        drawn = self._pictures(style.astype(np.float32))[self._pictures.output(0)][0]
        pixels = np.clip(np.rint((drawn + 1) * 127.5), 0, 255).astype(np.uint8)
        picture = Image.fromarray(pixels.transpose(1, 2, 0))
        kernel = KERNELS[int(rng.integers(len(KERNELS)))]
        return picture.resize((_SIDE, _SIDE), kernel)


def samples_of(counts: dict[Split, int]) -> list[Sample]:
    """Names the faces of each split; no number stands in two of them."""
    return [
        Sample(f"{split}/{number:05d}.jpg", split, 0, SOURCE, KIND)
        for place, split in enumerate(_SPLITS)
        for number in range(place * 100_000, place * 100_000 + counts.get(split, 0))
    ]


def make_faces(root: Path, samples: Iterable[Sample], workers: int) -> None:
    """Draws the faces that are not there yet, and says where the face is in each.

    Args:
        root: The folder; it is a data root once this returns.
        samples: From `samples_of`.
        workers: Processes that draw.
    """
    samples = list(samples)
    missing = [sample for sample in samples if not (root / sample.path).is_file()]
    for folder in {(root / sample.path).parent for sample in samples}:
        folder.mkdir(parents=True, exist_ok=True)
    paths = [sample.path for sample in missing]
    draw_all(paths, _draw, _start, (root,), workers, "drawing faces")
    _write_manifest(root, samples)
    find_regions(root, samples, root / "regions.jsonl", workers)


def _write_manifest(root: Path, samples: list[Sample]) -> None:
    text = io.StringIO()
    rows = csv.writer(text)
    rows.writerow(["path", "split", "label", "source", "kind", "group", "identity", "pair"])
    for sample in samples:
        rows.writerow([sample.path, sample.split, "Fake", sample.source, sample.kind, "", "", ""])
    write_whole(root / "manifest.csv", text.getvalue().encode())


_generator: FaceGenerator
_root: Path


def _start(root: Path) -> None:
    global _generator, _root
    _generator, _root = FaceGenerator(), root


def _draw(path: str) -> None:
    data = io.BytesIO()
    face = _generator.face(int(Path(path).stem))
    face.save(data, "JPEG", quality=_QUALITY, subsampling=0)
    write_whole(_root / path, data.getvalue())


class GeneratedFaces:
    """The faces of one split that `make generated` made."""

    def __init__(self, root: Path = DEFAULT_ROOT, split: Split = "train") -> None:
        """Reads which there are.

        Raises:
            FileNotFoundError: There are none yet; the message says how to make them.
        """
        if not (root / "manifest.csv").is_file():
            raise FileNotFoundError(f"no generated faces at {root}; make them with: make generated")
        self._root, self._regions = root, load_regions(root / "regions.jsonl")
        self.samples = in_split(load_samples(root), split)

    def like(self, photo: Path, rng: Generator) -> Crop:
        """Gives a face drawn at random, as `brought_to` does."""
        return self.brought_to(photo, self.samples[int(rng.integers(len(self.samples)))], rng)

    def brought_to(self, photo: Path, sample: Sample, rng: Generator) -> Crop:
        """Gives a face that went through what a photo of a data set went through.

        It is brought to the photo's size and compressed with its JPEG tables, so that neither
        tells generated from real.

        Args:
            photo: The file.
            sample: One of `samples`.
            rng: Where the way of resizing comes from.

        Returns:
            The face's crop, uint8 224 x 224 x 3, RGB.
        """
        with Image.open(self._root / sample.path) as picture, Image.open(photo) as model:
            side = max(model.size)
            kernel = KERNELS[int(rng.integers(len(KERNELS)))]
            made = compressed_as(picture.convert("RGB").resize((side, side), kernel), model)
            left, top, right, bottom = (
                round(edge * side / picture.width) for edge in self._regions[sample.path].region
            )
        return crop_face(np.asarray(made), (left, top, right, bottom))


def compressed_as(picture: Image.Image, model: Image.Image) -> Image.Image:
    """Gives a picture after JPEG compression with the tables of another; RGB.

    Args:
        picture: RGB.
        model: As opened from its file; the picture is left as it is if this is not a JPEG file.
    """
    if not isinstance(model, JpegImageFile):
        return picture
    data = io.BytesIO()
    picture.save(data, "JPEG", qtables=model.quantization, subsampling=get_sampling(model))
    with Image.open(data) as result:
        return result.convert("RGB")


def main() -> None:
    """Runs the command line."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--out", type=Path, default=DEFAULT_ROOT, help="the folder to write")
    parser.add_argument("--train", type=int, default=2000, help="faces to train on")
    parser.add_argument("--validation", type=int, default=200, help="faces to validate on")
    parser.add_argument("--workers", type=int, default=2, help="processes (default: 2)")
    arguments = parser.parse_args()
    try:
        counts: dict[Split, int] = {
            "train": arguments.train,
            "validation": arguments.validation,
        }
        make_faces(arguments.out, samples_of(counts), arguments.workers)
    except FileNotFoundError as error:
        parser.exit(2, f"{error}\n")
    except KeyboardInterrupt:
        parser.exit(130, "interrupted; the faces made are kept, run the command again to go on\n")


if __name__ == "__main__":
    main()

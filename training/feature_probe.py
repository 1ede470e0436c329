"""What features that know nothing of forgeries tell of them: `python -m training.feature_probe`.

A linear classifier is trained on the features of a network that only ever saw ImageNet, on one
kind of forgery at a time, and judged on every source of the validation split. The table shows
which kinds of forgery have something in common that such features see, and which point opposite
ways, as an AUC below 0.5 says. Features that are not trained forget nothing; on kinds never met
they can do better than ones that are (Ojha, Li and Lee, "Towards universal fake
image detectors that generalize across generative models", CVPR 2023, arXiv 2302.10174).
"""

from __future__ import annotations

import argparse
import dataclasses
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from tqdm import tqdm

from architectures import Detector, build
from architectures.efficientnet import initialise, options_for
from training.augment import AugmentConfig, Crop
from training.checkpoint import write_whole
from training.face_loader import FaceLoader
from training.figures import auc_with_intervals
from training.generated import GeneratedFaces
from training.manifest import FAKE, REAL, Sample, in_split, load_samples
from training.pairs import Makers, Mixture, PairDataset
from training.reconstruction import Reconstructor
from training.regions import DEFAULT_PATH, load_regions
from training.upscaled import UpscaledFaces

FloatArray = npt.NDArray[np.float32]

_INITIALISATION = "imagenet-lite0"
_SIZE = 161
_BLOCKS = (4, 5, 6, 8)  # of EfficientNet-B0's nine: deep enough to know faces from backgrounds
_STRENGTH = 1e-4  # inverse of the L2 penalty: thousands of features, about a thousand pictures
_BATCH = 32
_SEED = 4
_RESAMPLES = 200


def kinds(photos: tuple[str, ...], fakes: tuple[str, ...]) -> dict[str, Mixture]:
    """Names the kinds of forgery, each alone.

    Args:
        photos: Sources whose photos forgeries are made from.
        fakes: Sources that have fakes of their own.
    """
    reals = dict.fromkeys(photos, 1.0)
    none = Mixture(reals=reals, generated_beside=photos)
    return {
        **{source: dataclasses.replace(none, sources={source: 1.0}) for source in fakes},
        "generated": dataclasses.replace(none, generated=1.0),
        "upscaled": dataclasses.replace(none, upscaled=1.0),
        "reconstructed": dataclasses.replace(none, reconstructed=1.0),
        "self-blended": dataclasses.replace(none, self_blended=1.0),
        "cross-blended": dataclasses.replace(none, cross_blended=1.0),
    }


class FrozenFeatures:
    """An ImageNet network that stays as it is."""

    def __init__(self, detector: Detector, blocks: tuple[int, ...] = _BLOCKS) -> None:
        """Takes a network whose features are a sequence of blocks, and which of them to read."""
        self._detector, self._blocks = detector.eval(), blocks

    @torch.inference_mode()
    def __call__(self, crops: Crop) -> FloatArray:
        """Gives mean and deviation of every feature map, N x D, of crops N x S x S x 3, RGB."""
        x = self._detector.preset.to_input(crops)
        pooled = []
        for index, block in enumerate(self._detector.features.children()):
            x = block(x)
            if index in self._blocks:
                pooled += [x.mean((2, 3)), x.std((2, 3))]
        return np.asarray(torch.cat(pooled, dim=1).numpy(), np.float32)


def in_batches(crops: Iterator[Crop], features: FrozenFeatures) -> FloatArray:
    """Gives the features of crops, S x S x 3 each, N x D."""
    parts, batch = [], []
    for crop in crops:
        batch.append(crop)
        if len(batch) == _BATCH:
            parts.append(features(np.stack(batch)))
            batch = []
    return np.concatenate([*parts, features(np.stack(batch))] if batch else parts)


def unvaried(config: AugmentConfig) -> AugmentConfig:
    """Gives a configuration in which every probability is 0."""
    names = [each.name for each in dataclasses.fields(config) if each.name.startswith("p_")]
    off: dict[str, Any] = dict.fromkeys(names, 0.0)
    return dataclasses.replace(config, **off)


@dataclasses.dataclass(frozen=True)
class Examples:
    """Pictures as features.

    Attributes:
        features: float32 N x D.
        fake: bool N.
    """

    features: FloatArray
    fake: npt.NDArray[np.bool_]

    @staticmethod
    def together(parts: Iterable[Examples]) -> Examples:
        """Gives the examples of several in one."""
        parts = list(parts)
        return Examples(
            np.concatenate([part.features for part in parts]),
            np.concatenate([part.fake for part in parts]),
        )


def examples_of(data: PairDataset, features: FrozenFeatures, title: str) -> Examples:
    """Gives the fakes and the real faces of a data set's items."""
    rows = tqdm(range(len(data)), desc=title, unit="pair", leave=False)
    items = [data[index] for index in rows]
    crops = (crop for pair, _, _ in items for crop in pair.numpy())
    fake = np.concatenate([share.numpy() for _, share, _ in items]) > 0.5
    return Examples(in_batches(crops, features), fake)


@dataclasses.dataclass(frozen=True)
class Judge:
    """Judges probes on pictures of several sources.

    Attributes:
        samples: N pictures.
        features: float32 N x D, in the same order.
    """

    samples: list[Sample]
    features: FloatArray

    def row(self, name: str, examples: Examples) -> str:
        """Trains a probe on examples; gives its row of the table, an AUC a source."""
        probe = make_pipeline(StandardScaler(), LogisticRegression(C=_STRENGTH, max_iter=1000))
        probe.fit(examples.features, examples.fake)
        found = auc_with_intervals(
            self.samples, probe.decision_function(self.features), count=_RESAMPLES
        )
        cells = [
            f"{figure.value:.2f} ({figure.low:.2f} to {figure.high:.2f})"
            for _, figure in sorted(found.items())
        ]
        return f"| {name} | {' | '.join(cells)} |"


def compare(found: dict[str, Examples], fakes: tuple[str, ...], judge: Judge) -> Iterator[str]:
    """Gives the rows of the table: each kind alone, then all but one source's own fakes.

    Args:
        found: Examples of each kind.
        fakes: The kinds that are a source's own fakes, and so can be judged.
        judge: Judges the probes.
    """
    for name, examples in found.items():
        yield judge.row(name, examples)
    for left_out in fakes:
        others = [examples for name, examples in found.items() if name != left_out]
        yield judge.row(f"all but {left_out}", Examples.together(others))


def main() -> None:
    """Runs the command line."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--data", type=Path, default=Path("../shared/data"), help="data root")
    parser.add_argument("--regions", type=Path, default=DEFAULT_PATH, help="table of faces")
    parser.add_argument("--photos", nargs="+", default=["stylegan1"], help="sources of photos")
    parser.add_argument("--pairs", type=int, default=500, help="pairs of each kind to train on")
    parser.add_argument("--images", type=int, default=600, help="most images judged a source")
    parser.add_argument("--out", type=Path, help="also write the table here")
    parser.add_argument("--threads", type=int, default=1, help="CPU threads (default: 1)")
    arguments = parser.parse_args()
    torch.set_num_threads(arguments.threads)
    options = {**options_for(_INITIALISATION), "activation": "relu6", "size": _SIZE}
    detector = build("efficientnet", **options)
    initialise(detector, _INITIALISATION)
    features = FrozenFeatures(detector)
    try:
        samples = load_samples(arguments.data)
        loader = FaceLoader(arguments.data, load_regions(arguments.regions))
        makers = Makers(Reconstructor(), GeneratedFaces(), UpscaledFaces())
        judged = _judged(in_split(samples, "validation"), arguments.images)
        crops = (loader.crop(sample) for sample in tqdm(judged, desc="validation", leave=False))
        judge = Judge(judged, in_batches(crops, features))
        fakes = tuple(sorted({sample.source for sample in judged}))
        found = {}
        for name, mixture in kinds(tuple(arguments.photos), fakes).items():
            data = PairDataset(
                in_split(samples, "train"),
                loader,
                mixture,
                unvaried(AugmentConfig()),
                arguments.pairs,
                _SEED,
                makers,
            )
            found[name] = examples_of(data, features, name)
    except (FileNotFoundError, ValueError) as error:
        parser.exit(2, f"{error}\n")
    except KeyboardInterrupt:
        parser.exit(130, "interrupted; nothing was written\n")
    lines = [
        _HEAD.format(pairs=arguments.pairs, photos=", ".join(arguments.photos)),
        f"| trained on | {' | '.join(f'AUC {name}' for name in fakes)} |",
        f"|---|{'---|' * len(fakes)}",
        *compare(found, fakes, judge),
    ]
    table = "\n".join(lines) + "\n"
    print(table)
    if arguments.out:
        write_whole(arguments.out, table.encode())


_HEAD = """# What frozen ImageNet features tell of each kind of forgery

Validation split, by `make feature-probe`: {pairs} pairs of each kind, those without pictures of
their own made from the photos of {photos}. In brackets: 95 % intervals, resampled by person.
"""


def _judged(validation: list[Sample], most: int) -> list[Sample]:
    """Takes the sources with both classes, at most so many images of each."""
    by_source: dict[str, list[Sample]] = {}
    for sample in validation:
        by_source.setdefault(sample.source, []).append(sample)
    chosen: list[Sample] = []
    for of_source in by_source.values():
        if {sample.label for sample in of_source} == {FAKE, REAL}:
            rows = np.linspace(0, len(of_source) - 1, min(most, len(of_source))).astype(int)
            chosen += [of_source[row] for row in rows.tolist()]
    return chosen


if __name__ == "__main__":
    main()

"""Reconstruction fakes: real faces passed through an autoencoder with a generator's layers.

Generators leave traces of their up-sampling layers. Zhang, Karaman and Chang, "Detecting and
Simulating Artifacts in GAN Fake Images" (WIFS 2019, arXiv 1907.06515) learn them from real
pictures alone: an autoencoder reconstructs a real picture, and the reconstruction, which shows
the same scene, is the fake. Here one encoder has three decoders, one for each usual way of
up-sampling: nearest neighbour with a convolution, transposed convolution, pixel shuffle.

`python -m training.reconstruction` trains it on the real faces of the training split, in some
minutes, and keeps it in ``build/reconstruction.safetensors``; it resumes.
"""

from __future__ import annotations

import argparse
import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import numpy.typing as npt
import torch
from torch import nn
from torch.nn import functional
from tqdm import tqdm

from architectures.weights import load_weights, save_weights
from training.augment import Crop, Generator
from training.checkpoint import load_checkpoint, save_checkpoint
from training.manifest import REAL, Sample, in_split, load_samples
from training.regions import DEFAULT_PATH as REGIONS_PATH
from training.regions import FaceRegion, load_regions, read_image
from training.sharpness import BANDS, with_detail_of

UInt8Array = npt.NDArray[np.uint8]

DEFAULT_PATH = Path("build/reconstruction.safetensors")
UPSAMPLERS = ("nearest", "transposed", "shuffle")

_STRIDE = 4  # of the encoder: sides are padded to a multiple
_WIDTHS = (24, 40, 64)
_LATENT = 24  # channels at a quarter of the side: half as many numbers as the picture has
_PATCH = 96  # px, side of the patches it is trained on
_BATCH = 8
_STEPS = 1500
_LEARNING_RATE = 2e-3
_KEEP_EVERY = 100
_PICTURES = 1500  # faces held in memory while training
_FINER = 1.6  # most a face is scaled up before it is reconstructed
_LARGEST = 256  # px, longest side at which a face is reconstructed
_GAINS = (0.9, 1.25)  # of the energy of fine detail: real fakes are not softer than photographs


class _Up(nn.Module):
    """Doubles height and width, in one of the `UPSAMPLERS`' ways."""

    def __init__(self, in_channels: int, out_channels: int, way: str) -> None:
        super().__init__()
        self._nearest = way == "nearest"
        self.layer: nn.Module
        if way == "transposed":
            self.layer = nn.ConvTranspose2d(in_channels, out_channels, 4, 2, 1)
        elif way == "shuffle":
            convolution = nn.Conv2d(in_channels, 4 * out_channels, 3, padding=1)
            self.layer = nn.Sequential(convolution, nn.PixelShuffle(2))
        else:
            self.layer = nn.Conv2d(in_channels, out_channels, 3, padding=1)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Maps N x C x H x W to N x out x 2H x 2W."""
        if self._nearest:
            x = functional.interpolate(x, scale_factor=2, mode="nearest")
        out: torch.Tensor = self.layer(x)
        return out


class Autoencoder(nn.Module):
    """One encoder, and a decoder for each of the `UPSAMPLERS`."""

    def __init__(self) -> None:
        super().__init__()
        first, second, third = _WIDTHS
        self.encoder = nn.Sequential(
            nn.Conv2d(3, first, 3, padding=1),
            nn.ReLU(inplace=True),
            nn.Conv2d(first, second, 3, 2, 1),
            nn.ReLU(inplace=True),
            nn.Conv2d(second, third, 3, 2, 1),
            nn.ReLU(inplace=True),
            nn.Conv2d(third, _LATENT, 1),
        )
        self.decoders = nn.ModuleDict(
            {
                way: nn.Sequential(
                    nn.Conv2d(_LATENT, third, 3, padding=1),
                    nn.ReLU(inplace=True),
                    _Up(third, second, way),
                    nn.ReLU(inplace=True),
                    _Up(second, first, way),
                    nn.ReLU(inplace=True),
                    nn.Conv2d(first, 3, 3, padding=1),
                )
                for way in UPSAMPLERS
            }
        )

    def forward(self, x: torch.Tensor, way: str) -> torch.Tensor:
        """Reconstructs N x 3 x H x W in [0, 1]; H and W are multiples of 4."""
        decoded: torch.Tensor = self.decoders[way](self.encoder(x))
        return decoded


class Reconstructor:
    """Turns faces into reconstruction fakes."""

    def __init__(self, path: Path = DEFAULT_PATH) -> None:
        """Loads the autoencoder.

        Raises:
            FileNotFoundError: It has not been trained yet; the message says how.
            ValueError: The file holds something else.
        """
        if not path.is_file():
            raise FileNotFoundError(f"no autoencoder at {path}; make it with: make reconstruction")
        self._model = Autoencoder()
        load_weights(self._model, path)
        self._model.eval().requires_grad_(requires_grad=False)

    def pair(self, patch: UInt8Array, rng: Generator) -> tuple[Crop, Crop]:
        """Reconstructs a face by a decoder drawn at random.

        Generators mostly work at more pixels than their pictures are shown at, so that the traces
        arrive reduced: the face is scaled up by a random factor first. The reconstruction keeps
        the original's coarse part, as a small autoencoder pales colours, and about the energy of
        its fine detail; both would be learnt instead of the traces.

        Args:
            patch: uint8 H x W x 3, RGB, in the picture's own pixels.
            rng: Where all choices come from.

        Returns:
            The reconstruction and the original at the scale of the reconstruction, at most
            256 px a side, uint8 h x w x 3 both.
        """
        longest = max(patch.shape[:2])
        side = min(_LARGEST, longest * rng.uniform(1, _FINER))
        width, height = (max(_STRIDE, round(n * side / longest)) for n in patch.shape[1::-1])
        way = cv2.INTER_AREA if side < longest else cv2.INTER_CUBIC
        original = np.asarray(cv2.resize(patch, (width, height), interpolation=way), np.uint8)
        made = self._reconstruct(original, rng)
        return with_detail_of(made, original, rng.uniform(*_GAINS, len(BANDS)).tolist()), original

    def _reconstruct(self, patch: UInt8Array, rng: Generator) -> Crop:
        height, width = patch.shape[:2]
        # Off the stride's grid by a random offset: generators' grids start anywhere in a crop.
        before = rng.integers(_STRIDE, size=2)
        after = [
            -(side + first) % _STRIDE for side, first in zip((height, width), before, strict=True)
        ]
        padded = np.pad(
            patch,
            ((int(before[0]), after[0]), (int(before[1]), after[1]), (0, 0)),
            mode="symmetric",
        )
        way = UPSAMPLERS[rng.integers(len(UPSAMPLERS))]
        with torch.inference_mode():
            pixels = torch.from_numpy(padded).permute(2, 0, 1)[None].float() / 255
            made = self._model(pixels, way)[0].permute(1, 2, 0).numpy() * 255
        top, left = before
        inside = made[top : top + height, left : left + width]
        return np.asarray(np.clip(np.rint(inside), 0, 255), np.uint8)


def reconstruction_loss(made: torch.Tensor, wanted: torch.Tensor) -> torch.Tensor:
    """Gives the mean absolute difference of pixels and of spectra, a scalar.

    Pixels alone would be matched by a blurred picture, and then blur would be what is learnt of
    fakes; spectra hold the reconstruction to the original's sharpness (in the spirit of Jiang et
    al., "Focal Frequency Loss", ICCV 2021, arXiv 2012.12821).

    Args:
        made: Reconstructions, N x 3 x H x W in [0, 1].
        wanted: The originals.
    """
    spectra = [torch.fft.rfft2(x, norm="ortho").abs() + 1e-3 for x in (made, wanted)]
    spectral = functional.l1_loss(spectra[0].log(), spectra[1].log())
    return functional.l1_loss(made, wanted) + 0.02 * spectral


def train(patches: Sequence[UInt8Array], path: Path, steps: int, seed: int = 1) -> float:
    """Trains the autoencoder and writes it; a checkpoint beside it lets it resume.

    Args:
        patches: Real faces in their own pixels, uint8, both sides at least 96 px.
        path: Where the weights go.
        steps: Optimiser steps in all.
        seed: Decides everything.

    Returns:
        The last loss.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    torch.manual_seed(seed)
    model = Autoencoder().to(memory_format=torch.channels_last)
    optimiser = torch.optim.AdamW(model.parameters(), lr=_LEARNING_RATE)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimiser, _LEARNING_RATE, total_steps=steps)
    parts: dict[str, Any] = {"model": model, "optimiser": optimiser, "schedule": schedule}
    kept = path.with_suffix(".checkpoint")
    state = load_checkpoint(kept) or {}
    for name, part in parts.items():
        if state:
            part.load_state_dict(state[name])
    loss = torch.tensor(float("nan"))
    first = state.get("step", 0)
    bar = tqdm(range(first, steps), initial=first, total=steps, desc="autoencoder", unit="step")
    for step in bar:
        batch = _batch(patches, np.random.default_rng((seed, step)))
        losses = [reconstruction_loss(model(batch, way), batch) for way in UPSAMPLERS]
        loss = torch.stack(losses).mean()
        optimiser.zero_grad(set_to_none=True)
        loss.backward()
        nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimiser.step()
        schedule.step()
        bar.set_postfix(loss=f"{float(loss.detach()):.4f}", refresh=False)
        if (step + 1) % _KEEP_EVERY == 0:
            states = {name: part.state_dict() for name, part in parts.items()}
            save_checkpoint(kept, {"step": step + 1, **states})
    save_weights(model, path, half=False)
    kept.unlink(missing_ok=True)
    return float(loss.detach())


def _batch(patches: Sequence[UInt8Array], rng: Generator) -> torch.Tensor:
    """Draws pieces of faces, float N x 3 x 96 x 96 in [0, 1], half of them mirrored."""
    pieces: list[npt.NDArray[np.uint8]] = []
    for index in rng.integers(len(patches), size=_BATCH):
        patch = patches[index]
        top, left = (int(rng.integers(side - _PATCH + 1)) for side in patch.shape[:2])
        piece = patch[top : top + _PATCH, left : left + _PATCH]
        pieces.append(piece[:, ::-1] if rng.random() < 0.5 else piece)
    pixels = torch.from_numpy(np.stack(pieces)).permute(0, 3, 1, 2).float() / 255
    return pixels.contiguous(memory_format=torch.channels_last)


def real_patches(
    root: Path, samples: Sequence[Sample], regions: dict[str, FaceRegion], most: int = _PICTURES
) -> list[UInt8Array]:
    """Reads real faces in their own pixels, evenly over the sources, none under 96 px.

    Args:
        root: The data root.
        samples: The images to choose from; fakes are left out.
        regions: Where the faces are.
        most: Most faces to read.

    Raises:
        ValueError: There is none.
    """
    reals = [sample for sample in samples if sample.label == REAL and sample.path in regions]
    by_source: dict[str, list[Sample]] = {}
    for sample in reals:
        by_source.setdefault(sample.source, []).append(sample)
    found = []
    for members in by_source.values():
        count = min(len(members), most // len(by_source))
        for index in np.linspace(0, len(members) - 1, count).astype(int):
            left, top, right, bottom = regions[members[index].path].region
            if min(right - left, bottom - top) >= _PATCH:
                pixels = read_image(root / members[index].path)
                found.append(np.ascontiguousarray(pixels[top:bottom, left:right]))
    if not found:
        raise ValueError(f"no real face of at least {_PATCH} px under {root}")
    return found


def main() -> None:
    """Runs the command line."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--data", type=Path, default=Path("../shared/data"), help="data root")
    parser.add_argument("--regions", type=Path, default=REGIONS_PATH, help="table of faces")
    parser.add_argument("--out", type=Path, default=DEFAULT_PATH, help="the weights to write")
    parser.add_argument("--steps", type=int, default=_STEPS, help=f"(default: {_STEPS})")
    parser.add_argument("--threads", type=int, default=0, help="CPU threads (default: all cores)")
    arguments = parser.parse_args()
    if arguments.out.is_file():
        return
    torch.set_num_threads(arguments.threads or os.cpu_count() or 1)
    try:
        samples = in_split(load_samples(arguments.data), "train")
        patches = real_patches(arguments.data, samples, load_regions(arguments.regions))
        loss = train(patches, arguments.out, arguments.steps)
    except (FileNotFoundError, ValueError) as error:
        parser.exit(2, f"{error}\n")
    except KeyboardInterrupt:
        parser.exit(130, "interrupted; run the command again to go on from the last checkpoint\n")
    print(f"{arguments.out}: loss {loss:.4f}")


if __name__ == "__main__":
    main()

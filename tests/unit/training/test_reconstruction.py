from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest
import torch

from training import reconstruction
from training.manifest import Sample
from training.reconstruction import (
    UPSAMPLERS,
    Autoencoder,
    Reconstructor,
    real_patches,
    reconstruction_loss,
    train,
)
from training.regions import load_regions
from training.sharpness import bands


@pytest.mark.parametrize("way", UPSAMPLERS)
def test_every_decoder_gives_the_picture_s_size(way: str) -> None:
    assert Autoencoder()(torch.rand(2, 3, 24, 32), way).shape == (2, 3, 24, 32)


def test_training_lowers_the_loss_and_the_fake_is_like_the_face_and_as_sharp(
    tmp_path: Path, portrait: np.ndarray
) -> None:
    torch.set_num_threads(1)
    short = train([portrait], tmp_path / "short.safetensors", steps=2)
    path = tmp_path / "long.safetensors"
    assert train([portrait], path, steps=60) < 0.6 * short
    assert not path.with_suffix(".checkpoint").exists()
    reconstructor = Reconstructor(path)
    for seed in range(6):
        fake, original = reconstructor.pair(portrait[:101, :99], np.random.default_rng(seed))
        assert fake.shape == original.shape
        assert 101 <= len(fake) <= 162
        assert np.abs(fake.astype(int) - original).mean() < 40
        finest = [float(bands(x.astype(np.float32))[0][0].std()) for x in (fake, original)]
        assert 0.75 < finest[0] / finest[1] < 1.4
    again = reconstructor.pair(portrait[:101, :99], np.random.default_rng(5))
    assert np.array_equal(fake, again[0])
    assert np.array_equal(original, again[1])


def test_a_large_face_is_scaled_down_first(tmp_path: Path, portrait: np.ndarray) -> None:
    train([portrait], tmp_path / "ae.safetensors", steps=1)
    large = np.tile(portrait, (4, 3, 1))  # 800 x 600
    fake, original = Reconstructor(tmp_path / "ae.safetensors").pair(
        large, np.random.default_rng(0)
    )
    assert fake.shape == original.shape == (256, 192, 3)


def test_spectra_count(portrait: np.ndarray) -> None:
    sharp = torch.from_numpy(portrait).permute(2, 0, 1)[None].float() / 255
    blurred = torch.nn.functional.avg_pool2d(sharp, 5, 1, 2)
    pixels_alone = torch.nn.functional.l1_loss(blurred, sharp)
    assert reconstruction_loss(blurred, sharp) > pixels_alone
    assert reconstruction_loss(sharp, sharp) == 0


def test_training_resumes(
    tmp_path: Path, portrait: np.ndarray, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = train([portrait], tmp_path / "whole.safetensors", steps=4)
    monkeypatch.setattr("training.reconstruction._KEEP_EVERY", 2)
    path = tmp_path / "resumed.safetensors"
    batches = 0

    def interrupted(patches: Sequence[np.ndarray], rng: np.random.Generator) -> torch.Tensor:
        nonlocal batches
        batches += 1
        if batches == 3:
            raise KeyboardInterrupt
        return batch(patches, rng)

    batch = reconstruction._batch
    monkeypatch.setattr("training.reconstruction._batch", interrupted)
    with pytest.raises(KeyboardInterrupt):
        train([portrait], path, steps=4)
    monkeypatch.setattr("training.reconstruction._batch", batch)
    assert train([portrait], path, steps=4) == pytest.approx(whole, rel=1e-4)


def test_only_real_faces_are_read(
    tiny_root: Path, tiny_samples: list[Sample], tiny_regions: Path
) -> None:
    regions = load_regions(tiny_regions)
    patches = real_patches(tiny_root, tiny_samples, regions, most=10)
    assert len(patches) == 10
    with pytest.raises(ValueError, match="no real face"):
        real_patches(tiny_root, [s for s in tiny_samples if s.label == 0], regions)


def test_a_missing_autoencoder_is_named(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match="make reconstruction"):
        Reconstructor(tmp_path / "none.safetensors")

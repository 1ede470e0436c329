import json

import numpy as np
import pytest
import torch

from architectures.preset import IMAGENET_MEAN, IMAGENET_STD, InputPreset


def test_raw_preset_only_scales_to_the_unit_interval() -> None:
    faces = np.arange(2 * 8 * 8 * 3, dtype=np.uint8).reshape(2, 8, 8, 3)
    pixels = InputPreset(8).to_input(faces)
    assert pixels.shape == (2, 3, 8, 8)
    assert pixels.dtype == torch.float32
    assert torch.equal(pixels, torch.from_numpy(faces).permute(0, 3, 1, 2).float() / 255)


def test_normalising_preset_uses_mean_and_std_of_each_channel() -> None:
    faces = np.full((1, 4, 4, 3), 255, np.uint8)
    pixels = InputPreset(4, IMAGENET_MEAN, IMAGENET_STD).to_input(faces)
    expected = [(1 - m) / s for m, s in zip(IMAGENET_MEAN, IMAGENET_STD, strict=True)]
    assert pixels[0, :, 0, 0].tolist() == pytest.approx(expected)


def test_resizing_keeps_a_constant_colour_and_the_mean_of_a_pattern() -> None:
    rng = np.random.default_rng(0)
    faces = rng.integers(0, 256, (1, 64, 64, 3), dtype=np.uint8)
    small = InputPreset(16).to_input(faces)
    assert small.shape == (1, 3, 16, 16)
    assert float(small.mean()) == pytest.approx(faces.mean() / 255, abs=2e-3)
    flat = InputPreset(16).to_input(np.full((1, 64, 64, 3), 51, np.uint8))
    assert torch.allclose(flat, torch.full_like(flat, 0.2))


@pytest.mark.parametrize(
    "faces",
    [
        np.zeros((1, 4, 4, 3), np.float32),
        np.zeros((4, 4, 3), np.uint8),
        np.zeros((1, 3, 4, 4), np.uint8),
    ],
)
def test_other_shapes_and_types_are_refused(faces: np.ndarray) -> None:
    with pytest.raises(ValueError, match="uint8"):
        InputPreset(4).to_input(faces)


def test_a_preset_survives_json() -> None:
    for preset in (
        InputPreset(128, IMAGENET_MEAN, IMAGENET_STD),
        InputPreset(128, IMAGENET_MEAN, IMAGENET_STD, mirrored=True),
    ):
        assert InputPreset.from_dict(json.loads(json.dumps(preset.as_dict()))) == preset


@pytest.mark.parametrize("values", [{}, {"size": 4, "mean": [0.0], "std": [1.0, 1.0, 1.0]}])
def test_an_incomplete_preset_is_refused(values: dict[str, object]) -> None:
    with pytest.raises(ValueError, match=r"preset|unpack"):
        InputPreset.from_dict(values)

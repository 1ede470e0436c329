from pathlib import Path

import numpy as np
import pytest
import torch

from detection.version import ModelVersion, VersionError
from training.manifest import FAKE
from training.teacher import Teacher

STORE = Path("model_store")


def test_it_gives_the_calibrated_probability_of_fake(portrait: np.ndarray) -> None:
    folder = STORE / "cnn" / "1.3"
    version = ModelVersion.load(folder)
    crops = torch.from_numpy(np.stack([portrait, portrait[:, ::-1]]))
    logits = version.detector(version.detector.preset.to_input(crops))
    expected = logits / version.scaling.temperature
    found = Teacher([folder], torch.device("cpu"))(crops)
    assert found.shape == (2,)
    assert torch.allclose(found, expected.softmax(dim=1)[:, FAKE], atol=1e-5)


def test_several_teach_by_the_mean_of_their_probabilities(portrait: np.ndarray) -> None:
    folders = [STORE / "cnn" / "1.3", STORE / "efficientnet" / "1.3"]
    crops = torch.from_numpy(np.stack([portrait, portrait[:, ::-1]]))
    first, second = (Teacher([folder], torch.device("cpu"))(crops) for folder in folders)
    assert not torch.allclose(first, second, atol=1e-4)
    found = Teacher(folders, torch.device("cpu"))(crops)
    assert torch.allclose(found, (first + second) / 2, atol=1e-6)


def test_a_missing_version_is_named(tmp_path: Path) -> None:
    with pytest.raises(VersionError, match=r"model\.json"):
        Teacher([tmp_path], torch.device("cpu"))

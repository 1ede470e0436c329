from pathlib import Path

import numpy as np
import pytest

from detection.version import ModelVersion
from training.face_loader import FaceLoader
from training.generated import SOURCE, GeneratedFaces, make_faces, samples_of
from training.manifest import FAKE, REAL, Sample, in_split
from training.unseen_generator import collect, row

STORE = Path("model_store")


@pytest.fixture(scope="module")
def faces(tmp_path_factory: pytest.TempPathFactory) -> GeneratedFaces:
    root = tmp_path_factory.mktemp("generated")
    make_faces(root, samples_of({"validation": 3}), workers=1)
    return GeneratedFaces(root, "validation")


def test_every_face_stands_beside_the_photos_and_is_judged(
    tiny_samples: list[Sample], tiny_loader: FaceLoader, faces: GeneratedFaces
) -> None:
    photos = [s for s in in_split(tiny_samples, "train") if s.label == REAL][:2]
    judgement = collect(photos, tiny_loader, faces)
    assert [sample.label for sample in judgement.samples] == [REAL, REAL, FAKE, FAKE, FAKE]
    assert {sample.source for sample in judgement.samples} == {SOURCE}
    assert judgement.crops.shape == (5, 224, 224, 3)
    assert np.array_equal(judgement.crops[0], tiny_loader.crop(photos[0]))
    version = ModelVersion.load(STORE / "efficientnet" / "1.3")
    cells = [cell.strip() for cell in row(version, judgement).strip("|").split("|")]
    assert cells[:2] == ["efficientnet 1.3", "no"]
    assert 0 <= float(cells[2].split()[0]) <= 1
    assert cells[3].endswith("%")


def test_nothing_to_judge_is_said(tiny_loader: FaceLoader, faces: GeneratedFaces) -> None:
    with pytest.raises(ValueError, match="no photo"):
        collect([], tiny_loader, faces)

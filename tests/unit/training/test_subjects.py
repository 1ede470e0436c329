import json
from pathlib import Path

import numpy as np
import pytest
import torch

from detection.judge import Judge
from detection.version import VersionError
from tests.support.small_evaluation import SmallData
from training.subjects import WORKFLOW, Scorer, crops_of, judge_all, judged_alone, load_versions


@pytest.fixture
def scorer(small_data: SmallData, tmp_path: Path) -> Scorer:
    return Scorer(small_data.loader, small_data.regions, tmp_path / "scores", workers=0)


def test_versions_by_name_by_number_by_folder_and_by_default(small_store: Path) -> None:
    assert [v.facts.name for v in load_versions([], small_store)] == ["cnn", "efficientnet"]
    for name in ("cnn", "cnn/1.0", str(small_store / "cnn" / "1.0")):
        (version,) = load_versions([name], small_store)
        assert (version.facts.name, version.facts.version) == ("cnn", "1.0")


@pytest.mark.parametrize(
    ("names", "message"),
    [
        (["cnn/9.9"], "no version 9.9"),
        (["resnet"], "serves"),
        (["cnn", "cnn/1.0"], "one version of each"),
    ],
)
def test_versions_that_cannot_be_evaluated_are_refused(
    small_store: Path, names: list[str], message: str
) -> None:
    with pytest.raises(ValueError, match=message):
        load_versions(names, small_store)


def test_a_store_without_serving_versions_is_refused(tmp_path: Path) -> None:
    with pytest.raises(VersionError, match="serving"):
        load_versions([], tmp_path)


def test_probabilities_are_those_of_the_service(
    small_data: SmallData, small_store: Path, scorer: Scorer
) -> None:
    (version,) = load_versions(["efficientnet"], small_store)
    logits = scorer.logits(version, small_data.samples)
    judged = judged_alone(version, small_data.samples, logits)
    service = Judge(small_store / "efficientnet" / "1.0", device="cpu")
    crops = crops_of(small_data.samples, small_data.loader).numpy()
    assert np.allclose(judged.probability, service.judge(crops).probabilities[:, 0], atol=1e-4)


def test_logits_are_read_from_disk_the_second_time(
    small_data: SmallData, small_store: Path, scorer: Scorer
) -> None:
    (version,) = load_versions(["cnn"], small_store)
    first = scorer.logits(version, small_data.samples)
    (path,) = scorer.folder.iterdir()
    np.save(path, first + 1)
    assert np.array_equal(scorer.logits(version, small_data.samples), first + 1)
    changed = scorer.logits(version, small_data.samples, lambda crop: 255 - crop, "negative")
    assert not np.allclose(changed, first)
    assert len(scorer.logits(version, small_data.samples[:3])) == 3
    assert len(list(scorer.folder.iterdir())) == 3


def test_the_workflow_follows_the_surer_model_and_doubts_pictures_without_a_face(
    small_data: SmallData, small_store: Path
) -> None:
    versions = load_versions([], small_store)
    rng = np.random.default_rng(0)
    logits = [rng.normal(0, 2, (28, 2)).astype(np.float32) for _ in versions]
    said = judge_all(versions, small_data.samples, logits, small_data.regions)
    assert list(said) == [WORKFLOW, "cnn", "efficientnet"]
    pair = np.stack([said["cnn"].probability, said["efficientnet"].probability])
    surer = np.abs(pair - 0.5).argmax(axis=0)
    assert np.allclose(said[WORKFLOW].probability, pair[surer, np.arange(28)])
    assert said[WORKFLOW].verdict[19] == "uncertain"  # the image without a face
    opposite = (said["cnn"].verdict == "fake") & (said["efficientnet"].verdict == "real")
    assert opposite.any()
    assert set(said[WORKFLOW].verdict[opposite]) == {"uncertain"}


def test_one_model_has_no_workflow(small_data: SmallData, small_store: Path) -> None:
    versions = load_versions(["cnn"], small_store)
    said = judge_all(
        versions, small_data.samples, [np.zeros((28, 2), np.float32)], small_data.regions
    )
    assert list(said) == ["cnn"]


def test_crops_are_in_order(small_data: SmallData) -> None:
    crops = crops_of(small_data.samples[:2], small_data.loader)
    assert crops.dtype == torch.uint8
    assert crops.shape == (2, 224, 224, 3)
    assert np.array_equal(crops[1].numpy(), small_data.loader.crop(small_data.samples[1]))


def test_scores_are_kept_by_weights(
    small_data: SmallData, small_store: Path, scorer: Scorer
) -> None:
    (version,) = load_versions(["cnn"], small_store)
    scorer.logits(version, small_data.samples)
    (path,) = scorer.folder.iterdir()
    model = json.loads((small_store / "cnn" / "1.0" / "model.json").read_text())
    assert model["weights_sha256"][:12] in path.name

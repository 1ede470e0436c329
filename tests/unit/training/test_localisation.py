from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from detection.verdict import Opinion
from detection.version import ModelVersion
from training.explanations import Forgeries, fake_maps
from training.localisation import localisation, shown_by, shown_by_the_workflow


def test_localisation_reports_every_baseline(
    cnn_version: ModelVersion, forgeries: Forgeries
) -> None:
    maps = fake_maps(cnn_version.detector, forgeries.fakes)
    found = localisation(shown_by(cnn_version, forgeries, maps), forgeries, resampled=10)
    part = found["all"]
    assert part["images"] == len(forgeries)
    assert part["perfect"]["energy"]["value"] > part["random"]["energy"]["value"]
    assert part["average"]["energy"]["value"] > found["region"]
    gain = part["grad_cam"]["energy"]["value"] - part["centre"]["energy"]["value"]
    assert part["gain"]["value"] == pytest.approx(gain, abs=1e-4)
    assert found["shown"]["images"] <= len(forgeries)
    assert 0 <= found["auc"]["low"] <= found["auc"]["value"] <= found["auc"]["high"] <= 1


def test_a_map_of_the_region_itself_beats_the_centre(
    cnn_version: ModelVersion, forgeries: Forgeries
) -> None:
    side = forgeries.regions.shape[-1]
    step = side // 8
    maps = forgeries.regions[:, step // 2 :: step, step // 2 :: step].astype(np.float32)
    part = localisation(shown_by(cnn_version, forgeries, maps), forgeries, resampled=50)["all"]
    assert part["gain"]["low"] > 0
    assert part["grad_cam"]["peak"]["value"] > 0.9


def test_the_workflow_shows_the_map_of_the_more_confident_model(
    cnn_version: ModelVersion, forgeries: Forgeries
) -> None:
    maps = fake_maps(cnn_version.detector, forgeries.fakes)
    one = shown_by(cnn_version, forgeries, maps)
    probabilities = [0.9, 0.6, 0.2, 0.5, 0.99, 0.4]
    sure = [0.8, 0.7, 0.1, 0.6, 0.01, 0.45]
    said = tuple(Opinion("cnn", p, 0.9, 0.1) for p in probabilities)
    first = replace(one, opinions=said, of_originals=said)
    said = tuple(Opinion("efficientnet", p, 0.9, 0.1) for p in sure)
    second = replace(one, grad_cam=1 - one.grad_cam, opinions=said, of_originals=said)
    both = shown_by_the_workflow([first, second])
    by_first = [True, False, False, False, True, True]  # of equals the first decides
    assert [opinion.model == "cnn" for opinion in both.opinions] == by_first
    for row, expected in enumerate(by_first):
        source = first if expected else second
        assert np.array_equal(both.grad_cam[row], source.grad_cam[row])
    found = localisation(both, forgeries, resampled=10)
    assert found["auc"]["value"] == 0.5  # said the same of both, whoever decides
    assert found["called_fake"] == pytest.approx(4 / 6, abs=1e-4)


def test_forgeries_are_told_from_the_faces_they_were_made_from(
    cnn_version: ModelVersion, forgeries: Forgeries
) -> None:
    maps = fake_maps(cnn_version.detector, forgeries.fakes)
    one = shown_by(cnn_version, forgeries, maps)

    def saying(probability: float) -> tuple[Opinion, ...]:
        return (Opinion("cnn", probability, 0.9, 0.1),) * len(forgeries)

    for fake, original, auc in ((0.8, 0.2, 1.0), (0.3, 0.6, 0.0)):
        said = replace(one, opinions=saying(fake), of_originals=saying(original))
        assert localisation(said, forgeries, resampled=10)["auc"]["value"] == auc

import numpy as np
import pytest
import torch
from torch import nn

from architectures import Detector, InputPreset, build
from architectures.detector import pooled_linear_head
from detection.version import ModelVersion
from tests.support.small_evaluation import SmallData
from training.explanations import (
    Forgeries,
    average_regions,
    centre_prior,
    energy_inside,
    enlarged,
    fake_maps,
    make_forgeries,
    peak_inside,
    probabilities,
    random_maps,
)
from training.faithfulness import faithfulness, randomisation, randomised, replacement_curve
from training.manifest import FAKE, REAL


def test_forgeries_differ_from_their_originals_near_their_regions_only(
    forgeries: Forgeries,
) -> None:
    changed = np.any(forgeries.fakes != forgeries.originals, axis=-1)
    for index in range(len(forgeries)):
        region = forgeries.regions[index]
        assert 0 < region.mean() < 0.9
        assert changed[index][region].mean() > 0.5


def test_forgeries_follow_from_the_seed(small_data: SmallData) -> None:
    reals = [sample for sample in small_data.samples if sample.label == REAL][:3]
    first, again = (make_forgeries(reals, small_data.loader, seed=3) for _ in range(2))
    assert np.array_equal(first.fakes, again.fakes)
    other = make_forgeries(reals, small_data.loader, seed=4)
    assert not np.array_equal(first.fakes, other.fakes)


def test_energy_and_peak_of_known_maps() -> None:
    regions = np.zeros((3, 8, 8), bool)
    regions[:, :4] = True  # upper half
    maps = np.zeros((3, 8, 8), np.float32)
    maps[0, 1, 1] = 1.0  # inside
    maps[1, 1, 1], maps[1, 6, 6] = 0.25, 0.75  # mostly outside
    maps[2] = 1.0  # says nothing
    assert energy_inside(maps, regions) == pytest.approx([1.0, 0.25, 0.5])
    assert peak_inside(maps, regions) == pytest.approx([1.0, 0.0, 0.5])
    assert energy_inside(np.zeros_like(maps), regions) == pytest.approx([0.5] * 3)


def test_the_centre_prior_is_a_gaussian_at_the_centre() -> None:
    prior = centre_prior(224)
    assert prior.shape == (224, 224)
    assert prior.max() == 1
    assert np.allclose(prior, prior[::-1, ::-1], atol=1e-6)
    assert prior[112, 112 + 56] == pytest.approx(np.exp(-0.5), abs=0.02)  # one sigma away


def test_average_regions_leave_the_own_region_out(forgeries: Forgeries) -> None:
    averages = average_regions(forgeries)
    others = np.delete(forgeries.regions, 2, axis=0).mean(axis=0)
    assert np.allclose(averages[2], others, atol=1e-6)


def test_enlarged_maps_keep_the_place_and_drop_what_speaks_against() -> None:
    maps = np.full((2, 4, 4), -1.0, np.float32)
    maps[0, 0, 3] = 2.0
    big = enlarged(maps, 64)
    assert big.shape == (2, 64, 64)
    row, column = np.unravel_index(big[0].argmax(), (64, 64))
    assert row < 16
    assert column >= 48
    assert big[0, 40, 20] == pytest.approx(0, abs=1e-6)
    assert np.ptp(big[1]) == 0  # nothing speaks for Fake: no place is favoured


class _Marker(nn.Module):
    """Features that are the picture itself: channel 0 red, 1 green, 2 blue, pooled to 8 x 8."""

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return nn.functional.adaptive_avg_pool2d(x, 8)


def test_maps_are_of_the_class_fake_whatever_is_predicted() -> None:
    head = pooled_linear_head(3, 0.0)
    detector = Detector(_Marker(), head, InputPreset(32)).eval()
    linear = head[-1]
    assert isinstance(linear, nn.Linear)
    with torch.no_grad():
        linear.weight.zero_()
        linear.bias.copy_(torch.tensor([-5.0, 5.0]))  # always predicted real
        linear.weight[FAKE, 0] = 1.0  # red speaks for Fake
        linear.weight[REAL, 2] = 1.0  # blue for Real
    crops = np.zeros((1, 32, 32, 3), np.uint8)
    crops[0, :8, :8, 0] = 255
    crops[0, 24:, 24:, 2] = 255
    (found,) = fake_maps(detector, crops)
    assert np.unravel_index(found.argmax(), found.shape) <= (1, 1)
    assert found[6:, 6:].max() == pytest.approx(0, abs=1e-6)


def test_replacement_goes_from_one_picture_to_the_other(
    cnn_version: ModelVersion, forgeries: Forgeries
) -> None:
    fake, original = forgeries.fakes[0], forgeries.originals[0]
    order = random_maps(1, (224, 224))[0]
    curve = replacement_curve(cnn_version, fake, original, order)
    ends = probabilities(cnn_version, np.stack([fake, original]))
    assert curve[[0, -1]] == pytest.approx(ends, abs=1e-5)
    back = replacement_curve(cnn_version, original, fake, -order)  # the same pictures, backwards
    assert back == pytest.approx(curve[::-1], abs=1e-3)


def test_replacement_starts_where_the_map_is_highest(cnn_version: ModelVersion) -> None:
    black, white = np.zeros((224, 224, 3), np.uint8), np.full((224, 224, 3), 255, np.uint8)
    seen: list[np.ndarray] = []
    order = np.linspace(1, 0, 224, dtype=np.float32)[:, None].repeat(224, axis=1)  # top first

    def remember(_: ModelVersion, crops: np.ndarray) -> np.ndarray:
        seen.append(crops)
        return np.zeros(len(crops))

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("training.faithfulness.probabilities", remember)
        replacement_curve(cnn_version, black, white, order)
    middle = seen[0][len(seen[0]) // 2]
    assert middle[0].all()
    assert not middle[-1].any()
    assert not seen[0][0].any()
    assert seen[0][-1].all()


def test_faithfulness_reports_both_tests_and_replacements(
    cnn_version: ModelVersion, forgeries: Forgeries
) -> None:
    few = forgeries.first(2)
    maps = fake_maps(cnn_version.detector, few.fakes)
    found = faithfulness(cnn_version, few, maps)
    for replacement in ("original", "blur"):
        for test, sign in (("deletion", -1), ("insertion", 1)):
            entry = found[replacement][test]
            gain = sign * (entry["grad_cam"]["value"] - entry["random"]["value"])
            assert entry["gain"]["value"] == pytest.approx(gain, abs=2e-5)
            assert 0 <= entry["grad_cam"]["value"] <= 1
            assert len(entry["curves"]["grad_cam"]) == len(entry["curves"]["random"])


def test_randomised_networks_lose_more_and_more_and_the_original_stays() -> None:
    detector = build("cnn", size=32, residuals=2, widths=(4, 8, 8, 8), depths=(1, 1, 1)).eval()
    with torch.no_grad():
        for parameter in detector.parameters():  # new biases and batch norms are all the same
            parameter.add_(0.1 * torch.randn_like(parameter))
    before = {name: value.clone() for name, value in detector.state_dict().items()}
    names, counts = [], []
    for name, network in randomised(detector):
        now = dict(network.named_parameters())
        names.append(name)
        counts.append(sum(not torch.equal(value, before[key]) for key, value in now.items()))
    assert names == ["head", "last stage", "last half", "everything"]
    assert counts == sorted(set(counts))
    assert counts[0] == 2
    assert counts[-1] == len(now)
    assert all(torch.equal(before[name], value) for name, value in detector.state_dict().items())


def test_randomisation_compares_with_other_pictures(
    cnn_version: ModelVersion, forgeries: Forgeries
) -> None:
    maps = fake_maps(cnn_version.detector, forgeries.fakes)
    found = randomisation(cnn_version, forgeries.fakes, maps)["similarity"]
    assert next(iter(found)) == "other pictures"
    for entry in found.values():
        assert -1 <= entry["ssim"] <= 1
        assert -1 <= entry["rank_correlation"] <= 1
    assert found["everything"]["ssim"] < 0.99

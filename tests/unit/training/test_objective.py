import pytest
import torch
from torch import nn

from architectures import build
from architectures.detector import Detector, linear_layer
from detection.grad_cam import explain_head
from training.objective import CellEvidence, Objective, masked_loss

PIXELS = torch.rand(4, 3, 32, 32)
LABELS = torch.tensor([0, 1, 0, 1])
FAKE_SHARES = torch.tensor([1.0, 0.0, 1.0, 0.0])
KNOWN = torch.rand(4, 28, 28)


def _objective(mask_weight: float) -> Objective:
    torch.manual_seed(0)
    detector = build("cnn", size=32, widths=(8, 8), depths=(1,), dropout=0.0)
    return Objective(detector.eval(), mask_weight, label_smoothing=0.0)


def test_without_masks_it_is_the_cross_entropy_of_the_class() -> None:
    objective = _objective(0.0)
    expected = torch.nn.functional.cross_entropy(objective.detector(PIXELS), LABELS)
    assert float(objective(PIXELS, FAKE_SHARES, KNOWN).detach()) == pytest.approx(
        float(expected.detach())
    )
    assert [name for name, _ in objective.named_parameters() if "cells" in name] == []


def test_masks_add_their_weighted_loss() -> None:
    plain, guided = _objective(0.0), _objective(0.5)
    assert guided.cells is not None
    features = guided.detector.features(PIXELS)
    cells = guided.cells(features, linear_layer(guided.detector))
    expected = plain(PIXELS, FAKE_SHARES, KNOWN) + 0.5 * masked_loss(cells, KNOWN)
    assert float(guided(PIXELS, FAKE_SHARES, KNOWN).detach()) == pytest.approx(
        float(expected.detach()), rel=1e-5
    )


def test_what_the_masks_teach_is_what_grad_cam_shows() -> None:
    detector = _objective(0.0).detector
    linear = linear_layer(detector)
    with torch.no_grad():
        linear.weight[1] = -linear.weight[0]  # as published: the shared part is taken out
        features = detector.features(PIXELS)
        cells = CellEvidence()(features, linear)[:, 0]
    logits, maps = explain_head(detector.head, features)
    sign = torch.where(logits.argmax(1) == 0, 1.0, -1.0)[:, None, None]
    shown = torch.from_numpy(maps) * sign
    assert torch.allclose(shown / shown.abs().max(), cells / cells.abs().max(), atol=1e-4)


def test_masks_reach_the_head_and_the_features() -> None:
    objective = _objective(1.0)
    objective(PIXELS, FAKE_SHARES, KNOWN).backward()
    assert objective.cells is not None
    assert objective.cells.scale.grad is not None


def test_cells_need_a_pooled_linear_head() -> None:
    detector = _objective(0.0).detector
    other = Detector(detector.features, nn.Sequential(nn.Flatten(1)), detector.preset)
    Objective(other, 0.0, 0.0)
    with pytest.raises(ValueError, match="pooled linear head"):
        Objective(other, 0.5, 0.0)


def test_unknown_masks_do_not_count() -> None:
    cells = torch.randn(2, 1, 7, 7)
    masks = torch.rand(2, 28, 28)
    alone = masked_loss(cells[:1], masks[:1])
    masks[1] = -1.0
    assert float(masked_loss(cells, masks)) == pytest.approx(float(alone))
    assert float(masked_loss(cells, torch.full((2, 28, 28), -1.0))) == 0.0


def test_cells_that_agree_with_the_mask_cost_little() -> None:
    masks = torch.zeros(1, 28, 28)
    masks[:, :14] = 1.0
    right = torch.full((1, 1, 4, 4), -9.0)
    right[:, :, :2] = 9.0
    assert float(masked_loss(right, masks)) < 0.01
    assert float(masked_loss(-right, masks)) > 5


def test_changed_cells_count_as_much_more_as_asked() -> None:
    unsure, changed, unchanged = torch.zeros(1, 1, 4, 4), torch.ones(1, 8, 8), torch.zeros(1, 8, 8)
    once = float(masked_loss(unsure, changed))
    assert float(masked_loss(unsure, changed, 2.5)) == pytest.approx(2.5 * once)
    assert float(masked_loss(unsure, unchanged, 2.5)) == pytest.approx(once)
    objective = _objective(1.0)
    objective.changed_weight = 2.5
    assert objective(PIXELS, FAKE_SHARES, KNOWN) > _objective(1.0)(PIXELS, FAKE_SHARES, KNOWN)

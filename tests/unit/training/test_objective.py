import pytest
import torch

from architectures import build
from training.objective import Objective, masked_loss

PIXELS = torch.rand(4, 3, 32, 32)
LABELS = torch.tensor([0, 1, 0, 1])
KNOWN = torch.rand(4, 28, 28)


def _objective(mask_weight: float) -> Objective:
    torch.manual_seed(0)
    detector = build("cnn", size=32, widths=(8, 8), depths=(1,), dropout=0.0)
    return Objective(detector.eval(), mask_weight, label_smoothing=0.0)


def test_without_masks_it_is_the_cross_entropy_of_the_class() -> None:
    objective = _objective(0.0)
    expected = torch.nn.functional.cross_entropy(objective.detector(PIXELS), LABELS)
    assert float(objective(PIXELS, LABELS, KNOWN).detach()) == pytest.approx(
        float(expected.detach())
    )
    assert [name for name, _ in objective.named_parameters() if "cells" in name] == []


def test_masks_add_their_weighted_loss() -> None:
    plain, guided = _objective(0.0), _objective(0.5)
    assert guided.cells is not None
    features = guided.detector.features(PIXELS)
    expected = plain(PIXELS, LABELS, KNOWN) + 0.5 * masked_loss(guided.cells(features), KNOWN)
    assert float(guided(PIXELS, LABELS, KNOWN).detach()) == pytest.approx(
        float(expected.detach()), rel=1e-5
    )


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

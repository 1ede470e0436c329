"""What training minimises: the class of each face and, where asked, which parts were changed."""

from __future__ import annotations

import torch
from torch import nn
from torch.nn import functional

from architectures import Detector
from architectures.detector import linear_layer
from training.manifest import FAKE, REAL


class Objective(nn.Module):
    """A network with its training loss.

    Beside the class, the network may learn which cells of its feature maps show changed pixels,
    from the masks that blending, reconstruction and aligned pairs give. Such dense supervision is
    common in forgery detection (Dang et al., CVPR 2020, arXiv 1910.01717). What is supervised is
    the evidence itself: the map of the margin between the classes, which is what Grad-CAM shows
    behind a pooled linear head (Zhou et al., CVPR 2016), so that explanations point at the forged
    part. It comes with a scale of its own, which is not shipped, but with no offset: the map that
    is shown ends where the margin is 0, so that is where a cell must pass from changed to
    unchanged. That a face of which little is forged still tips the mean of its cells is left to
    the bias of the head.
    """

    def __init__(
        self,
        detector: Detector,
        mask_weight: float,
        label_smoothing: float,
        changed_weight: float = 1.0,
    ) -> None:
        """Makes the objective.

        Args:
            detector: The network; with a mask weight, its head ends with a linear layer behind
                global average pooling.
            mask_weight: Weight of the cells' loss beside the class's; 0 leaves it out.
            label_smoothing: Share of the class target that is spread over both classes.
            changed_weight: Weight of a changed cell against an unchanged one. Most cells of most
                pictures are unchanged, so with 1 a network that is unsure of a face finds nothing
                anywhere, and what is left of the map is chance.

        Raises:
            ValueError: There is a mask weight, but the head is of another kind.
        """
        super().__init__()
        self.detector = detector
        self.mask_weight, self.label_smoothing = mask_weight, label_smoothing
        self.changed_weight = changed_weight
        self.cells = CellEvidence() if mask_weight > 0 else None
        if self.cells is not None:
            linear_layer(detector)

    def forward(
        self, pixels: torch.Tensor, fake: torch.Tensor, masks: torch.Tensor
    ) -> torch.Tensor:
        """Gives the loss of a batch, a scalar.

        Args:
            pixels: Network input, N x 3 x size x size.
            fake: float32 N, how much of each is fake, in [0, 1].
            masks: float32 N x m x m, share of each cell that was changed; negative where unknown.
        """
        features = self.detector.features(pixels)
        logits = self.detector.head(features).float()
        loss = functional.cross_entropy(
            logits, class_targets(fake), label_smoothing=self.label_smoothing
        )
        if self.cells is None:
            return loss
        cells = self.cells(features.float(), linear_layer(self.detector))
        return loss + self.mask_weight * masked_loss(cells, masks, self.changed_weight)


def class_targets(fake: torch.Tensor) -> torch.Tensor:
    """Gives the probability of each class, N x 2 in the order of the logits.

    Args:
        fake: How much of each picture is fake, N, in [0, 1].
    """
    targets = torch.empty(len(fake), 2, dtype=fake.dtype, device=fake.device)
    targets[:, FAKE], targets[:, REAL] = fake, 1 - fake
    return targets


class CellEvidence(nn.Module):
    """Turns the map of the margin between the classes into logits of a cell having been changed.

    Attributes:
        scale: Logarithm of what the margin is multiplied by: more of it always means Fake.
    """

    def __init__(self) -> None:
        super().__init__()
        self.scale = nn.Parameter(torch.zeros(()))

    def forward(self, features: torch.Tensor, linear: nn.Linear) -> torch.Tensor:
        """Gives logits, N x 1 x h x w, of feature maps N x C x h x w."""
        weight = linear.weight[FAKE] - linear.weight[REAL]
        margin = torch.einsum("nchw,c->nhw", features, weight.float())[:, None]
        return margin * self.scale.exp()


def masked_loss(
    cells: torch.Tensor, masks: torch.Tensor, changed_weight: float = 1.0
) -> torch.Tensor:
    """Gives the mean binary cross-entropy of the cells whose mask is known, a scalar.

    Args:
        cells: Logits of having been changed, N x 1 x h x w.
        masks: float32 N x m x m in [0, 1]; negative where unknown.
        changed_weight: Weight of changed cells; that of unchanged ones is 1.
    """
    known = (masks.amin(dim=(1, 2)) >= 0).to(cells.dtype)[:, None, None, None]
    height, width = cells.shape[-2:]
    targets = functional.adaptive_avg_pool2d(masks.clamp(0, 1)[:, None], (height, width))
    losses = functional.binary_cross_entropy_with_logits(
        cells,
        targets,
        reduction="none",
        pos_weight=None if changed_weight == 1 else cells.new_tensor(changed_weight),
    )
    return (losses * known).sum() / (known.sum() * losses[0].numel()).clamp(min=1)

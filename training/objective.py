"""What training minimises: the class of each face and, where asked, which parts were changed."""

from __future__ import annotations

import torch
from torch import nn
from torch.nn import functional

from architectures import Detector


class Objective(nn.Module):
    """A network with its training loss.

    Beside the class, a 1 x 1 convolution on the feature maps may learn which cells show changed
    pixels, from the masks that self-blending and aligned pairs give. Such dense supervision is
    common in forgery detection (Dang et al., CVPR 2020, arXiv 1910.01717); it is for training
    alone and is not shipped.
    """

    def __init__(self, detector: Detector, mask_weight: float, label_smoothing: float) -> None:
        """Makes the objective.

        Args:
            detector: The network.
            mask_weight: Weight of the cells' loss beside the class's; 0 leaves it out.
            label_smoothing: Share of the class target that is spread over both classes.
        """
        super().__init__()
        self.detector = detector
        self.mask_weight, self.label_smoothing = mask_weight, label_smoothing
        self.cells = nn.LazyConv2d(1, 1) if mask_weight > 0 else None
        if self.cells is not None:
            size = detector.preset.size
            with torch.no_grad():
                was_training = detector.training
                detector.eval()
                self.cells(detector.features(torch.zeros(1, 3, size, size)))
                detector.train(was_training)

    def forward(
        self, pixels: torch.Tensor, labels: torch.Tensor, masks: torch.Tensor
    ) -> torch.Tensor:
        """Gives the loss of a batch, a scalar.

        Args:
            pixels: Network input, N x 3 x size x size.
            labels: int64 N.
            masks: float32 N x m x m, share of each cell that was changed; negative where unknown.
        """
        features = self.detector.features(pixels)
        logits = self.detector.head(features).float()
        loss = functional.cross_entropy(logits, labels, label_smoothing=self.label_smoothing)
        if self.cells is None:
            return loss
        return loss + self.mask_weight * masked_loss(self.cells(features).float(), masks)


def masked_loss(cells: torch.Tensor, masks: torch.Tensor) -> torch.Tensor:
    """Gives the mean binary cross-entropy of the cells whose mask is known, a scalar.

    Args:
        cells: Logits of having been changed, N x 1 x h x w.
        masks: float32 N x m x m in [0, 1]; negative where unknown.
    """
    known = (masks.amin(dim=(1, 2)) >= 0).to(cells.dtype)[:, None, None, None]
    height, width = cells.shape[-2:]
    targets = functional.adaptive_avg_pool2d(masks.clamp(0, 1)[:, None], (height, width))
    losses = functional.binary_cross_entropy_with_logits(cells, targets, reduction="none")
    return (losses * known).sum() / (known.sum() * losses[0].numel()).clamp(min=1)

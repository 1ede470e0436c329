"""Scoring labelled images with a network, and the figures that follow from the scores."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import cv2
import numpy as np
import numpy.typing as npt
import torch
from sklearn.metrics import roc_auc_score
from torch.utils.data import DataLoader, Dataset
from tqdm import tqdm

from architectures import Detector
from training.augment import Crop
from training.face_loader import FaceLoader
from training.manifest import FAKE, REAL, Sample

Change = Callable[[Crop], Crop]


class CropDataset(Dataset[torch.Tensor]):
    """The crops of samples in their order, uint8 224 x 224 x 3, unvaried unless asked."""

    def __init__(
        self, samples: Sequence[Sample], loader: FaceLoader, change: Change | None = None
    ) -> None:
        """Makes the data set.

        Args:
            samples: The samples.
            loader: Reads crops.
            change: What to do to every crop, to measure robustness; nothing by default.
        """
        cv2.setNumThreads(0)
        self._samples, self._loader, self._change = samples, loader, change

    def __len__(self) -> int:
        """Gives the number of samples."""
        return len(self._samples)

    def __getitem__(self, index: int) -> torch.Tensor:
        """Gives crop `index`."""
        crop = self._loader.crop(self._samples[index])
        return torch.from_numpy(np.array(self._change(crop) if self._change else crop))


@torch.inference_mode()
def score(
    detector: Detector,
    samples: Sequence[Sample],
    loader: FaceLoader,
    *,
    change: Change | None = None,
    workers: int = 1,
    batch_size: int = 32,
    title: str = "scoring",
) -> npt.NDArray[np.float32]:
    """Gives the logits of samples.

    Args:
        detector: The network, on the device to use; put into evaluation mode.
        samples: The images.
        loader: Reads their crops.
        change: Applied to every crop first.
        workers: Processes that read.
        batch_size: Images a forward pass.
        title: Shown beside the progress bar.

    Returns:
        Logits float32 N x 2 in the order of the samples; columns Fake, Real.
    """
    detector.eval()
    device = next(detector.parameters()).device
    batches = DataLoader(
        CropDataset(samples, loader, change), batch_size=batch_size, num_workers=workers
    )
    logits = [
        detector(detector.preset.to_input(crops.to(device))).float().cpu()
        for crops in tqdm(batches, desc=title, unit="batch", leave=False)
    ]
    return torch.cat(logits).numpy() if logits else np.zeros((0, 2), np.float32)


@dataclass(frozen=True)
class SourceAuc:
    """AUC of one source, fakes against the real images of the same source."""

    source: str
    auc: float
    fakes: int
    reals: int


def auc_by_source(
    samples: Sequence[Sample], suspicion: npt.NDArray[np.floating]
) -> list[SourceAuc]:
    """Computes the area under the ROC curve of each source that has both classes.

    Args:
        samples: N samples.
        suspicion: N scores, higher for fake.
    """
    labels = np.array([sample.label for sample in samples])
    sources = np.array([sample.source for sample in samples])
    results = []
    for source in sorted(set(sources)):
        chosen = sources == source
        fakes = int((labels[chosen] == FAKE).sum())
        reals = int((labels[chosen] == REAL).sum())
        if fakes and reals:
            auc = float(roc_auc_score(labels[chosen] == FAKE, suspicion[chosen]))
            results.append(SourceAuc(source, auc, fakes, reals))
    return results

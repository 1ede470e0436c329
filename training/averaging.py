"""Averages of the weights over training, and the batch norms that belong to them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from torch.optim.swa_utils import get_ema_multi_avg_fn, update_bn
from torch.utils.data import DataLoader, Subset

from architectures import Detector
from training.pairs import PairDataset

_STATISTICS_BATCHES = 16  # batches that the batch norms of averaged weights are measured on


def refresh_statistics(detector: Detector, data: PairDataset, batch_pairs: int) -> None:
    """Measures the batch norms' statistics of averaged weights anew, in place.

    Those of the live weights, averaged, do not fit them: before the weights settle they can turn
    a good average into one worse than chance (Izmailov et al., UAI 2018, arXiv 1803.05407, 3.2).

    Args:
        detector: The network with averaged weights.
        data: Where the batches come from: always the same, so that figures can be compared.
        batch_pairs: Pairs in a batch.
    """
    device = next(detector.parameters()).device
    count = min(_STATISTICS_BATCHES * batch_pairs, len(data))
    batches = DataLoader(Subset(data, range(count)), batch_size=batch_pairs)
    inputs = (detector.preset.to_input(crops.flatten(0, 1).to(device)) for crops, *_ in batches)
    update_bn(inputs, detector)


def moving_average(decay: float, ramp: float = 9.0) -> Callable[[Any, Any, Any], None]:
    """Averages exponentially with a decay that rises to its value.

    With the full decay from the start the average would hold initial weights for long: 45 % of
    them after 400 steps of 0.998. While the decay rises, the average after n steps is over about
    the last n / ramp of them (polynomial-decay averaging: Shamir and Zhang, ICML 2013, arXiv
    1212.1824).

    Args:
        decay: Highest decay a step, in [0, 1].
        ramp: 9 is TensorFlow's rise; 1 weighs all steps the same (stochastic weight averaging:
            Izmailov et al., UAI 2018, arXiv 1803.05407), as long as `decay` is not reached.
    """

    def update(averaged: Any, current: Any, count: Any) -> None:
        steps = int(count)
        get_ema_multi_avg_fn(min(decay, (1 + steps) / (1 + ramp + steps)))(averaged, current, count)

    return update

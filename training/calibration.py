"""From logits to probabilities one can rely on, and to verdicts with a stated error rate.

Temperature scaling: Guo et al., "On Calibration of Modern Neural Networks", ICML 2017
(arXiv 1706.04599). It cannot mend logits that favour one class throughout, so an intercept is
fitted with it (Platt, "Probabilistic Outputs for Support Vector Machines", 1999); that one goes
into the bias of the network's last layer. Where a network is overconfident at its surest alone, the
margin gets a cap as well, fitted together with both. Temperature and cap are what serving needs.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import torch
from scipy.optimize import minimize, minimize_scalar
from torchmetrics.functional.classification import binary_calibration_error

from detection.scaling import Scaling
from training.manifest import FAKE, REAL, Sample

Logits = npt.NDArray[np.float32]
Probabilities = npt.NDArray[np.float64]
Labels = npt.NDArray[np.int64]

_BINS = 15  # of the expected calibration error, as in Guo et al.
_TEMPERATURES = (0.05, 20.0)
_UNSCALED = Scaling()
_HALVINGS = 12  # of the range of temperatures on a logarithmic scale: to about 0.1 %
_CAPS = (0.5, 8.0)  # margins: probabilities of 0.62 and 0.9997; one beyond changes next to nothing


@dataclass(frozen=True)
class Thresholds:
    """Where the calibrated probability of a fake becomes a verdict.

    Attributes:
        fake: From here up the verdict is ``fake``.
        real: From here down the verdict is ``real``; between the two it is ``uncertain``.
    """

    fake: float
    real: float


def probability_fake(logits: Logits, scaling: Scaling = _UNSCALED) -> Probabilities:
    """Gives the probability of the class Fake.

    Args:
        logits: N x 2, columns Fake and Real.
        scaling: What calibrates them; by default nothing.

    Returns:
        N probabilities in [0, 1].
    """
    margin = scaling.margins(logits[:, FAKE].astype(np.float64) - logits[:, REAL])
    return np.asarray(1 / (1 + np.exp(-np.clip(margin, -500, 500))), np.float64)


def class_weights(labels: Labels) -> Probabilities:
    """Weighs samples so that both classes count the same, whatever their numbers.

    Probabilities calibrated this way hold for a picture that may be fake or real with equal
    chances beforehand.

    Raises:
        ValueError: One of the classes is missing.
    """
    counts = np.bincount(labels, minlength=2)
    if counts.min() == 0:
        raise ValueError("calibration needs both fake and real images in the validation split")
    return np.asarray(0.5 / counts[labels], np.float64)


def fit_temperature(logits: Logits, labels: Labels) -> float:
    """Finds the temperature with the least class-balanced negative log-likelihood.

    Args:
        logits: N x 2.
        labels: N, 0 for fake and 1 for real.

    Returns:
        The temperature, between 0.05 and 20.
    """

    def loss(log_temperature: float) -> float:
        return float(_losses(logits, labels, Scaling(float(np.exp(log_temperature)))).sum())

    bounds = tuple(np.log(_TEMPERATURES))
    return float(np.exp(minimize_scalar(loss, bounds=bounds, method="bounded").x))


def fit_intercept(logits: Logits, labels: Labels) -> float:
    """Finds what must be added to the margin of Fake over Real, beside a temperature.

    Args:
        logits: N x 2.
        labels: N, 0 for fake and 1 for real.

    Returns:
        The shift, in logits, with the least class-balanced negative log-likelihood.
    """
    weights = class_weights(labels)
    margin = logits[:, FAKE].astype(np.float64) - logits[:, REAL]
    sign = np.where(labels == FAKE, 1, -1)

    def loss(values: Probabilities) -> float:
        scaled = sign * (margin + values[0]) / np.exp(values[1])
        return float((weights * np.logaddexp(0, -scaled)).sum())

    capped = _fit_capped(logits, labels, shifted=True)
    if capped is not None:
        return capped[0]
    start = np.array([0.0, np.log(fit_temperature(logits, labels))])
    return float(minimize(loss, start, method="Nelder-Mead").x[0])


def fit_scaling(logits: Logits, labels: Labels, clusters: Sequence[str]) -> Scaling:
    """Finds temperature and cap with the least class-balanced negative log-likelihood.

    Where there is a cap, the temperature is then raised as far as the likelihood stays within one
    standard error of the best (the one-standard-error rule: Breiman et al., "Classification and
    Regression Trees", 1984; Hastie et al., "The Elements of Statistical Learning", 2nd ed. 2009,
    section 7.10), the error being that of the paired difference over people. How sure such a
    network may be depends on a few of them, and the workflow follows whichever network is surer:
    of two that are equally likely to be well calibrated, the less sure one does less harm there.

    Args:
        logits: N x 2, with the intercept.
        labels: N, 0 for fake and 1 for real.
        clusters: N; images of the same cluster are no independent evidence.

    Returns:
        The scaling; without a cap where one would change next to nothing.
    """
    capped = _fit_capped(logits, labels, shifted=False)
    if capped is None:
        return Scaling(fit_temperature(logits, labels))
    _, temperature, cap = capped
    members = np.unique(np.asarray(clusters), return_inverse=True)[1]
    least = _losses(logits, labels, Scaling(temperature, cap))

    def is_as_good(higher: float) -> bool:
        differences = _losses(logits, labels, Scaling(higher, cap)) - least
        sums = np.bincount(members, differences)
        return bool(sums.sum() <= np.sqrt(len(sums)) * sums.std())

    low, high = temperature, max(temperature, _TEMPERATURES[1])
    for _ in range(_HALVINGS):
        middle = float(np.sqrt(low * high))
        low, high = (middle, high) if is_as_good(middle) else (low, middle)
    return Scaling(low, cap)


def _losses(logits: Logits, labels: Labels, scaling: Scaling) -> Probabilities:
    """Gives what each sample adds to the class-balanced negative log-likelihood."""
    margin = scaling.margins(logits[:, FAKE].astype(np.float64) - logits[:, REAL])
    losses = class_weights(labels) * np.logaddexp(0, np.where(labels == FAKE, -margin, margin))
    return np.asarray(losses, np.float64)


def _fit_capped(
    logits: Logits, labels: Labels, *, shifted: bool
) -> tuple[float, float, float] | None:
    """Fits intercept (0 unless asked for), temperature and cap; None where no cap is needed."""
    weights = class_weights(labels)
    margin = logits[:, FAKE].astype(np.float64) - logits[:, REAL]
    sign = np.where(labels == FAKE, 1, -1)

    def loss(values: Probabilities) -> float:
        temperature, cap = np.exp(np.clip(values[:2], -5, 5))
        shift = values[2] if shifted else 0.0
        scaled = sign * Scaling(temperature, cap).margins(margin + shift)
        return float((weights * np.logaddexp(0, -scaled)).sum())

    start = [np.log(fit_temperature(logits, labels)), np.log(3.0), *([0.0] if shifted else [])]
    found = minimize(loss, np.array(start), method="Nelder-Mead", options={"maxiter": 2000}).x
    temperature, cap = np.exp(found[:2])
    if not (_CAPS[0] <= cap <= _CAPS[1] and _TEMPERATURES[0] <= temperature <= _TEMPERATURES[1]):
        return None
    return float(found[2]) if shifted else 0.0, float(temperature), float(cap)


def expected_calibration_error(probabilities: Probabilities, labels: Labels) -> float:
    """Gives the expected calibration error of the probability of a fake, in [0, 1], 15 bins.

    Both classes count the same, as the probabilities assume.
    """
    repeated, fake = balanced(probabilities, labels == FAKE)
    error = binary_calibration_error(
        torch.from_numpy(repeated.astype(np.float32)),
        torch.from_numpy(fake.astype(np.int64)),
        n_bins=_BINS,
    )
    return float(error)


def balanced(
    probabilities: Probabilities, fake: npt.NDArray[np.bool_]
) -> tuple[Probabilities, npt.NDArray[np.bool_]]:
    """Repeats images so that fake and real ones are equally many (to 5 %): a prior of 0.5.

    Args:
        probabilities: Probability of a fake for N images.
        fake: Whether each is one; both kinds must occur.

    Returns:
        Probability of a fake, and whether it is one, of the repeated images.
    """
    counts = np.array([(~fake).sum(), fake.sum()])
    repeats = np.rint(10 * counts.max() / counts).astype(int)[fake.astype(int)]
    return np.repeat(probabilities, repeats), np.repeat(fake, repeats)


def choose_thresholds(
    probabilities: Probabilities,
    samples: Sequence[Sample],
    false_fake_rate: float,
    false_real_rate: float,
) -> Thresholds:
    """Chooses thresholds that keep error rates on the images at hand.

    The threshold for ``fake`` is the lowest at which no source has more than `false_fake_rate`
    of its real images called fake, so that one camera is not made to pay for another's ease. The
    threshold for ``real`` is the highest at which at most `false_real_rate` of all fakes are
    called real. They never cross 0.5, so a verdict never contradicts the more probable class.

    Args:
        probabilities: Calibrated probability of a fake for N images.
        samples: The N images.
        false_fake_rate: Share of real images, of any source, that may be called fake.
        false_real_rate: Share of fakes that may be called real.

    Returns:
        The thresholds; fake in [0.5, 1], real in [0, 0.5].
    """
    labels = np.array([sample.label for sample in samples])
    sources = np.array([sample.source for sample in samples])
    fake = 0.5
    for source in set(sources[labels == REAL]):
        reals = probabilities[(labels == REAL) & (sources == source)]
        fake = max(fake, _exceeded_by(reals, false_fake_rate))
    fakes = probabilities[labels == FAKE]
    real = min(0.5, 1 - _exceeded_by(1 - fakes, false_real_rate))
    return Thresholds(fake=fake, real=real)


def _exceeded_by(values: Probabilities, share: float) -> float:
    """Gives a threshold that at most `share` of the values reach or exceed."""
    ordered = np.sort(values)[::-1]
    allowed = int(np.floor(share * len(ordered)))
    return float(np.nextafter(ordered[allowed], np.inf)) if allowed < len(ordered) else 0.0

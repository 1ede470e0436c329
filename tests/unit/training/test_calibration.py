import numpy as np
import pytest

from detection.scaling import Scaling
from training.calibration import (
    choose_thresholds,
    class_weights,
    expected_calibration_error,
    fit_intercept,
    fit_scaling,
    fit_temperature,
    probability_fake,
)
from training.manifest import FAKE, REAL, Sample


def _overconfident(temperature: float, count: int = 20_000) -> tuple[np.ndarray, np.ndarray]:
    """Logits whose true probabilities are reached after division by `temperature`."""
    rng = np.random.default_rng(0)
    margin = rng.normal(0, 2, count)
    labels = np.where(rng.random(count) < 1 / (1 + np.exp(-margin)), FAKE, REAL)
    half = (margin * temperature / 2).astype(np.float32)
    return np.stack([half, -half], axis=1), labels.astype(np.int64)


@pytest.mark.parametrize("temperature", [0.5, 1.0, 3.0])
def test_the_temperature_that_spoilt_the_logits_is_found(temperature: float) -> None:
    logits, labels = _overconfident(temperature)
    assert fit_temperature(logits, labels) == pytest.approx(temperature, rel=0.05)


def test_the_intercept_that_was_taken_off_is_found() -> None:
    logits, labels = _overconfident(2.0)
    kept = np.ones(len(labels), bool)
    kept[np.flatnonzero(labels == REAL)[::3]] = False  # the classes' numbers must not matter
    assert fit_intercept(logits[kept], labels[kept]) == pytest.approx(0, abs=0.15)
    logits[:, FAKE] -= 0.8
    assert fit_intercept(logits[kept], labels[kept]) == pytest.approx(0.8, abs=0.15)


def test_classes_of_any_number_count_the_same_in_the_error() -> None:
    logits, labels = _overconfident(3.0)
    probability = probability_fake(logits)
    repeated = np.concatenate([np.arange(len(labels)), *[np.flatnonzero(labels == FAKE)] * 4])
    assert expected_calibration_error(probability[repeated], labels[repeated]) == pytest.approx(
        expected_calibration_error(probability, labels), abs=0.01
    )


def test_scaling_repairs_the_calibration_error() -> None:
    logits, labels = _overconfident(4.0)
    before = expected_calibration_error(probability_fake(logits), labels)
    fitted = fit_temperature(logits, labels)
    after = expected_calibration_error(probability_fake(logits, Scaling(fitted)), labels)
    assert before > 0.1
    assert after < 0.02


def test_a_cap_is_found_where_the_surest_are_overconfident() -> None:
    rng = np.random.default_rng(0)
    margin = rng.normal(0, 3, 40_000)
    probability = 1 / (1 + np.exp(-2 * np.tanh(margin / 2)))  # never more than 0.88 sure
    labels = np.where(rng.random(len(margin)) < probability, FAKE, REAL).astype(np.int64)
    half = (margin / 2 + 0.2).astype(np.float32)
    logits = np.stack([half, -half], axis=1)
    logits[:, FAKE] += fit_intercept(logits, labels)
    scaling = fit_scaling(logits, labels, [str(index) for index in range(len(labels))])
    assert scaling.margin_cap == pytest.approx(2.0, rel=0.1)
    assert scaling.temperature == pytest.approx(1.0, rel=0.1)
    capped = expected_calibration_error(probability_fake(logits, scaling), labels)
    alone = Scaling(fit_temperature(logits, labels))
    assert capped < 0.02 < expected_calibration_error(probability_fake(logits, alone), labels)


def test_there_is_no_cap_where_none_is_needed() -> None:
    logits, labels = _overconfident(2.0)
    alone = Scaling(fit_temperature(logits, labels))
    assert fit_scaling(logits, labels, ["one"] * len(labels)) == alone


def test_the_network_is_the_less_sure_the_less_the_people_agree_on_it() -> None:
    rng = np.random.default_rng(0)
    people = np.repeat(np.arange(30), 60)
    sureness = np.where(people < 20, 3.0, 1.0)  # of ten people the surest are less often right
    margin = rng.normal(0, 3, len(people))
    probability = 1 / (1 + np.exp(-sureness * np.tanh(margin / 2)))
    labels = np.where(rng.random(len(margin)) < probability, FAKE, REAL).astype(np.int64)
    logits = np.stack([margin / 2, -margin / 2], axis=1).astype(np.float32)
    apart = fit_scaling(logits, labels, [str(index) for index in range(len(labels))])
    together = fit_scaling(logits, labels, [str(person) for person in people])
    assert apart.margin_cap is not None
    assert together.margin_cap == apart.margin_cap
    assert 1.05 * apart.temperature < together.temperature < 3 * apart.temperature


def test_probabilities_stay_finite_for_extreme_logits() -> None:
    logits = np.array([[3e4, -3e4], [-3e4, 3e4]], np.float32)
    assert probability_fake(logits, Scaling(0.05)).tolist() == pytest.approx([1, 0])


def test_both_classes_weigh_the_same() -> None:
    labels = np.array([0, 0, 0, 1])
    weights = class_weights(labels)
    assert weights[labels == 0].sum() == pytest.approx(weights[labels == 1].sum())
    with pytest.raises(ValueError, match="both fake and real"):
        class_weights(np.zeros(3, np.int64))


def test_thresholds_keep_their_promise_for_every_source() -> None:
    rng = np.random.default_rng(1)
    samples, values = [], []
    for source, mean in (("easy", 0.2), ("hard", 0.6)):
        for label in (FAKE, REAL):
            for value in np.clip(rng.normal(mean if label else mean + 0.2, 0.1, 400), 0, 1):
                samples.append(Sample("", "validation", label, source))
                values.append(value)
    probabilities = np.array(values)
    thresholds = choose_thresholds(probabilities, samples, 0.05, 0.10)
    labels = np.array([sample.label for sample in samples])
    sources = np.array([sample.source for sample in samples])
    rates = {
        source: (probabilities[(labels == REAL) & (sources == source)] >= thresholds.fake).mean()
        for source in ("easy", "hard")
    }
    assert max(rates.values()) <= 0.05
    assert rates["hard"] > 0.04, "the threshold is no stricter than the promise asks"
    assert (probabilities[labels == FAKE] <= thresholds.real).mean() <= 0.10
    assert thresholds.real <= 0.5 <= thresholds.fake

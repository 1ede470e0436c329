import numpy as np
import pytest

from detection.scaling import Scaling

LOGITS = np.array([[2.0, -1.0], [-4.0, 4.0], [0.1, 0.0], [40.0, -40.0]], np.float32)


def test_the_temperature_divides_and_the_cap_limits_the_margin() -> None:
    assert Scaling(2.0).logits(LOGITS).tolist() == (LOGITS / 2).tolist()
    capped = Scaling(2.0, 3.0).logits(LOGITS)
    margins = LOGITS[:, 0] - LOGITS[:, 1]
    assert capped[:, 0] - capped[:, 1] == pytest.approx(3 * np.tanh(margins / 6))
    assert capped.dtype == np.float32


def test_small_margins_are_left_alone_and_the_order_is_kept() -> None:
    margins = np.linspace(-8, 8, 99)
    capped = Scaling(1.0, 2.5).margins(margins)
    assert (np.diff(capped) > 0).all()
    assert np.abs(capped).max() < 2.5
    assert capped[49:51] == pytest.approx(margins[49:51], abs=1e-3)
    assert (np.sign(capped) == np.sign(margins)).all()


def test_what_a_description_says_is_read_back() -> None:
    for scaling in (Scaling(1.3), Scaling(0.9, 2.4)):
        assert Scaling.of(scaling.as_dict()) == scaling
    with pytest.raises(KeyError):
        Scaling.of({"margin_cap": 1.0})


@pytest.mark.parametrize(
    ("temperature", "cap", "message"),
    [(0.0, None, "temperature"), (float("nan"), None, "temperature"), (1.0, 0.0, "cap")],
)
def test_nonsense_is_refused(temperature: float, cap: float | None, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        Scaling(temperature, cap)

"""From the logits of a network to calibrated ones."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt


@dataclass(frozen=True)
class Scaling:
    """How the margin between the two logits becomes one whose probability can be relied on.

    Both parts keep the order of pictures, and which class is the more probable one.

    Attributes:
        temperature: Divides the logits (Guo et al., ICML 2017, arXiv 1706.04599), above 0.
        margin_cap: What the margin approaches but never passes, above 0: m becomes
            cap * tanh(m / cap), soft-capping as of the logits of Gemma 2 (2024, arXiv 2408.00118).
            A network that is as often wrong at its surest as a little below that is overconfident
            there, and no temperature mends that. None for no cap.
    """

    temperature: float = 1.0
    margin_cap: float | None = None

    def __post_init__(self) -> None:
        """Checks the values.

        Raises:
            ValueError: One of them is not a positive finite number.
        """
        if not 0 < self.temperature < float("inf"):
            raise ValueError("the temperature must be positive")
        if self.margin_cap is not None and not 0 < self.margin_cap < float("inf"):
            raise ValueError("the cap of the margin must be positive")

    def margins(self, margins: npt.NDArray[Any]) -> npt.NDArray[Any]:
        """Gives calibrated margins of margins (logit of Fake minus that of Real), any shape."""
        scaled = np.asarray(margins / margins.dtype.type(self.temperature))
        if self.margin_cap is None:
            return scaled
        cap = margins.dtype.type(self.margin_cap)
        return np.asarray(cap * np.tanh(scaled / cap))

    def logits(self, logits: npt.NDArray[np.float32]) -> npt.NDArray[np.float32]:
        """Gives calibrated logits, N x 2, of logits, N x 2."""
        if self.margin_cap is None:
            return np.asarray(logits / np.float32(self.temperature))
        half = self.margins(logits[:, 0] - logits[:, 1]) / np.float32(2)
        return np.stack([half, -half], axis=1)

    def as_dict(self) -> dict[str, float]:
        """Gives what ``model.json`` says of it; no cap is left out."""
        if self.margin_cap is None:
            return {"temperature": self.temperature}
        return {"temperature": self.temperature, "margin_cap": self.margin_cap}

    @classmethod
    def of(cls, description: dict[str, Any]) -> Scaling:
        """Reads what ``model.json`` says.

        Raises:
            KeyError: There is no temperature.
            ValueError: A value is no positive number.
        """
        cap = description.get("margin_cap")
        return cls(float(description["temperature"]), None if cap is None else float(cap))

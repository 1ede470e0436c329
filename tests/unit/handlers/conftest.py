from __future__ import annotations

from typing import Any

import pytest


class FakeContext:
    """Records what a handler tells TorchServe."""

    def __init__(self, model_dir: str = "") -> None:
        self.system_properties: dict[str, Any] = {"model_dir": model_dir}
        self.statuses: dict[int, int] = {}
        self.types: dict[int, str] = {}

    def set_response_status(self, code: int = 200, phrase: str = "", idx: int = 0) -> None:
        assert isinstance(phrase, str)
        self.statuses[idx] = code

    def set_response_content_type(self, idx: int, value: str) -> None:
        self.types[idx] = value


@pytest.fixture
def context() -> FakeContext:
    return FakeContext()

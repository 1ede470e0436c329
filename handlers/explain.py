"""Last node: the models' judgements become the reply."""

from __future__ import annotations

from collections.abc import Sequence

from detection.explain import explain
from handlers.exchange import Context, Row, answer_json


class ExplainHandler:
    """Writes the reply to each request of a batch."""

    def initialize(self, context: Context) -> None:
        """Nothing to load."""

    def handle(self, data: Sequence[Row], context: Context) -> list[bytes]:
        """Answer each request with the reply as JSON. Never raises."""
        return [answer_json(explain(row), context, index) for index, row in enumerate(data)]

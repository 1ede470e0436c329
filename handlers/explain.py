"""Last node: the models' judgements become the reply."""

from __future__ import annotations

from collections.abc import Sequence

from detection.explain import explain
from handlers.counters import PROBE_HEADER, Counters
from handlers.exchange import Context, Row, answer_json


class ExplainHandler:
    """Writes the reply to each request of a batch."""

    def initialize(self, context: Context) -> None:
        """Find the counters that replies add to."""
        self._counters = Counters(context.metrics)

    def handle(self, data: Sequence[Row], context: Context) -> list[bytes]:
        """Answer each request with the reply as JSON. Never raises."""
        replies = [explain(row) for row in data]
        self._counters.add(
            reply
            for index, reply in enumerate(replies)
            if context.get_request_header(index, PROBE_HEADER) is None
        )
        return [answer_json(reply, context, index) for index, reply in enumerate(replies)]

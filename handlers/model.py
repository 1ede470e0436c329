"""The node of a network, for whichever network its archive holds.

In the workflow it gets a message of ingest and answers with a message. At `/predictions/<model>` it
gets a picture, does ingest's part itself, and answers with JSON and a true HTTP status.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

from detection.errors import InputError
from detection.judge import Judge, judge_messages
from detection.message import is_message, pack_error
from detection.reply import judgement_reply
from handlers.exchange import Context, Row, answer_json, uploaded

if TYPE_CHECKING:
    from detection.faces import FaceFinder


class ModelHandler:
    """Judges the faces of all requests of a batch in one forward pass."""

    def initialize(self, context: Context) -> None:
        """Load the network from the archive; `model.json` in it says which and how."""
        # Several workers share the cores: more threads each make all of them slower. Torch, where
        # it is used, reads the same from the worker's environment (ops/server.py).
        self._judge = Judge(Path(context.system_properties["model_dir"]), threads=1)

    @cached_property
    def _finder(self) -> FaceFinder:
        """Loaded with the first picture: in the workflow, ingest has one, and OpenCV with it."""
        from detection.faces import FaceFinder  # noqa: PLC0415

        return FaceFinder(threads=1)

    def handle(self, data: Sequence[Row], context: Context) -> list[bytes]:
        """Answer each request in kind: a message with a message, a picture with JSON."""
        from_node = [is_message(row.get("body", b"")) for row in data]
        messages = [
            row["body"] if node else self._ingest(row)
            for row, node in zip(data, from_node, strict=True)
        ]
        judged = judge_messages(messages, self._judge)
        return [
            answer if node else answer_json(judgement_reply(answer), context, index)
            for index, (answer, node) in enumerate(zip(judged, from_node, strict=True))
        ]

    def _ingest(self, row: Row) -> bytes:
        from detection.ingest import ingest  # noqa: PLC0415 (see `_finder`)

        try:
            return ingest(uploaded(row), self._finder)
        except InputError as error:
            return pack_error(error)

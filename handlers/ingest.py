"""First node: an upload becomes the crops of its faces."""

from __future__ import annotations

from collections.abc import Sequence

from detection.errors import InputError
from detection.faces import FaceFinder
from detection.ingest import ingest
from detection.message import pack_error
from handlers.exchange import Context, Row, uploaded


class IngestHandler:
    """Decodes each upload of a batch and finds its faces. Bad input travels on as a message."""

    def initialize(self, context: Context) -> None:  # noqa: ARG002 - TorchServe passes it
        """Load the face detector."""
        self._finder = FaceFinder(threads=1)

    def handle(self, data: Sequence[Row], context: Context) -> list[bytes]:  # noqa: ARG002
        """Answer each request with a message for the models. Never raises."""
        return [self._message(row) for row in data]

    def _message(self, row: Row) -> bytes:
        try:
            return ingest(uploaded(row), self._finder)
        except InputError as error:
            return pack_error(error)

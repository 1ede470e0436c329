"""Renews TorchServe's tokens when half of their life is over.

A renewed token does not end the one before, which lives out its time (`ops/engine`): so requests
that carry it, and clients that have read it, are not refused.
"""

import time
from collections.abc import Callable

from ops.client import TokenClient
from ops.errors import OpsError
from ops.settings import Settings
from ops.tokens import read_keys, read_tokens, write_inference_token

_RETRY_SECONDS = 5.0


class Rotation:
    """The tokens' renewal; `renew_if_due` is called often."""

    def __init__(self, settings: Settings, clock: Callable[[], float] = time.time) -> None:
        self._settings = settings
        self._clock = clock
        self._due: float | None = None

    def restart(self) -> None:
        """Begin anew: TorchServe has just been started and has made new tokens.

        Raises:
            OpsError: the key file cannot be read.
        """
        now = self._clock()
        self._due = now + (read_keys(self._settings.run_dir).expires - now) / 2

    def renew_if_due(self) -> bool:
        """Renew the tokens if it is time to; returns whether it was done.

        Raises:
            OpsError: it could not be done. Half of the tokens' life is left to try again.
        """
        if self._due is None or self._clock() < self._due:
            return False
        self._due = self._clock() + _RETRY_SECONDS
        self.renew()
        return True

    def renew(self) -> None:
        """Renew the tokens now.

        Raises:
            OpsError: it could not be done; the tokens there are stay valid until their end.
        """
        settings = self._settings
        client = TokenClient(settings.management_url, read_keys(settings.run_dir).api, timeout=10)
        for kind in ("inference", "management"):
            client.renew(kind)
        try:
            write_inference_token(settings.run_dir, read_tokens(settings.run_dir))
        except OSError as error:
            raise OpsError(f"The edge's token cannot be written: {error.strerror}.") from error
        self.restart()

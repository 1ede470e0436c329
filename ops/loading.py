"""Loads versions of a model into a running TorchServe, beside the serving one; takes them out."""

import time
from collections.abc import Callable
from contextlib import suppress
from typing import Any

from ops import archive, manifest, trial
from ops.client import InferenceClient, LoadedVersion, ManagementClient, RefusedError
from ops.settings import Settings

_PATIENCE_SECONDS = 60.0
_PAUSE_SECONDS = 0.2


def patiently(ask: Callable[[], dict[str, Any]]) -> dict[str, Any]:
    """Ask again while the service is too busy to take the request (503).

    Raises:
        OpsError: it refused for another reason, or was busy for a minute.
    """
    deadline = time.monotonic() + _PATIENCE_SECONDS
    while True:
        try:
            return ask()
        except RefusedError as error:
            if error.status != 503 or time.monotonic() > deadline:
                raise
        time.sleep(_PAUSE_SECONDS)


class Loader:
    """Versions under one registered name, a `place`: a node of the workflow, or a model alone."""

    def __init__(
        self, settings: Settings, management: ManagementClient, inference: InferenceClient
    ) -> None:
        self._store = settings.model_store
        self._management = management
        self._inference = inference

    def is_spare(self, place: str, version: str) -> bool:
        """Whether a version is loaded, but is not the default."""
        return version in list(self._management.versions(place))[1:]

    def is_wanting(self, place: str, version: str) -> bool:
        """Whether a version is not loaded, or is a spare one without a worker."""
        found = self._management.versions(place)
        # A default without a worker cannot be taken out: its check will say what is wrong.
        return version not in found or (not found[version].ready and self.is_spare(place, version))

    def load(self, place: str, model: str, version: str, like: LoadedVersion) -> None:
        """Register a version with the settings of another; it is ready when this returns.

        Raises:
            OpsError: the archive is not what was built, or TorchServe cannot load it.
        """
        if self.is_spare(place, version):  # what a load that was cut off has left
            self._management.unregister_model(place, version)
        file = archive.model_file(model, version)
        manifest.require_known(self._store, file)
        self._management.register_model(
            file,
            place,
            batch_size=like.batch_size,
            max_batch_delay_ms=like.max_batch_delay_ms,
            workers=max(like.workers, 1),
            response_seconds=like.response_seconds,
        )

    def check(self, place: str, model: str, version: str, *, verdicts: bool = True) -> None:
        """Let a loaded version judge the reference pictures.

        Args:
            place: the registered name.
            model: the model.
            version: the version.
            verdicts: whether a wrong verdict counts, or only whether and as what it judges.

        Raises:
            OpsError: it did not judge, or judged wrongly.
        """
        described = archive.describe(self._store, archive.model_file(model, version))
        trial.require_sound(self._inference, place, version, described, verdicts=verdicts)

    def retire(self, place: str, version: str) -> None:
        """Take a spare version out once it has answered everything that was sent to it.

        Raises:
            OpsError: TorchServe refused it, or the version stayed busy.
        """
        if self._management.versions(place)[version].ready:
            # A request that found this version the default a moment ago may not be queued yet.
            time.sleep(_PAUSE_SECONDS)
            # The queue is first in, first out: when this is answered, all before it are.
            with suppress(RefusedError):  # a version that cannot judge has nothing to finish
                patiently(lambda: self._inference.predict(place, trial.reference(), version))
        self._management.unregister_model(place, version)

"""The whole judgement in one process, by the same steps that the workflow runs as nodes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

from detection.explain import explain
from detection.faces import FaceFinder
from detection.ingest import Finder, ingest
from detection.judge import Judge, judge_messages
from detection.reply import MODELS, Json
from detection.version import VersionError, graph_file, serving_versions, version_folder


class Pipeline:
    """Judges pictures without any server, with the answers that the service gives.

    Attributes:
        judges: The models by name.
    """

    def __init__(
        self,
        store: Path | str,
        versions: Mapping[str, str] | None = None,
        device: str | None = None,
        finder: Finder | None = None,
        threads: int = 1,
    ) -> None:
        """Loads the models.

        Args:
            store: The folder of all models, ``model_store``.
            versions: Versions by model name; a model left out runs in the version that
                ``serving.json`` names.
            device: Where the models run; without it a GPU if there is one, else the CPU.
            finder: Finds the faces; by default a `FaceFinder`.
            threads: Threads of a network on ONNX Runtime, and of the default finder.

        Raises:
            VersionError: A version is missing or unusable.
        """
        self.judges = {
            name: Judge(
                version_folder(store, name, version),
                device,
                graph_file(store, name, version),
                threads,
            )
            for name, version in _chosen(store, versions or {}).items()
        }
        self._finder = finder if finder is not None else FaceFinder(threads)

    def judge(self, data: bytes) -> Json:
        """Judges one picture. Never raises.

        Args:
            data: The file's bytes.

        Returns:
            The reply as JSON values, or the error ``{"code", "type", "message"}``.
        """
        return self.judge_batch([data])[0]

    def judge_batch(self, files: Sequence[bytes]) -> list[Json]:
        """Judges several pictures, the faces of all of them together. Never raises.

        Args:
            files: The files' bytes.

        Returns:
            One reply or error a file, in their order.
        """
        crops = [ingest(data, self._finder) for data in files]
        judged = {name: judge_messages(crops, judge) for name, judge in self.judges.items()}
        return [
            explain({name: messages[index] for name, messages in judged.items()})
            for index in range(len(files))
        ]


def _chosen(store: Path | str, versions: Mapping[str, str]) -> dict[str, str]:
    """Completes the versions asked for by those that serve."""
    unknown = sorted(set(versions) - set(MODELS))
    if unknown:
        raise VersionError(f"no model {', '.join(unknown)}; there is {', '.join(MODELS)}")
    serving = {} if set(versions) == set(MODELS) else serving_versions(store)
    missing = sorted(set(MODELS) - set(serving) - set(versions))
    if missing:
        raise VersionError(f"serving.json names no version of {', '.join(missing)}")
    return {name: versions.get(name, serving.get(name, "")) for name in MODELS}

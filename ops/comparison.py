"""Compares a loaded version of a model with the serving one, on pictures, without serving it."""

import statistics
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ops.client import InferenceClient, RefusedError
from ops.errors import OpsError


@dataclass(frozen=True)
class Opinion:
    """What one version said of one picture.

    Attributes:
        verdict: on the most suspicious face, by the version's own thresholds.
        probability_fake: of that face.
        milliseconds: from request to reply.
    """

    verdict: str
    probability_fake: float
    milliseconds: float


def compare(
    inference: InferenceClient,
    model: str,
    versions: tuple[str, str],
    pictures: list[Path],
    say: Callable[[str], None],
) -> dict[str, Any]:
    """Let two loaded versions of a model judge the same pictures, one after the other in turns.

    Args:
        inference: TorchServe's inference API.
        model: the model, as registered on its own.
        versions: the serving version and the one to compare with it.
        pictures: files.
        say: told of progress.

    Returns:
        Agreement, changed verdicts and latency, as JSON values.

    Raises:
        OpsError: no picture could be judged, or the service failed.
    """
    judged: dict[Path, tuple[Opinion, Opinion]] = {}
    refused: dict[Path, str] = {}
    for index, picture in enumerate(pictures):
        # In turns, so that neither always finds the other's traces in the caches.
        order = (0, 1) if index % 2 == 0 else (1, 0)
        try:
            data = picture.read_bytes()
            said = {which: _ask(inference, model, versions[which], data) for which in order}
        except RefusedError as error:
            if not 400 <= error.status < 500 or error.status == 404:
                raise
            refused[picture] = str(error)
        except OSError as error:
            refused[picture] = f"cannot be read: {error.strerror}"
        else:
            judged[picture] = (said[0], said[1])
        if (index + 1) % 50 == 0:
            say(f"{index + 1} of {len(pictures)} pictures ...")
    if not judged:
        raise OpsError(
            f"None of the {len(pictures)} files could be judged: "
            f"{next(iter(refused.values()), 'there are none')}"
        )
    return _summary(model, versions, judged, refused)


def pictures_in(folder: Path) -> list[Path]:
    """All files in a folder and those below it, hidden ones excepted.

    Raises:
        OpsError: there are none.
    """
    files = [
        file
        for file in sorted(folder.rglob("*"))
        if file.is_file() and not any(p.startswith(".") for p in file.relative_to(folder).parts)
    ]
    if not files:
        raise OpsError(f"There are no files in {folder}: name a folder of pictures (PICTURES=).")
    return files


def table(found: dict[str, Any]) -> list[str]:
    """A comparison as lines for people."""
    old, new = found["serving"], found["candidate"]
    lines = [
        (
            f"{found['model']} {new['version']} against {old['version']}, which serves: "
            f"{found['judged']} pictures judged, {len(found['refused'])} refused."
        ),
        (
            f"Agreement: {found['agreement']:.1%} of the verdicts; the probability of fake differs "
            f"by {found['mean_difference']:.3f} on average, {found['largest_difference']:.3f} at "
            "most."
        ),
        "",
        f"{'version':<10}{'fake':>7}{'real':>7}{'uncertain':>11}{'median':>11}{'p99':>11}",
    ]
    for side in (old, new):
        counts = side["verdicts"]
        lines.append(
            f"{side['version']:<10}{counts['fake']:>7}{counts['real']:>7}{counts['uncertain']:>11}"
            f"{side['median_ms']:>8.1f} ms{side['p99_ms']:>8.1f} ms"
        )
    if found["changed"]:
        lines += ["", "Changed verdicts:"]
    for change in found["changed"]:
        lines.append(
            f"  {change['picture']}: {change['serving']['verdict']} "
            f"({change['serving']['probability_fake']:.3f}) -> {change['candidate']['verdict']} "
            f"({change['candidate']['probability_fake']:.3f})"
        )
    lines += [f"  not judged: {path}: {why}" for path, why in found["refused"].items()]
    return lines


def _ask(inference: InferenceClient, model: str, version: str, data: bytes) -> Opinion:
    begin = time.perf_counter()
    reply = inference.predict(model, data, version)
    milliseconds = (time.perf_counter() - begin) * 1000
    answering = reply["model"]["version"]
    if answering != version:
        raise OpsError(f"{model} {answering} answered where {version} was asked.")
    face = max(reply["faces"], key=lambda one: float(one["probability_fake"]))
    return Opinion(face["verdict"], float(face["probability_fake"]), milliseconds)


def _summary(
    model: str,
    versions: tuple[str, str],
    judged: dict[Path, tuple[Opinion, Opinion]],
    refused: dict[Path, str],
) -> dict[str, Any]:
    differences = [abs(a.probability_fake - b.probability_fake) for a, b in judged.values()]
    changed = {path: pair for path, pair in judged.items() if pair[0].verdict != pair[1].verdict}
    return {
        "model": model,
        "judged": len(judged),
        "agreement": 1 - len(changed) / len(judged),
        "mean_difference": statistics.fmean(differences),
        "largest_difference": max(differences),
        "serving": _side(versions[0], (pair[0] for pair in judged.values())),
        "candidate": _side(versions[1], (pair[1] for pair in judged.values())),
        "changed": [
            {"picture": str(path), "serving": _said(a), "candidate": _said(b)}
            for path, (a, b) in changed.items()
        ],
        "refused": {str(path): why for path, why in refused.items()},
    }


def _side(version: str, opinions: Iterable[Opinion]) -> dict[str, Any]:
    said = list(opinions)
    times = sorted(opinion.milliseconds for opinion in said)
    verdicts = [opinion.verdict for opinion in said]
    return {
        "version": version,
        "verdicts": {name: verdicts.count(name) for name in ("fake", "real", "uncertain")},
        "median_ms": statistics.median(times),
        # The nearest rank: a time that was measured.
        "p99_ms": times[min(len(times) - 1, -(-99 * len(times) // 100) - 1)],
    }


def _said(opinion: Opinion) -> dict[str, Any]:
    return {"verdict": opinion.verdict, "probability_fake": opinion.probability_fake}

"""Whether a loaded version judges as it should: asked before any user meets it."""

import math
from collections.abc import Mapping
from typing import Any

from ops.client import InferenceClient
from ops.errors import OpsError
from ops.settings import ROOT

_SAMPLES = ROOT / "ui" / "static" / "samples"
_FORBIDDEN = {"sample-real.jpg": "fake", "sample-fake.jpg": "real"}
"""Reference picture -> the verdict that would be wrong: the samples that the page offers too."""


def require_sound(
    inference: InferenceClient,
    name: str,
    version: str,
    described: Mapping[str, Any],
    *,
    verdicts: bool = True,
) -> None:
    """Let a loaded version judge the reference pictures, without serving it.

    Args:
        inference: TorchServe's inference API.
        name: the registered model: a node of the workflow, or a model on its own.
        version: the version.
        described: `model.json` of the archive.
        verdicts: whether a wrong verdict counts, or only whether and as what it judges.

    Raises:
        OpsError: it did not judge, judged wrongly, or is not what its archive says.
    """
    for picture, forbidden in _FORBIDDEN.items():
        try:
            reply = inference.predict(name, reference(picture), version)
        except OpsError as error:
            raise OpsError(f"{name} {version} did not judge {picture}: {error}") from error
        wrong = problem(reply, described, forbidden if verdicts else None)
        if wrong:
            raise OpsError(f"{name} {version} failed the check with {picture}: {wrong}.")


def reference(picture: str = "sample-real.jpg") -> bytes:
    """A reference picture.

    Raises:
        OpsError: it is missing.
    """
    path = _SAMPLES / picture
    if not path.is_file():
        raise OpsError(f"The reference picture {path} is missing: restore it from the repository.")
    return path.read_bytes()


def problem(
    reply: Mapping[str, Any], described: Mapping[str, Any], forbidden: str | None
) -> str | None:
    """What is wrong with a model's judgement of a reference picture; None if nothing is."""
    made_by = reply.get("model", {})
    for key in ("name", "version", "weights_sha256"):
        if made_by.get(key) != described.get(key):
            return f"it answers as {key} {made_by.get(key)!r}, not {described.get(key)!r}"
    faces = reply.get("faces", [])
    if len(faces) != 1 or faces[0]["box"] is None:
        return "it did not judge the one face there is"
    probability = faces[0]["probability_fake"]
    if not (math.isfinite(probability) and 0 <= probability <= 1):
        return f"its probability is {probability}"
    grid = [value for row in faces[0]["grad_cam"]["grid"] for value in row]
    if not grid or not all(math.isfinite(value) for value in grid):
        return "its Grad-CAM map is empty or not finite"
    if faces[0]["verdict"] == forbidden:
        return f"it calls it {forbidden} (probability of fake {probability:.2f})"
    return None

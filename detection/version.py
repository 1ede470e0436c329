"""Versions of a model on disk: which there are, which serve, and loading one with all checks.

Describing a version needs no torch; only loading its network imports it.
"""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, get_args

from detection.records import ModelFacts
from detection.scaling import Scaling
from detection.verdict import Label

if TYPE_CHECKING:
    from architectures import Detector

DESCRIPTION = "model.json"
WEIGHTS = "weights.safetensors"
SERVING = "serving.json"
CLASSES: tuple[str, ...] = get_args(Label)
"""Class names in the order of the logits, the same as `architectures.detector.CLASSES`."""


class VersionError(ValueError):
    """A folder is no usable version of a model; the message says which and why."""


@dataclass(frozen=True)
class Description:
    """What ``model.json`` says of a version.

    Attributes:
        facts: Name, version, weights' hash and thresholds, as replies carry them.
        scaling: What calibrates the logits before the softmax.
        content: Everything ``model.json`` says.
    """

    facts: ModelFacts
    scaling: Scaling
    content: dict[str, Any]

    @classmethod
    def read(cls, folder: Path | str) -> Description:
        """Reads the description in a version's folder.

        Raises:
            VersionError: It is missing or malformed.
        """
        content = _read_json(Path(folder) / DESCRIPTION)
        try:
            return cls(_facts(content), Scaling.of(content), content)
        except KeyError as error:
            raise VersionError(f"{folder}: {DESCRIPTION} lacks {error}") from error
        except (ValueError, TypeError) as error:
            raise VersionError(f"{folder}: {error}") from error


@dataclass(frozen=True)
class ModelVersion:
    """One version of a model with its network, ready to judge.

    Attributes:
        facts: Name, version, weights' hash and thresholds, as replies carry them.
        scaling: What calibrates the logits before the softmax.
        detector: The network with its weights, in evaluation mode, on the CPU.
        description: Everything ``model.json`` says.
    """

    facts: ModelFacts
    scaling: Scaling
    detector: Detector
    description: dict[str, Any]

    @classmethod
    def load(cls, folder: Path | str) -> ModelVersion:
        """Loads the version in a folder and checks that its weights are the ones it describes.

        Args:
            folder: Has ``model.json`` and ``weights.safetensors``.

        Raises:
            VersionError: Something is missing, malformed or altered.
        """
        # Here, as torch takes seconds to import and most uses of this module need none.
        from architectures import InputPreset, build  # noqa: PLC0415
        from architectures.weights import load_weights  # noqa: PLC0415

        folder = Path(folder)
        read = Description.read(folder)
        content = read.content
        try:
            weights = folder / WEIGHTS
            if _sha256(weights) != read.facts.weights_sha256:
                raise VersionError(f"the SHA-256 of {WEIGHTS} is not the one in {DESCRIPTION}")
            detector = build(content["architecture"], **content.get("options", {}))
            detector.preset = InputPreset.from_dict(content["preset"])
            load_weights(detector, weights)
        except KeyError as error:
            raise VersionError(f"{folder}: {DESCRIPTION} lacks {error}") from error
        except (ValueError, TypeError, OSError) as error:
            raise VersionError(f"{folder}: {error}") from error
        detector.eval().requires_grad_(requires_grad=False)
        return cls(read.facts, read.scaling, detector, content)


def serving_versions(store: Path | str) -> dict[str, str]:
    """Reads which version of each model serves by default.

    Args:
        store: The folder of all models, which has ``serving.json``.

    Returns:
        Versions by model name.

    Raises:
        VersionError: The file is missing or malformed.
    """
    path = Path(store) / SERVING
    serving = _read_json(path)
    if not all(isinstance(version, str) for version in serving.values()):
        raise VersionError(f"{path}: every version must be a text")
    return serving


def version_folder(store: Path | str, name: str, version: str) -> Path:
    """Gives the folder of a version.

    Raises:
        VersionError: There is no such version; the message lists those there are.
    """
    folder = Path(store) / name / version
    if not (folder / DESCRIPTION).is_file():
        known = sorted(path.parent.name for path in (Path(store) / name).glob(f"*/{DESCRIPTION}"))
        raise VersionError(f"no version {version} of {name}; there is {', '.join(known) or 'none'}")
    return folder


def graph_file(store: Path | str, name: str, version: str) -> Path:
    """Gives where the exported graph of a version lies once its archive was built."""
    return Path(store) / f"{name}-{version}.onnx"


def _read_json(path: Path) -> dict[str, Any]:
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise VersionError(f"{path} cannot be read: {error.strerror}") from error
    except ValueError as error:
        raise VersionError(f"{path} is not JSON: {error}") from error
    if not isinstance(content, dict):
        raise VersionError(f"{path} must hold one JSON object")
    return content


def _facts(description: dict[str, Any]) -> ModelFacts:
    if tuple(description["classes"]) != CLASSES:
        raise VersionError(f"the classes must be {list(CLASSES)}, in this order")
    thresholds = description["thresholds"]
    fake, real = float(thresholds["fake"]), float(thresholds["real"])
    if not 0 <= real <= fake <= 1:
        raise VersionError("the thresholds must satisfy 0 <= real <= fake <= 1")
    names = (description["name"], description["version"], description["weights_sha256"])
    name, version, weights_sha256 = (str(value) for value in names)
    return ModelFacts(name, version, weights_sha256, fake, real)


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()

"""One TOML file a model says everything that decides a training run."""

from __future__ import annotations

import dataclasses
import tomllib
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from architectures import NAMES
from training.augment import AugmentConfig
from training.pairs import Mixture


@dataclass(frozen=True)
class TrainConfig:
    """A training run.

    Attributes:
        model: Name of the network.
        initialisation: ``random``, or for efficientnet one of its initialisations.
        initial_weights: Weights of an earlier run to start from, in place of the initialisation's;
            its other options must fit. For a second stage, at another input size say.
        options: Options of the network.
        steps: Optimiser steps.
        batch_pairs: Pairs (a fake and a real face) a step, over all processes together.
        learning_rate: Highest learning rate; it rises linearly, then falls as a half cosine to 0.
        warmup_steps: Steps of the rise.
        weight_decay: AdamW's decoupled weight decay (Loshchilov and Hutter, ICLR 2019).
        mask_weight: Weight of telling, cell by cell of the feature maps, what was changed; 0 leaves
            it out. It guides features from scratch far sooner than one label a face does.
        changed_weight: Weight of a changed cell against an unchanged one in that.
        label_smoothing: Share of the target spread over both classes.
        teacher: Folder of the version that the network learns from as well (knowledge distillation,
            Hinton et al. 2015, arXiv 1503.02531), such as ``model_store/efficientnet/1.4``; several
            teach by the mean of their probabilities.
        teacher_weight: Share of the target that is the teacher's calibrated probability.
        ema_decay: Decay a step of the averaged weights, which are what is validated and kept.
        ema_ramp: How slowly that decay rises: after n steps the average is over about the last
            n / `ema_ramp`; 1 averages all steps.
        gradient_clip: Largest norm of the gradient.
        validate_every: Steps between validations, each of which may keep a new best.
        keep_last: Keep the weights of the last validation, not of the best: the learning rate has
            fallen to 0 there, and 900 images tell settled weights from others by chance at most.
        checkpoint_every: Steps between checkpoints to resume from.
        patience: Validations without a better AUC after which the run stops early.
        bfloat16: Compute in bfloat16 on a CPU too. With AMX it halves the time of full convolutions
            (cnn); EfficientNet's depthwise ones get slower. A GPU always uses mixed precision.
        seed: Decides initial weights and every item.
        mixture: What is trained on.
        augmentation: How crops are varied.
    """

    model: str
    initialisation: str = "random"
    initial_weights: str = ""
    options: dict[str, Any] = field(default_factory=dict)
    steps: int = 4000
    batch_pairs: int = 16
    learning_rate: float = 5e-4
    warmup_steps: int = 200
    weight_decay: float = 0.02
    mask_weight: float = 0.0
    changed_weight: float = 1.0
    label_smoothing: float = 0.02
    teacher: str | tuple[str, ...] = ""
    teacher_weight: float = 0.5
    ema_decay: float = 0.998
    ema_ramp: float = 9.0
    gradient_clip: float = 1.0
    validate_every: int = 500
    keep_last: bool = False
    checkpoint_every: int = 100
    patience: int = 8
    bfloat16: bool = False
    seed: int = 1
    mixture: Mixture = field(default_factory=Mixture)
    augmentation: AugmentConfig = field(default_factory=AugmentConfig)

    @property
    def teachers(self) -> tuple[str, ...]:
        """The folders of all teachers; none without."""
        named = (self.teacher,) if isinstance(self.teacher, str) else self.teacher
        return tuple(folder for folder in named if folder)


def load_config(path: Path) -> TrainConfig:
    """Reads a configuration file.

    Raises:
        FileNotFoundError: There is no such file.
        ValueError: It is not TOML, or has an unknown or missing setting; the message names it.
    """
    values = read_toml(path)
    try:
        return parse_config(values)
    except ValueError as error:
        raise ValueError(f"{path}: {error}") from error


def read_toml(path: Path) -> dict[str, Any]:
    """Reads a TOML file.

    Raises:
        FileNotFoundError: There is no such file.
        ValueError: It is not TOML.
    """
    if not path.is_file():
        raise FileNotFoundError(f"no configuration at {path}")
    try:
        return tomllib.loads(path.read_text(encoding="utf-8"))
    except tomllib.TOMLDecodeError as error:
        raise ValueError(f"{path}: {error}") from error


def parse_config(values: dict[str, Any]) -> TrainConfig:
    """Makes a configuration of the values of a TOML file.

    Raises:
        ValueError: A setting is unknown, missing or malformed; the message names it.
    """
    try:
        config: TrainConfig = _section(
            TrainConfig,
            {
                **values,
                "mixture": _section(Mixture, values.get("mixture", {})),
                "augmentation": _section(AugmentConfig, values.get("augmentation", {})),
            },
        )
    except TypeError as error:
        raise ValueError(str(error)) from error
    if config.model not in NAMES:
        raise ValueError(f"unknown model {config.model!r}; known are {', '.join(NAMES)}")
    return config


def _section(kind: Any, values: dict[str, Any]) -> Any:
    known = {item.name for item in dataclasses.fields(kind)}
    if unknown := set(values) - known:
        raise ValueError(f"unknown setting {min(unknown)!r}; known are {sorted(known)}")
    return kind(**{key: tuple(v) if isinstance(v, list) else v for key, v in values.items()})

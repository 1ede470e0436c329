"""Trains one network: `python -m training.train --config training/configs/cnn.toml`.

The run's folder keeps ``checkpoint.pt`` (to resume), ``best.safetensors`` (averaged weights with
the best validation AUC, or the last ones with `keep_last`), ``best.json`` and ``history.jsonl``.
Ctrl-C or SIGTERM saves a checkpoint first; the same command goes on from it. Several processes or
GPUs: start it with ``torchrun --nproc-per-node N -m training.train ...``.
"""

from __future__ import annotations

import argparse
import dataclasses
import json
import math
import os
import signal
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from types import FrameType
from typing import Any, cast

import numpy as np
import torch
from torch import nn
from torch.nn.parallel import DistributedDataParallel
from torch.optim.swa_utils import AveragedModel
from torch.utils.data import DataLoader
from tqdm import tqdm

from architectures import Detector, build
from architectures.efficientnet import initialise, options_for
from architectures.weights import load_weights, save_weights
from training.averaging import moving_average, refresh_statistics
from training.checkpoint import load_checkpoint, save_checkpoint, write_json
from training.config import TrainConfig, load_config
from training.distributed import Group, join_group
from training.face_loader import FaceLoader
from training.generated import GeneratedFaces
from training.manifest import Sample, in_split, load_samples, spaced
from training.objective import Objective
from training.pairs import Item, Makers, PairDataset
from training.reconstruction import Reconstructor
from training.regions import DEFAULT_PATH, load_regions
from training.scoring import auc_by_source, score
from training.teacher import Teacher
from training.upscaled import UpscaledFaces

_SHOWN_EVERY = 10  # steps between losses shown


@dataclass(frozen=True)
class RunSettings:
    """What decides how a run is carried out, but not its result.

    Attributes:
        folder: Where the run keeps its files.
        workers: Processes that prepare items; None for as many as suit the device.
        validation_images: Most images scored at a validation while training.
    """

    folder: Path
    workers: int | None
    validation_images: int


class Trainer:
    """One training run of one network."""

    def __init__(
        self,
        config: TrainConfig,
        settings: RunSettings,
        samples: list[Sample],
        loader: FaceLoader,
        group: Group,
    ) -> None:
        """Builds network, optimiser and data, and resumes when the folder holds a checkpoint."""
        self.config, self.settings, self.group = config, settings, group
        self._workers = group.workers if settings.workers is None else settings.workers
        self._loader = loader
        self._validation = spaced(in_split(samples, "validation"), settings.validation_images)
        self._data = PairDataset(
            in_split(samples, "train"),
            loader,
            config.mixture,
            config.augmentation,
            config.steps * config.batch_pairs,
            config.seed,
            Makers(
                Reconstructor() if config.mixture.reconstructed > 0 else None,
                GeneratedFaces() if config.mixture.generated > 0 else None,
                UpscaledFaces() if config.mixture.upscaled > 0 else None,
            ),
        )
        torch.manual_seed(config.seed)
        self.detector = build_initialised(config).to(
            group.device,
            memory_format=torch.channels_last,  # type: ignore[call-overload]
        )
        self._objective = Objective(
            self.detector.cpu(), config.mask_weight, config.label_smoothing, config.changed_weight
        ).to(group.device)
        teachers = [Path(folder) for folder in config.teachers]
        self._teacher = Teacher(teachers, group.device) if teachers else None
        self._model: nn.Module = self._objective
        if group.size > 1:
            self._model = DistributedDataParallel(self._objective)
        update = moving_average(config.ema_decay, config.ema_ramp)
        self._average = AveragedModel(self.detector, multi_avg_fn=update)
        self._optimiser = torch.optim.AdamW(
            _parameter_groups(self._objective, config.weight_decay), lr=config.learning_rate
        )
        self._scaler = torch.amp.GradScaler(enabled=group.autocast_dtype is torch.float16)
        self.step, self.best_auc, self._since_best = 0, 0.0, 0
        self._stop = False
        settings.folder.mkdir(parents=True, exist_ok=True)
        self._resume()

    def run(self) -> bool:
        """Trains to the end, to an early stop, or until interrupted.

        Returns:
            True when the run is complete, False when it was interrupted and can be resumed.
        """
        for name in (signal.SIGINT, signal.SIGTERM):
            signal.signal(name, self._request_stop)
        bar = tqdm(
            total=self.config.steps,
            initial=self.step,
            desc=self.config.model,
            unit="step",
            disable=not self.group.is_main,
        )
        complete = self.step >= self.config.steps or self._exhausted()
        batches: Iterator[Any] = iter(()) if complete else self._batches()
        try:
            for batch in batches:
                loss = self._train_step(*(part.flatten(0, 1) for part in batch))
                self._stop = bool(self.group.share(int(self._stop)))  # all processes stop together
                bar.update()
                if self.step % _SHOWN_EVERY == 0:  # reading the loss waits for the GPU
                    bar.set_postfix(loss=f"{loss:.3f}", auc=f"{self.best_auc:.4f}", refresh=False)
                last = self.step == self.config.steps
                if last or self.step % self.config.validate_every == 0:
                    self._validate()
                if last or self._stop or self.step % self.config.checkpoint_every == 0:
                    self._save()
                if (complete := last or self._exhausted()) or self._stop:
                    break
        finally:
            del batches  # ends its worker processes, which an error would wait for without end
            bar.close()
        return complete

    def _request_stop(self, number: int, frame: FrameType | None) -> None:
        del number, frame
        self._stop = True

    def _exhausted(self) -> bool:
        return self._since_best >= self.config.patience

    def _batches(self) -> Iterator[Item]:
        """Gives the batches of this process from the current step on."""
        share = self.config.batch_pairs // self.group.size
        first = np.arange(self.step, self.config.steps) * self.config.batch_pairs
        plan = [
            list(range(start + self.group.rank * share, start + (self.group.rank + 1) * share))
            for start in first.tolist()
        ]
        return iter(
            DataLoader(
                self._data,
                batch_sampler=plan,
                num_workers=self._workers,
                pin_memory=self.group.device.type == "cuda",
                prefetch_factor=8 if self._workers else None,
                worker_init_fn=_quiet_worker,
            )
        )

    def _train_step(
        self, crops: torch.Tensor, fake: torch.Tensor, masks: torch.Tensor
    ) -> torch.Tensor:
        self._model.train()
        for group in self._optimiser.param_groups:
            group["lr"] = self._learning_rate()
        device = self.group.device
        crops, fake = crops.to(device, non_blocking=True), fake.to(device)
        pixels = self.detector.preset.to_input(crops)
        if self._teacher is not None:
            fake = torch.lerp(fake, self._teacher(crops), self.config.teacher_weight)
        dtype = self.group.autocast_dtype or (torch.bfloat16 if self.config.bfloat16 else None)
        with torch.autocast(device.type, dtype=dtype, enabled=dtype is not None):
            inputs = pixels.contiguous(memory_format=torch.channels_last)
            loss = self._model(inputs, fake, masks.to(device, non_blocking=True))
        self._optimiser.zero_grad(set_to_none=True)
        self._scaler.scale(loss).backward()
        self._scaler.unscale_(self._optimiser)
        nn.utils.clip_grad_norm_(self._objective.parameters(), self.config.gradient_clip)
        self._scaler.step(self._optimiser)
        self._scaler.update()
        self._average.update_parameters(self.detector)
        self.step += 1
        return cast("torch.Tensor", loss.detach())

    def _learning_rate(self) -> float:
        warmup, steps = self.config.warmup_steps, self.config.steps
        rise = min(1.0, (self.step + 1) / max(1, warmup))
        progress = max(0.0, (self.step - warmup) / max(1, steps - warmup))
        return self.config.learning_rate * rise * 0.5 * (1 + math.cos(math.pi * progress))

    def _validate(self) -> None:
        """Scores the averaged weights; the main process keeps the best so far, or the last."""
        if self.group.is_main:
            averaged = cast("Detector", self._average.module)
            refresh_statistics(averaged, self._data, self.config.batch_pairs)
            logits = score(
                averaged,
                self._validation,
                self._loader,
                workers=self._workers,
                title="validating",
            )
            figures = auc_by_source(self._validation, logits[:, 0] - logits[:, 1])
            mean = float(np.mean([figure.auc for figure in figures]))
            self._since_best = 0 if mean > self.best_auc else self._since_best + 1
            record = {
                "step": self.step,
                "mean_auc": mean,
                "auc": {figure.source: figure.auc for figure in figures},
            }
            with (self.settings.folder / "history.jsonl").open("a", encoding="utf-8") as file:
                file.write(json.dumps(record) + "\n")
            tqdm.write(json.dumps(record))
            if mean > self.best_auc or self.config.keep_last:
                self.best_auc = max(mean, self.best_auc)
                save_weights(averaged, self.settings.folder / "best.safetensors", half=False)
                write_json(
                    self.settings.folder / "best.json",
                    {
                        **record,
                        # Decides the order of sums, and with it the last digits of every step.
                        "threads": torch.get_num_threads(),
                        "device": self.group.device_name,
                        "config": dataclasses.asdict(self.config),
                    },
                )
        self._since_best = self.group.share(self._since_best)

    def _save(self) -> None:
        if not self.group.is_main:
            return
        state = {
            "step": self.step,
            "best_auc": self.best_auc,
            "since_best": self._since_best,
            "config": json.dumps(dataclasses.asdict(self.config), sort_keys=True),
            "model": self._objective.state_dict(),
            "average": self._average.state_dict(),
            "optimiser": self._optimiser.state_dict(),
            "scaler": self._scaler.state_dict(),
        }
        save_checkpoint(self.settings.folder / "checkpoint.pt", state)

    def _resume(self) -> None:
        state = load_checkpoint(self.settings.folder / "checkpoint.pt")
        if state is None:
            return
        if state["config"] != json.dumps(dataclasses.asdict(self.config), sort_keys=True):
            raise ValueError(
                f"{self.settings.folder} holds a run with another configuration; "
                "choose another --run-dir or remove it"
            )
        self._objective.load_state_dict(state["model"])
        self._average.load_state_dict(state["average"])
        self._optimiser.load_state_dict(state["optimiser"])
        self._scaler.load_state_dict(state["scaler"])
        self.step, self.best_auc = state["step"], state["best_auc"]
        self._since_best = state["since_best"]


def build_initialised(config: TrainConfig) -> Detector:
    """Builds the network of a configuration with its initial weights."""
    defaults = options_for(config.initialisation) if config.model == "efficientnet" else {}
    detector = build(config.model, **{**defaults, **config.options})
    if config.initial_weights:
        load_weights(detector, Path(config.initial_weights))
    elif config.model == "efficientnet":
        initialise(detector, config.initialisation)
    return detector


def _parameter_groups(model: nn.Module, weight_decay: float) -> list[dict[str, Any]]:
    """Keeps weight decay off biases and batch norms."""
    parameters = [parameter for parameter in model.parameters() if parameter.requires_grad]
    return [
        {"params": [p for p in parameters if p.ndim > 1], "weight_decay": weight_decay},
        {"params": [p for p in parameters if p.ndim <= 1], "weight_decay": 0.0},
    ]


def _quiet_worker(number: int) -> None:
    """Leaves signals to the main process, which still needs the worker's current batch."""
    del number
    for name in (signal.SIGINT, signal.SIGTERM):
        signal.signal(name, signal.SIG_IGN)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--config", type=Path, required=True, help="training/configs/<model>.toml")
    parser.add_argument("--data", type=Path, default=Path("../shared/data"), help="data root")
    parser.add_argument("--regions", type=Path, default=DEFAULT_PATH, help="table of faces")
    parser.add_argument("--run-dir", type=Path, help="its folder (build/training/<configuration>)")
    parser.add_argument("--threads", type=int, default=0, help="CPU threads (default: all cores)")
    parser.add_argument(
        "--workers", type=int, help="processes that prepare items (default: 1; GPU: cores less one)"
    )
    parser.add_argument(
        "--validation-images", type=int, default=900, help="images a validation (default: 900)"
    )
    return parser


def main() -> None:
    """Runs the command line; exit status 130 when interrupted."""
    parser = _parser()
    arguments = parser.parse_args()
    torch.set_num_threads(arguments.threads or os.cpu_count() or 1)
    try:
        config = load_config(arguments.config)
        samples = load_samples(arguments.data)
        loader = FaceLoader(arguments.data, load_regions(arguments.regions))
        folder = arguments.run_dir or Path("build/training") / arguments.config.stem
        settings = RunSettings(folder, arguments.workers, arguments.validation_images)
        with join_group() as group:
            complete = Trainer(config, settings, samples, loader, group).run()
    except (FileNotFoundError, ValueError) as error:
        parser.exit(2, f"{error}\n")
    if not complete:
        parser.exit(130, f"interrupted; run the same command to go on from {folder}\n")


if __name__ == "__main__":
    main()

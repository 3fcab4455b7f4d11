"""The training loop: batches, steps, checkpoints, exact resume.

Devices are HuggingFace accelerate's affair: one CPU, one GPU or, under
``accelerate launch``, many of them run the same code.
"""

from __future__ import annotations

import csv
import time
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import nullcontext
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, Generic, TypeVar

import numpy as np
import torch
from accelerate import Accelerator
from torch import Tensor, nn
from torch.optim.swa_utils import AveragedModel, get_ema_multi_avg_fn
from torch.utils.data import DataLoader, IterableDataset

from napari_segnext.files.atomic import replacing
from napari_segnext.files.checks import check_special
from napari_segnext.training.data import Crop, Mixture, Sample, Source
from napari_segnext.weights.triton_guard import without_triton

Learner = TypeVar("Learner", bound=nn.Module)
Learned = TypeVar("Learned")


@dataclass(frozen=True, slots=True)
class Options:
    """How to train.

    Attributes
    ----------
    steps
        Optimiser steps in all; the learning rate falls linearly over the last part.
    size
        Side of a training crop, in model pixels.
    images, objects
        Crops per step and process, and objects per crop.
    corrections
        Most corrective clicks after the first prompts.
    rate, encoder_rate
        Learning rates (AdamW) of the whole and of a pretrained encoder.
    answers
        Most answers of a conversation that are learned from: the last, then the first,
        then others at random. It takes as much memory as there are.
    dice
        Weight of the Dice loss beside the focal loss.
    click
        Weight of the loss at clicked pixels beside it.
    auxiliary
        Weight of the same losses of what a model learns beside its mask.
    weight_decay, warmup, decay
        Decay of weights; steps of warm-up; last share of the steps with a falling
        rate.
    averaging
        Decay of the exponential moving average of the weights that is saved; less at
        first, so that a short training is not mostly the weights that it began with.
    compiled
        Whether PyTorch compiles the network first, which takes minutes and makes the
        steps of a long training faster.
    seed
        Of data, prompts and initial weights.
    workers
        Loader processes.
    checkpoint_minutes
        Time between two checkpoints.
    """

    steps: int = 5000
    size: int = 160
    images: int = 4
    objects: int = 4
    corrections: int = 4
    answers: int = 1
    rate: float = 2e-3
    encoder_rate: float = 4e-4
    dice: float = 1.0
    click: float = 0.0
    auxiliary: float = 0.5
    weight_decay: float = 1e-3
    warmup: int = 100
    decay: float = 0.4
    averaging: float = 0.99
    compiled: bool = False
    seed: int = 0
    workers: int = 1
    checkpoint_minutes: float = 4.0


def _halves() -> bool:
    """Tell whether the device computes faster in bfloat16."""
    # PyTorch 2.4 does not say what a CPU can do.
    of_cpu: dict[str, object] = getattr(torch.cpu, "get_capabilities", dict)()
    return torch.cuda.is_available() or bool(of_cpu.get("avx512_bf16"))


def _follow(
    decay: float, average: list[Tensor], weights: list[Tensor], count: Tensor | int
) -> None:
    """Move an average that is `count` steps old towards the weights."""
    young = (1 + int(count)) / (10 + int(count))
    move = get_ema_multi_avg_fn(min(decay, young))  # type: ignore[no-untyped-call]
    move(average, weights, count)


class TrainingLoop(ABC, Generic[Learner, Learned]):
    """Train a model, in a folder that holds its checkpoint and its metrics.

    What is learned from a batch is up to the subclass.

    Parameters
    ----------
    model
        With freshly initialised or pretrained weights.
    network
        One forward pass with the model's weights, as a module, so that gradients meet
        across processes.
    folder
        Gets ``checkpoint.pt`` (all that is needed to go on) and ``metrics.csv``.
    options
        How to train.
    """

    def __init__(
        self, model: Learner, network: nn.Module, folder: Path, options: Options
    ) -> None:
        self.model, self.folder, self.options = model, folder, options
        self.step = 0
        encoder = getattr(model, "encoder", None)
        self._encoder = encoder if isinstance(encoder, nn.Module) else None
        folder.mkdir(parents=True, exist_ok=True)
        self.accelerator = Accelerator(mixed_precision="bf16" if _halves() else "no")
        self.model.to(memory_format=torch.channels_last)
        # It imports torch's compiler, and that triton, which a compiled network needs.
        with nullcontext() if options.compiled else without_triton():
            optimizer = torch.optim.AdamW(
                self._groups(),
                lr=options.rate,
                weight_decay=options.weight_decay,
                fused=True,
            )
        self.network, self.optimizer = self.accelerator.prepare(network, optimizer)
        self.schedule = torch.optim.lr_scheduler.LambdaLR(self.optimizer, self._factor)
        self.average = AveragedModel(
            model,
            multi_avg_fn=partial(_follow, options.averaging),
            use_buffers=True,
        )
        # Gradients of easy pixels become denormal, which a CPU computes slowly.
        torch.set_flush_denormal(True)
        if self.checkpoint.exists():
            self._resume()

    @property
    def checkpoint(self) -> Path:
        """The file that a training resumes from."""
        return self.folder / "checkpoint.pt"

    def run(self, report: Callable[[Mapping[str, float]], None]) -> Learner:
        """Train to the last step and return the averaged model.

        Parameters
        ----------
        report
            Called every 20 steps with the means of the metrics.
        """
        saved = time.monotonic()
        rows: list[dict[str, float]] = []
        for samples in self._batches():
            if self.step >= self.options.steps:
                break
            started = time.perf_counter()
            row = self._train(samples)
            row["seconds"] = time.perf_counter() - started
            rows.append(row)
            if self.step % 20 == 0 and self.accelerator.is_main_process:
                mean = {k: float(np.nanmean([r[k] for r in rows])) for k in rows[0]}
                self._log({"step": self.step, **mean})
                report({"step": self.step, **mean})
                rows.clear()
            if time.monotonic() - saved > 60 * self.options.checkpoint_minutes:
                self.save()
                saved = time.monotonic()
        self.save()
        return self.average.module  # type: ignore[return-value]

    @abstractmethod
    def samples(self, start: int, share: tuple[int, int]) -> IterableDataset[Learned]:
        """Return the samples of a training from the `start`-th on.

        Parameters
        ----------
        share
            (r, n): of these, those of the r-th of n processes.
        """

    @abstractmethod
    def learn(self, samples: Sequence[Learned]) -> tuple[Tensor, dict[str, float]]:
        """Return the loss of a batch of samples, and what is reported of it."""

    def save(self) -> None:
        """Write the checkpoint, replacing the last one at once."""
        if not self.accelerator.is_main_process:
            return
        state = {
            "step": self.step,
            "model": self.model.state_dict(),
            "average": self.average.state_dict(),
            "optimizer": self.optimizer.state_dict(),
            "schedule": self.schedule.state_dict(),
        }
        with replacing(self.checkpoint) as part:
            torch.save(state, part)

    def _resume(self) -> None:
        check_special(self.checkpoint)
        with self.checkpoint.open("rb") as file:
            try:
                state = torch.load(file, map_location="cpu", weights_only=True)
                self.model.load_state_dict(state["model"])
                self.average.load_state_dict(state["average"])
                self.optimizer.load_state_dict(state["optimizer"])
                self.schedule.load_state_dict(state["schedule"])
                self.step = int(state["step"])
            # What is damaged makes torch raise anything, OSError too.
            except Exception as error:
                raise ValueError(
                    f"{self.checkpoint} is damaged or belongs to another training "
                    f"({type(error).__name__}): delete it to start anew, or name "
                    "another folder"
                ) from error

    def _groups(self) -> list[dict[str, Any]]:
        encoder = [] if self._encoder is None else list(self._encoder.parameters())
        pretrained = {id(p) for p in encoder}
        rest = [p for p in self.model.parameters() if id(p) not in pretrained]
        groups: list[dict[str, Any]] = [{"params": rest}]
        if encoder:
            groups.append({"params": encoder, "lr": self.options.encoder_rate})
        return groups

    def _factor(self, step: int) -> float:
        remaining = (self.options.steps - step) / self.options.steps
        fall = min(1.0, max(remaining, 0.0) / self.options.decay)
        return min(1.0, (step + 1) / self.options.warmup) * (0.01 + 0.99 * fall)

    def _batches(self) -> Iterator[list[Learned]]:
        options, processes = self.options, self.accelerator.num_processes
        start = self.step * options.images * processes
        data = self.samples(start, (self.accelerator.process_index, processes))
        yield from DataLoader(
            data, options.images, num_workers=options.workers, collate_fn=list
        )

    def _train(self, samples: Sequence[Learned]) -> dict[str, float]:
        """Take one step on a batch of samples."""
        self.network.train()
        if self._encoder is not None:
            # Statistics of a pretrained encoder are better than those of a few crops.
            self._encoder.eval()
        loss, row = self.learn(samples)
        self.optimizer.zero_grad()
        self.accelerator.backward(loss)
        self.accelerator.clip_grad_norm_(self.model.parameters(), 1.0)
        self.optimizer.step()
        self.schedule.step()
        self.average.update_parameters(self.model)
        self.step += 1
        return row

    def _log(self, row: Mapping[str, float]) -> None:
        path = self.folder / "metrics.csv"
        new = not path.exists()
        with path.open("a", newline="") as file:
            writer = csv.DictWriter(file, row)
            if new:
                writer.writeheader()
            writer.writerow(row)


class CropLoop(TrainingLoop[Learner, Sample]):
    """Train on crops of images.

    Parameters
    ----------
    model, network, folder, options
        See `TrainingLoop`.
    sources
        Name -> (source, weight).
    crop
        How samples are cut out of images.
    """

    def __init__(
        self,
        model: Learner,
        network: nn.Module,
        sources: Mapping[str, tuple[Source, float]],
        folder: Path,
        options: Options,
        crop: Crop,
    ) -> None:
        super().__init__(model, network, folder, options)
        self.sources, self.crop = sources, crop

    def samples(self, start: int, share: tuple[int, int]) -> Mixture:
        """Return a process's share of the crops, from the `start`-th on."""
        options = self.options
        return Mixture(
            self.sources,
            self.crop,
            options.size,
            options.objects,
            options.seed,
            start,
            share,
        )

"""The training loop: iterative click simulation, checkpoints, exact resume.

Devices are HuggingFace accelerate's affair: one CPU, one GPU or, under
``accelerate launch``, many of them run the same code.
"""

from __future__ import annotations

import csv
import os
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from accelerate import Accelerator
from torch import Tensor, nn
from torch.optim.swa_utils import AveragedModel, get_ema_multi_avg_fn
from torch.utils.data import DataLoader

from napari_segnext.models import PromptBatch, SegmentationModel
from napari_segnext.models.base import Auxiliary
from napari_segnext.prompts import BoolArray, Prompts
from napari_segnext.training.crops import around_object
from napari_segnext.training.data import Crop, Mixture, Sample, Source
from napari_segnext.training.losses import (
    auxiliary_pair,
    dice_loss,
    normalised_focal_loss,
)
from napari_segnext.training.named import prompts_for
from napari_segnext.training.simulate import correction, identity_frame


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
        Most corrective clicks before the one that is learned from.
    rate, encoder_rate
        Learning rates (AdamW) of the whole and of a pretrained encoder.
    dice
        Weight of the Dice loss beside the focal loss.
    auxiliary
        Weight of the same losses of what a model learns beside its mask.
    weight_decay, warmup, decay
        Decay of weights; steps of warm-up; last share of the steps with a falling
        rate.
    averaging
        Decay of the exponential moving average of the weights that is saved.
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
    rate: float = 2e-3
    encoder_rate: float = 4e-4
    dice: float = 1.0
    auxiliary: float = 0.5
    weight_decay: float = 1e-3
    warmup: int = 100
    decay: float = 0.4
    averaging: float = 0.99
    seed: int = 0
    workers: int = 1
    checkpoint_minutes: float = 4.0


class _Pass(nn.Module):
    """One forward pass, as a module, so that gradients meet across processes."""

    def __init__(self, model: SegmentationModel) -> None:
        super().__init__()
        self.model = model

    def forward(
        self,
        images: Tensor,
        objects: int,
        simulate: Callable[[Mapping[str, Tensor]], PromptBatch],
    ) -> tuple[Tensor, list[Auxiliary]]:
        """Embed (B, 3, S, S) images once and decode `objects` of each.

        `simulate` turns features into the prompts of the B x objects decodes.
        """
        normalised = (images - self.model.mean) / self.model.std
        features = {
            name: tensor.repeat_interleave(objects, 0)
            for name, tensor in self.model.image_features(normalised).items()
        }
        prompts = simulate({name: t.detach() for name, t in features.items()})
        logits, auxiliary = self.model.learned_logits(features, prompts)
        return logits.float(), auxiliary


class Trainer:
    """Train a model, in a folder that holds its checkpoint and its metrics.

    Parameters
    ----------
    model
        With freshly initialised or pretrained weights.
    sources
        Name -> (source, weight).
    folder
        Gets ``checkpoint.pt`` (all that is needed to go on) and ``metrics.csv``.
    options
        How to train.
    crop
        How samples are cut out of images.
    """

    def __init__(
        self,
        model: SegmentationModel,
        sources: Mapping[str, tuple[Source, float]],
        folder: Path,
        options: Options,
        crop: Crop = around_object,
    ) -> None:
        self.model, self.sources = model, sources
        self.folder, self.options, self.crop = folder, options, crop
        self.step = 0
        encoder = getattr(model, "encoder", None)
        self._encoder = encoder if isinstance(encoder, nn.Module) else None
        folder.mkdir(parents=True, exist_ok=True)
        self.accelerator = Accelerator(
            mixed_precision="bf16" if torch.cuda.is_available() else "no"
        )
        self.model.to(memory_format=torch.channels_last)
        optimizer = torch.optim.AdamW(
            self._groups(),
            lr=options.rate,
            weight_decay=options.weight_decay,
            fused=True,
        )
        self.network, self.optimizer = self.accelerator.prepare(_Pass(model), optimizer)
        self.schedule = torch.optim.lr_scheduler.LambdaLR(self.optimizer, self._factor)
        self.average = AveragedModel(
            model,
            multi_avg_fn=get_ema_multi_avg_fn(  # type: ignore[no-untyped-call]
                options.averaging
            ),
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

    def run(self, report: Callable[[Mapping[str, float]], None]) -> SegmentationModel:
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
                mean = {k: float(np.mean([r[k] for r in rows])) for k in rows[0]}
                self._log({"step": self.step, **mean})
                report({"step": self.step, **mean})
                rows.clear()
            if time.monotonic() - saved > 60 * self.options.checkpoint_minutes:
                self.save()
                saved = time.monotonic()
        self.save()
        return self.average.module  # type: ignore[return-value]

    def save(self) -> None:
        """Write the checkpoint, replacing the last one at once."""
        if not self.accelerator.is_main_process:
            return
        partial = self.checkpoint.with_suffix(".partial")
        torch.save(
            {
                "step": self.step,
                "model": self.model.state_dict(),
                "average": self.average.state_dict(),
                "optimizer": self.optimizer.state_dict(),
                "schedule": self.schedule.state_dict(),
                "config": self.model.config.to_json(),
            },
            partial,
        )
        os.replace(partial, self.checkpoint)

    def _resume(self) -> None:
        state = torch.load(
            self.checkpoint, map_location=self.accelerator.device, weights_only=True
        )
        self.model.load_state_dict(state["model"])
        self.average.load_state_dict(state["average"])
        self.optimizer.load_state_dict(state["optimizer"])
        self.schedule.load_state_dict(state["schedule"])
        self.step = state["step"]

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

    def _batches(self) -> Iterator[list[Sample]]:
        options, processes = self.options, self.accelerator.num_processes
        data = Mixture(
            self.sources,
            self.crop,
            options.size,
            options.objects,
            options.seed,
            start=self.step * options.images * processes,
            share=(self.accelerator.process_index, processes),
        )
        yield from DataLoader(
            data, options.images, num_workers=options.workers, collate_fn=list
        )

    def _train(self, samples: list[Sample]) -> dict[str, float]:
        """Take one step on a batch of crops."""
        options, device = self.options, self.accelerator.device
        place = [options.seed, 1, self.step, self.accelerator.process_index]
        rng = np.random.default_rng(place)
        self.network.train()
        if self._encoder is not None:
            # Statistics of a pretrained encoder are better than those of a few crops.
            self._encoder.eval()
        images = torch.from_numpy(np.stack([s.image for s in samples]))
        masks = np.concatenate([s.masks for s in samples])
        first = [p for s in samples for p in prompts_for(s, rng)]
        target = torch.from_numpy(masks[:, None].astype(np.float32)).to(device)
        logits, auxiliary = self.network(
            images.permute(0, 3, 1, 2).to(device),
            options.objects,
            lambda features: self._simulate(features, first, masks, rng),
        )
        focal = normalised_focal_loss(logits, target)
        dice = dice_loss(logits, target)
        loss = focal + options.dice * dice
        for learned in auxiliary:
            beside = auxiliary_pair(learned, target)
            both = normalised_focal_loss(*beside) + options.dice * dice_loss(*beside)
            loss = loss + options.auxiliary * both
        self.optimizer.zero_grad()
        self.accelerator.backward(loss)
        self.accelerator.clip_grad_norm_(self.model.parameters(), 1.0)
        self.optimizer.step()
        self.schedule.step()
        self.average.update_parameters(self.model)
        self.step += 1
        return {
            "focal": focal.item(),
            "dice": dice.item(),
            "iou": _iou(logits.detach() > 0, target > 0.5),
        }

    @torch.no_grad()
    def _simulate(
        self,
        features: Mapping[str, Tensor],
        first: Sequence[Prompts],
        masks: BoolArray,
        rng: np.random.Generator,
    ) -> PromptBatch:
        """Return the prompts after the first ones and some corrections."""
        device = self.accelerator.device
        style = self.model.config.style
        frame = identity_frame(self.options.size)
        prompts = list(first)
        given = [p.to_model(frame, style) for p in prompts]
        rounds = int(rng.integers(self.options.corrections + 1))
        for _ in range(rounds):
            logits = self.model.prompted_logits(
                dict(features), PromptBatch.of(given, device)
            )
            probability = logits.float().sigmoid().cpu().numpy()[:, 0]
            for n, (predicted, mask) in enumerate(zip(probability, masks, strict=True)):
                answered = len(prompts[n])
                click = correction(predicted > 0.5, mask, rng)
                if click is not None:
                    prompts[n] = prompts[n].click(*click)
                given[n] = prompts[n].to_model(frame, style, predicted, answered)
        return PromptBatch.of(given, device)

    def _log(self, row: Mapping[str, float]) -> None:
        path = self.folder / "metrics.csv"
        new = not path.exists()
        with path.open("a", newline="") as file:
            writer = csv.DictWriter(file, row)
            if new:
                writer.writeheader()
            writer.writerow(row)


def _iou(predicted: Tensor, target: Tensor) -> float:
    overlap = (predicted & target).sum((1, 2, 3))
    union = (predicted | target).sum((1, 2, 3))
    return float((overlap / union.clamp(min=1)).mean())

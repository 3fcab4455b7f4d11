"""Learning to segment from simulated users: iterative click simulation.

A first prompt, then corrective clicks into the largest error without gradient, and one
answer that is learned from, as in RITM (Sofiiuk et al., 2022) and SegNext.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn

from napari_segnext.models import PromptBatch, SegmentationModel
from napari_segnext.models.base import Auxiliary
from napari_segnext.prompts import BoolArray, Prompts
from napari_segnext.training.crops import around_object
from napari_segnext.training.data import Crop, Sample, Source
from napari_segnext.training.loop import Options, TrainingLoop
from napari_segnext.training.losses import (
    auxiliary_pair,
    dice_loss,
    normalised_focal_loss,
)
from napari_segnext.training.named import prompts_for
from napari_segnext.training.simulate import identity_frame, next_click


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
        embedded = self.model.image_features(self.model.normalised(images))
        features = {
            name: tensor.repeat_interleave(objects, 0)
            for name, tensor in embedded.items()
        }
        prompts = simulate({name: t.detach() for name, t in features.items()})
        logits, auxiliary = self.model.learned_logits(features, prompts)
        return logits.float(), auxiliary


class Trainer(TrainingLoop[SegmentationModel]):
    """Train a model on objects that simulated users ask for.

    Parameters
    ----------
    model
        With freshly initialised or pretrained weights.
    sources, folder, options, crop
        See `TrainingLoop`.
    """

    def __init__(
        self,
        model: SegmentationModel,
        sources: Mapping[str, tuple[Source, float]],
        folder: Path,
        options: Options,
        crop: Crop = around_object,
    ) -> None:
        super().__init__(model, _Pass(model), sources, folder, options, crop)

    def learn(self, samples: Sequence[Sample]) -> tuple[Tensor, dict[str, float]]:
        """Return the loss of a batch of crops, and what is reported of it."""
        options, device = self.options, self.accelerator.device
        place = [options.seed, 1, self.step, self.accelerator.process_index]
        rng = np.random.default_rng(place)
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
        return loss, {
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
                click = next_click(predicted > 0.5, mask, rng)
                if click is not None:
                    prompts[n] = prompts[n].click(*click)
                given[n] = prompts[n].to_model(frame, style, predicted, answered)
        return PromptBatch.of(given, device)


def _iou(predicted: Tensor, target: Tensor) -> float:
    overlap = (predicted & target).sum((1, 2, 3))
    union = (predicted | target).sum((1, 2, 3))
    return float((overlap / union.clamp(min=1)).mean())

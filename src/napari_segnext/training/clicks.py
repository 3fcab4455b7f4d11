"""Learning to segment from simulated users: iterative click simulation.

First prompts, then corrective clicks into the largest error. What is learned from is
the last answer, as in RITM (Sofiiuk et al., 2022) and SegNext, or several.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn

from napari_segnext.geometry.frame import BoolArray
from napari_segnext.models import PromptBatch, SegmentationModel
from napari_segnext.models.base import Auxiliary
from napari_segnext.prompts import Prompts, PromptStyle
from napari_segnext.training.crops import around_object
from napari_segnext.training.data import Crop, Sample, Source
from napari_segnext.training.loop import CropLoop, Options
from napari_segnext.training.losses import (
    auxiliary_pair,
    click_loss,
    dice_loss,
    normalised_focal_loss,
)
from napari_segnext.training.named import openings
from napari_segnext.training.simulate import identity_frame, next_click


class Conversation:
    """Simulated users and a model in turns: prompts, an answer, a click, an answer.

    Parameters
    ----------
    openings
        What is said first about each of N objects.
    masks
        (N, S, S) what the users want.
    turns
        Answers in all.
    style
        How the model wants prompts drawn.
    rng
        Of the users.
    device
        Where prompts are put.
    """

    def __init__(
        self,
        openings: Sequence[Prompts],
        masks: BoolArray,
        turns: int,
        style: PromptStyle,
        rng: np.random.Generator,
        device: torch.device,
    ) -> None:
        self.turns = turns
        self._given = list(openings)
        self._masks, self._rng = masks, rng
        self._frame, self._style = identity_frame(masks.shape[-1]), style
        self._drawn = [given.to_model(self._frame, style) for given in openings]
        self._device = device

    @property
    def prompts(self) -> PromptBatch:
        """All that was given so far."""
        return PromptBatch.of(self._drawn, self._device)

    def reply(self, logits: Tensor) -> None:
        """Look at (N, 1, S, S) logits; each user clicks once more."""
        probability = logits.detach().float().sigmoid().cpu().numpy()[:, 0]
        for n, (predicted, mask) in enumerate(
            zip(probability, self._masks, strict=True)
        ):
            answered = len(self._given[n])
            click = next_click(predicted > 0.5, mask, self._rng)
            if click is not None:
                self._given[n] = self._given[n].click(*click)
            self._drawn[n] = self._given[n].to_model(
                self._frame, self._style, predicted, answered
            )


@dataclass(frozen=True, slots=True, eq=False)
class Answer:
    """What a model said in a conversation, to be learned from.

    Attributes
    ----------
    logits
        (N, 1, S, S) float32.
    auxiliary
        What is learned beside them.
    prompts
        What it answers.
    """

    logits: Tensor
    auxiliary: Sequence[Auxiliary]
    prompts: PromptBatch


class _Pass(nn.Module):
    """A conversation, as a module, so that gradients meet across processes."""

    def __init__(self, model: SegmentationModel) -> None:
        super().__init__()
        self.model = model

    def forward(
        self,
        images: Tensor,
        objects: int,
        talk: Conversation,
        learned: Collection[int],
    ) -> list[Answer]:
        """Embed (B, 3, S, S) images once and decode `objects` of each, turn by turn.

        Returns the answers of the turns that are learned from, counted from 0.
        """
        embedded = self.model.image_features(self.model.normalised(images))
        features = {
            name: tensor.repeat_interleave(objects, 0)
            for name, tensor in embedded.items()
        }
        answers = []
        for turn in range(talk.turns):
            prompts, learns = talk.prompts, turn in learned
            with torch.set_grad_enabled(learns and torch.is_grad_enabled()):
                logits, auxiliary = self.model.learned_logits(features, prompts)
            if learns:
                answers.append(Answer(logits.float(), auxiliary, prompts))
            if turn + 1 < talk.turns:
                talk.reply(logits)
        return answers


class Trainer(CropLoop[SegmentationModel]):
    """Train a model on objects that simulated users ask for.

    Parameters
    ----------
    model
        With freshly initialised or pretrained weights.
    sources, folder, options, crop
        See `CropLoop`.
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
        if options.compiled:
            # Functions and not modules, whose tensors would get other names.
            model.image_features = torch.compile(model.image_features)  # type: ignore[method-assign]
            model.mask_logits = torch.compile(model.mask_logits)  # type: ignore[method-assign]

    def learn(self, samples: Sequence[Sample]) -> tuple[Tensor, dict[str, float]]:
        """Return the loss of a batch of crops, and what is reported of it.

        Losses of answers are divided by the usual number of them, so that a late answer
        weighs as much as an early one. Reported are the first that is learned from and
        the last.
        """
        options, device = self.options, self.accelerator.device
        place = [options.seed, 1, self.step, self.accelerator.process_index]
        rng = np.random.default_rng(place)
        images = torch.from_numpy(np.stack([s.image for s in samples]))
        masks = np.concatenate([s.masks for s in samples])
        first = [opening for s in samples for opening in openings(s, rng)]
        target = torch.from_numpy(masks[:, None].astype(np.float32)).to(device)
        # Processes wait for each other: they talk equally long, and learn as often.
        shared = np.random.default_rng([options.seed, 2, self.step])
        turns = 1 + int(shared.integers(options.corrections + 1))
        answers = self.network(
            images.permute(0, 3, 1, 2).to(device),
            options.objects,
            Conversation(first, masks, turns, self.model.config.style, rng, device),
            learned_turns(turns, options.answers, shared),
        )
        possible = np.arange(1, options.corrections + 2)
        usual = np.minimum(possible, options.answers).mean()
        compared = [self._compare(answer, target) for answer in answers]
        loss = torch.stack([learned for learned, _ in compared]).sum() / usual
        row = compared[-1][1]
        if options.answers > 1:
            row["first_iou"] = compared[0][1]["iou"]
        return loss, row

    def _compare(
        self, answer: Answer, target: Tensor
    ) -> tuple[Tensor, dict[str, float]]:
        """Return the loss of one answer, and what is reported of it."""
        options, logits, prompts = self.options, answer.logits, answer.prompts
        focal = normalised_focal_loss(logits, target)
        dice = dice_loss(logits, target)
        clicked = click_loss(logits, prompts.points, prompts.signs)
        loss = focal + options.dice * dice + options.click * clicked
        for learned in answer.auxiliary:
            beside = auxiliary_pair(learned, target)
            both = normalised_focal_loss(*beside) + options.dice * dice_loss(*beside)
            loss = loss + options.auxiliary * both
        return loss, {
            "focal": focal.item(),
            "dice": dice.item(),
            "click": clicked.item(),
            "iou": mean_overlap(logits.detach() > 0, target > 0.5),
        }


def learned_turns(turns: int, most: int, rng: np.random.Generator) -> set[int]:
    """Choose the turns to learn from: the last, then the first, then any others."""
    between = rng.permutation(np.arange(1, max(1, turns - 1))).tolist()
    return set([turns - 1, 0, *between][:most])


def mean_overlap(predicted: Tensor, target: Tensor) -> float:
    """Return the mean intersection over union of (B, 1, S, S) bool masks."""
    overlap = (predicted & target).sum((1, 2, 3))
    union = (predicted | target).sum((1, 2, 3))
    # Nothing, where there is nothing, is right.
    return float(((overlap + (union == 0)) / union.clamp(min=1)).mean())

"""A model that understands phrases beside all other prompts.

A base model encodes the image; a phrase becomes maps that are added to the embedding,
as the dense map of clicks is, before both are fused and decoded. Where the image agrees
with the phrase is also learned directly, and is the previous mask if there is none.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from types import MappingProxyType
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.functional import interpolate
from torch.nn.utils.rnn import pad_sequence

from napari_segnext.models import build_model
from napari_segnext.models.base import Auxiliary, Features, SegmentationModel
from napari_segnext.models.config import ModelConfig
from napari_segnext.models.prompt_batch import PromptBatch
from napari_segnext.models.research.text.clip import ClipText, read_clip
from napari_segnext.models.research.text.path import TextPath

_NOTHING: Mapping[str, Any] = MappingProxyType({})


class TextPrompted(SegmentationModel):
    """A base model, and the paths that phrases take into its embedding.

    Without a phrase it is the base model. The text encoder is not in it: `use_clip`
    says which to take.

    Parameters
    ----------
    config
        Size, window, normalisation and style are the base model's; its `arch` holds
        the arguments that follow.
    base, base_arch
        Architecture of the base model, and its numbers.
    levels
        Names of features of the base model, and their channels: where maps are added,
        the finest level first.
    text_width, clip
        Width and digest of the text encoder that it is trained with; see `ClipText`.
    channels
        See `TextPath`.

    Raises
    ------
    ValueError
        If the base model is unknown.
    """

    takes_text = True

    def __init__(
        self,
        config: ModelConfig,
        base: str,
        levels: Sequence[tuple[str, int]],
        base_arch: Mapping[str, Any] = _NOTHING,
        text_width: int = 512,
        clip: str = "",
        channels: int = 64,
    ) -> None:
        super().__init__(config)
        part = replace(config, architecture=base, arch=dict(base_arch))
        self.base = build_model(part)
        self.levels = tuple(name for name, _ in levels)
        self.path = TextPath([width for _, width in levels], text_width, channels)
        self._wanted = text_width, clip
        self._clip: ClipText | None = None

    @property
    def encoder(self) -> nn.Module | None:
        """The base model's pretrained encoder, for a training."""
        encoder = getattr(self.base, "encoder", None)
        return encoder if isinstance(encoder, nn.Module) else None

    @property
    def no_text(self) -> str:
        """What is missing for phrases; empty if they are understood."""
        if self._clip is not None:
            return ""
        return (
            "Phrases need CLIP: give the folder of the one whose text encoder this "
            "model was trained with"
        )

    def use_clip(self, clip: ClipText) -> None:
        """Understand phrases from now on.

        Raises
        ------
        ValueError
            If the model was trained with another encoder.
        """
        if (clip.width, clip.digest) != self._wanted:
            raise ValueError(
                "this model was trained with another CLIP: its text encoder has the "
                f"width {self._wanted[0]} and the digest {self._wanted[1] or 'none'}, "
                f"the one given {clip.width} and {clip.digest}"
            )
        self._clip = clip

    def use_clip_in(self, folder: Path) -> None:
        """Understand phrases with the CLIP of a folder; see `read_clip`, `use_clip`."""
        self.use_clip(read_clip(folder))

    def image_features(
        self, images: Tensor, check: Callable[[], None] = lambda: None
    ) -> Features:
        """Return the base model's features."""
        return self.base.image_features(images, check)

    def prompted_logits(self, features: Features, prompts: PromptBatch) -> Tensor:
        """Add what phrases say, then decode as the base model does."""
        return self.learned_logits(features, prompts)[0]

    def learned_logits(
        self, features: Features, prompts: PromptBatch
    ) -> tuple[Tensor, list[Auxiliary]]:
        """Return the logits, and where the images agree with their phrases."""
        if not any(prompts.text):
            return self.base.prompted_logits(features, prompts), []
        rows = [row for row, phrase in enumerate(prompts.text) if phrase]
        at = torch.tensor(rows, device=self.device)
        phrases = [prompts.text[row] or "" for row in rows]
        maps, agreement = self._ask({n: features[n][at] for n in self.levels}, phrases)
        told = dict(features)
        for name, added in zip(self.levels, maps, strict=True):
            known = features[name]
            told[name] = known.index_add(0, at, added.to(known.dtype))
        said = interpolate(agreement.float(), prompts.dense.shape[2:], mode="bilinear")
        logits = self.base.prompted_logits(told, _with_first_guess(prompts, at, said))
        spoken = torch.zeros_like(prompts.dense[:, :1])
        everywhere = spoken.index_fill(0, at, 1).bool()
        return logits, [Auxiliary(spoken.index_copy(0, at, said), inside=everywhere)]

    def _ask(
        self, features: Features, phrases: Sequence[str]
    ) -> tuple[list[Tensor], Tensor]:
        """Ask each image for its phrase; see `TextPath`."""
        if self._clip is None:
            raise ValueError(self.no_text)
        words = [self._clip(phrase) for phrase in phrases]
        tokens = pad_sequence(words, batch_first=True).to(self.device)
        length = torch.tensor([len(w) for w in words], device=self.device)
        present = torch.arange(tokens.shape[1], device=self.device) < length[:, None]
        levels = [features[name] for name in self.levels]
        return self.path(levels, tokens, present)  # type: ignore[no-any-return]


def _with_first_guess(prompts: PromptBatch, at: Tensor, said: Tensor) -> PromptBatch:
    """Let what a phrase seems to mean be the previous mask where there is none."""
    dense = prompts.dense.clone()
    guess = said.sigmoid()
    empty = ~(dense[at, :1] > 0).any(3, keepdim=True).any(2, keepdim=True)
    dense[at, :1] = torch.where(empty, guess, dense[at, :1])
    return replace(prompts, dense=dense)

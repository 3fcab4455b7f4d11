"""SAM-REF: refine the mask of a model that encodes the image once.

Yu et al., "SAM-REF: Introducing Image-Prompt Synergy during Interaction for Detail
Enhancement in the Segment Anything Model", CVPR 2025 (arXiv 2408.11535). A base model
that fuses prompts late is kept as it is. Behind its coarse mask, a light refiner looks
at image, prompts and embedding together: over the whole image, where an error map says
what of the coarse mask to replace, and again, closer, where the mask changed most. A
selector keeps the last mask outside that window if the new one looks worse.

The authors published neither code nor weights, and the text at hand leaves out widths,
strides, sizes of windows and weights of losses. What is chosen here is said in the
modules of this package and in docs/models/sam_ref.md.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from types import MappingProxyType
from typing import Any

import torch
from torch import Tensor

from napari_segnext.models import build_model
from napari_segnext.models.base import (
    Auxiliary,
    Decoded,
    Embedding,
    Features,
    SegmentationModel,
    State,
)
from napari_segnext.models.config import ModelConfig
from napari_segnext.models.prompt_batch import PromptBatch
from napari_segnext.models.research.sam_ref.refiner import Projection, Refined, Refiner
from napari_segnext.models.research.sam_ref.window import Windows, disagreement
from napari_segnext.prompts import ModelPrompts

_NOTHING: Mapping[str, Any] = MappingProxyType({})


@dataclass(frozen=True, slots=True, eq=False)
class Stages:
    """What the stages of a refinement say; logits are (B, 1, S, S).

    Attributes
    ----------
    coarse
        The base model's mask.
    refined
        Of the global refiner.
    whole
        Both, merged.
    windows, local
        Where the local refiner looked, and what it says there; None without one.
    """

    coarse: Tensor
    refined: Refined
    whole: Tensor
    windows: Windows | None = None
    local: Refined | None = None

    def onto(self, mask: Tensor) -> Tensor:
        """Paste what the local refiner made of its window onto a mask."""
        if self.windows is None or self.local is None:
            return mask
        return torch.where(self.windows.inside, self.local.blend(self.whole), mask)


class SamRef(SegmentationModel):
    """A frozen base model, a global and a local refiner, and a selector.

    Parameters
    ----------
    config
        Size, window, normalisation and style are the base model's; its `arch` holds
        the arguments that follow.
    base, base_arch
        Architecture of the base model, and its numbers.
    levels
        Name of a feature of the base model -> its channels: the embedding.
    width, blocks
        Of the refiners; see `Refiner`.
    local
        Whether there is a local refiner.
    threshold
        The last mask is kept outside the window if the pixels in error are more than
        this many times those of the last prompt; None: never.

    Raises
    ------
    ValueError
        If the base model is unknown.
    """

    def __init__(
        self,
        config: ModelConfig,
        base: str,
        levels: Mapping[str, int],
        base_arch: Mapping[str, Any] = _NOTHING,
        width: int = 64,
        blocks: int = 3,
        local: bool = True,
        threshold: float | None = 1.1,
    ) -> None:
        super().__init__(config)
        self.threshold = threshold
        part = replace(config, architecture=base, arch=dict(base_arch))
        self.base = build_model(part).requires_grad_(False)
        self.project = Projection(levels, width)
        self.global_refiner = Refiner(width, blocks, stride=4)
        # A window is sampled at half the input's side: the grids are of one size.
        self.local_refiner = Refiner(width, blocks, stride=2) if local else None

    @property
    def encoder(self) -> SegmentationModel:
        """What a training leaves alone."""
        return self.base

    def image_features(
        self, images: Tensor, check: Callable[[], None] = lambda: None
    ) -> Features:
        """Return the base model's features and what the refiners read.

        That is ``stride1``, the images, and ``refiner``, the projected embedding
        (B, width, ...) on the grid of the finest level.
        """
        with torch.no_grad():
            features = self.base.image_features(images, check)
        check()
        return {**features, "stride1": images, "refiner": self.project(features)}

    def prompted_logits(self, features: Features, prompts: PromptBatch) -> Tensor:
        """Segment, then refine: (B, 1, S, S) logits."""
        stages = self.refine(features, prompts)
        return stages.onto(stages.whole)

    def learned_logits(
        self, features: Features, prompts: PromptBatch
    ) -> tuple[Tensor, list[Auxiliary]]:
        """Return the logits, both refiners' masks and both error maps."""
        stages = self.refine(features, prompts)
        first, second = stages.refined, stages.local
        learned = [Auxiliary(first.mask), Auxiliary(first.error, stages.coarse)]
        if stages.windows is not None and second is not None:
            inside = stages.windows.inside
            learned += [
                Auxiliary(second.mask, inside=inside),
                Auxiliary(second.error, stages.whole.detach(), inside),
            ]
        return stages.onto(stages.whole), learned

    @torch.inference_mode()
    def decode(
        self, embedding: Embedding, prompts: ModelPrompts, state: State | None = None
    ) -> Decoded:
        """Turn prompts into mask logits.

        The state is ``error``, (S, S) bool, where the base model seemed wrong, and
        ``logits``, (S, S) float32, the answer.
        """
        features = {name: t[None] for name, t in embedding.tensors.items()}
        batch = PromptBatch.of([prompts], self.device)
        last = None if state is None else state["logits"][None, None]
        stages = self.refine(features, batch, last)
        error = stages.refined.error[0, 0] > 0
        under = stages.whole
        if state is not None and last is not None and self._worse(error, state):
            under = last
        logits = stages.onto(under)[0, 0]
        return Decoded(logits, {"error": error, "logits": logits})

    def refine(
        self, features: Features, prompts: PromptBatch, last: Tensor | None = None
    ) -> Stages:
        """Run all stages.

        Parameters
        ----------
        last
            (B, 1, S, S) logits of the last answer, to which the new one is compared;
            by default the previous mask in the prompts.
        """
        with torch.no_grad():
            coarse = self.base.prompted_logits(features, prompts).float()
        pixels, embedding = features["stride1"], features["refiner"]
        clicks = prompts.dense[:, 1:]
        dense = torch.cat([clicks, coarse.sigmoid()], 1)
        refined = self.global_refiner(pixels, dense, embedding)
        whole = refined.blend(coarse)
        if self.local_refiner is None:
            return Stages(coarse, refined, whole)
        found = whole.detach()
        old = prompts.dense[:, :1] > 0.5 if last is None else last > 0
        windows = disagreement(found > 0, old, clicks.amax(1, keepdim=True) > 0)
        side = windows.size // 2
        dense = torch.cat([clicks, found.sigmoid()], 1)
        local = self.local_refiner(
            *(windows.crop(maps, side) for maps in (pixels, dense)),
            windows.crop(embedding, side // self.local_refiner.stride),
        )
        pasted = Refined(windows.paste(local.mask), windows.paste(local.error))
        return Stages(coarse, refined, whole, windows, pasted)

    def _worse(self, error: Tensor, state: State) -> bool:
        """Tell whether errors grew since the last prompt: R of the paper."""
        if self.threshold is None:
            return False
        return bool(error.sum() > self.threshold * state["error"].sum())

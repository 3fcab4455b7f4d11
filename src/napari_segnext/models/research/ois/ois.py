"""OIS: order-aware interactive segmentation.

Wang et al., "Order-Aware Interactive Segmentation", ICLR 2025 (arXiv 2410.12214). A
frozen encoder of Depth Anything V2 sees the image once, for its features and for its
depth. Prompts meet the features as a dense map and as tokens whose attention knows
their order and the object found so far; a DPT decoder, which starts as the one for
depth, draws the mask.

The authors published neither code nor weights. Of what the paper leaves open, this is
chosen here: prompts meet the features of the decoder at stride 14, so that all finer
features are computed once per image; depth is normalised to 0..1 per image; and what
the modules of `napari_segnext.models.research.ois` say of themselves.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import torch
from torch import Tensor

from napari_segnext.models.base import Features, SegmentationModel
from napari_segnext.models.config import ModelConfig
from napari_segnext.models.prompt_batch import PromptBatch
from napari_segnext.models.research.ois.dinov2 import PATCH, DinoV2
from napari_segnext.models.research.ois.dpt import DPT
from napari_segnext.models.research.ois.fusion import FusionOptions, PromptFusion
from napari_segnext.models.research.ois.order import (
    denoised_intensity,
    normalised_depth,
)

_LEVELS = ("stride4", "stride7", "stride14", "stride28")


class OIS(SegmentationModel):
    """Depth Anything V2, frozen, with a second decoder that prompts speak to.

    Parameters
    ----------
    config
        Its `size` is a multiple of 14; its `arch` holds the arguments that follow.
    embed_dim, depth, num_heads, layers
        Of the encoder; by default those of the small model. See `DinoV2`.
    channels, width
        Of both decoders; see `DPT`.
    fusion
        See `FusionOptions`.

    Raises
    ------
    ValueError
        If the numbers do not fit each other.
    """

    def __init__(
        self,
        config: ModelConfig,
        embed_dim: int = 384,
        depth: int = 12,
        num_heads: int = 6,
        layers: Sequence[int] = (2, 5, 8, 11),
        channels: Sequence[int] = (48, 96, 192, 384),
        width: int = 64,
        fusion: Mapping[str, Any] | None = None,
    ) -> None:
        super().__init__(config)
        if config.size % PATCH:
            raise ValueError(f"the size is a multiple of {PATCH}, not {config.size}")
        options = FusionOptions(**fusion or {})
        self.order = options.order if options.sparse else None
        self.encoder = DinoV2(embed_dim, depth, num_heads, layers)
        self.encoder.requires_grad_(False)
        if self.order == "depth":
            self.depth_head = DPT(embed_dim, channels, width)
            self.depth_head.requires_grad_(False)
        self.mask_head = DPT(embed_dim, channels, width)
        self.fusion = PromptFusion(width, PATCH, options)

    def image_features(
        self, images: Tensor, check: Callable[[], None] = lambda: None
    ) -> Features:
        """Return what the decoder needs of the image, and the scale of order.

        ``stride4`` (really 3.5) to ``stride28`` are what `DPT.prepare` returns;
        ``scale`` is (B, 1, 4 G, 4 G), 0 to 1, with G = S / 14.
        """
        with torch.no_grad():
            maps = self.encoder(images, check)
            scale = self._scale(images, maps)
        check()
        prepared = self.mask_head.prepare(maps)
        features = dict(zip(_LEVELS, prepared, strict=True))
        return features if scale is None else {**features, "scale": scale}

    def prompted_logits(self, features: Features, prompts: PromptBatch) -> Tensor:
        """Fuse clicks and dense map with the features: (B, 1, S, S) logits."""
        levels = [features[name] for name in _LEVELS]
        levels[2] = self.fusion(levels[2], prompts, features.get("scale"))
        return self.mask_head.draw(levels)

    def _scale(self, images: Tensor, maps: Sequence[Tensor]) -> Tensor | None:
        grid = maps[0].shape[3]
        if self.order is None:
            return None
        if self.order == "depth":
            depth = self.depth_head.draw(self.depth_head.prepare(maps)).relu()
            return normalised_depth(depth, grid)
        return denoised_intensity(images * self.std + self.mean, grid)

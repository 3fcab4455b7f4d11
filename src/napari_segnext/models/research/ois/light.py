"""OIS at the size of `tiny`: for training, and for use, on two CPU cores.

The encoder is that of `napari_segnext.models.tiny` and is trained. Prompts meet its
features at stride 8 in the blocks of OIS; above that is the decoder of `tiny`, without
prompts except in its last step. Order is intensity or geodesic distance.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from torch import Tensor
from torch.nn.functional import interpolate

from napari_segnext.models.base import Features, SegmentationModel
from napari_segnext.models.config import ModelConfig
from napari_segnext.models.prompt_batch import PromptBatch
from napari_segnext.models.research.ois.fusion import FusionOptions, PromptFusion
from napari_segnext.models.research.ois.order import denoised_intensity
from napari_segnext.models.tiny import LITE0, Tiny

_FUSED = 2
_STRIDE = 8


class LightOIS(SegmentationModel):
    """Convolutional features, order-aware and object-aware prompts, a light decoder.

    Parameters
    ----------
    config
        Its `arch` holds the arguments that follow.
    encoder, widths, detail
        As in `napari_segnext.models.tiny.Tiny`.
    fusion
        What differs from 64 channels, 4 heads and geodesic order; see
        `FusionOptions`.

    Raises
    ------
    ValueError
        If the numbers do not fit each other, or order were depth.
    """

    def __init__(
        self,
        config: ModelConfig,
        encoder: str = LITE0,
        widths: Sequence[int] = (16, 32, 64, 128),
        detail: int = 8,
        fusion: Mapping[str, Any] | None = None,
    ) -> None:
        super().__init__(config)
        chosen = {"channels": 64, "heads": 4, "order": "geodesic", **(fusion or {})}
        options = FusionOptions(**chosen)
        if options.order == "depth":
            raise ValueError("without depth, order is intensity or geodesic")
        self.order = options.order if options.sparse else None
        parts = Tiny(config, encoder, widths, fusion_depth=0, detail=detail)
        self.encoder, self.lateral = parts.encoder, parts.lateral
        self.refine, self.reduce = parts.refine, parts.reduce
        self.head, self.detail = parts.head, parts.detail
        self.fusion = PromptFusion(widths[_FUSED], _STRIDE, options)

    def image_features(
        self, images: Tensor, check: Callable[[], None] = lambda: None
    ) -> Features:
        """Return ``stride1``, the images, ``stride2``, ``stride4`` and ``stride8``.

        The latter are (B, width, S / stride, S / stride); what stride 16 adds is
        already in ``stride8``. ``scale`` is (B, 1, S / 2, S / 2), 0 to 1.
        """
        check()
        maps = self.encoder(images)
        check()
        *levels, coarsest = (
            lateral(level) for lateral, level in zip(self.lateral, maps, strict=True)
        )
        x = self.reduce[_FUSED](self.refine[-1](coarsest))
        x = interpolate(x, scale_factor=2, mode="bilinear")
        features = {
            "stride1": images,
            "stride2": levels[0],
            "stride4": levels[1],
            "stride8": levels[2] + x,
        }
        if self.order is not None:
            windowed = images * self.std + self.mean
            features["scale"] = denoised_intensity(windowed, x.shape[3])
        return features

    def prompted_logits(self, features: Features, prompts: PromptBatch) -> Tensor:
        """Fuse at stride 8, then draw from coarse to fine: (B, 1, S, S) logits."""
        fused = self.fusion(features["stride8"], prompts, features.get("scale"))
        x = self.refine[_FUSED](fused)
        for level in (1, 0):
            x = interpolate(self.reduce[level](x), scale_factor=2, mode="bilinear")
            x = self.refine[level](features[f"stride{2 ** (level + 1)}"] + x)
        logits = interpolate(self.head(x), scale_factor=2, mode="bilinear")
        correction = self.detail(features["stride1"], prompts.dense, x)
        return logits + correction  # type: ignore[no-any-return]

"""SegNext: low-latency, high-quality interactive segmentation with dense prompts.

Liu et al., "Rethinking Interactive Image Segmentation with Low Latency, High Quality
and Diverse Prompts", CVPR 2024 (arXiv 2404.00741). Prompts are one dense map, encoded
on the grid of the image's tokens and added to them; self-attention blocks mix both; a
light decoder draws the mask. The image is encoded once.

Module names are those of the published files (github.com/uncbiag/SegNext, MIT).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import cast

from torch import Tensor, nn
from torch.nn import functional as F

from napari_segnext.models.base import Features, SegmentationModel
from napari_segnext.models.config import ModelConfig
from napari_segnext.models.decoder import MLPHead, SimpleFPN
from napari_segnext.models.fast import exact_decoder, fits
from napari_segnext.models.fast.workspace import answers_at_once
from napari_segnext.models.fusion import DenseFusion
from napari_segnext.models.prompt_encoder import DenseEncoder
from napari_segnext.models.vit import VisionTransformer


class SegNext(SegmentationModel):
    """Plain ViT, dense fusion, feature pyramid and MLP head.

    Parameters
    ----------
    config
        Its `arch` holds the arguments that follow, its `size` is the side S.
    patch_size, embed_dim, depth, num_heads, mlp_ratio, qkv_bias, global_every
        Of the image encoder; see `VisionTransformer`.
    fusion_depth
        Self-attention blocks after the addition of the prompts.
    neck_channels
        Channels of the feature pyramid at strides 4, 8, 16 and 32.
    head_channels
        Width of the head.
    dropout
        Share of the head's channels dropped in training.

    Raises
    ------
    ValueError
        If size, patches, windows or heads do not divide as they must.
    """

    remembers = True

    def __init__(
        self,
        config: ModelConfig,
        patch_size: int = 16,
        embed_dim: int = 768,
        depth: int = 12,
        num_heads: int = 12,
        mlp_ratio: float = 4.0,
        qkv_bias: bool = True,
        global_every: int = 3,
        fusion_depth: int = 2,
        neck_channels: Sequence[int] = (128, 256, 512, 1024),
        head_channels: int = 256,
        dropout: float = 0.1,
    ) -> None:
        super().__init__(config)
        if len(neck_channels) != 4:
            raise ValueError(f"neck_channels are four numbers, not {neck_channels}")
        self.backbone = VisionTransformer(
            config.size,
            patch_size,
            embed_dim,
            depth,
            num_heads,
            mlp_ratio,
            qkv_bias,
            global_every,
        )
        self.neck = SimpleFPN(embed_dim, neck_channels)
        self.head = MLPHead(neck_channels, head_channels, dropout)
        self.visual_prompts_encoder = DenseEncoder(patch_size, embed_dim)
        self.fusion_blocks = DenseFusion(
            fusion_depth, embed_dim, num_heads, mlp_ratio, qkv_bias
        )
        self._initialise()

    @property
    def encoder(self) -> nn.Module:
        """What embeds the image; a training may go on with it at a rate of its own."""
        return self.backbone

    def _initialise(self) -> None:
        """Start as MAE's ViTs do, and so that a click is felt at the other end.

        Maps are nearly empty, and nothing normalises between the head's layers: with
        the usual start the mask would hardly depend on the prompts.
        """
        for module in self.modules():
            if isinstance(module, nn.Linear):
                nn.init.xavier_uniform_(module.weight)
                if module.bias is not None:
                    nn.init.zeros_(module.bias)
        for module in self.head.modules():
            if isinstance(module, nn.Conv2d):
                nn.init.kaiming_normal_(module.weight, nonlinearity="relu")
        prompts = self.visual_prompts_encoder.proj
        nn.init.normal_(prompts.weight, std=1 / prompts.stride[0])
        self.backbone.start_with_places()
        self.fusion_blocks.start_with_likeness()

    def image_features(
        self, images: Tensor, check: Callable[[], None] = lambda: None
    ) -> Features:
        """Compute ``{"image": (B, C, S / patch, S / patch)}``."""
        return {"image": self.backbone(images, check)}

    def fuse(self, features: Features, dense: Tensor) -> Tensor:
        """Mix the dense map into the features: (B, C, S / patch, S / patch)."""
        prompts = self.visual_prompts_encoder(dense)
        return cast("Tensor", self.fusion_blocks(features["image"], prompts))

    def low_resolution_logits(self, fused: Tensor) -> Tensor:
        """Decode what `fuse` returned: (B, 1, S / 4, S / 4) for patches of 16."""
        return cast("Tensor", self.head(self.neck(fused)))

    def mask_logits(self, features: Features, dense: Tensor) -> Tensor:
        """Fuse features with the (B, 3, S, S) dense map: (B, 1, S, S) logits."""
        if self._is_for_one_click(dense):
            image = features["image"][0]
            low = exact_decoder(self)(image, dense[0])[None, None]
        else:
            low = self.low_resolution_logits(self.fuse(features, dense))
        return self.enlarge(low)

    def enlarge(self, low: Tensor) -> Tensor:
        """Bring (B, 1, S / 4, S / 4) logits to (B, 1, S, S)."""
        # The published weights were trained and measured with corners aligned here,
        # and here alone.
        side = self.config.size
        return F.interpolate(low, (side, side), mode="bilinear", align_corners=True)

    def _is_for_one_click(self, dense: Tensor) -> bool:
        """Tell training, batches and recorded graphs from an answer to a user."""
        answer = answers_at_once(dense) and not self.training
        return answer and len(dense) == 1 and fits(self)

"""The bundled model: SegNext's idea at a size for a laptop without a GPU.

As in SegNext (Liu et al., CVPR 2024) the image is encoded once, all prompts are
one dense map, the two are added and fused by self-attention. What differs is the
scale: the encoder is a small convolutional network, and the map is added at
strides 2, 4, 8 and 16 instead of 16 alone, because the objects of interest are
often only a few pixels wide there. A last light step at full resolution looks at
the pixels, the map and the coarser mask together, as the refiner of SAM-REF
(Yu et al.) does, and corrects the outline.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from itertools import pairwise
from typing import cast

import torch
from torch import Tensor, nn
from torch.nn.functional import interpolate, relu

from napari_segnext.geometry.regions import Extent
from napari_segnext.models.base import Embedding, Features, SegmentationModel, cut
from napari_segnext.models.config import ModelConfig
from napari_segnext.models.efficientnet import CHANNELS, EfficientNetLite0
from napari_segnext.models.transformer import Block
from napari_segnext.prompts import ModelPrompts

# Stride of the coarsest features.
_COARSEST = 16
# What timm calls `EfficientNetLite0`.
LITE0 = "tf_efficientnet_lite0"
# Index of the features at stride 8.
_BESIDE = 2


def _convolution(width: int) -> nn.Sequential:
    return nn.Sequential(
        nn.Conv2d(width, width, 3, padding=1, bias=False),
        nn.BatchNorm2d(width),
        nn.ReLU(inplace=True),
    )


def _channels_last(x: Tensor) -> Tensor:
    return x.contiguous(memory_format=torch.channels_last)


class Residual(nn.Module):
    """Two 3 x 3 convolutions around a shortcut."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.body = nn.Sequential(
            _convolution(width),
            nn.Conv2d(width, width, 3, padding=1, bias=False),
            nn.BatchNorm2d(width),
        )
        self.activation = nn.ReLU(inplace=True)

    def forward(self, x: Tensor) -> Tensor:
        """Map (B, width, h, w) to the same shape."""
        return self.activation(x + self.body(x))  # type: ignore[no-any-return]


class PromptPyramid(nn.Module):
    """Embed the (B, 3, S, S) dense map at strides 2, 4, 8 and 16."""

    def __init__(self, widths: Sequence[int]) -> None:
        super().__init__()
        inputs = [3, *widths[:-1]]
        # No batch normalisation: the map is mostly empty, and how full it is depends
        # on the kind of prompt.
        self.steps = nn.ModuleList(
            nn.Sequential(nn.Conv2d(i, o, 3, 2, 1), nn.ReLU(inplace=True))
            for i, o in zip(inputs, widths, strict=True)
        )
        # Without the last activation: an embedding that is added can be negative.
        self.embeddings = nn.ModuleList(nn.Conv2d(w, w, 1) for w in widths)

    def forward(self, dense: Tensor) -> list[Tensor]:
        """Return one embedding per stride, finest first."""
        embeddings = []
        for step, embedding in zip(self.steps, self.embeddings, strict=True):
            dense = step(dense)
            embeddings.append(embedding(dense))
        return embeddings


class Fusion(nn.Module):
    """Self-attention over the sum of image and prompt embedding at stride 16."""

    def __init__(self, width: int, depth: int, heads: int) -> None:
        super().__init__()
        self.blocks = nn.Sequential(*(Block(width, heads) for _ in range(depth)))

    def forward(self, x: Tensor) -> Tensor:
        """Map (B, width, h, w) to the same shape."""
        tokens = self.blocks(x.flatten(2).transpose(1, 2))
        return tokens.transpose(1, 2).reshape(x.shape)  # type: ignore[no-any-return]


class Detail(nn.Module):
    """Correct the outline at full resolution, from pixels, prompts and the mask.

    Parameters
    ----------
    coarse
        Channels of the fused features at stride 2.
    width
        Channels at full resolution.
    """

    def __init__(self, coarse: int, width: int) -> None:
        super().__init__()
        self.pixels = nn.Conv2d(6, width, 3, padding=1)
        self.reduce = nn.Conv2d(coarse, width, 1)
        self.body = nn.Conv2d(width, width, 3, padding=1)
        self.head = nn.Conv2d(width, 1, 1)
        # It starts as no correction at all.
        for parameter in self.head.parameters():
            nn.init.zeros_(parameter)

    def forward(self, image: Tensor, dense: Tensor, fused: Tensor) -> Tensor:
        """Return what to add to the (B, 1, S, S) logits.

        Parameters
        ----------
        image, dense
            (B, 3, S, S).
        fused
            (B, coarse, S / 2, S / 2).
        """
        x = self.pixels(torch.cat([image, dense], 1))
        x = relu(x + interpolate(self.reduce(fused), scale_factor=2, mode="bilinear"))
        return self.head(relu(self.body(x)))  # type: ignore[no-any-return]


def _make_encoder(name: str) -> tuple[nn.Module, Sequence[int]]:
    """Return a network with features at strides 2, 4, 8 and 16, and their channels."""
    if name == LITE0:
        return EfficientNetLite0(), CHANNELS
    import timm

    # The name comes from a file: it must not make timm fetch anything.
    if not timm.is_model(name):
        raise ValueError(f"timm has no network called {name!r}")
    encoder = timm.create_model(name, features_only=True, out_indices=(0, 1, 2, 3))
    # timm keeps the stages after the last one asked for.
    last = encoder.feature_info.info[3]["stage"]  # type: ignore[index, union-attr]
    del encoder.blocks[last:]  # type: ignore[operator, union-attr]
    return encoder, encoder.feature_info.channels()  # type: ignore[operator, union-attr]


class Tiny(SegmentationModel):
    """A light convolutional SegNext for CPUs.

    Parameters
    ----------
    config
        The model's configuration.
    encoder
        Name of a network of timm's with features at strides 2, 4, 8 and 16; the
        default is built without timm.
    widths
        Channels at those strides; what is stored of an image has these widths.
    fusion_depth, fusion_heads
        Self-attention blocks at stride 16, and their heads.
    detail
        Channels of the step at full resolution.
    base
        Fingerprint of the model whose encoder it has: embeddings of one serve the
        other.
    """

    def __init__(
        self,
        config: ModelConfig,
        encoder: str = LITE0,
        widths: Sequence[int] = (16, 32, 64, 128),
        fusion_depth: int = 1,
        fusion_heads: int = 4,
        detail: int = 8,
        base: str = "",
    ) -> None:
        super().__init__(config)
        self.embeds_as = base
        if config.size % _COARSEST:
            raise ValueError(f"the size is a multiple of {_COARSEST}: {config.size}")
        self.encoder, channels = _make_encoder(encoder)
        self.lateral = nn.ModuleList(
            nn.Conv2d(i, o, 1) for i, o in zip(channels, widths, strict=True)
        )
        self.prompts = PromptPyramid(widths)
        self.fusion = Fusion(widths[-1], fusion_depth, fusion_heads)
        # At stride 2 a second convolution costs more than all the coarser levels.
        self.refine = nn.ModuleList(
            nn.Sequential(nn.ReLU(), Residual(w) if i else _convolution(w))
            for i, w in enumerate(widths)
        )
        self.reduce = nn.ModuleList(
            nn.Conv2d(coarse, fine, 1) for fine, coarse in pairwise(widths)
        )
        self.head = nn.Conv2d(widths[0], 1, 1)
        self.detail = Detail(widths[0], detail)
        # CPUs are a fifth faster so with so few channels.
        self.to(memory_format=torch.channels_last)

    def image_features(
        self, images: Tensor, check: Callable[[], None] = lambda: None
    ) -> Features:
        """Return ``stride1``, the images, and ``stride2`` ... ``stride16``.

        The latter are (B, width, S / stride, S / stride).
        """
        check()
        images = _channels_last(images)
        maps = self.encoder(images)
        check()
        features = {"stride1": images}
        for i, (lateral, level) in enumerate(zip(self.lateral, maps, strict=True)):
            features[f"stride{2 ** (i + 1)}"] = lateral(level)
        return features

    def decoder_parameters(self) -> list[nn.Parameter]:
        """Return what may be learned without changing what is stored of an image."""
        encoding = {*self.encoder.parameters(), *self.lateral.parameters()}
        return [each for each in self.parameters() if each not in encoding]

    def mask_logits(self, features: Features, dense: Tensor) -> Tensor:
        """Fuse at every stride, coarse to fine: (B, 1, S, S) logits."""
        return self.decoded(features, dense)[0]

    def decoded(
        self, features: Features, dense: Tensor, beside: Tensor | None = None
    ) -> tuple[Tensor, list[Tensor]]:
        """Return (B, 1, S, S) logits, and the fused maps, coarsest first.

        Parameters
        ----------
        beside
            (B, width, S / 8, S / 8): what else is known, added at stride 8.
        """
        dense = _channels_last(dense)
        # Those from a store are not in this order any more.
        features = {name: _channels_last(each) for name, each in features.items()}
        fused = [
            features[f"stride{2 ** (i + 1)}"] + embedding
            for i, embedding in enumerate(self.prompts(dense))
        ]
        if beside is not None:
            fused[_BESIDE] = fused[_BESIDE] + beside
        x = self.refine[-1](self.fusion(fused[-1]))
        maps = [x]
        for level in range(len(fused) - 2, -1, -1):
            # Fewer channels first, pixels after: both are linear, this is cheaper.
            x = interpolate(self.reduce[level](x), scale_factor=2, mode="bilinear")
            x = self.refine[level](fused[level] + x)
            maps.append(x)
        logits = interpolate(self.head(x), scale_factor=2, mode="bilinear")
        return cast("Tensor", logits + self.detail(features["stride1"], dense, x)), maps

    @torch.inference_mode()
    def decode_part(
        self, embedding: Embedding, prompts: ModelPrompts, part: Extent
    ) -> Tensor:
        """Decode no more than the part: most of the network looks at neighbours alone.

        Parameters and result are those of the model's base.
        """
        features = embedding.part(part, self.config.size)
        dense = torch.from_numpy(prompts.dense[None]).to(self.device)
        return self.mask_logits(features, cut(dense, part))[0, 0].float()

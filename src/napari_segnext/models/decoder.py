"""From fused features to mask logits: a simple feature pyramid and an MLP head.

The pyramid is ViTDet's (Li et al., ECCV 2022), the head SegFormer's (Xie et al.,
NeurIPS 2021), as SegNext (Liu et al., CVPR 2024) combines them.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import cast

from torch import Tensor, nn
from torch.nn import functional as F


def _norm(channels: int) -> nn.GroupNorm:
    return nn.GroupNorm(1, channels)


class SimpleFPN(nn.Module):
    """One map at stride 16 to four at strides 4, 8, 16 and 32.

    Parameters
    ----------
    in_channels
        Channels C of the (B, C, G, G) input.
    out_channels
        Channels at strides 4, 8, 16 and 32; inputs G x G give 4G, 2G, G and G / 2.
    """

    def __init__(self, in_channels: int, out_channels: Sequence[int]) -> None:
        super().__init__()
        quarter, eighth, same, half = out_channels
        wide = max(2 * quarter, in_channels // 2)
        self.down_4 = nn.Sequential(
            nn.ConvTranspose2d(in_channels, wide, 2, 2),
            _norm(wide),
            nn.GELU(),
            nn.ConvTranspose2d(wide, wide // 2, 2, 2),
            _norm(wide // 2),
            nn.Conv2d(wide // 2, quarter, 1),
            _norm(quarter),
            nn.GELU(),
        )
        wide = max(eighth, in_channels // 2)
        self.down_8 = nn.Sequential(
            nn.ConvTranspose2d(in_channels, wide, 2, 2),
            _norm(wide),
            nn.Conv2d(wide, eighth, 1),
            _norm(eighth),
            nn.GELU(),
        )
        self.down_16 = nn.Sequential(
            nn.Conv2d(in_channels, same, 1), _norm(same), nn.GELU()
        )
        wide = max(half, 2 * in_channels)
        self.down_32 = nn.Sequential(
            nn.Conv2d(in_channels, wide, 2, 2),
            _norm(wide),
            nn.Conv2d(wide, half, 1),
            _norm(half),
            nn.GELU(),
        )

    def forward(self, fused: Tensor) -> list[Tensor]:
        """Return the four maps, finest first."""
        levels = (self.down_4, self.down_8, self.down_16, self.down_32)
        return [level(fused) for level in levels]


class _ConvReLU(nn.Module):
    """1x1 convolution and ReLU; the inner name is that of the published files."""

    def __init__(self, in_channels: int, out_channels: int) -> None:
        super().__init__()
        self.conv = nn.Conv2d(in_channels, out_channels, 1)

    def forward(self, features: Tensor) -> Tensor:
        return F.relu(self.conv(features))


class MLPHead(nn.Module):
    """Four maps to one map of logits at the finest one's stride.

    Parameters
    ----------
    in_channels
        Channels of the four maps, finest first.
    width
        Channels inside.
    dropout
        Share of channels dropped before the last convolution, in training.
    """

    def __init__(self, in_channels: Sequence[int], width: int, dropout: float) -> None:
        super().__init__()
        self.convs = nn.ModuleList(_ConvReLU(n, width) for n in in_channels)
        self.fusion_conv = _ConvReLU(width * len(in_channels), width)
        self.dropout = nn.Dropout2d(dropout)
        self.seg_conv = nn.Conv2d(width, 1, 1)

    def forward(self, levels: Sequence[Tensor]) -> Tensor:
        """Return (B, 1, 4G, 4G) logits."""
        fusion = self.fusion_conv.conv
        shape = levels[0].shape[2:]
        parts = fusion.weight.chunk(len(levels), dim=1)
        total = cast("Tensor", fusion.bias).view(1, -1, 1, 1)
        for conv, level, weight in zip(self.convs, levels, parts, strict=True):
            # The fusion convolution of the concatenated, upsampled levels is the sum
            # of its parts, and 1x1 convolution and bilinear upsampling commute: done
            # at each level's own size it costs a fraction and gives the same.
            part = F.conv2d(conv(level), weight)
            total = total + F.interpolate(
                part, shape, mode="bilinear", align_corners=False
            )
        return cast("Tensor", self.seg_conv(self.dropout(F.relu(total))))

"""SegNext once more, as plainly as possible, to compare the real one with.

Straight from the paper's and the published files' description: explicit softmax,
windows cut in loops, levels concatenated before they are mixed, disks by distance on
the whole grid. Slow, and written without a look at the package's own modules.
"""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

MEAN, STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)
PATCH = 16


class PlainSegNext:
    def __init__(self, state: dict[str, Tensor], size: int, arch: dict) -> None:
        self.state, self.size, self.arch = state, size, arch

    def features(self, image: np.ndarray) -> Tensor:
        """(H, W, 3) uint8 -> (1, C, G, G), where the weights are."""
        pixels = torch.from_numpy(image).permute(2, 0, 1).float()[None] / 255
        pixels = (pixels - _column(MEAN)) / _column(STD)
        pixels = pixels.to(self.state["backbone.pos_embed"].device)
        pixels = F.interpolate(pixels, (self.size, self.size), mode="bilinear")
        grid = self._conv("backbone.patch_embed.proj", pixels, stride=PATCH)
        side = grid.shape[2]
        places = self.state["backbone.pos_embed"][0, 1:].T.reshape(1, -1, side, side)
        grid = grid + places
        depth, every = self.arch["depth"], self.arch["global_every"]
        window = side // max(1, side // 14)
        for i in range(1, depth + 1):
            name = f"backbone.blocks.{i - 1}"
            reach = side if i % every == 0 or i == depth else window
            after = torch.empty_like(grid)
            for y in range(0, side, reach):
                for x in range(0, side, reach):
                    part = grid[:, :, y : y + reach, x : x + reach]
                    new = self._block(name, part.flatten(2).transpose(1, 2), 1e-6)
                    after[:, :, y : y + reach, x : x + reach] = new.transpose(
                        1, 2
                    ).reshape(part.shape)
            grid = after
        return grid

    def dense(
        self,
        shape: tuple[int, int],
        clicks: list[tuple[bool, int, int]],
        previous: Tensor | None,
    ) -> Tensor:
        """All clicks and the previous (H, W) probability -> (1, 3, S, S)."""
        dense = torch.zeros(1, 3, self.size, self.size)
        if previous is not None:
            dense[:, :1] = F.interpolate(
                previous[None, None], (self.size, self.size), mode="bilinear"
            )
        rows, columns = torch.meshgrid(
            torch.arange(self.size), torch.arange(self.size), indexing="ij"
        )
        for positive, y, x in clicks:
            y, x = (
                int(y * self.size / shape[0] + 0.5),
                int(x * self.size / shape[1] + 0.5),
            )
            near = (rows - y) ** 2 + (columns - x) ** 2 <= 25
            dense[0, 1 if positive else 2][near] = 1
        return dense

    def low_logits(self, features: Tensor, dense: Tensor) -> Tensor:
        """(1, 1, S / 4, S / 4)."""
        fused = features + self._conv("visual_prompts_encoder.proj", dense, PATCH)
        tokens = fused.flatten(2).transpose(1, 2)
        for i in range(self.arch["fusion_depth"]):
            tokens = self._block(f"fusion_blocks.{i}", tokens, 1e-5)
        fused = tokens.transpose(1, 2).reshape(fused.shape)
        levels = []
        for i, level in enumerate(self._pyramid(fused)):
            level = F.relu(self._conv(f"head.convs.{i}.conv", level))
            levels.append(F.interpolate(level, fused.shape[2] * 4, mode="bilinear"))
        mixed = F.relu(self._conv("head.fusion_conv.conv", torch.cat(levels, 1)))
        return self._conv("head.seg_conv", mixed)

    def probability(
        self, features: Tensor, dense: Tensor, shape: tuple[int, int]
    ) -> Tensor:
        """(H, W)."""
        logits = F.interpolate(
            self.low_logits(features, dense),
            (self.size, self.size),
            mode="bilinear",
            align_corners=True,
        )
        return F.interpolate(logits, shape, mode="bilinear").sigmoid()[0, 0]

    def _pyramid(self, fused: Tensor) -> list[Tensor]:
        x = F.gelu(self._norm("neck.down_4.1", self._up("neck.down_4.0", fused)))
        x = self._norm("neck.down_4.4", self._up("neck.down_4.3", x))
        x = F.gelu(self._norm("neck.down_4.6", self._conv("neck.down_4.5", x)))
        y = self._norm("neck.down_8.1", self._up("neck.down_8.0", fused))
        y = F.gelu(self._norm("neck.down_8.3", self._conv("neck.down_8.2", y)))
        z = F.gelu(self._norm("neck.down_16.1", self._conv("neck.down_16.0", fused)))
        w = self._norm("neck.down_32.1", self._conv("neck.down_32.0", fused, 2))
        w = F.gelu(self._norm("neck.down_32.3", self._conv("neck.down_32.2", w)))
        return [x, y, z, w]

    def _block(self, name: str, tokens: Tensor, eps: float) -> Tensor:
        batch, count, channels = tokens.shape
        heads = self.arch["num_heads"]
        qkv = self._linear(
            f"{name}.attn.qkv", self._layer(f"{name}.norm1", tokens, eps)
        )
        q, k, v = qkv.reshape(batch, count, 3, heads, -1).permute(2, 0, 3, 1, 4)
        weights = (q @ k.transpose(2, 3) / (channels // heads) ** 0.5).softmax(-1)
        seen = (weights @ v).transpose(1, 2).reshape(tokens.shape)
        tokens = tokens + self._linear(f"{name}.attn.proj", seen)
        inner = self._linear(
            f"{name}.mlp.fc1", self._layer(f"{name}.norm2", tokens, eps)
        )
        return tokens + self._linear(f"{name}.mlp.fc2", F.gelu(inner))

    def _pair(self, name: str) -> tuple[Tensor, Tensor]:
        return self.state[f"{name}.weight"], self.state[f"{name}.bias"]

    def _linear(self, name: str, x: Tensor) -> Tensor:
        return F.linear(x, *self._pair(name))

    def _layer(self, name: str, x: Tensor, eps: float) -> Tensor:
        return F.layer_norm(x, x.shape[-1:], *self._pair(name), eps)

    def _norm(self, name: str, x: Tensor) -> Tensor:
        return F.group_norm(x, 1, *self._pair(name), 1e-5)

    def _conv(self, name: str, x: Tensor, stride: int = 1) -> Tensor:
        return F.conv2d(x, *self._pair(name), stride)

    def _up(self, name: str, x: Tensor) -> Tensor:
        return F.conv_transpose2d(x, *self._pair(name), 2)


def _column(values: tuple[float, ...]) -> Tensor:
    return torch.tensor(values).view(3, 1, 1)

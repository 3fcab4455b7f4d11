"""The network of SAM-REF: image, prompts and embedding fused in a few convolutions."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from math import log2

import torch
from timm.layers.norm import LayerNorm2d
from torch import Tensor, nn
from torch.nn.functional import interpolate, relu

from napari_segnext.models.base import Features

# A new refiner believes that the mask it is given is right: sigmoid(-3) is 0.05.
_TRUST = -3.0


@dataclass(frozen=True, slots=True, eq=False)
class Refined:
    """A second opinion on a mask.

    Attributes
    ----------
    mask
        (B, 1, h, w) logits of another mask.
    error
        (B, 1, h, w) logits: where the mask that was given is wrong.
    """

    mask: Tensor
    error: Tensor

    def blend(self, given: Tensor) -> Tensor:
        """Replace the mask that was given, (B, 1, h, w) logits, where it is wrong.

        sigmoid(E) M- + (1 - sigmoid(E)) M, the merge of the paper.
        """
        return torch.lerp(given, self.mask, self.error.sigmoid())


class Projection(nn.Module):
    """Bring levels of an image's features to one width and the finest one's grid.

    Parameters
    ----------
    levels
        Name of a feature -> its channels.
    width
        Channels of the result.
    """

    def __init__(self, levels: Mapping[str, int], width: int) -> None:
        super().__init__()
        # A configuration that went through a file has lost its order.
        self.steps = nn.ModuleDict(
            {name: nn.Conv2d(c, width, 1) for name, c in sorted(levels.items())}
        )
        # Features of a model that was not made for this are of any magnitude.
        self.norm = LayerNorm2d(width)

    def forward(self, features: Features) -> Tensor:
        """Return (B, width, h, w)."""
        maps = [step(features[name]) for name, step in self.steps.items()]
        grid = max((m.shape[2], m.shape[3]) for m in maps)
        fused = torch.stack([_resized(m, grid) for m in maps]).sum(0)
        return self.norm(fused)  # type: ignore[no-any-return]


class ResBlock(nn.Module):
    """Two 3 x 3 convolutions around a shortcut.

    Without normalisation: how full the prompts' channels are depends on the prompt.
    """

    def __init__(self, width: int) -> None:
        super().__init__()
        self.body = nn.Sequential(
            nn.Conv2d(width, width, 3, padding=1),
            nn.ReLU(inplace=True),
            nn.Conv2d(width, width, 3, padding=1),
        )

    def forward(self, x: Tensor) -> Tensor:
        """Map (B, width, h, w) to the same shape."""
        return relu(x + self.body(x))


class Refiner(nn.Module):
    """F(0) = I + D + F^; F(i + 1) = ResBlock(F(i)) + F^; two heads.

    Parameters
    ----------
    width
        Channels.
    blocks
        How many residual blocks.
    stride
        2 or 4: of the grid on which all is fused.

    Raises
    ------
    ValueError
        If the stride is neither.
    """

    def __init__(self, width: int, blocks: int, stride: int) -> None:
        super().__init__()
        if stride not in (2, 4):
            raise ValueError(f"the stride is 2 or 4, not {stride}")
        self.stride = stride
        self.pixels, self.prompts = _stem(width, stride), _stem(width, stride)
        self.blocks = nn.ModuleList(ResBlock(width) for _ in range(blocks))
        self.mask, self.error = nn.Conv2d(width, 1, 1), nn.Conv2d(width, 1, 1)
        # It also has no opinion of its own: no pixel changes sides.
        nn.init.zeros_(self.mask.weight)
        nn.init.zeros_(self.mask.bias)  # type: ignore[arg-type]
        nn.init.zeros_(self.error.weight)
        nn.init.constant_(self.error.bias, _TRUST)  # type: ignore[arg-type]

    def forward(self, pixels: Tensor, dense: Tensor, embedding: Tensor) -> Refined:
        """Give a second opinion.

        Parameters
        ----------
        pixels
            (B, 3, h, w), normalised.
        dense
            (B, 3, h, w): positive, negative, probability of the mask that is given.
        embedding
            (B, width, ...) of the same part of the image, on any grid.
        """
        x = self.pixels(pixels) + self.prompts(dense)
        embedding = _resized(embedding, (x.shape[2], x.shape[3]))
        x = x + embedding
        for block in self.blocks:
            x = block(x) + embedding
        full = (pixels.shape[2], pixels.shape[3])
        return Refined(
            _resized(self.mask(x), full).float(), _resized(self.error(x), full).float()
        )


def _stem(width: int, stride: int) -> nn.Sequential:
    """Bring three channels to a stride, half the width on the way."""
    widths = [width // 2] * (int(log2(stride)) - 1)
    channels = zip([3, *widths], [*widths, width], strict=True)
    steps: list[nn.Module] = []
    for number, (i, o) in enumerate(channels):
        steps += [nn.ReLU(inplace=True)] if number else []
        steps.append(nn.Conv2d(i, o, 3, 2, 1))
    return nn.Sequential(*steps)


def _resized(maps: Tensor, grid: tuple[int, int]) -> Tensor:
    if maps.shape[2:] == grid:
        return maps
    return interpolate(maps, grid, mode="bilinear")

"""The network that knows a kind of object, on top of a model's embeddings."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import torch
from torch import Tensor, nn
from torch.nn.functional import interpolate, relu

# What is told of a pixel: inside an object, near a border, how deep inside.
INSIDE, BORDER, DEPTH = range(3)
_OUTPUTS = 3
_WIDTH, _GROUPS = 32, 8
# Most pixels are in no object: probabilities begin there.
_RARE = -2.0

Statistics = Mapping[str, tuple[Tensor, Tensor]]


class Refine(nn.Module):
    """Two 3 x 3 convolutions around a shortcut; at first they add nothing."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.first = nn.Conv2d(width, width, 3, padding=1, bias=False)
        self.norm = nn.GroupNorm(_GROUPS, width)
        self.second = nn.Conv2d(width, width, 3, padding=1)
        for parameter in self.second.parameters():
            nn.init.zeros_(parameter)

    def forward(self, x: Tensor) -> Tensor:
        """Map (B, width, h, w) to the same shape."""
        return x + self.second(relu(self.norm(self.first(relu(x)))))  # type: ignore[no-any-return]


class Head(nn.Module):
    """A feature pyramid (Lin et al., CVPR 2017) over the maps of an embedding.

    Parameters
    ----------
    statistics
        Mean and standard deviation, (1, C, 1, 1), of each map that is read.
    sides
        The side of each map in cells.
    """

    def __init__(self, statistics: Statistics, sides: Mapping[str, int]) -> None:
        super().__init__()
        self.names = sorted(statistics, key=lambda name: sides[name])
        self._statistics = statistics
        self.lateral = nn.ModuleList(
            nn.Conv2d(statistics[name][0].shape[1], _WIDTH, 1) for name in self.names
        )
        self.refine = nn.ModuleList(Refine(_WIDTH) for _ in self.names)
        self.out = nn.Conv2d(_WIDTH, _OUTPUTS, 1)
        nn.init.constant_(self.out.bias, _RARE)  # type: ignore[arg-type]

    def forward(self, maps: Mapping[str, Tensor]) -> Tensor:
        """Return (B, 3, h, w) logits at the finest map's resolution.

        Parameters
        ----------
        maps
            (B, C, h, w) each, by name.
        """
        x: Tensor | None = None
        levels = zip(self.names, self.lateral, self.refine, strict=True)
        for name, lateral, refine in levels:
            mean, deviation = self._statistics[name]
            y = lateral((maps[name] - mean) / deviation)
            if x is not None:
                y = y + interpolate(x, size=y.shape[-2:], mode="bilinear")
            x = refine(y)
        return self.out(x)  # type: ignore[no-any-return]


def readable(tensors: Mapping[str, Tensor], size: int) -> list[str]:
    """Return the names of the maps of an embedding that a head reads.

    Those are square, and of fewer cells than the model has pixels if there are such.

    Parameters
    ----------
    tensors
        Of an embedding, without a batch axis.
    size
        Side of the model's input.
    """
    square = {
        name: tensor.shape[-1]
        for name, tensor in tensors.items()
        if tensor.ndim == 3 and tensor.shape[-1] == tensor.shape[-2]
    }
    return [name for name, side in square.items() if side < size] or list(square)


def statistics(samples: Sequence[Mapping[str, Tensor]]) -> Statistics:
    """Return mean and standard deviation, (1, C, 1, 1), of (C, h, w) maps by name."""
    found = {}
    for name in samples[0]:
        values = torch.stack([each[name].float() for each in samples])
        mean = values.mean((0, 2, 3), keepdim=True)
        found[name] = mean, values.std((0, 2, 3), keepdim=True) + 1e-6
    return found

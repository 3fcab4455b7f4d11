"""Tokens in the order of cells, so that a part of a feature pyramid is a few rows.

A cell is 2 x 2 tokens: the smallest square that all four levels of the pyramid divide,
1 pixel at stride 32, 4 at stride 16, 16 at stride 8 and 64 at stride 4. Rows are sorted
by cell, then token, then quarter of a token, then quarter of that, each in row-major
order: a transposed convolution of stride 2 then makes of a row four rows in place.
"""

from __future__ import annotations

import torch
from torch import Tensor

# Pixels of a cell's side at strides 8, 16 and 32, and at 4, where they are added up.
COARSE, FINE = (4, 2, 1), 8


def to_cells(grid: Tensor) -> Tensor:
    """(C, G, G) -> (G * G, C), in the order of cells."""
    channels, side, _ = grid.shape
    cut = grid.reshape(channels, side // 2, 2, side // 2, 2)
    return cut.permute(1, 3, 2, 4, 0).reshape(side * side, channels)


def patches(dense: Tensor, patch: int) -> Tensor:
    """(3, S, S) -> (tokens, 3 * patch * patch), in the order of cells."""
    cells = dense.shape[1] // patch // 2
    cut = dense.reshape(len(dense), cells, 2, patch, cells, 2, patch)
    return cut.permute(1, 4, 2, 5, 0, 3, 6).reshape(4 * cells**2, -1)


def from_cells(logits: Tensor) -> Tensor:
    """(cells, 64) pixels at stride 4 -> (4 G, 4 G), row-major."""
    side = round(len(logits) ** 0.5)
    cut = logits.reshape(side, side, *[2] * 6)
    return cut.permute(0, 2, 4, 6, 1, 3, 5, 7).reshape(FINE * side, FINE * side)


def _rank(y: Tensor, x: Tensor, side: int) -> Tensor:
    """Return where a pixel (y, x) of a cell of side 1, 2, 4 or 8 comes in its rows."""
    rank, scale = torch.zeros_like(y), 1
    while side > 1:
        rank = rank + scale * (2 * (y % 2) + x % 2)
        y, x, scale, side = y // 2, x // 2, 4 * scale, side // 2
    return rank


def upsampling() -> Tensor:
    """Return the bilinear upsampling of three coarse levels into a cell, as a matrix.

    Returns
    -------
    (64, 36 + 16 + 9) float32
        From the pixels of `neighbourhoods`, to the cell's pixels at stride 4.
    """
    at = torch.arange(FINE)
    rank = _rank(at[:, None], at[None], FINE).flatten()
    parts = []
    for side in COARSE:
        centre = (at + 0.5) * side / FINE + 0.5
        away = (centre[:, None] - torch.arange(side + 2)).abs()
        line = (1 - away).clamp(min=0)
        part = torch.empty(FINE**2, (side + 2) ** 2)
        part[rank] = torch.kron(line, line)
        parts.append(part)
    return torch.cat(parts, 1)


def neighbourhoods(cells: int) -> Tensor:
    """Return which coarse pixels a cell is interpolated from: its own and a ring.

    Parameters
    ----------
    cells
        Along a side of the image. At its border the outermost pixels are repeated,
        as in interpolation without aligned corners.

    Returns
    -------
    (cells * cells, 36 + 16 + 9) int64
        Rows of the levels at strides 8, 16 and 32, one after the other.
    """
    parts, first = [], 0
    for side in COARSE:
        reach = torch.arange(-1, side + 1)
        line = (side * torch.arange(cells)[:, None] + reach).clamp(0, side * cells - 1)
        y, x = line[:, None, :, None], line[None, :, None, :]
        cell = cells * (y // side) + x // side
        row = first + side**2 * cell + _rank(y % side, x % side, side)
        parts.append(row.reshape(cells**2, -1))
        first += (side * cells) ** 2
    return torch.cat(parts, 1)

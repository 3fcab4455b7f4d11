"""Where two masks disagree most: a square window, looked at more closely."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from scipy import ndimage
from torch import Tensor
from torch.nn.functional import affine_grid, grid_sample

from napari_segnext.geometry.frame import BoolArray

# The region of disagreement is grown by this much, as FocalClick does.
_EXPANSION = 1.4
# Share of the image's side that a window has at least: less shows too little around.
_LEAST = 1 / 8


@dataclass(frozen=True, slots=True, eq=False)
class Windows:
    """One square per image of a batch of (S, S) images.

    Attributes
    ----------
    squares
        (B, 3) float32: top, left, side in pixels.
    found
        (B,) bool: whether there is a window at all; a square without is the image.
    size
        S, in pixels.
    """

    squares: Tensor
    found: Tensor
    size: int

    def crop(self, maps: Tensor, side: int) -> Tensor:
        """Sample (B, C, h, w) maps that cover the images: (B, C, side, side)."""
        scale, shift = self._scale_and_shift()
        return _sampled(maps, scale, shift, side)

    def paste(self, crops: Tensor) -> Tensor:
        """Bring (B, C, h, w) crops back to their places: (B, C, S, S).

        What lies outside a window continues its border; see `inside`.
        """
        scale, shift = self._scale_and_shift()
        return _sampled(crops, 1 / scale, -shift / scale[:, None], self.size)

    @property
    def inside(self) -> Tensor:
        """(B, 1, S, S) bool: the pixels in the windows."""
        at = torch.arange(self.size, device=self.squares.device)
        low = self.squares[:, :2, None]
        within = (at >= low) & (at < low + self.squares[:, 2:, None])
        rows, columns = within[:, 0, :, None], within[:, 1, None, :]
        return (rows & columns & self.found[:, None, None])[:, None]

    def _scale_and_shift(self) -> tuple[Tensor, Tensor]:
        """Return side (B,) and centre (B, 2), y x, where the image is -1 to 1."""
        scale = self.squares[:, 2] / self.size
        return scale, 2 * self.squares[:, :2] / self.size + scale[:, None] - 1


def _sampled(maps: Tensor, scale: Tensor, shift: Tensor, side: int) -> Tensor:
    theta = scale.new_zeros(len(maps), 2, 3)
    theta[:, 0, 0] = theta[:, 1, 1] = scale
    theta[:, :, 2] = shift.flip(1)
    grid = affine_grid(theta, [len(maps), 1, side, side], align_corners=False)
    # In half precision places would be off by pixels.
    return grid_sample(maps.float(), grid, padding_mode="border", align_corners=False)


def disagreement(new: Tensor, old: Tensor, prompted: Tensor) -> Windows:
    """Find the largest region in which two masks differ, one window per image.

    Regions that a prompt touches come first: what the user just asked for must not
    lose against a change elsewhere.

    Parameters
    ----------
    new, old, prompted
        (B, 1, S, S) bool.
    """
    size = new.shape[3]
    different, touched = (t[:, 0].cpu().numpy() for t in (new ^ old, prompted))
    squares = [_square(d, t) for d, t in zip(different, touched, strict=True)]
    whole = (0, 0, size)
    return Windows(
        torch.tensor([s or whole for s in squares], dtype=torch.float32).to(new.device),
        torch.tensor([s is not None for s in squares]).to(new.device),
        size,
    )


def _square(different: BoolArray, prompted: BoolArray) -> tuple[int, int, int] | None:
    """Return top, left, side of the window of one image, if it has one."""
    labels, count = ndimage.label(different, np.ones((3, 3)))
    if not count:
        return None
    areas = np.bincount(labels.ravel())
    areas[0] = 0
    asked = areas * (np.bincount(labels[prompted], minlength=count + 1) > 0)
    region = int((asked if asked.any() else areas).argmax())
    bounds = ndimage.find_objects(labels)[region - 1]
    size = len(different)
    longest = max(b.stop - b.start for b in bounds)
    side = min(size, round(max(_EXPANSION * longest, _LEAST * size)))
    top, left = (
        min(max((b.start + b.stop - side) // 2, 0), size - side) for b in bounds
    )
    return top, left, side

"""What a model decoded, in image pixels: at once, or where it is read."""

from __future__ import annotations

from math import ceil

import numpy as np

from napari_segnext.geometry.frame import Frame
from napari_segnext.geometry.regions import Extent, Patch
from napari_segnext.geometry.resample import FloatArray

# Model pixels around a mask that are kept of a tile that is read shrunk.
_MARGIN = 2
# A map of more pixels is computed where it is read.
_LARGE = 1 << 24


class Upsampled:
    """A probability in image pixels that is kept as it was decoded.

    Parameters
    ----------
    logits
        (S, S) float32.
    frame
        What they show.
    part
        Which part of the frame is wanted.
    """

    def __init__(self, logits: FloatArray, frame: Frame, part: Extent) -> None:
        self._logits, self._frame, self._part = logits, frame, part

    @property
    def shape(self) -> tuple[int, int]:
        """Height and width of the part."""
        return self._part.shape

    def __getitem__(self, at: tuple[slice, slice]) -> FloatArray:
        """Compute rows and columns of the part."""
        (top, bottom, _), (left, right, _) = (
            each.indices(length) for each, length in zip(at, self.shape, strict=True)
        )
        row, column = self._part[:2]
        wanted = Extent(row + top, column + left, row + bottom, column + right)
        logits = self._frame.restore(self._logits, wanted)
        return np.asarray(1 / (1 + np.exp(-logits)), np.float32)


def in_pixels(
    logits: FloatArray, frame: Frame, shape: tuple[int, int], shrunk: bool
) -> Patch:
    """Return the probability in a plane that logits of a frame stand for.

    Parameters
    ----------
    logits
        (S, S) float32.
    shape
        (H, W) of the plane.
    shrunk
        Whether the frame was read shrunk: then what lies apart from the mask is
        left out, which would be gigabytes.
    """
    part = _around_mask(logits, frame) if shrunk else Extent(0, 0, *frame.shape)
    offset = (frame.top + part.top, frame.left + part.left)
    computed = Upsampled(logits, frame, part)
    height, width = part.shape
    values = computed if height * width > _LARGE else computed[:, :]
    return Patch(shape, offset, values)


def _around_mask(logits: FloatArray, frame: Frame) -> Extent:
    """Return the part of a region in which a mask lies, with a margin."""
    rows, columns = frame.content
    mask = Extent.of(logits[:rows, :columns] > 0)
    if mask.empty:
        return mask
    down, across = frame.height / rows, frame.width / columns
    return Extent(
        max(0, int((mask.top - _MARGIN) * down)),
        max(0, int((mask.left - _MARGIN) * across)),
        min(frame.height, ceil((mask.bottom + _MARGIN) * down)),
        min(frame.width, ceil((mask.right + _MARGIN) * across)),
    )

"""What a model said of a plane, in one byte a pixel."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from napari_segnext.geometry.frame import BoolArray
from napari_segnext.geometry.regions import Extent, Patch
from napari_segnext.geometry.resample import FloatArray
from napari_segnext.session.packed import PackedImage

# What lies below in all of a row or column at the border is not kept.
_FLOOR = 0.02


@dataclass(frozen=True, slots=True, eq=False)
class Probability:
    """A probability map of 256 levels, without its empty border.

    Attributes
    ----------
    shape
        (H, W) of the whole map.
    offset
        (row, column) of the first pixel that is kept.
    packed
        The levels, compressed.
    """

    shape: tuple[int, int]
    offset: tuple[int, int]
    packed: PackedImage

    @property
    def levels(self) -> NDArray[np.uint8]:
        """(h, w) uint8.

        Level q > 0 stands for (q + 1/2) / 256, so that exactly the levels from 128 on
        are above one half; 0 is 0.
        """
        return self.packed.expand()

    @classmethod
    def of(cls, probability: Map) -> Probability:
        """Keep a map of values from 0 to 1, (H, W) or a part."""
        if isinstance(probability, Probability):
            return probability
        patch = as_patch(probability)
        extent = patch.above(_FLOOR)
        levels = np.zeros(extent.shape, np.uint8)
        for band in extent.bands():
            above = np.ceil(patch.read(band) * np.float32(256)) - 1
            levels[band.within(extent)] = np.clip(above, 0, 255)
        return cls(patch.shape, extent[:2], PackedImage.of(levels))

    @property
    def patch(self) -> Patch:
        """The map, as the part that is kept."""
        levels = self.levels
        values = (levels + np.float32(0.5)) / np.float32(256)
        values[levels == 0] = 0
        return Patch(self.shape, self.offset, values)

    @property
    def extent(self) -> Extent:
        """Where the part lies that is kept."""
        return Extent.at(self.offset, self.packed.shape)

    def expand(self) -> FloatArray:
        """Return the (H, W) map."""
        return self.patch.expand()

    def mask(self, extent: Extent) -> BoolArray:
        """Return where the map is above one half, in an extent that holds the part."""
        mask = np.zeros(extent.shape, bool)
        mask[self.extent.within(extent)] = self.levels >= 128
        return mask


# A map of a plane: (H, W), a part of it, or as it is kept.
Map: TypeAlias = FloatArray | Patch | Probability


def as_patch(probability: Map) -> Patch:
    """Return a map as what it is outside of which it is zero."""
    if isinstance(probability, Patch):
        return probability
    if isinstance(probability, Probability):
        return probability.patch
    return Patch(probability.shape, (0, 0), probability)

"""Images of bytes or of bits, kept compressed."""

from __future__ import annotations

import zlib
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True, slots=True, eq=False)
class PackedImage:
    """An image that is mostly even.

    Attributes
    ----------
    shape
        (h, w).
    data
        Its bytes, compressed; of a mask each holds eight pixels.
    mask
        Whether it is bool.
    """

    shape: tuple[int, int]
    data: bytes
    mask: bool

    @classmethod
    def of(cls, image: NDArray[np.uint8] | NDArray[np.bool_]) -> PackedImage:
        """Keep an (h, w) image, uint8 or bool."""
        mask, (height, width) = image.dtype == bool, image.shape
        values = np.packbits(image) if mask else image
        return cls((height, width), zlib.compress(values.tobytes(), 1), mask)

    @property
    def nbytes(self) -> int:
        """Bytes that are kept."""
        return len(self.data)

    def expand(self) -> NDArray[np.uint8]:
        """Return the image, which cannot be written to; a mask as 0 and 1."""
        values = np.frombuffer(zlib.decompress(self.data), np.uint8)
        if self.mask:
            values = np.unpackbits(values, count=self.shape[0] * self.shape[1])
        return values.reshape(self.shape)

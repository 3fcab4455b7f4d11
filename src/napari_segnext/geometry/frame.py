"""Where a model looks: a region of an image, and sets of its pixels."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, TypeAlias

import numpy as np
from numpy.typing import ArrayLike, NDArray

from napari_segnext.geometry.regions import Extent
from napari_segnext.geometry.resample import (
    FloatArray,
    Parts,
    resize,
    resize_part,
    resized_part,
)

BoolArray = NDArray[np.bool_]
Point: TypeAlias = tuple[float, float]


@dataclass(frozen=True, slots=True)
class Frame:
    """The part of an image that a model sees, and how it is resized.

    Attributes
    ----------
    top, left, height, width
        Region of the image, in image pixels.
    size
        Side S of the square model input, in model pixels.
    resize
        ``"square"``: stretched to S x S, as the published SegNext models take
        it. ``"pad"``: the aspect ratio is kept, the long side becomes S and the
        rest, below and to the right, is padding.
    """

    top: int
    left: int
    height: int
    width: int
    size: int
    resize: Literal["square", "pad"] = "square"

    @property
    def shape(self) -> tuple[int, int]:
        """Height and width of the region."""
        return self.height, self.width

    @property
    def content(self) -> tuple[int, int]:
        """Height and width of the region in model pixels, without padding."""
        if self.resize == "square":
            return self.size, self.size
        scale = self.size / max(self.height, self.width)
        return (
            max(1, round(self.height * scale)),
            max(1, round(self.width * scale)),
        )

    def to_model(self, points: ArrayLike) -> FloatArray:
        """Map image points to model points.

        Parameters
        ----------
        points
            (N, 2) image coordinates (y, x).

        Returns
        -------
        (N, 2) float32
            Rounding them down gives the model pixel. With ``"square"`` this is
            the reference's rounding (y S / H + 1/2, in single precision), which
            for a tall image can be S itself: outside the grid by one.
        """
        at = np.asarray(points, np.float32).reshape(-1, 2)
        at = at - np.array([self.top, self.left], np.float32)
        rows, columns = self.content
        scale = np.array([rows / self.height, columns / self.width], np.float32)
        if self.resize == "square":
            return at * scale + np.float32(0.5)
        return (at + np.float32(0.5)) * scale

    def crop(
        self,
        image: NDArray[np.generic],
        antialias: bool = False,
        fill: float | tuple[float, ...] = 0.0,
    ) -> FloatArray:
        """Cut the region from an image-sized array and bring it to model size.

        Parameters
        ----------
        image
            (H, W) or (H, W, C) in image pixels.
        fill
            What padding holds: one value, or one per channel.

        Returns
        -------
        (S, S) or (S, S, C) float32
        """
        cut = image[
            self.top : self.top + self.height, self.left : self.left + self.width
        ]
        return self._padded(resize(cut, self.content, antialias), fill)

    def crop_part(
        self,
        part: Parts,
        offset: tuple[int, int],
        antialias: bool = False,
    ) -> FloatArray:
        """Do what `crop` does with an image that is zero outside of a part.

        Parameters
        ----------
        part
            (h, w) in image pixels.
        offset
            (row, column) of the part's first pixel in the image.
        """
        at, whole = (offset[0] - self.top, offset[1] - self.left), self.shape
        return self._padded(resize_part(part, at, whole, self.content, antialias))

    def restore(
        self, model_map: FloatArray, part: tuple[int, int, int, int] | None = None
    ) -> FloatArray:
        """Bring an (S, S) map back to the region's (height, width).

        Parameters
        ----------
        part
            (top, left, bottom, right) of what is wanted of the region.
        """
        rows, columns = self.content
        inner, whole = model_map[:rows, :columns], self.shape
        if part is None or part == (0, 0, *whole):
            return resize(inner, whole)
        top, left, bottom, right = part
        return resized_part(inner, whole, slice(top, bottom), slice(left, right))

    def _padded(
        self, inner: FloatArray, fill: float | tuple[float, ...] = 0.0
    ) -> FloatArray:
        if inner.shape[:2] == (self.size, self.size):
            return inner
        shape = (self.size, self.size, *inner.shape[2:])
        padded = np.full(shape, fill, np.float32)
        padded[: inner.shape[0], : inner.shape[1]] = inner
        return padded


@dataclass(frozen=True, slots=True, eq=False)
class Region:
    """A set of image pixels: a boolean crop and where it lies.

    Attributes
    ----------
    offset
        (row, column) of the crop's first pixel in the image.
    pixels
        (h, w) bool.
    """

    offset: tuple[int, int]
    pixels: BoolArray

    @classmethod
    def of(cls, mask: ArrayLike, offset: tuple[int, int] = (0, 0)) -> Region:
        """Crop a (H, W) mask to what is set in it.

        Raises
        ------
        ValueError
            If the mask is not 2-D, or holds NaN.
        """
        pixels = np.asarray(mask)
        if pixels.ndim != 2:
            raise ValueError(f"a mask prompt is 2-D, not of shape {pixels.shape}")
        if pixels.dtype.kind == "f" and np.isnan(pixels).any():
            raise ValueError("a mask prompt is zero or not, and holds no NaN")
        pixels = pixels != 0
        rows, columns = np.nonzero(pixels.any(1))[0], np.nonzero(pixels.any(0))[0]
        if not len(rows):
            return cls(offset, np.zeros((0, 0), bool))
        top, left = int(rows[0]), int(columns[0])
        cut = pixels[top : rows[-1] + 1, left : columns[-1] + 1].copy()
        cut.flags.writeable = False
        return cls((offset[0] + top, offset[1] + left), cut)

    @property
    def extent(self) -> Extent:
        """Where the crop lies."""
        return Extent.at(self.offset, self.pixels.shape)

    def read(self, extent: Extent) -> BoolArray:
        """Return which pixels of an extent are set, (h, w)."""
        mask, common = np.zeros(extent.shape, bool), self.extent.common(extent)
        if not common.empty:
            mask[common.within(extent)] = self.pixels[common.within(self.extent)]
        return mask

    def shared(self, other: Region) -> float:
        """Return the intersection over union with another region, 0 of nothing."""
        extent = self.extent.joined(other.extent)
        one, two = self.read(extent), other.read(extent)
        union = np.count_nonzero(one | two)
        return float(np.count_nonzero(one & two) / union) if union else 0.0

    @property
    def corners(self) -> list[Point]:
        """First and last pixel; none for an empty region."""
        height, width = self.pixels.shape
        top, left = self.offset
        if not self.pixels.size:
            return []
        return [(top, left), (top + height - 1, left + width - 1)]

    def paste(self, shape: tuple[int, int]) -> BoolArray:
        """Return the region as an image-sized (H, W) mask, cut at the borders."""
        mask = np.zeros(shape, bool)
        top, left = self.offset
        height, width = self.pixels.shape
        y0, y1 = np.clip([top, top + height], 0, shape[0])
        x0, x1 = np.clip([left, left + width], 0, shape[1])
        if y0 < y1 and x0 < x1:
            mask[y0:y1, x0:x1] = self.pixels[y0 - top : y1 - top, x0 - left : x1 - left]
        return mask

    def __eq__(self, other: object) -> bool:
        return (
            isinstance(other, Region)
            and self.offset == other.offset
            and np.array_equal(self.pixels, other.pixels)
        )

    def __hash__(self) -> int:
        return hash((self.offset, self.pixels.shape, self.pixels.tobytes()))

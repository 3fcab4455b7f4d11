"""What a generated image is made on (a grid) and what comes out of it."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from napari_segnext.training.generated.noise import FloatArray, smooth_noise

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

LabelArray = NDArray[np.int32]
BoolArray = NDArray[np.bool_]


@dataclass(frozen=True, slots=True)
class GeneratedSlice:
    """A generated image, or stack of images, with the objects in it.

    Attributes
    ----------
    image
        (H, W) or (H, W, C) uint8; (Z, Y, X) or (Z, Y, X, C) for a stack.
    layers
        Label maps without channels, int32, 0 = no object. Objects of one layer do
        not overlap; those of a later layer lie inside or upon those of earlier ones.
        Ids are unique over all layers.
    kinds
        What each id is: "cell", "mitochondrion", "tissue", "lesion", ...
    """

    image: NDArray[np.uint8]
    layers: tuple[LabelArray, ...]
    kinds: dict[int, str]

    @classmethod
    def of(
        cls,
        image: NDArray[np.uint8],
        layers: Sequence[LabelArray],
        kinds: Mapping[int, str],
    ) -> GeneratedSlice:
        """Keep the layers that have objects, and the kinds of objects that exist."""
        number_of = max(kinds, default=0) + 1
        counts = [np.bincount(layer.ravel(), minlength=number_of) for layer in layers]
        return cls(
            image,
            tuple(m for m, c in zip(layers, counts, strict=True) if c[1:].any()),
            {i: kind for i, kind in kinds.items() if any(c[i] for c in counts)},
        )

    @property
    def labels(self) -> LabelArray:
        """All objects in one map; the later layer wins."""
        merged = np.zeros_like(self.layers[0])
        for layer in self.layers:
            np.copyto(merged, layer, where=layer > 0)
        return merged


@dataclass(frozen=True)
class Grid:
    """Pixels of a slice or voxels of a stack, with distances in in-plane pixels.

    Attributes
    ----------
    shape
        (Y, X) or (Z, Y, X).
    through
        Distance between two sections, in in-plane pixels.
    """

    shape: tuple[int, ...]
    through: float = 1.0

    def __post_init__(self) -> None:
        if len(self.shape) not in (2, 3) or min(self.shape) < 1:
            raise ValueError(
                f"a generated image is (Y, X) or (Z, Y, X), not {self.shape}"
            )

    @property
    def spacing(self) -> tuple[float, ...]:
        """Distance between neighbours along each axis."""
        return (self.through,) * (len(self.shape) - 2) + (1.0, 1.0)

    @property
    def extent(self) -> FloatArray:
        """Size along each axis, in in-plane pixels."""
        return np.array(self.shape, np.float32) * np.array(self.spacing, np.float32)

    @cached_property
    def coordinates(self) -> FloatArray:
        """Positions (ndim, *shape), in in-plane pixels."""
        axes = [
            np.arange(n, dtype=np.float32) * np.float32(s)
            for n, s in zip(self.shape, self.spacing, strict=True)
        ]
        return np.stack(np.meshgrid(*axes, indexing="ij"))

    def noise(
        self,
        rng: np.random.Generator,
        feature: float,
        octaves: int = 1,
        persistence: float = 0.5,
    ) -> FloatArray:
        """Draw a smooth field that is coherent through the stack."""
        features = tuple(feature / s for s in self.spacing)
        return smooth_noise(rng, self.shape, features, octaves, persistence)

    def section_noise(
        self, rng: np.random.Generator, feature: tuple[float, float], octaves: int = 1
    ) -> FloatArray:
        """Draw a smooth field that is independent in each section."""
        features = (1.0,) * (len(self.shape) - 2) + feature
        return smooth_noise(rng, self.shape, features, octaves)

    def distance(self, mask: BoolArray) -> FloatArray:
        """Return the distance of each pixel in `mask` from the pixels outside."""
        distance = ndimage.distance_transform_edt(mask, sampling=self.spacing)
        return np.asarray(distance, np.float32)

    def blur(self, image: FloatArray, sigma: float) -> FloatArray:
        """Blur each section; sections do not mix."""
        if sigma < 0.2:
            return image
        sigmas = (0.0,) * (len(self.shape) - 2) + (sigma, sigma)
        return np.asarray(ndimage.gaussian_filter(image, sigmas, truncate=3.0))

    def box(self, centre: FloatArray, radius: float) -> tuple[slice, ...]:
        """Return the part of the grid within `radius` of a position, along axes."""
        return tuple(
            slice(max(0, int((c - radius) / s)), min(n, int((c + radius) / s) + 2))
            for c, n, s in zip(centre, self.shape, self.spacing, strict=True)
        )

    def index(self, position: FloatArray) -> tuple[int, ...]:
        """Return the index of the pixel at a position."""
        return tuple(
            min(round(float(p) / s), n - 1)
            for p, s, n in zip(position, self.spacing, self.shape, strict=True)
        )

    def offset(self, centre: FloatArray, box: tuple[slice, ...] = ()) -> FloatArray:
        """Return the positions (ndim, ...) of pixels relative to a centre."""
        column = np.asarray(centre, np.float32).reshape(-1, *(1,) * len(centre))
        return self.coordinates[(slice(None), *box)] - column

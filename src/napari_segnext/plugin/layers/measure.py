"""How much an object is: in cubic millimetres or micrometres where that is known."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from napari_segnext.files.units import is_length, millimetres, unit_name

if TYPE_CHECKING:
    from napari.layers import Layer

    from napari_segnext.geometry.space import Space

_POWERS = {2: "²", 3: "³"}
_COUNTED = {2: "pixels", 3: "voxels"}


@dataclass(frozen=True, slots=True)
class Measure:
    """Size of a voxel (of a pixel in a 2-D image), and in which unit."""

    voxel: float
    unit: str

    @classmethod
    def of(cls, layer: Layer, space: Space) -> Measure:
        """Return the measure of a layer's voxels; plain counts without lengths."""
        spatial = list(space.spatial_axes)
        names = [unit_name(str(layer.units[axis])) for axis in spatial]
        if not all(map(is_length, names)):
            return cls(1.0, _COUNTED[len(spatial)])
        stretch = np.linalg.det(layer.affine.linear_matrix[np.ix_(spatial, spatial)])
        lengths = [
            layer.scale[axis] * millimetres(name)
            for axis, name in zip(spatial, names, strict=True)
        ]
        size = abs(float(np.prod(lengths) * stretch))
        unit, per_millimetre = "mm", 1
        if min(map(millimetres, names)) < 1:
            unit, per_millimetre = "µm", 1000
        power = len(spatial)
        return cls(size * per_millimetre**power, f"{unit}{_POWERS[power]}")

    def text(self, voxels: int) -> str:
        """Write a number of voxels as a short number in the unit."""
        amount = voxels * self.voxel
        if amount >= 1e6:
            return f"{amount:.2e}".replace("e+0", "e").replace("e+", "e")
        return f"{amount:,.0f}" if amount >= 100 else f"{amount:.3g}"


def voxel_steps(layer: Layer, space: Space) -> tuple[float, ...]:
    """Return how far voxels of a layer lie apart along the spatial axes.

    In millimetres where the units are lengths, else in what the layer counts in.
    """
    spatial = list(space.spatial_axes)
    stretch = layer.affine.linear_matrix[np.ix_(spatial, spatial)]
    names = [unit_name(str(layer.units[axis])) for axis in spatial]
    units = [millimetres(name) if is_length(name) else 1.0 for name in names]
    steps = np.linalg.norm(stretch, axis=0) * layer.scale[spatial] * units
    return tuple(np.abs(steps).tolist())

"""A plane of a volume, as an image of which parts are read."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from numpy.typing import NDArray

from napari_segnext.geometry.misuse import expect
from napari_segnext.geometry.plane import Plane
from napari_segnext.images.layout import LARGE

if TYPE_CHECKING:
    from napari_segnext.images.volume import Volume


class PlaneImage:
    """A plane as an array that is read when it is sliced by rows and columns.

    A plane of moderate size is read once and kept; of a large one only what is
    asked for is read.
    """

    def __init__(self, volume: Volume, plane: Plane) -> None:
        volume.check(expect(plane, Plane, "a plane is Plane(axis, index)"))
        self._volume, self.plane = volume, plane
        self._whole: NDArray[Any] | None = None
        many = len(volume.channels) > 1
        height, width = volume.plane_shape(plane)
        self.shape: tuple[int, ...]
        self.shape = (height, width, len(volume.channels)) if many else (height, width)

    def __getitem__(self, region: tuple[slice, slice]) -> NDArray[Any]:
        if max(self.shape) > LARGE:
            return self._volume.read(self.plane, region)
        if self._whole is None:
            self._whole = self._volume.read(self.plane)
        return self._whole[region]

    def shrunk(self, region: tuple[slice, slice], step: int) -> NDArray[Any]:
        """Read a region with squares of `step` pixels averaged."""
        return self._volume.read(self.plane, region, step)

"""An image of any layout seen as planes, and prediction in those planes.

Numpy, memory-mapped, dask and zarr arrays, pyramids and several modalities are
read lazily: one plane at a time, or the part of a plane that is asked for.
"""

from __future__ import annotations

import uuid
from collections.abc import Iterator, Sequence
from itertools import islice
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from napari_segnext.geometry.plane import Plane
from napari_segnext.geometry.space import Space
from napari_segnext.images.intensity import Window, robust_window
from napari_segnext.images.layout import (
    LARGE,
    ArrayLike,
    Source,
    channel_names,
    check_axis,
    content_key,
    modalities,
    pieces,
    pool,
    spatial_axes,
)

_SAMPLED_PLANES = 5
_MORE_SAMPLED_PLANES = 64


class Volume:
    """An image of any layout, seen as planes.

    Parameters
    ----------
    data
        An array; or a sequence of arrays. Arrays of equal shape are modalities
        and become the channels; arrays of falling shape are the levels of a
        pyramid, the full image first. Modalities may be pyramids themselves.
    spatial
        The two or three axes of an array that are segmented, in rising order.
        Default: the last three, or both, of those that are not the channel axis.
    channel
        The axis of an array that holds channels (colours, modalities), or None.
    channels
        Up to three channels that the model sees, in order. Default: the first
        three. With several modalities they count these instead.
    identity
        Names the image's content between sessions; see `file_identity`. It may be
        one name per modality. Default: a name that is never given twice.

    Attributes
    ----------
    space
        Its axes and planes, without channels.
    channels
        The channels that `read` returns; one for a grey image.
    known
        Whether another session finds the content by the name that was given.

    Raises
    ------
    ValueError
        If the layout is impossible: the message says how.
    """

    def __init__(
        self,
        data: Source,
        *,
        spatial: Sequence[int] | None = None,
        channel: int | None = None,
        channels: Sequence[int] | None = None,
        identity: str | Sequence[str] | None = None,
    ) -> None:
        self._modalities = modalities(data)
        first = self._modalities[0][0]
        ndim = len(first.shape)
        self._channel = (
            None if channel is None else check_axis(channel, ndim, "channel")
        )
        self._spatial = spatial_axes(spatial, ndim, self._channel)
        used = (*self._spatial, self._channel)
        self._others = tuple(a for a in range(ndim) if a not in used)
        shape = tuple(int(first.shape[a]) for a in (*self._others, *self._spatial))
        self.space = Space(shape, flat=len(self._spatial) == 2)
        if 0 in first.shape:
            raise ValueError(f"the image is empty: shape {tuple(first.shape)}")
        self.channels = self._choose(channels)
        self.known = bool(identity)
        self._name = self._named(identity) if identity else ""
        if not identity:
            self.rename()

    def _choose(self, channels: Sequence[int] | None) -> tuple[int, ...]:
        several = len(self._modalities)
        if several > 1 and self._channel is not None:
            raise ValueError("several modalities cannot have a channel axis as well")
        first = self._modalities[0][0].shape
        count = several if self._channel is None else int(first[self._channel])
        chosen = tuple(channels or range(min(count, 3)))
        if len(chosen) > 3 or not all(0 <= c < count for c in chosen):
            raise ValueError(
                f"up to three of the channels 0 to {count - 1} can be chosen, "
                f"not {list(chosen)}"
            )
        return chosen

    def rename(self) -> None:
        """Name the content anew, because it has changed."""
        self.known = False
        self._name = uuid.uuid4().hex

    @property
    def shape(self) -> tuple[int, ...]:
        """(Z, Y, X) or (Y, X): lengths of the spatial axes."""
        return self.space.spatial

    @property
    def fixed_shape(self) -> tuple[int, ...]:
        """Lengths of the axes that are neither spatial nor channels, in order."""
        return self.space.fixed

    @property
    def in_memory(self) -> bool:
        """Whether all of the full image is in memory."""
        full = [levels[0] for levels in self._modalities]
        return all(type(array) is np.ndarray for array in full)

    @property
    def dtype(self) -> np.dtype[Any]:
        """Type of the values that `read` returns."""
        return np.result_type(*(m[0].dtype for m in self._modalities))

    def plane_shape(self, plane: Plane) -> tuple[int, int]:
        """Height and width of a plane, in voxels of the full image."""
        return self.space.plane_shape(plane)

    def plane_key(self, plane: Plane) -> str:
        """Name the content of a plane, without reading it."""
        return f"{self._name} {plane.axis} {plane.index} {plane.fixed}"

    def _named(self, identity: str | Sequence[str]) -> str:
        """Name the content; a sample of it tells it from what was changed in memory."""
        at, several = self._channel, len(self._modalities)
        names = channel_names(identity, self.channels, several, at is not None)
        spatial = [a - (at is not None and a > at) for a in self._spatial]
        (plane,) = self._sampled(1)
        *_, piece = islice(pieces(*self.plane_shape(plane)), 5)
        return f"{names} {spatial} {content_key(self.read(plane, piece))}"

    def check(self, plane: Plane) -> None:
        """Check that a plane lies in the volume.

        Raises
        ------
        ValueError
            Naming the plane and the shape.
        """
        if not self.space.holds(plane):
            other = f", other axes {self.fixed_shape}" if self.fixed_shape else ""
            raise ValueError(
                f"{plane} lies outside the volume of shape {self.shape}{other}"
            )

    def read(
        self,
        plane: Plane,
        region: tuple[slice, slice] | None = None,
        step: int = 1,
    ) -> NDArray[Any]:
        """Read a plane, or a part of it, at full or at coarser resolution.

        Parameters
        ----------
        region
            Rows and columns of the full image; default: all.
        step
            Side of the square of pixels that one value of the result averages.
            It is taken from the coarsest level of a pyramid that divides it.

        Returns
        -------
        (h, w), or (h, w, C) with more than one channel
            The image's own type with step 1, else float32 with sides rounded up.

        Raises
        ------
        ValueError
            If the plane lies outside the volume.
        """
        self.check(plane)
        height, width = self.plane_shape(plane)
        rows, columns = region or (slice(None), slice(None))
        top, bottom, _ = rows.indices(height)
        left, right, _ = columns.indices(width)
        if step == 1:
            image = self._slab(plane, 0, (top, bottom), (left, right))
        else:
            image = self._coarse(plane, (top, bottom), (left, right), step)
        return image[..., 0] if image.shape[-1] == 1 else image

    def window(self, rule: Literal["uint8", "percentile"]) -> Window:
        """Choose one window for the whole volume, from samples of a few planes.

        For the rules see `napari_segnext.models.ModelConfig.window`.
        """
        if rule == "uint8" and self.dtype == np.uint8:
            return Window((0.0,), (255.0,))
        window = self._window(rule, _SAMPLED_PLANES)
        if not all(
            low < high for low, high in zip(window.low, window.high, strict=True)
        ):
            # Nothing there in the few planes sampled.
            return self._window(rule, _MORE_SAMPLED_PLANES)
        return window

    def _window(self, rule: Literal["uint8", "percentile"], planes: int) -> Window:
        samples = []
        for plane in self._sampled(planes):
            for region in pieces(*self.plane_shape(plane)):
                image = self.read(plane, region)
                samples.append(image.reshape(-1, len(self.channels)))
        return robust_window(np.concatenate(samples)[None], rule)

    def _sampled(self, count: int) -> Iterator[Plane]:
        """Yield planes spread over the first axis, in the middle of the others."""
        fixed = tuple(n // 2 for n in self.fixed_shape)
        planes = self.space.along(Plane(0, 0, fixed))
        count = min(count, len(planes))
        for number in range(count):
            yield planes[int((number + 0.5) * len(planes) / count)]

    def _slab(
        self, plane: Plane, level: int, rows: tuple[int, int], columns: tuple[int, int]
    ) -> NDArray[Any]:
        """Read (h, w, C) of one level, whose pixels `rows` and `columns` count."""
        parts = []
        for array, channel in self._reads(level):
            full = self._modalities[0][0].shape
            index: list[int | slice] = [0] * len(full)
            for axis, at in zip(self._others, plane.fixed, strict=True):
                index[axis] = at * array.shape[axis] // full[axis]
            in_plane = self._in_plane(plane)
            if not self.space.flat:
                axis = self._spatial[plane.axis]
                index[axis] = int((plane.index + 0.5) * array.shape[axis] / full[axis])
            index[in_plane[0]], index[in_plane[1]] = slice(*rows), slice(*columns)
            if self._channel is None:
                parts.append(np.asarray(array[tuple(index)])[..., None])
                continue
            index[self._channel] = channel
            part = np.asarray(array[tuple(index)])
            parts.append(
                np.moveaxis(part, sum(a < self._channel for a in in_plane), -1)
            )
        return parts[0] if len(parts) == 1 else np.concatenate(parts, -1)

    def _in_plane(self, plane: Plane) -> list[int]:
        """Return the axes of an array that a plane's rows and columns run along."""
        leading = self.space.leading
        return [self._spatial[a - leading] for a in self.space.in_plane(plane.axis)]

    def _reads(self, level: int) -> list[tuple[ArrayLike, slice]]:
        """Return arrays and their channels to read, as few reads as possible."""
        if self._channel is None:
            return [(self._modalities[c][level], slice(0)) for c in self.channels]
        array, first = self._modalities[0][level], self.channels[0]
        if self.channels == tuple(range(first, first + len(self.channels))):
            return [(array, slice(first, first + len(self.channels)))]
        return [(array, slice(c, c + 1)) for c in self.channels]

    def _coarse(
        self, plane: Plane, rows: tuple[int, int], columns: tuple[int, int], step: int
    ) -> NDArray[np.float32]:
        """Average squares of `step` pixels, reading bands of bounded height.

        A region that does not begin on a pixel of the level is read from the one that
        it begins in: less than one value of the result off.
        """
        level, factor = self._level(plane, step)
        rest, ends = step // factor, []
        shape = self._modalities[0][level].shape
        wanted = [-(-(end - start) // step) for start, end in (rows, columns)]
        for (start, end), count, axis in zip(
            (rows, columns), wanted, self._in_plane(plane), strict=True
        ):
            first = min(start // factor, shape[axis] - 1)
            ends.append((first, min(first + count * rest, -(-end // factor))))
        (top, bottom), sides = ends
        band = max(1, LARGE // rest) * rest
        pooled = [
            pool(self._slab(plane, level, (at, min(at + band, bottom)), sides), rest)
            for at in range(top, bottom, band)
        ]
        image = np.concatenate([part for part in pooled if part.size])
        # Levels whose sides were rounded down lack the last row or column.
        missing = [(0, n - m) for n, m in zip(wanted, image.shape, strict=False)]
        return np.pad(image, [*missing, (0, 0)], mode="edge")

    def _level(self, plane: Plane, step: int) -> tuple[int, int]:
        """Return the coarsest level that divides `step`, and its factor."""
        height, width = self.plane_shape(plane)
        in_plane = self._in_plane(plane)
        found = (0, 1)
        for level in range(1, min(map(len, self._modalities))):
            shape = self._modalities[0][level].shape
            factors = {
                round(full / shape[axis])
                for full, axis in zip((height, width), in_plane, strict=True)
            }
            factor = factors.pop()
            if not factors and step % factor == 0:
                found = (level, factor)
        return found

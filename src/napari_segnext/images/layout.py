"""What an array's axes mean, and what is read of arrays."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Sequence
from itertools import pairwise
from pathlib import Path
from typing import Any, Protocol, TypeAlias

import numpy as np
from numpy.typing import NDArray

from napari_segnext.geometry.misuse import expect

# A plane longer than this is sampled, and averaged, in pieces.
LARGE = 2048
_PIECE = 512
_ARRAYS = (
    "a volume is an array or a list of arrays; napari_segnext.read_image reads files"
)
# Pixels that are averaged at once.
_POOLED = 1 << 22


class ArrayLike(Protocol):
    """What a source must offer: numpy, dask, zarr and h5py arrays do."""

    @property
    def shape(self) -> tuple[int, ...]:
        """Length of every axis."""

    @property
    def dtype(self) -> Any:
        """Type of a value."""

    def __getitem__(self, index: Any, /) -> Any:
        """Return a part, by integers and slices."""


Source: TypeAlias = ArrayLike | Sequence[Any]


def file_identity(path: str | Path) -> str:
    """Name what a file holds by place, size and time of change, without reading it.

    Parameters
    ----------
    path
        A file; or a folder, of which the files at its top are looked at (the
        sections of a stack; the metadata, not the chunks, of a zarr store).

    Raises
    ------
    OSError
        If there is no such file.
    """
    place = Path(path).resolve()
    digest = hashlib.blake2b(str(place).encode(), digest_size=16)
    files = sorted(p for p in place.iterdir() if p.is_file()) if place.is_dir() else []
    for file in [place, *files]:
        status = file.stat()
        digest.update(f"{file.name} {status.st_size} {status.st_mtime_ns}".encode())
    return digest.hexdigest()


def channel_names(
    identity: str | Sequence[str], channels: Sequence[int], modalities: int, axis: bool
) -> list[str]:
    """Name the content of each channel that is read.

    A channel has one name, whether it is read from an array of several or as one of
    several arrays, so that what is kept of it is found both ways.

    Parameters
    ----------
    identity
        Of the image; or of each modality.
    channels
        Those read.
    modalities
        How many there are.
    axis
        Whether the arrays have an axis of channels.

    Raises
    ------
    ValueError
        If there is not one name for each modality.
    """
    given = [identity] if isinstance(identity, str) else list(identity)
    if len(given) == 1 and (axis or modalities > 1):
        return [f"{given[0]} {channel}" for channel in channels]
    if len(given) != modalities:
        raise ValueError(f"{len(given)} names are given for {modalities} modalities")
    return [given[channel] for channel in channels]


def check_axis(axis: int, ndim: int, what: str) -> int:
    """Return an axis counted from the front, or raise a ValueError."""
    if not -ndim <= axis < ndim:
        raise ValueError(f"there is no {what} axis {axis} in an array of {ndim} axes")
    return axis % ndim


def spatial_axes(
    spatial: Sequence[int] | None, ndim: int, channel: int | None
) -> tuple[int, ...]:
    """Return two or three axes, checked, in rising order."""
    if spatial is None:
        axes = tuple(a for a in range(ndim) if a != channel)[-3:]
    else:
        axes = tuple(check_axis(a, ndim, "spatial") for a in spatial)
    if len(axes) not in (2, 3) or axes != tuple(sorted(set(axes))) or channel in axes:
        raise ValueError(
            "two or three spatial axes are needed, in rising order and without the "
            f"channel axis ({channel}); {axes} of {ndim} axes are not that"
        )
    return axes


def modalities(data: Source) -> list[list[ArrayLike]]:
    """Sort data into modalities of one or more levels each.

    Raises
    ------
    TypeError
        If they are no arrays.
    ValueError
        If they are arrays that do not belong together, or hold no real numbers.
    """
    levels: list[list[ArrayLike]]
    nested = _nested(data)
    if _is_array(data):
        levels = nested
    else:
        shapes = [tuple(arrays[0].shape) for arrays in nested]
        if len(set(shapes)) == 1:
            levels = nested
        elif all(len(n) == 1 for n in nested) and _falling(shapes):
            levels = [[n[0] for n in nested]]
        else:
            raise ValueError(
                "arrays of equal shape are modalities and of falling shape a pyramid; "
                f"the shapes {shapes} are neither"
            )
    for array in (a for modality in levels for a in modality):
        if _kind(array) not in "buif":
            raise ValueError(
                f"an image holds real numbers, not {array.dtype}; convert it first"
            )
    return levels


def _is_array(data: Any) -> bool:
    return hasattr(data, "shape") and hasattr(data, "dtype")


def _kind(array: ArrayLike) -> str:
    try:
        return str(np.dtype(array.dtype).kind)
    except TypeError:
        # That of another library, such as PyTorch's.
        return "?"


def _nested(data: Any) -> list[list[Any]]:
    """Return an array, arrays, or lists of them, as lists."""
    if _is_array(data):
        return [[data]]
    known = expect(data, Sequence, _ARRAYS)
    if not len(known):
        raise ValueError("the image is empty: no arrays")
    nested = [
        [d] if _is_array(d) else list(expect(d, Sequence, _ARRAYS)) for d in known
    ]
    for each in (d for some in nested for d in some):
        if not _is_array(each):
            expect(each, np.ndarray, _ARRAYS)
    return nested


def _falling(shapes: Sequence[tuple[int, ...]]) -> bool:
    return all(
        len(fine) == len(coarse)
        and all(f >= c for f, c in zip(fine, coarse, strict=True))
        for fine, coarse in pairwise(shapes)
    )


def pool(image: NDArray[Any], step: int) -> NDArray[np.float32]:
    """Average (h, w, C) over squares of `step` pixels, smaller ones at the ends."""
    band = step * max(1, _POOLED // (step * max(1, image.shape[1])))
    if len(image) > band:
        parts = [image[at : at + band] for at in range(0, len(image), band)]
        return np.concatenate([pool(part, step) for part in parts])
    pooled: NDArray[Any] = image
    for axis in (0, 1):
        starts = np.arange(0, image.shape[axis], step)
        sizes = np.diff([*starts, image.shape[axis]]).astype(np.float32)
        shape = [1, 1, 1]
        shape[axis] = -1
        if len(starts):
            sums = np.add.reduceat(pooled, starts, axis, dtype=np.float32)
            pooled = sums / sizes.reshape(shape)
    return pooled.astype(np.float32, copy=False)


def pieces(height: int, width: int) -> Iterator[tuple[slice, slice]]:
    """Yield parts of a plane that tell its intensities: all of it, or nine samples."""
    if max(height, width) <= LARGE:
        yield slice(None), slice(None)
        return
    for row in (0, 1, 2):
        for column in (0, 1, 2):
            top = max(0, height - _PIECE) * row // 2
            left = max(0, width - _PIECE) * column // 2
            yield slice(top, top + _PIECE), slice(left, left + _PIECE)


def content_key(image: NDArray[np.generic]) -> str:
    """Name an in-memory 2-D image by its content.

    Parameters
    ----------
    image
        (H, W) or (H, W, C). Volumes are named by where they come from instead;
        see `napari_segnext.images.volume.Volume.plane_key`.
    """
    pixels = np.ascontiguousarray(image)
    header = f"{pixels.dtype.str} {pixels.shape}".encode()
    digest = hashlib.blake2b(header, digest_size=16)
    digest.update(pixels.reshape(-1).view(np.uint8).data)
    return digest.hexdigest()

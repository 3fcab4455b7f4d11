"""Labels in a store, as the levels of a multiscale layer that leaves a part out."""

from __future__ import annotations

from typing import Any

import numpy as np

from napari_segnext.geometry.regions import Extent
from napari_segnext.labels.chunked import LabelStore
from napari_segnext.labels.labels import Values
from napari_segnext.plugin.layers.scribble_canvas import full_key


class LabelLevels:
    """All levels of a store.

    Attributes
    ----------
    hidden
        (start, stop) per axis, in voxels of the full image, of what reads as 0
        because another layer shows it; None for nothing.
    """

    def __init__(self, store: LabelStore) -> None:
        self.hidden: list[tuple[int, int]] | None = None
        self.levels = [
            Level(self, store, level, shape) for level, shape in enumerate(store.shapes)
        ]


class Level:
    """What napari wants of an array, by integers and slices."""

    def __init__(
        self, owner: LabelLevels, store: LabelStore, level: int, shape: tuple[int, ...]
    ) -> None:
        self._owner, self.store, self._level = owner, store, level
        self.shape, self.dtype = shape, store.dtype

    @property
    def ndim(self) -> int:
        """Number of axes."""
        return len(self.shape)

    @property
    def size(self) -> int:
        """Number of elements."""
        return int(np.prod(self.shape))

    def __array__(
        self, dtype: np.dtype[Any] | None = None, copy: bool | None = None
    ) -> Values:
        whole = self[(slice(None),) * self.ndim]
        return np.asarray(whole, dtype)

    def __getitem__(self, key: Any) -> Any:
        key = full_key(key, self.shape)
        slices = [k if isinstance(k, slice) else slice(k, k + 1) for k in key]
        ranges = [range(*k.indices(n)) for k, n in zip(slices, self.shape, strict=True)]
        out = np.zeros([len(r) for r in ranges], self.dtype)
        rows, columns = ranges[-2:]
        part = Extent(rows.start, columns.start, rows.stop, columns.stop)
        for place in np.ndindex(*out.shape[:-2]):
            page = tuple(r[i] for r, i in zip(ranges[:-2], place, strict=True))
            found = self.store.read_page(self._level, page, part)
            out[place] = found[:: rows.step, :: columns.step]
        self._hide(out, ranges)
        return out[tuple(slice(None) if isinstance(k, slice) else 0 for k in key)]

    def _hide(self, out: Values, ranges: list[range]) -> None:
        if self._owner.hidden is None:
            return
        factors = [1] * (self.ndim - 2) + [2**self._level] * 2
        inside = []
        for within, factor, (start, stop) in zip(
            ranges, factors, self._owner.hidden, strict=True
        ):
            at = np.asarray(within)
            inside.append((at >= start // factor) & (at < -(-stop // factor)))
        out[np.ix_(*inside)] = 0

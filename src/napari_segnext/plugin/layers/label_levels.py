"""Labels in a store, as the levels of a multiscale layer that leaves a part out."""

from __future__ import annotations

from typing import Any

import numpy as np

from napari_segnext.geometry.regions import Extent
from napari_segnext.labels.chunked import LabelStore
from napari_segnext.labels.labels import Values
from napari_segnext.plugin.layers.lazy_array import LazyArray, full_key, ranges


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


class Level(LazyArray):
    """One of them, by integers and slices."""

    def __init__(
        self, owner: LabelLevels, store: LabelStore, level: int, shape: tuple[int, ...]
    ) -> None:
        self._owner, self.store, self._level = owner, store, level
        self.shape, self.dtype = shape, store.dtype

    def __getitem__(self, key: Any) -> Any:
        key = full_key(key, self.shape)
        places = ranges(key, self.shape)
        out = np.zeros([len(each) for each in places], self.dtype)
        rows, columns = places[-2:]
        part = Extent(rows.start, columns.start, rows.stop, columns.stop)
        for at in np.ndindex(*out.shape[:-2]):
            page = tuple(each[i] for each, i in zip(places, at, strict=False))
            found = self.store.read_page(self._level, page, part)
            out[at] = found[:: rows.step, :: columns.step]
        self._hide(out, places)
        return out[tuple(slice(None) if isinstance(k, slice) else 0 for k in key)]

    def _hide(self, out: Values, places: list[range]) -> None:
        if self._owner.hidden is None:
            return
        factors = [1] * (self.ndim - 2) + [2**self._level] * 2
        inside = []
        for within, factor, (start, stop) in zip(
            places, factors, self._owner.hidden, strict=True
        ):
            at = np.asarray(within)
            inside.append((at >= start // factor) & (at < -(-stop // factor)))
        out[np.ix_(*inside)] = 0

"""How much brighter one section is than another, as stain and detector make it."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from napari_segnext.geometry.resample import FloatArray


class Brightness:
    """The brightness of sections, compared with that of one of them.

    From each section to the next it changes by the median difference of their pixels:
    what an object gains or loses there does not count, nor does a change of tissue in
    less than half of the image. So in a volume without jumps, as of MRI, it stays.

    Parameters
    ----------
    start
        Index of the section to compare with.
    read
        Returns the same part of a section by its index: (h, w, C).
    """

    def __init__(self, start: int, read: Callable[[int], FloatArray]) -> None:
        self._start, self._read = start, read
        self._change: dict[int, FloatArray] = {}

    def at(self, index: int) -> FloatArray:
        """Return (C,): by how much a section is brighter than the first one."""
        low, high = sorted((self._start, index))
        total = np.sum([self._from(i) for i in range(low, high)], axis=0)
        return np.asarray(total if index > self._start else -total, np.float32)

    def _from(self, index: int) -> FloatArray:
        """Return the change from a section to the next."""
        if index not in self._change:
            difference = self._read(index + 1) - self._read(index)
            self._change[index] = np.median(difference, axis=(0, 1))
        return self._change[index]

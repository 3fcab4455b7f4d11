"""Arrays that are made where they are read, as napari's layers take them."""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from typing import Any

import numpy as np
from numpy.typing import NDArray


class LazyArray(ABC):
    """What napari wants of an array that is no numpy array.

    Attributes
    ----------
    shape, dtype
        As numpy's.
    """

    shape: tuple[int, ...]
    dtype: np.dtype[Any]

    @abstractmethod
    def __getitem__(self, key: Any) -> Any:
        """Return a copy of a part, by integers and slices at least."""

    @property
    def ndim(self) -> int:
        """Number of axes."""
        return len(self.shape)

    @property
    def size(self) -> int:
        """Number of elements."""
        return math.prod(self.shape)

    def __array__(
        self, dtype: np.dtype[Any] | None = None, copy: bool | None = None
    ) -> NDArray[Any]:
        return np.asarray(self[(slice(None),) * self.ndim], dtype)


def full_key(key: Any, shape: tuple[int, ...]) -> tuple[Any, ...]:
    """Return an index with one entry per axis; integers are counted from the front."""
    key = key if isinstance(key, tuple) else (key,)
    if Ellipsis in [k for k in key if not isinstance(k, np.ndarray)]:
        at = next(i for i, k in enumerate(key) if k is Ellipsis)
        missing = len(shape) - len(key) + 1
        key = (*key[:at], *[slice(None)] * missing, *key[at + 1 :])
    key = (*key, *[slice(None)] * (len(shape) - len(key)))
    return tuple(
        k if isinstance(k, slice | np.ndarray) else int(k) % n
        for k, n in zip(key, shape, strict=True)
    )


def ranges(key: tuple[Any, ...], shape: tuple[int, ...]) -> list[range]:
    """Return the places along each axis of an index by integers and slices."""
    return [
        range(k, k + 1) if isinstance(k, int) else range(*k.indices(n))
        for k, n in zip(key, shape, strict=True)
    ]

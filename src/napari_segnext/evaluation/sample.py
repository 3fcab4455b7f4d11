"""An image of an evaluation set, and its objects."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from napari_segnext.evaluation.clicker import IGNORE

Array = NDArray[Any]


@dataclass(frozen=True)
class Sample:
    """One image and its objects; pixels are read when asked for.

    Attributes
    ----------
    name
        Unique in its set.
    image
        Reads the (H, W) or (H, W, C) image.
    labels
        Reads the (H, W) integer labels, or (H, W, L) where objects overlap; -1 is
        ignored.
    objects
        Labels of the objects, ascending.
    """

    name: str
    image: Callable[[], Array]
    labels: Callable[[], Array]
    objects: tuple[int, ...]


def object_truth(labels: Array, object_id: int) -> NDArray[np.int8]:
    """Return (H, W): 1 on an object, -1 where labels are ignored, else 0."""
    if labels.ndim == 3:
        labels = np.where(labels == object_id, object_id, 0).max(2)
    truth = np.asarray(labels == object_id, np.int8)
    truth[labels == IGNORE] = IGNORE
    return truth


def select_objects(
    samples: Sequence[Sample], limit: int | None = None
) -> list[tuple[Sample, tuple[int, ...]]]:
    """Take `limit` objects evenly spaced over all of them, in order.

    Returns
    -------
    Samples that keep at least one object, and the objects they keep.

    Raises
    ------
    ValueError
        If the limit is not positive.
    """
    pairs = [(at, o) for at, sample in enumerate(samples) for o in sample.objects]
    if limit is not None:
        if limit < 1:
            raise ValueError(f"the limit must be at least 1, not {limit}")
        count = min(limit, len(pairs))
        pairs = [pairs[i * len(pairs) // count] for i in range(count)]
    kept: dict[int, list[int]] = {}
    for at, object_id in pairs:
        kept.setdefault(at, []).append(object_id)
    return [(samples[at], tuple(objects)) for at, objects in kept.items()]

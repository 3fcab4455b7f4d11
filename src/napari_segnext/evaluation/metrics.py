"""Scores of the papers' protocol: IoU, NoC, NoF and mIoU at exactly click k."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from napari_segnext.evaluation.clicker import IGNORE
from napari_segnext.geometry.frame import BoolArray

# Upper bounds of an object's equivalent diameter in pixels, by name.
SIZES = {"small": 32.0, "medium": 96.0, "large": float("inf")}


def iou(truth: NDArray[Any], mask: BoolArray) -> float:
    """Intersection over union of a mask and the object (not 0) of a (H, W) truth.

    Pixels that are -1 in `truth` do not count. With neither an object nor a mask
    it is 1.

    Raises
    ------
    ValueError
        If their shapes differ.
    """
    if np.shape(truth) != np.shape(mask):
        raise ValueError(
            f"a mask of shape {np.shape(mask)} cannot be compared with a truth of "
            f"shape {np.shape(truth)}"
        )
    counts = np.asarray(truth) != IGNORE
    target, found = np.asarray(truth) != 0, np.asarray(mask) != 0
    union = int(np.count_nonzero((found | target) & counts))
    shared = int(np.count_nonzero(found & target & counts))
    return shared / union if union else 1.0


def clicks_needed(ious: ArrayLike, threshold: float, max_clicks: int = 20) -> int:
    """Return the first click (from 1) that reaches an IoU, else `max_clicks`."""
    reached = np.asarray(ious, np.float32) >= threshold
    return int(np.argmax(reached)) + 1 if reached.any() else max_clicks


def noc(
    ious: Sequence[ArrayLike], threshold: float, max_clicks: int = 20
) -> tuple[float, int]:
    """Return the number of clicks (NoC) and the number of failures (NoF).

    Parameters
    ----------
    ious
        Per object, its IoU after each click.
    threshold
        IoU to reach.

    Returns
    -------
    noc
        Mean over objects of the clicks needed.
    nof
        Objects that needed `max_clicks`; as in the reference this counts those
        that reach the threshold at exactly the last click.
    """
    needed = np.array([clicks_needed(row, threshold, max_clicks) for row in ious])
    return float(needed.mean()), int((needed == max_clicks).sum())


def mean_iou(ious: Sequence[ArrayLike]) -> NDArray[np.float64]:
    """Return the mean over objects of the IoU at exactly click 1, 2, ...

    Rows are cut to the shortest, as in the reference.
    """
    shortest = min(np.size(row) for row in ious)
    rows = np.array([np.asarray(row, float)[:shortest] for row in ious])
    return np.asarray(rows.mean(0))


def size_of(area: int) -> str:
    """Return the name in `SIZES` of an object of so many pixels."""
    diameter = 2 * (area / np.pi) ** 0.5
    return next(name for name, bound in SIZES.items() if diameter < bound)

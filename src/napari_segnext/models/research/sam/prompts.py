"""Prompts as SAM takes them: points with labels, a box, a low-resolution mask.

SAM knows neither scribbles nor several boxes nor outlines. A scribble, and a negative
box or polygon, becomes some points spread over it; of several boxes the one around all
of them is taken; masks and positive polygons become the mask prompt and, if nothing
else says where the object is, a box around it.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage
from scipy.special import expit, logit

from napari_segnext.geometry.frame import BoolArray
from napari_segnext.geometry.resample import FloatArray
from napari_segnext.prompts import ModelPrompts
from napari_segnext.prompts.dense import draw_disks

Ints: TypeAlias = NDArray[np.int64]

# A probability as certain as can be said to SAM: logits of -7 to 7.
_CERTAIN = 1e-3
# Of the points that stand for what is drawn: at most so many on each part, and on all
# parts of a sign; and the share of the input's side that lies between two of them.
_ON_A_PART = 8
_IN_ALL = 32
_APART = 1 / 16
# Pixels of a part among which its points are looked for.
_CANDIDATES = 4096


@dataclass(frozen=True, slots=True, eq=False)
class SamPrompts:
    """The prompts for one object, in model pixels, x before y.

    Attributes
    ----------
    points
        (N, 2) float32; whole numbers are the centres of pixels.
    labels
        (N,) int64: 1 on the object, 0 off it, -1 for no point.
    box
        (4,) float32: x0, y0, x1, y1; or None.
    mask
        (m, m) float32 logits, or None.
    """

    points: FloatArray
    labels: Ints
    box: FloatArray | None
    mask: FloatArray | None

    @property
    def ambiguous(self) -> bool:
        """Whether a single point is all there is, which may mean a part or a whole."""
        pointed = len(self.points) == 1 and self.labels[0] >= 0
        return bool(pointed) and self.box is None and self.mask is None


def sam_prompts(
    given: ModelPrompts, radius: int, side: int, last: FloatArray | None = None
) -> SamPrompts:
    """Translate prompts.

    Parameters
    ----------
    given
        Drawn in the style ``"sparse"``.
    radius
        Of clicks in the dense map; see `napari_segnext.prompts.PromptStyle`.
    side
        Of the mask prompt, m.
    last
        (m, m) logits of the last answer, which the previous mask was made of.
    """
    previous, *drawn = given.dense
    clicked = _strip(given.points)
    points, labels = [clicked], [given.signs.astype(np.int64)]
    for channel, positive in zip(drawn, (1, 0), strict=True):
        spread = _spread(channel > 0.5, given.points, radius)
        points.append(spread)
        labels.append(np.full(len(spread), positive, np.int64))
    at, kinds = np.concatenate(points), np.concatenate(labels)
    box = _around(_strip(given.boxes).reshape(-1, 2))
    if box is None and not len(at):
        box = _around(np.argwhere(previous > 0.5).astype(np.float32))
    if box is None and not len(at):
        # SAM wants something to look at.
        at, kinds = np.zeros((1, 2), np.float32), np.array([-1])
    return SamPrompts(at[:, ::-1].copy(), kinds, box, mask_prompt(previous, side, last))


def mask_prompt(
    previous: FloatArray, side: int, last: FloatArray | None = None
) -> FloatArray | None:
    """Return a previous mask as SAM's mask prompt; None if there is none.

    Parameters
    ----------
    previous
        (S, S) probability.
    side
        S divided by this is a whole number.
    last
        (side, side) logits that the mask was made of. They are taken as they are,
        which is how SAM was trained, except where the mask has changed since.

    Returns
    -------
    (side, side) float32 logits
    """
    if last is None and not previous.any():
        return None
    step = len(previous) // side
    known = previous.reshape(side, step, side, step).mean((1, 3))
    logits = logit(np.clip(known, _CERTAIN, 1 - _CERTAIN))
    if last is not None:
        changed = abs(known - expit(last)) > 0.5
        logits = np.where(changed, logits, last)
    return np.asarray(logits, np.float32)


def _strip(points: FloatArray) -> FloatArray:
    """Bring model points to where whole numbers are the centres of pixels."""
    return np.asarray(points - np.float32(0.5), np.float32)


def _around(points: FloatArray) -> FloatArray | None:
    """Return x0, y0, x1, y1 of the box around (N, 2) points (y, x), if there is any."""
    if not len(points):
        return None
    (y0, x0), (y1, x1) = points.min(0), points.max(0)
    return np.array([x0, y0, x1, y1], np.float32)


def _spread(drawn: BoolArray, clicks: FloatArray, radius: int) -> FloatArray:
    """Return points (y, x) that stand for what is drawn beside the clicks: (K, 2)."""
    disks = np.zeros(drawn.shape, np.float32)
    draw_disks(disks, clicks.astype(int), radius)
    labels, count = ndimage.label(drawn & (disks == 0), np.ones((3, 3)))
    if not count:
        return np.zeros((0, 2), np.float32)
    areas = np.bincount(labels.ravel(), minlength=count + 1)[1:]
    places = ndimage.find_objects(labels)
    points: list[tuple[float, float]] = []
    for part in np.argsort(-areas, kind="stable")[:_IN_ALL]:
        rows, columns = places[part]
        inside = labels[rows, columns] == part + 1
        points += [
            (rows.start + y, columns.start + x)
            for y, x in _spread_over(inside, _APART * len(drawn))
        ]
    return np.array(points[:_IN_ALL], np.float32)


def _spread_over(inside: BoolArray, apart: float) -> list[tuple[int, int]]:
    """Choose pixels well inside a mask, each as far from the others as can be."""
    depth = ndimage.distance_transform_edt(np.pad(inside, 1))[1:-1, 1:-1]
    core = np.argwhere(depth >= depth.max() / 2)
    core = core[:: len(core) // _CANDIDATES + 1]
    chosen = np.unravel_index(int(depth.argmax()), depth.shape)
    points = [(int(chosen[0]), int(chosen[1]))]
    while len(points) < _ON_A_PART:
        gaps = np.stack([np.hypot(*(core - p).T) for p in points]).min(0)
        if gaps.max() < apart:
            break
        y, x = core[gaps.argmax()]
        points.append((int(y), int(x)))
    return points

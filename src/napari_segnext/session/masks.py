"""From probabilities to labels: what may be written, and what comes back."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from napari_segnext.geometry.frame import BoolArray, Frame, Region
from napari_segnext.geometry.plane import Plane
from napari_segnext.geometry.regions import Extent, Patch
from napari_segnext.geometry.shapes import pieces
from napari_segnext.geometry.space import Index, Voxels
from napari_segnext.labels.counted import Painter
from napari_segnext.labels.diffs import Diff, PlaneDiff
from napari_segnext.labels.labels import Values
from napari_segnext.labels.sparse import Sparse
from napari_segnext.prompts import Prompts, PromptStyle
from napari_segnext.session.nesting import Nesting
from napari_segnext.session.probability import Probability
from napari_segnext.session.state import Key, Result

# The middle of a piece: so much of its greatest depth, or deeper. There one clicks on
# what is not the object at all; errors of a good mask lie less deep.
_MIDDLE = 2 / 3
_AS_PIXELS = PromptStyle(radius=0, region="positive")


@dataclass(frozen=True, slots=True, eq=False)
class View:
    """What decides about a voxel.

    Attributes
    ----------
    ids, finished
        All objects, and those that are protected.
    edits
        All manual edits.
    nesting
        Which objects lie inside which.
    """

    painter: Painter
    ids: frozenset[int]
    finished: frozenset[int]
    edits: Mapping[Key, Sparse]
    nesting: Nesting

    def own(self, key: Key) -> Sparse:
        """Return the manual edits of an object that lie in a plane.

        Those made in a plane that crosses it are among them.
        """
        own = Sparse()
        for (number, plane), edits in self.edits.items():
            if number == key[0]:
                own = own.updated(self._within(key[1], plane, edits))
        return own

    def painted_for_others(self, key: Key) -> Voxels:
        """Return the voxels of a plane painted by hand for other objects, sorted.

        Those around it are left out.
        """
        parts = [np.zeros(0, np.int64)]
        own = self.nesting.outer(key[0]) | {key[0]}
        for (number, plane), edits in self.edits.items():
            if number not in own:
                inside = self._within(key[1], plane, edits)
                parts.append(inside.voxels[inside.values != 0])
        return np.unique(np.concatenate(parts))

    def guarded(self, number: int) -> frozenset[int]:
        """Return the objects that another one takes nothing from.

        Those that are finished, unless they lie around it, and those inside it.
        """
        nesting = self.nesting
        finished = self.finished - nesting.outer(number) - {number}
        return finished | nesting.inner(number)

    def refused(self, old: Values, new: Values) -> BoolArray:
        """Tell which pixels may not be painted by hand: (N,), of (N,) ids each."""
        finished = list(self.finished)
        refused: BoolArray = np.isin(new, finished)
        for number in np.unique(new).tolist():
            kept = list(self.finished - self.nesting.outer(number))
            refused |= (new == number) & np.isin(old, kept)
        return refused

    def left(self, number: int, its: Sparse, base: Sparse) -> Sparse:
        """Return what voxels of an object become where it leaves them.

        That is what it had covered, or where that is not known the one object that it
        lies in, if it still may be changed. All others become nothing.
        """
        noted = base.runs.select(base.runs.value != number)
        rest = its.without(Sparse(noted)).runs
        below = np.full_like(rest.value, self.nesting.below.get(number, 0))
        known = Sparse(replace(rest, value=below)).updated(
            Sparse(noted.within(its.runs))
        )
        changeable = np.isin(known.runs.value, self._changeable(number))
        return Sparse(known.runs.select(changeable))

    def beneath(self, number: int, voxels: Voxels, base: Sparse) -> NDArray[np.int64]:
        """Return what voxels, (N,), become where an object leaves them; see `left`."""
        noted = base.runs.select(base.runs.value != number)
        below = noted.values_at(voxels)
        below[~noted.holds(voxels)] = self.nesting.below.get(number, 0)
        below[~np.isin(below, self._changeable(number))] = 0
        return below

    def _changeable(self, number: int) -> list[int]:
        """Return the objects that may get what another one leaves."""
        outer = self.nesting.outer(number) & self.ids
        return list((self.ids - self.finished - {number}) | outer)

    def _within(self, plane: Plane, made: Plane, edits: Sparse) -> Sparse:
        """Return the part in a plane of edits made in one, maybe another."""
        if plane == made:
            return edits
        if plane.axis == made.axis or plane.fixed != made.fixed:
            return Sparse()
        return edits.select(self.painter.space.within(plane, edits.voxels))


def concerned(view: View, key: Key, *extents: Extent) -> Extent:
    """Return the part of a plane in which an object is, or was edited, and others."""
    own = view.own(key).voxels
    extent = view.painter.extent(*key)
    for other in (view.painter.space.extent(key[1], own), *extents):
        extent = extent.joined(other)
    return extent


def previous_mask(
    view: View, key: Key, prompts: Prompts, result: Result | None
) -> tuple[Patch | None, int]:
    """Return the probability that a decode starts from, and what it answers.

    The last prediction, if all prompts that it answers are still there; the
    labels' cross-section, if something else has changed the object in this plane
    since, and at the first prompt. When prompts were moved or taken away their
    effect must go too: the cross-section from before the first prompt.

    Negative prompts alone take away from what is there. Of a mask that was only
    followed from other planes, a piece goes as a whole if they hit its middle: it is
    not the object, which no carving would make it.

    Returns
    -------
    The map or None, and how many of the prompts it answers
    """
    number, plane = key
    space = view.painter.space
    own = view.own(key)
    extent = concerned(view, key)
    adding = any(prompt.positive for prompt in prompts)
    if result is not None:
        extent = extent.joined(space.extent(plane, result.base.voxels))
        extent = extent.joined(result.probability.extent)
        extent = extent.joined(result.section.extent)
    section = view.painter.labels.read(plane, extent) == number
    at = _pixels(view, plane, own.voxels, extent)
    answered = 0 if result is None else len(result.prompts)
    if result is not None and prompts.items[:answered] != result.prompts.items:
        answered = 0
        covered = _pixels(view, plane, result.base.voxels, extent)
        section[covered] = result.base.values == number
    if result is not None and not (adding or any(p.positive for p in result.prompts)):
        section = _without_hit(section, extent, prompts)
    section[at] = own.values
    shape = space.plane_shape(plane)
    if not adding and not section.any():
        return None, answered
    if answered and result is not None:
        shown = result.section.read(extent)
        shown[at] = own.values
        if np.array_equal(shown, section):
            previous = result.probability.patch.read(extent).copy()
            previous[at] = own.values
            return Patch(shape, extent[:2], previous), answered
    if not section.any():
        return None, answered
    return Patch(shape, extent[:2], section.astype(np.float32)), answered


def _without_hit(section: BoolArray, extent: Extent, prompts: Prompts) -> BoolArray:
    """Return a part of a plane without the pieces whose middle prompts cover."""
    if not section.any():
        return section
    rows, columns = section.shape
    frame = Frame(*extent[:2], rows, columns, max(rows, columns), "pad")
    hit = prompts.to_dense(frame, _AS_PIXELS)[2, :rows, :columns] > 0
    parts, count = pieces(section)
    depth = ndimage.distance_transform_edt(np.pad(section, 1))[1:-1, 1:-1]
    deepest = ndimage.maximum(depth, parts, np.arange(count + 1))
    middle = depth >= _MIDDLE * deepest[parts]
    return section & ~np.isin(parts, parts[hit & middle & section])


def repaint(
    view: View, key: Key, page: Values, part: Extent, kept: Probability, base: Sparse
) -> tuple[PlaneDiff, Region]:
    """Return how a mask changes a plane, and the object's pixels after it.

    Parameters
    ----------
    page
        (h, w) ids of a part of the plane.
    part
        Which part: all in which the object was or is.
    kept
        As predicted; the object's manual edits are put into its mask.
    base
        What the object's predictions have covered in the plane.
    """
    number, plane = key
    own, mask = view.own(key), kept.mask(part)
    mask[_pixels(view, plane, own.voxels, part)] = own.values
    section = page == number
    changed = mask != section
    _protect(view, key, page, part, mask, changed)
    rows, columns = _places(changed, part)
    old, take = page[changed], mask[changed]
    new = np.where(take, number, 0).astype(page.dtype)
    if not take.all():
        left = view.painter.space.numbers(plane, rows[~take], columns[~take])
        new[~take] = view.beneath(number, left, base)
    section ^= changed
    return PlaneDiff(plane, rows, columns, old, new), Region.of(section, part[:2])


def _protect(
    view: View,
    key: Key,
    page: Values,
    part: Extent,
    mask: BoolArray,
    changed: BoolArray,
) -> None:
    """Let a mask change nothing that is guarded, nor what others were painted.

    Parameters
    ----------
    mask
        (h, w), of a part of the plane.
    changed
        (h, w), where it differs from the object as it is; written to.
    """
    rows, columns = _pixels(view, key[1], view.painted_for_others(key), part)
    inside = (rows >= 0) & (rows < mask.shape[0])
    inside &= (columns >= 0) & (columns < mask.shape[1])
    at = rows[inside], columns[inside]
    changed[at] &= ~mask[at]
    guarded = list(view.guarded(key[0]))
    for band in part.bands() if guarded else ():
        here = band.within(part)
        changed[here] &= ~(mask[here] & np.isin(page[here], guarded))


def _places(chosen: BoolArray, part: Extent) -> tuple[Index, Index]:
    """Return rows and columns, in a plane, of pixels that are chosen in a part."""
    rows = np.repeat(np.arange(part.top, part.bottom), chosen.sum(1))
    columns = np.broadcast_to(np.arange(part.left, part.right), chosen.shape)
    return rows, columns[chosen]


def _pixels(
    view: View, plane: Plane, voxels: Voxels, extent: Extent
) -> tuple[Index, Index]:
    """Return rows and columns, in an extent, of voxels that lie in it."""
    rows, columns = view.painter.space.pixels(plane, voxels)
    return rows - extent.top, columns - extent.left


def restore(view: View, key: Key, result: Result | None) -> Diff:
    """Return the way back to the object from before its first prompt in a plane."""
    if result is None:
        return Diff()
    number, plane = key
    base = result.base.without(view.own(key))
    now = view.painter.values(plane, base.voxels)
    left = (now == number) & (base.values != number)
    regained = (base.values == number) & (now == 0)
    new = np.where(left, view.beneath(number, base.voxels, base), now)
    new[regained] = number
    return Diff.of(base.voxels, now, new.astype(now.dtype))

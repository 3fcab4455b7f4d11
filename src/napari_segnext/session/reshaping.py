"""Objects that get another shape without prompts: repaired, or split in two."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np

from napari_segnext.geometry.frame import BoolArray
from napari_segnext.geometry.plane import Plane
from napari_segnext.geometry.regions import Extent
from napari_segnext.geometry.space import Voxels
from napari_segnext.labels.diffs import Diff
from napari_segnext.labels.labels import Values
from napari_segnext.prompts import middle
from napari_segnext.session import operations
from napari_segnext.session.state import SegmentedObject
from napari_segnext.session.undoable import Undoable


@dataclass(frozen=True, slots=True)
class Place:
    """Where an object is: planes, and a part outside of which none shows it.

    Attributes
    ----------
    planes
        Parallel and in order: one, or all perpendicular to axis 0 that show the object.
    whole
        Whether it is all of the object, at one place along the axes not spatial.
    inner
        The objects inside it, which are no holes in it.
    outer
        The objects that it was drawn on, and may be drawn on further.
    """

    planes: tuple[Plane, ...]
    extent: Extent
    whole: bool
    inner: tuple[int, ...] = ()
    outer: tuple[int, ...] = ()


class Reshaping(Undoable):
    """Objects whose shape can be changed by rules, in place of by prompts.

    Nothing is taken from another object, finished or not, but one that lies around it.
    What comes of it is no manual edit: the next prompt refines it. Parameters and
    attributes are those of `ObjectBook`.
    """

    def place(self, object_id: int, within: Plane, whole: bool) -> Place:
        """Return where an object is, in a plane or at its place in all of them.

        Raises
        ------
        ValueError
            If there is no such object, it is finished, or its last prompt has no mask.
        """
        self.settle()
        self._mask_of(object_id)
        planes = [within]
        if whole:
            planes = self.planes_of(object_id, Plane(0, 0, within.fixed))
        extent, (_, *inner) = self.extent(object_id, planes), self.with_inner(object_id)
        below = self._drawn_on(object_id) | {self.nesting.below.get(object_id, 0)}
        outer = sorted(self.nesting.outer(object_id) & below)
        return Place(tuple(planes), extent, whole, tuple(inner), tuple(outer))

    def extent(self, object_id: int, planes: Iterable[Plane]) -> Extent:
        """Return a part of parallel planes outside of which none shows an object."""
        extent = Extent(0, 0, 0, 0)
        for plane in planes:
            extent = extent.joined(self._painter.extent(object_id, plane))
        return extent

    def reshape(
        self,
        object_id: int,
        name: str,
        gained: Voxels,
        lost: Voxels,
        plane: Plane | None = None,
    ) -> int:
        """Give an object voxels that nothing has, and take others from it: one step.

        It may also get those of objects around it, where it is known what it covers: in
        planes with a prediction, and everywhere if it lies in one object alone. What
        does not hold any more of the labels is left as it is.

        Parameters
        ----------
        name
            What the step is called.
        gained, lost
            Sorted, none twice, and none in both.
        plane
            The one that all lie in, if one is.

        Returns
        -------
        How many voxels have changed; without any there is no step

        Raises
        ------
        ValueError
            As `place`. Nothing has changed then.
        """
        self.settle()
        known = self._mask_of(object_id)
        below = self._painter.values_at(gained)
        free = (below == 0) | self._known_below(known, gained, below)
        gained, below = gained[free], below[free]
        lost = lost[self._painter.values_at(lost) == object_id]
        if not len(gained) and not len(lost):
            return 0
        left = self._view().beneath(object_id, lost, operations.covered(known))
        old = np.concatenate([below, np.full(len(lost), object_id)])
        new = np.concatenate([np.full(len(gained), object_id), left])
        dtype = self._painter.dtype
        voxels = np.concatenate([gained, lost])
        diff = Diff.of(voxels, old.astype(dtype), new.astype(dtype))
        delta = operations.reshaped(known, self.space, diff)
        step = self._step(name, object_id, plane, delta)
        step.settles, step.diff = set(delta.results), diff
        self._take(step)
        return len(diff)

    def _known_below(
        self, known: SegmentedObject, voxels: Voxels, below: Values
    ) -> BoolArray:
        """Tell of which voxels, (N,), it stays known that an object covers another."""
        outer, noted = self.nesting.outer(known.id), np.zeros(len(voxels), bool)
        if outer:
            for axis in {plane.axis for plane in known.results}:
                for plane, here in self.space.parted(axis, voxels).items():
                    noted[here] |= plane in known.results
        noted &= np.isin(below, list(outer))
        noted |= below == self.nesting.below.get(known.id, 0)
        return noted

    def split(self, object_id: int, voxels: Voxels) -> int:
        """Make voxels of an object another one, of the same class: one step.

        It gets the positive prompts and what was painted by hand there; the current
        object stays.

        Parameters
        ----------
        voxels
            Sorted, none twice; what is no longer the object's is left as it is.

        Returns
        -------
        The id of the new object

        Raises
        ------
        ValueError
            As `place`, or if one of the two would be empty. Nothing has changed then.
        """
        self.settle()
        known = self._mask_of(object_id)
        voxels = voxels[self._painter.values_at(voxels) == object_id]
        if not 0 < len(voxels) < self._painter.count(object_id):
            raise ValueError(f"nothing of {known.name} would be left on one side")
        number = self._next_id()
        delta = operations.divided(known, number, self.space, voxels)
        step = self._step("split", object_id, None, delta)
        step.settles = set(delta.results)
        # The user has decided about each voxel: a late mask of another object must not
        # take what was the object's when it was split.
        step.manual = True
        step.diff = self._painter.relabel(
            object_id, voxels, np.full(len(voxels), number)
        )
        self._take(step)
        return number

    def marks(self, object_id: int, within: Plane, whole: bool) -> list[int]:
        """Return voxels that the user has said to be the object's.

        These are the middles of positive prompts, and what was painted by hand.

        Parameters
        ----------
        within, whole
            As for `place`.
        """
        self.settle()
        known, found = self._known(object_id), list[int]()
        for plane, prompts in known.prompts.items():
            if plane == within or (whole and plane.fixed == within.fixed):
                at = [m for p in prompts if p.positive and (m := middle(p))]
                if at:
                    found += self.space.numbers(plane, *np.array(at).T).tolist()
        for edits in known.edits.values():
            found += edits.voxels[edits.values != 0].tolist()
        return found

    def _mask_of(self, object_id: int) -> SegmentedObject:
        """Return an object of which the mask is known, and may be changed."""
        known = self._open(object_id)
        if any(number == object_id for number, _ in self._history.waiting):
            raise ValueError(f"the last prompt of {known.name} has no mask yet")
        return known

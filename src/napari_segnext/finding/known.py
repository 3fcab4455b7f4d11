"""What a session knows of a kind of object, as examples."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np

from napari_segnext.files.categories import Category
from napari_segnext.finding.examples import Example
from napari_segnext.finding.proposals import Taken
from napari_segnext.geometry.frame import Region
from napari_segnext.geometry.plane import Plane
from napari_segnext.geometry.regions import Extent
from napari_segnext.geometry.space import Space
from napari_segnext.labels.labels import ReadableLabels
from napari_segnext.session import SegmentedObject, Session
from napari_segnext.session.nesting import around
from napari_segnext.session.proposed import kind_of

# Planes that are learned from at most, besides those that are complete.
_MOST = 24


@dataclass(frozen=True, slots=True)
class Place:
    """Where an object lies in a plane, and the labels that are its: those in it too."""

    ids: tuple[int, ...]
    extent: Extent

    def read(self, labels: ReadableLabels, plane: Plane) -> Region:
        """Return its pixels."""
        page = labels.read(plane, self.extent)
        return Region.of(np.isin(page, self.ids), self.extent[:2])


@dataclass(frozen=True, slots=True, eq=False)
class KnownPlane:
    """What is known of a kind in a plane; labels are read when it becomes an example.

    Attributes
    ----------
    objects, others
        Objects of the kind, and of other classes.
    rejected
        What was proposed, and is wrong.
    complete
        Whether all objects of the kind are known.
    """

    plane: Plane
    objects: tuple[Place, ...]
    others: tuple[Place, ...]
    rejected: tuple[Region, ...]
    complete: bool

    def example(self, labels: ReadableLabels, space: Space) -> Example:
        """Return it as an example.

        Parameters
        ----------
        labels
            As they were when this was known; read by any thread.
        space
            Of the labels.
        """
        read = [
            tuple(place.read(labels, self.plane) for place in places)
            for places in (self.objects, self.others)
        ]
        objects, others = (
            tuple(region for region in regions if region.pixels.size)
            for regions in read
        )
        shape = space.plane_shape(self.plane)
        whole = (Extent(0, 0, *shape),) if self.complete else ()
        return Example(self.plane, objects, (*others, *self.rejected), whole)


class Knowledge:
    """What a session knows of a kind along an axis, and what is taken already.

    Objects of the kind that are finished are examples, and of others the masks that
    the user found right; in a plane that is complete, all.

    Parameters
    ----------
    category
        The class that is the kind; None: objects that have none.
    like
        Planes parallel to this one are learned from.
    """

    def __init__(
        self, session: Session, category: Category | None, like: Plane
    ) -> None:
        self._session, self._like = session, like
        self._kind = kind_of(category)
        self._around = around(session.objects, category)
        objects = session.objects.values()
        self._own = [o for o in objects if kind_of(o.category) == self._kind]
        self._others = [
            o
            for o in objects
            if o.category
            and kind_of(o.category) != self._kind
            and o.id not in self._around
        ]
        self._inner = session.inner_of_all()

    @property
    def complete(self) -> set[Plane]:
        """The planes in which all objects of the kind are known."""
        found = self._session.findings.complete
        return {p for kind, p in found if kind == self._kind and self._parallel(p)}

    def planes(self) -> list[KnownPlane]:
        """Return what is known, plane by plane.

        Raises
        ------
        ValueError
            If no object of the kind is accepted.
        """
        right = defaultdict[Plane, set[int]](set)
        for each in self._own:
            for plane in self._right(each):
                right[plane].add(each.id)
        rejected = defaultdict[Plane, list[Region]](list)
        for proposed in self._session.findings.proposals.values():
            if proposed.rejected and proposed.kind == self._kind:
                rejected[proposed.plane].append(proposed.region)
        complete = self.complete
        for plane in complete:
            right[plane].update(each.id for each in self._own)
        every = {p for p in rejected if self._parallel(p)} | right.keys()
        chosen = complete | set(spread(sorted(every - complete), _MOST))
        known = [
            KnownPlane(
                plane,
                self._places(plane, right[plane]),
                self._places(plane, (each.id for each in self._others)),
                tuple(rejected[plane]),
                plane in complete,
            )
            for plane in sorted(chosen)
        ]
        if not any(each.objects for each in known):
            raise ValueError("accept one first (G): others are found by it")
        return known

    def taken(self, labels: ReadableLabels, plane: Plane) -> Taken:
        """Return what tells which pixels of a plane belong to objects that there are.

        Parameters
        ----------
        labels
            As they were when this was known; read by any thread.
        """
        below = list(self._around)

        def told(extent: Extent) -> np.ndarray:
            page = labels.read(plane, extent)
            return np.asarray((page != 0) & ~np.isin(page, below))

        return told

    def _parallel(self, plane: Plane) -> bool:
        return (plane.axis, plane.fixed) == (self._like.axis, self._like.fixed)

    def _right(self, each: SegmentedObject) -> list[Plane]:
        """Return the planes in which an object is found right."""
        if each.finished:
            return self._session.planes_of(each.id, self._like)
        results = each.results.items()
        return [p for p, result in results if result.checked and self._parallel(p)]

    def _places(self, plane: Plane, numbers: Iterable[int]) -> tuple[Place, ...]:
        places = (
            Place(
                (number, *self._inner.get(number, ())),
                self._session.extent(number, [plane]),
            )
            for number in numbers
        )
        return tuple(place for place in places if not place.extent.empty)


def spread(planes: Sequence[Plane], most: int) -> list[Plane]:
    """Return so many planes at most, evenly over all."""
    at = np.linspace(0, len(planes) - 1, min(most, len(planes)))
    return [planes[round(each)] for each in at.tolist()]

"""Objects of a session as a prompts file has them, and back to requests."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from typing import Protocol, TypeVar

from napari_segnext.files import ObjectPrompts
from napari_segnext.files.categories import Named, check_distinct
from napari_segnext.files.prompts_file import MOST_ID, joined
from napari_segnext.geometry.plane import Plane
from napari_segnext.geometry.regions import Patch
from napari_segnext.session.book import ObjectBook
from napari_segnext.session.messages import Request
from napari_segnext.session.session import Session


def exported(session: ObjectBook) -> list[ObjectPrompts]:
    """Return the objects that have prompts."""
    return [
        ObjectPrompts(each.value, each.name, dict(each.prompts), each.category)
        for each in session.objects.values()
        if each.prompts
    ]


def legend(session: ObjectBook) -> dict[int, Named]:
    """Return names and classes of the objects, by their value in files."""
    return {
        each.value: Named(each.name, each.category) for each in session.objects.values()
    }


def file_values(session: ObjectBook) -> dict[int, int]:
    """Return the value of each object in files, by its id in the session."""
    return {number: each.value for number, each in session.objects.items()}


def in_last_axes(objects: Sequence[ObjectPrompts], ndim: int) -> list[ObjectPrompts]:
    """Return objects with every plane given along one of the last three axes.

    A plane of a 2-D series may have been given by its place along all other axes; the
    last of these counts as the slice.

    Parameters
    ----------
    ndim
        Of the image, without channels.
    """

    def along(plane: Plane) -> Plane:
        series = plane.axis == plane.index == 0 and len(plane.fixed) == ndim - 2 > 0
        return Plane(0, plane.fixed[-1], plane.fixed[:-1]) if series else plane

    return [
        replace(
            item, planes=joined((along(p), each) for p, each in item.planes.items())
        )
        for item in objects
    ]


def check_objects(
    objects: Sequence[ObjectPrompts],
    check: Callable[[Plane], object],
    plane_shape: Callable[[Plane], tuple[int, int]],
) -> None:
    """Check that objects of a prompts file are some, and lie in an image.

    Parameters
    ----------
    check
        Raises a ValueError for a plane that does not cut the image.
    plane_shape
        Height and width of a plane.

    Raises
    ------
    ValueError
        Naming what does not fit.
    """
    ids = [item.id for item in objects]
    if not ids:
        raise ValueError("the prompts file holds no objects")
    if len(set(ids)) < len(ids) or min(ids) < 1 or max(ids) > MOST_ID:
        raise ValueError(
            f"ids of objects are different, at least 1 and at most {MOST_ID}, not {ids}"
        )
    check_distinct(item.category for item in objects if item.category is not None)
    for item in objects:
        for plane, prompts in item.planes.items():
            place = f"object {item.id}"
            try:
                check(plane)
                place += f", slice {plane.index} along axis {plane.axis}"
                prompts.check_inside(plane_shape(plane))
            except ValueError as error:
                raise ValueError(f"{place}: {error}") from error


def replay(
    session: Session,
    objects: Sequence[ObjectPrompts],
    complete: Callable[[int], object] = lambda number: None,
) -> Iterator[tuple[ObjectPrompts, Request]]:
    """Give the prompts of objects to a session.

    An object that is done is finished: a later one takes nothing from it.

    Parameters
    ----------
    session
        It is empty, or has adopted labels: an item with the value of one of these is
        that object, whose mask its prompts refine.
    complete
        Called with an object's number in the session when its planes are done.

    Yields
    ------
    What is to be decoded, and committed before the next is asked for.
    """
    known = {value: number for number, value in file_values(session).items()}
    for item in objects:
        number = known.get(item.id) or _begun(session, item)
        session.select(number)
        for plane, prompts in item.planes.items():
            request = session.set_prompts(plane, prompts, number)
            if request is not None:
                yield item, request
        complete(number)
        session.accept(number)


def _begun(session: Session, item: ObjectPrompts) -> int:
    number = session.new_object(item.name or f"Object {item.id}", item.id)
    session.categorise([number], item.category)
    return number


class Masked(Protocol):
    """An answer to a request: a prediction."""

    @property
    def patch(self) -> Patch:
        """The probability."""


A = TypeVar("A", bound=Masked)


class Replay:
    """Objects on their way into a session of their own, plane by plane.

    It can go on after an interruption.

    Parameters
    ----------
    session, objects, complete
        As for `replay`; the session is used by nobody else meanwhile.
    """

    def __init__(
        self,
        session: Session,
        objects: Sequence[ObjectPrompts],
        complete: Callable[[int], object] = lambda number: None,
    ) -> None:
        self.session, self.objects = session, objects
        self._steps = replay(session, objects, complete)
        self._asked: tuple[ObjectPrompts, Request] | None = None

    @property
    def item(self) -> ObjectPrompts | None:
        """The object that is decoded next; None when all is done."""
        if self._asked is None:
            self._asked = next(self._steps, None)
        return None if self._asked is None else self._asked[0]

    def advance(self, answer: Callable[[Request], A]) -> A:
        """Write the answer to what is to be decoded next into the session's labels.

        If there is none because something is raised, the next call asks for it again.

        Raises
        ------
        ValueError
            If the answer does not fit; see `Session.commit`.
        """
        assert self.item is not None and self._asked is not None
        _, request = self._asked
        answered = answer(request)
        self.session.commit(request, answered.patch)
        self._asked = None
        return answered

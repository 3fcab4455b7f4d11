"""What of the objects of a session is to be checked, the most doubtful first."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TypeAlias

from napari_segnext.geometry.plane import Plane
from napari_segnext.session.book import ObjectBook
from napari_segnext.session.doubt import LEAST_DOUBT, Doubt, to_check
from napari_segnext.session.messages import Record
from napari_segnext.session.state import Key, SegmentedObject

Doubtful: TypeAlias = tuple[Key, Doubt]


def doubtful(known: SegmentedObject, like: Plane) -> list[Plane]:
    """Return the planes parallel to one to check, the most doubtful first.

    Those that were prompted or edited since, or are checked, are not among them.
    """
    doubts = doubts_of(known, like)
    return sorted(doubts, key=lambda plane: -doubts[plane].degree)


def doubts_of(known: SegmentedObject, like: Plane) -> dict[Plane, Doubt]:
    """Return what is to check of an object in planes parallel to one.

    Where a mask was compared with the image, that tells; else how sure it was found
    on the way from other planes.
    """
    compared = {p: d for p, d in known.doubts.items() if _parallel(p, like)}
    sure = {
        plane: result.confidence
        for plane, result in known.results.items()
        if result.confidence is not None and _parallel(plane, like)
    }
    found = {
        plane: Doubt(1 - sure[plane], checked=known.results[plane].checked)
        for plane in to_check(sure)
    }
    found |= compared
    decided = {*known.prompts, *known.edits}
    return {
        plane: doubt
        for plane, doubt in found.items()
        if plane not in decided
        and not doubt.checked
        and (plane not in compared or doubt.degree >= LEAST_DOUBT)
    }


def _parallel(plane: Plane, like: Plane) -> bool:
    return (plane.axis, plane.fixed) == (like.axis, like.fixed)


class CheckList:
    """What is to be checked of all objects that are not finished.

    It follows the session; what has not changed is not looked at again, nor are
    objects of which no mask was found or compared, as most that were adopted.
    """

    def __init__(self, session: ObjectBook) -> None:
        self._objects = session.objects
        self._like: Plane | None = None
        # Objects of which a mask was found or compared, in any plane.
        self._judged: set[int] = set()
        self._doubts: dict[int, dict[Plane, Doubt]] = {}
        self._changed: set[int] = set()
        self._listed: tuple[Doubtful, ...] = ()
        self.begin_anew()
        session.recorders.append(self._note)

    def begin_anew(self) -> None:
        """Look at all objects again: the session was restored."""
        self._like, self._judged = None, set()
        self._judge(self._objects)

    def along(self, like: Plane) -> tuple[Doubtful, ...]:
        """Return objects in planes parallel to one, the most doubtful first."""
        if self._like is None or not _parallel(self._like, like):
            self._doubts.clear()
            self._changed, self._like, self._listed = set(self._judged), like, ()
        changed, self._changed = self._changed, set()
        before = {n: self._doubts.pop(n) for n in changed if n in self._doubts}
        for number in changed & self._judged:
            known = self._objects[number]
            found = {} if known.finished else doubts_of(known, like)
            if found:
                self._doubts[number] = found
        if before != {n: self._doubts[n] for n in changed if n in self._doubts}:
            listed = [
                ((number, plane), doubt)
                for number, doubts in self._doubts.items()
                for plane, doubt in doubts.items()
            ]
            self._listed = tuple(sorted(listed, key=lambda at: (-at[1].degree, at[0])))
        return self._listed

    def _note(self, record: Record) -> None:
        delta = record.delta
        keys = (*delta.prompts, *delta.edits, *delta.results, *delta.doubts)
        touched = {*delta.objects, *(number for number, _ in keys)}
        # Also those that are judged no longer, to leave the list.
        self._changed |= touched & self._judged
        self._judged -= touched
        self._changed |= self._judge(touched)

    def _judge(self, numbers: Iterable[int]) -> set[int]:
        """Take note of which objects a mask was found or compared, and return them."""
        known = ((n, self._objects[n]) for n in numbers if n in self._objects)
        judged = {n for n, each in known if each.results or each.doubts}
        self._judged |= judged
        return judged

"""The session's rules once more, voxel by voxel and state by state: slow and plain."""

from __future__ import annotations

from copy import deepcopy

import numpy as np

from napari_segnext.geometry.plane import Plane
from napari_segnext.prompts import Prompts
from napari_segnext.session import Session


class Model:
    """Undo by copies of everything; edits and what was covered by single voxels."""

    def __init__(self, shape: tuple[int, int, int]) -> None:
        self.labels = np.zeros(shape, int)
        self.names = {1: "Object 1"}
        self.finished: set[int] = set()
        self.prompts: dict = {}
        self.edits: dict = {}
        self.base: dict = {}
        self.past: list[dict] = []
        self.future: list[dict] = []

    def step(self) -> None:
        self.past.append(self._state())
        self.future.clear()

    def undo(self) -> None:
        self.future.append(self._state())
        self.__dict__.update(self.past.pop())

    def redo(self) -> None:
        self.past.append(self._state())
        self.__dict__.update(self.future.pop())

    def _state(self) -> dict:
        kept = {k: v for k, v in self.__dict__.items() if k not in ("past", "future")}
        return deepcopy(kept)

    def check(self, session: Session) -> None:
        page = np.stack([session.labels.read(Plane(0, z)) for z in range(4)])
        np.testing.assert_array_equal(page, self.labels)
        assert {n: o.name for n, o in session.objects.items()} == self.names
        assert {n for n, o in session.objects.items() if o.finished} == self.finished
        known = {
            (n, p): v for n, o in session.objects.items() for p, v in o.prompts.items()
        }
        assert known == self.prompts
        for number in self.names:
            voxels = (self.labels == number).sum()
            assert session.count(number).voxels == voxels

    # Rules

    def voxels(self, plane: Plane):
        inside = np.argwhere(np.ones(np.delete(self.labels.shape, plane.axis), bool))
        for row, column in inside.tolist():
            at = [row, column]
            at.insert(plane.axis, plane.index)
            yield tuple(at), row, column

    def own(self, number: int, voxel) -> bool | None:
        found = [
            e[voxel] for (n, _), e in self.edits.items() if n == number and voxel in e
        ]
        assert len(found) <= 1
        return found[0] if found else None

    def beneath(self, number: int, value: int) -> int:
        open_ = value != number and value in self.names and value not in self.finished
        return value if open_ else 0

    def set_prompts(self, number: int, plane: Plane, prompts: Prompts) -> None:
        if len(prompts):
            self.prompts[number, plane] = prompts
            return
        self.prompts.pop((number, plane), None)
        for voxel, value in self.base.pop((number, plane), {}).items():
            if self.own(number, voxel) is not None:
                continue
            if self.labels[voxel] == number and value != number:
                self.labels[voxel] = self.beneath(number, value)
            elif self.labels[voxel] == 0 and value == number:
                self.labels[voxel] = number

    def commit(self, number: int, plane: Plane, probability: np.ndarray) -> None:
        base = self.base.setdefault((number, plane), {})
        for voxel, row, column in list(self.voxels(plane)):
            now = int(self.labels[voxel])
            own = self.own(number, voxel)
            inside = probability[row, column] > 0.5 if own is None else own
            if inside and now != number:
                others = [n for n in self.names if n != number and self.own(n, voxel)]
                if now in self.finished or others:
                    continue
                base.setdefault(voxel, now)
                self.labels[voxel] = number
            elif not inside and now == number:
                base.setdefault(voxel, now)
                self.labels[voxel] = self.beneath(number, base[voxel])

    def stroke(self, plane: Plane, pixels, new: int) -> None:
        by_pixel = {(row, column): voxel for voxel, row, column in self.voxels(plane)}
        for pixel in pixels:
            voxel = by_pixel[pixel]
            old = int(self.labels[voxel])
            if old == new or old in self.finished or new in self.finished:
                continue
            self.labels[voxel] = new
            for number, inside in ((old, False), (new, True)):
                if number:
                    self.clear_voxel(number, voxel)
                    self.edits.setdefault((number, plane), {})[voxel] = inside

    def clear_voxel(self, number: int, voxel) -> None:
        for (n, _), edits in self.edits.items():
            if n == number:
                edits.pop(voxel, None)

    def forget(self, number: int) -> None:
        for known in (self.prompts, self.edits, self.base):
            for key in [key for key in known if key[0] == number]:
                del known[key]

    def discard(self, number: int) -> None:
        covered = {}
        for (n, _), base in sorted(self.base.items(), key=lambda item: item[0]):
            if n == number:
                covered.update({v: b for v, b in base.items() if b != number})
        for voxel in map(tuple, np.argwhere(self.labels == number).tolist()):
            self.labels[voxel] = self.beneath(number, covered.get(voxel, 0))
        self.forget(number)
        self.finished.discard(number)

    def delete(self, number: int) -> None:
        self.discard(number)
        del self.names[number]

    def merge(self, into: int, other: int) -> None:
        for (n, plane), edits in list(self.edits.items()):
            if n == other:
                for voxel, inside in edits.items():
                    if inside or self.labels[voxel] != into:
                        self.clear_voxel(into, voxel)
                        self.edits.setdefault((into, plane), {})[voxel] = inside
        for n, plane in list(self.base):
            if n == other:
                theirs = self.base[n, plane]
                if (into, plane) in self.base:
                    theirs = {v: b for v, b in theirs.items() if b != other}
                self.base[into, plane] = theirs | self.base.get((into, plane), {})
        for n, plane in list(self.prompts):
            if n == other:
                first = self.prompts.get((into, plane), Prompts())
                items = first.items + self.prompts[n, plane].items
                self.prompts[into, plane] = Prompts(items)
        self.labels[self.labels == other] = into
        self.forget(other)
        self.finished.discard(other)
        del self.names[other]

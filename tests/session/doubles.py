"""A decoder that tests can reason about, and pictures of what a session knows."""

from __future__ import annotations

from copy import deepcopy
from dataclasses import dataclass
from typing import Any

import numpy as np

from napari_segnext.geometry.plane import Plane
from napari_segnext.prompts import Click, Prompts
from napari_segnext.session import ArrayLabels, Request, Session

SHAPE = (4, 10, 12)
Z0, Z1, Z2 = Plane(0, 0), Plane(0, 1), Plane(0, 2)
Y5, X6 = Plane(1, 5), Plane(2, 6)


def started(shape=SHAPE, dtype=np.uint16) -> tuple[Session, np.ndarray]:
    array = np.zeros(shape, dtype)
    session = Session(ArrayLabels(array))
    session.new_object()
    return session, array


def page_shape(plane: Plane, shape=SHAPE) -> tuple[int, int]:
    rows, columns = (n for axis, n in enumerate(shape[-3:]) if axis != plane.axis)
    return rows, columns


def decoded(prompts: Prompts, shape: tuple[int, int], radius: int = 2) -> np.ndarray:
    """Squares around positive clicks, without squares around negative ones."""
    probability = np.full(shape, 0.1, np.float32)
    for prompt in prompts:
        assert isinstance(prompt, Click)
        y, x = (int(v) for v in prompt.at)
        rows = slice(max(y - radius, 0), y + radius + 1)
        columns = slice(max(x - radius, 0), x + radius + 1)
        probability[rows, columns] = 0.9 if prompt.positive else 0.2
    return probability


def answer(session: Session, request: Request | None, **options: Any):
    assert request is not None
    shape = page_shape(request.plane, session.labels.shape)
    return session.commit(request, decoded(request.prompts, shape, **options))


def click(session: Session, plane: Plane, *points, number: int | None = None):
    """Add clicks one after the other, each answered at once."""
    change = None
    for y, x, *sign in points:
        change = answer(session, ask(session, plane, (y, x, *sign), number=number))
    return change


def ask(session: Session, plane: Plane, *points, number: int | None = None):
    """Add clicks, each a step; return the last request."""
    number = number or session.current
    request = None
    for y, x, *sign in points:
        prompts = session.objects[number].prompts.get(plane, Prompts())
        prompts = prompts.click(y, x, *sign)
        request = session.set_prompts(plane, prompts, number)
    return request


def paint(session: Session, plane: Plane, pixels, new: int):
    """Paint pixels as a brush of the viewer does, and tell the session."""
    rows, columns = (np.array(each) for each in zip(*pixels, strict=True))
    page = session.labels.read(plane)
    old = page[rows, columns].copy()
    session.labels.write(plane, rows, columns, np.full(len(rows), new, page.dtype))
    return session.record_stroke(plane, rows, columns, old, new)


@dataclass
class Picture:
    """All that a user can see of a session."""

    labels: np.ndarray
    objects: dict[int, Any]
    current: int
    semantic: bool = False

    @classmethod
    def of(cls, session: Session, array: np.ndarray) -> Picture:
        objects = {
            number: (each.info, dict(each.prompts), dict(each.edits), levels(each))
            for number, each in session.objects.items()
        }
        return cls(array.copy(), deepcopy(objects), session.current, session.semantic)

    def __eq__(self, other: object) -> bool:
        assert isinstance(other, Picture)
        np.testing.assert_array_equal(self.labels, other.labels)
        assert self.objects == other.objects
        return (self.current, self.semantic) == (other.current, other.semantic)


def levels(each) -> dict[Plane, tuple[Any, ...]]:
    """What is remembered of the predictions."""
    return {
        plane: (
            result.prompts,
            result.section,
            result.base,
            result.probability.offset,
            result.probability.levels.tobytes(),
            result.confidence,
            result.checked,
        )
        for plane, result in each.results.items()
    }

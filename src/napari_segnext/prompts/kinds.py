"""The kinds of prompts.

What is made is good: coordinates are finite, signs are bools, and numbers are Python's
own, whatever they were made from, so that they can be written and read back.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import ArrayLike

from napari_segnext.geometry.frame import Point, Region


@dataclass(frozen=True, slots=True)
class Click:
    """A point on the object (positive) or off it (negative).

    Raises
    ------
    ValueError
        As each kind of prompt: if coordinates are not finite pairs (y, x), or the sign
        is neither true nor false.
    """

    at: Point
    positive: bool = True

    def __post_init__(self) -> None:
        (at,) = _points([self.at], 1, "click")
        _set(self, at=at, positive=_sign(self.positive))


@dataclass(frozen=True, slots=True)
class Scribble:
    """A stroke: a path with a width in image pixels, or painted pixels.

    Attributes
    ----------
    shape
        (H, W) of the image that was painted on, if it is known.
    """

    path: tuple[Point, ...] = ()
    width: float = 3.0
    painted: Region | None = None
    positive: bool = True
    shape: tuple[int, int] | None = field(default=None, compare=False, repr=False)

    def __post_init__(self) -> None:
        width = _number(self.width, "a scribble's width")
        if not 0 < width < np.inf:
            raise ValueError(f"a scribble's width is positive, not {self.width!r}")
        path = self.path
        if self.painted is None:
            path = _points(path, 1, "scribble")
        _set(self, path=path, width=width, positive=_sign(self.positive))


@dataclass(frozen=True, slots=True)
class Box:
    """Two opposite corners, both inside the box."""

    start: Point
    end: Point
    positive: bool = True

    def __post_init__(self) -> None:
        start, end = _points([self.start, self.end], 2, "box")
        _set(self, start=start, end=end, positive=_sign(self.positive))

    @property
    def outline(self) -> tuple[Point, ...]:
        """The four corners, in order."""
        (y0, x0), (y1, x1) = self.start, self.end
        return (y0, x0), (y0, x1), (y1, x1), (y1, x0)


@dataclass(frozen=True, slots=True)
class Polygon:
    """The vertices of a closed outline, at least three."""

    vertices: tuple[Point, ...]
    positive: bool = True

    def __post_init__(self) -> None:
        vertices = _points(self.vertices, 3, "polygon")
        _set(self, vertices=vertices, positive=_sign(self.positive))

    @property
    def outline(self) -> tuple[Point, ...]:
        """The vertices, in order."""
        return self.vertices


@dataclass(frozen=True, slots=True)
class Mask:
    """A mask drawn or computed elsewhere.

    Attributes
    ----------
    shape
        (H, W) of the image that it was drawn on, if it is known.
    """

    region: Region
    positive: bool = True
    shape: tuple[int, int] | None = field(default=None, compare=False, repr=False)

    def __post_init__(self) -> None:
        _set(self, positive=_sign(self.positive))


@dataclass(frozen=True, slots=True)
class Phrase:
    """Words that say what the object is, wherever it is in the plane."""

    text: str

    def __post_init__(self) -> None:
        words = " ".join(str(self.text).split())
        if not words:
            raise ValueError("a phrase has words")
        _set(self, text=words)

    @property
    def positive(self) -> bool:
        """True: what the object is not cannot be said in words."""
        return True


Prompt: TypeAlias = Click | Scribble | Box | Polygon | Mask | Phrase


def _set(prompt: Any, **values: Any) -> None:
    """Give a frozen value what its fields are to be."""
    for name, value in values.items():
        object.__setattr__(prompt, name, value)


def _points(values: ArrayLike, least: int, what: str) -> tuple[Point, ...]:
    try:
        array = np.asarray(values, float)
    except (TypeError, ValueError) as error:
        raise ValueError(
            f"a {what} needs numbers as (y, x) rows, not {values!r}"
        ) from error
    if array.ndim != 2 or array.shape[1] != 2 or len(array) < least:
        rows = "one (y, x) row" if least == 1 else f"{least} (y, x) rows"
        raise ValueError(
            f"a {what} needs at least {rows}, not an array of shape {array.shape}"
        )
    if not np.isfinite(array).all():
        raise ValueError(f"a {what} needs finite coordinates")
    return tuple((float(y), float(x)) for y, x in array)


def _number(value: Any, what: str) -> float:
    try:
        return float(value)
    except (TypeError, ValueError) as error:
        raise ValueError(f"{what} is a number, not {value!r}") from error


def _sign(positive: Any) -> bool:
    if isinstance(positive, bool | np.bool_ | int | np.integer) and positive in (0, 1):
        return bool(positive)
    raise ValueError(f"positive is True or False, not {positive!r}")


def extent(prompt: Prompt) -> Iterable[Point]:
    """Return points (y, x) whose bounding box holds the prompt; none of a phrase."""
    match prompt:
        case Click(at=at):
            return [at]
        case Scribble(painted=None, path=path):
            return path
        case Scribble(painted=Region() as region) | Mask(region=region):
            return region.corners
        case Box(start=start, end=end):
            return [start, end]
        case Polygon(vertices=vertices):
            return vertices
        case Phrase():
            return ()
    raise TypeError(f"not a prompt: {prompt!r}")


def middle(prompt: Prompt) -> tuple[int, int] | None:
    """Return the pixel (row, column) in the middle of a prompt; None of a phrase.

    Of a path it is on the path, of all others in their bounding box.
    """
    points = np.array(list(extent(prompt)), float)
    if not len(points):
        return None
    if isinstance(prompt, Scribble) and prompt.painted is None:
        points = points[[len(points) // 2]]
    row, column = np.round((points.min(0) + points.max(0)) / 2).astype(int).tolist()
    return row, column

"""Prompts from what is on the prompt layers, and back; no napari, no Qt."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from napari_segnext.geometry.frame import Region
from napari_segnext.geometry.plane import Plane
from napari_segnext.geometry.regions import Extent
from napari_segnext.geometry.space import Space
from napari_segnext.prompts import Box, Click, Polygon, Prompt, Prompts, Scribble

Placed = list[tuple[Plane, Prompt]]
# In pixels; what a click without a drag makes with the tool for boxes is smaller.
_LEAST_SIDE = 2


def read_clicks(
    data: NDArray[np.floating[Any]], signs: Sequence[bool], space: Space, axis: int
) -> tuple[Placed, int]:
    """Read clicks and their planes from point coordinates.

    Parameters
    ----------
    data
        (N, ndim) data coordinates.
    signs
        N, True for positive.

    Returns
    -------
    prompts, count of points outside the image
    """
    placed: Placed = []
    for position, positive in zip(data, signs, strict=True):
        plane = space.plane_at(position, axis)
        (at,) = space.to_plane(position[None], axis)
        if plane is not None and space.contains(plane, at):
            placed.append((plane, Click((float(at[0]), float(at[1])), bool(positive))))
    return placed, len(data) - len(placed)


def read_shapes(
    data: Sequence[NDArray[np.floating[Any]]],
    kinds: Sequence[str],
    signs: Sequence[bool],
    widths: Sequence[float],
    space: Space,
    axis: int,
) -> tuple[Placed, int]:
    """Read boxes, polygons and paths from shapes, cut at the image's border.

    Returns
    -------
    prompts, count of shapes outside the image
    """
    placed: Placed = []
    for vertices, kind, positive, width in zip(data, kinds, signs, widths, strict=True):
        plane = space.plane_at(vertices.mean(0), axis)
        if plane is None:
            continue
        flat = space.to_plane(vertices, axis)
        last = np.array(space.plane_shape(plane)) - 0.5
        if (flat.max(0) < -0.5).any() or (flat.min(0) >= last).any():
            continue
        flat = np.clip(flat, -0.5, np.nextafter(last.astype(np.float32), 0))
        placed.append((plane, _shape(flat, kind, positive, width)))
    return placed, len(data) - len(placed)


def _shape(
    vertices: NDArray[np.float64], kind: str, positive: bool, width: float
) -> Prompt:
    corners = tuple((float(y), float(x)) for y, x in vertices)
    if kind in ("path", "line"):
        return Scribble(corners, float(width), positive=positive)
    straight = all(len(np.unique(np.float32(v))) <= 2 for v in vertices.T)
    if kind == "rectangle" and straight:
        (top, left), (bottom, right) = vertices.min(0), vertices.max(0)
        return Box((float(top), float(left)), (float(bottom), float(right)), positive)
    if kind == "ellipse":
        centre, around = vertices.mean(0), np.linspace(0, 2 * np.pi, 32, endpoint=False)
        first, second = (vertices[1] - vertices[0]) / 2, (vertices[3] - vertices[0]) / 2
        ring = (
            centre + np.outer(np.cos(around), first) + np.outer(np.sin(around), second)
        )
        corners = tuple((float(y), float(x)) for y, x in ring)
    return Polygon(corners, positive)


def is_slip(prompt: Prompt) -> bool:
    """Tell whether a prompt is a box that nobody has dragged."""
    if not isinstance(prompt, Box):
        return False
    (top, left), (bottom, right) = prompt.start, prompt.end
    return min(abs(bottom - top), abs(right - left)) < _LEAST_SIDE


def scribbled_part(before: Iterable[Prompt], touched: Extent) -> Extent:
    """Return what is to be looked at of a plane that was painted on.

    It holds all of every known scribble that was painted over.
    """
    part = touched
    for _, extent in _painted(before):
        if not extent.common(touched).empty:
            part = part.joined(extent)
    return part


def read_scribbles(
    pixels: NDArray[np.uint8], before: Iterable[Prompt], part: Extent
) -> list[Scribble]:
    """Read painted scribbles from a plane, given those that were known in it.

    What is left of a known scribble stays that scribble; newly painted pixels of
    one sign are a new one.

    Parameters
    ----------
    pixels
        (h, w): 0 nothing, 1 positive, 2 negative.
    part
        Where they lie in the plane. Known scribbles of which it does not hold all
        are unchanged.
    """
    left = pixels.copy()
    found: list[Scribble] = []
    for prompt, extent in _painted(before):
        assert prompt.painted is not None
        common = extent.common(part)
        was = np.zeros(left.shape, bool)
        was[common.within(part)] = prompt.painted.pixels[common.within(extent)]
        kept = was & (left == (1 if prompt.positive else 2))
        left[kept] = 0
        if not part.holds(extent) or np.array_equal(kept, was):
            found.append(prompt)
        elif kept.any():
            painted = Region.of(kept, part[:2])
            found.append(Scribble(painted=painted, positive=prompt.positive))
    for label, positive in ((1, True), (2, False)):
        if (left == label).any():
            painted = Region.of(left == label, part[:2])
            found.append(Scribble(painted=painted, positive=positive))
    return found


def _painted(prompts: Iterable[Prompt]) -> Iterator[tuple[Scribble, Extent]]:
    """Yield painted scribbles and where they lie."""
    for prompt in prompts:
        if isinstance(prompt, Scribble) and prompt.painted is not None:
            region = prompt.painted
            yield prompt, region.extent


def outline(prompt: Box | Polygon | Scribble) -> tuple[list[tuple[float, float]], str]:
    """Return a prompt's vertices (y, x) and napari's name of such a shape."""
    match prompt:
        case Box(start=(y0, x0), end=(y1, x1)):
            return [(y0, x0), (y0, x1), (y1, x1), (y1, x0)], "rectangle"
        case Polygon(vertices=vertices):
            return list(vertices), "polygon"
        case Scribble(path=path):
            return list(path), "path"


def on_layer(prompt: Prompt) -> str:
    """Name the layer on which a prompt is shown; a mask is shown on none."""
    match prompt:
        case Click():
            return "clicks"
        case Box() | Polygon() | Scribble(painted=None):
            return "shapes"
        case Scribble():
            return "scribbles"
    return "none"


def merge(before: Prompts, layer: str, now: Sequence[Prompt]) -> Prompts:
    """Replace the prompts of one layer in a plane, keeping the order of all.

    As many as before: something was moved, and each keeps its place. Fewer or
    more: those that are still there keep theirs, new ones come last.
    """
    known = [p for p in before if on_layer(p) == layer]
    if len(known) == len(now):
        follow = dict(zip(map(id, known), now, strict=True))
        return Prompts(
            tuple(
                p if same(p, q) else q for p in before for q in [follow.get(id(p), p)]
            )
        )
    new = list(now)
    kept: list[Prompt] = []
    for prompt in before:
        if on_layer(prompt) != layer:
            kept.append(prompt)
            continue
        match = next((q for q in new if same(prompt, q)), None)
        if match is not None:
            new.remove(match)
            kept.append(prompt)
    return Prompts((*kept, *new))


def same(one: Prompt, other: Prompt) -> bool:
    """Compare prompts in single precision, in which Shapes keeps its vertices."""
    return type(one) is type(other) and _rounded(one) == _rounded(other)


def _rounded(prompt: Prompt) -> tuple[Any, ...]:
    match prompt:
        case Click(at=at):
            points: Iterable[Any] = [at]
        case Box(start=start, end=end):
            points = [start, end]
        case Polygon(vertices=vertices):
            points = vertices
        case Scribble(painted=None, path=path):
            points = path
        case _:
            return prompt.positive, prompt
    width = prompt.width if isinstance(prompt, Scribble) else 0.0
    return prompt.positive, width, *np.array(points, np.float32).ravel().tolist()

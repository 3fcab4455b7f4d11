"""Prompts that a user might draw for a known mask. Numpy and scikit-image only.

Each function takes a (H, W) bool mask with at least one pixel, in which the
object may lie in several pieces, and a random generator. All coordinates are
those of the mask.
"""

from __future__ import annotations

from typing import Literal, TypeAlias, get_args

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage
from skimage.graph import MCP_Geometric
from skimage.measure import approximate_polygon, find_contours
from skimage.transform import resize

from napari_segnext.evaluation.clicker import ClickRobot, RobotClick
from napari_segnext.geometry.frame import BoolArray, Point
from napari_segnext.prompts import Prompts

FirstPrompt: TypeAlias = Literal["click", "box", "scribble", "polygon"]
FIRST_PROMPTS: tuple[FirstPrompt, ...] = get_args(FirstPrompt)

# Hand-drawn boxes and polygons miss by about this share of the object's size.
_SLOPPINESS = 0.04
# Side in pixels of the grid on which a scribble's way is searched.
_GRID = 64
_TRIES = 20

Path: TypeAlias = NDArray[np.float64]


def first_prompt(
    kind: FirstPrompt, mask: BoolArray, rng: np.random.Generator
) -> Prompts:
    """Simulate the first prompt of a kind for an object.

    Raises
    ------
    ValueError
        If the kind is unknown or the mask is empty.
    """
    if not mask.any():
        raise ValueError("nothing to draw a prompt for: the mask is empty")
    match kind:
        case "click":
            click = ClickRobot(mask.astype(np.int8)).next_click(np.zeros_like(mask))
            return Prompts().click(click.y, click.x)
        case "box":
            return Prompts().box(*box(mask, rng))
        case "scribble":
            path, width = scribble(mask, rng)
            return Prompts().scribble(path, width)
        case "polygon":
            return Prompts().polygon(polygon(mask, rng))
    raise ValueError(f"unknown kind {kind!r}; known: {', '.join(FIRST_PROMPTS)}")


def box(mask: BoolArray, rng: np.random.Generator) -> tuple[Point, Point]:
    """Draw a box around the object; each side misses a little.

    Returns
    -------
    Two opposite corners (y, x).
    """
    ends = []
    for axis, length in enumerate(mask.shape):
        used = np.flatnonzero(mask.any(1 - axis))
        low, high = used[0], used[-1]
        slip = rng.normal(0, _SLOPPINESS * (high - low + 1), 2)
        ends.append(np.sort(np.clip([low + slip[0], high + slip[1]], 0, length - 1)))
    (y0, y1), (x0, x1) = ends
    return (float(y0), float(x0)), (float(y1), float(x1))


def polygon(mask: BoolArray, rng: np.random.Generator) -> Path:
    """Draw a coarse outline of the largest piece, its vertices a little off.

    Returns
    -------
    (N, 2) vertices (y, x), at least 3.
    """
    piece, top, left = _largest_piece(mask)
    size = float(np.sqrt(piece.sum()))
    outline = max(find_contours(np.pad(piece, 1).astype(float), 0.5), key=len) - 1
    coarse = approximate_polygon(outline, _SLOPPINESS * size)[:-1]
    if len(coarse) < 3:
        height, width = piece.shape
        coarse = np.array(
            [(0, 0), (0, width - 1), (height - 1, width - 1), (height - 1, 0)], float
        )
    vertices = coarse + rng.normal(0, _SLOPPINESS / 2 * size, coarse.shape)
    limits = np.array(mask.shape) - 1
    return np.asarray(np.clip(vertices + np.array([top, left]), 0, limits), float)


def scribble(mask: BoolArray, rng: np.random.Generator) -> tuple[Path, float]:
    """Draw a stroke along the middle of the largest piece.

    The way runs between the ends of the piece that are farthest apart, keeping
    away from its border; a random stretch of it, half to nearly all, is drawn.

    Returns
    -------
    path
        (N, 2) points (y, x), all on the object.
    width
        In pixels: a third of the piece's thickness, 1 to 5.
    """
    piece, top, left = _largest_piece(mask)
    scale = max(1.0, max(piece.shape) / _GRID)
    grid = _shrink(piece, scale)
    depth = ndimage.distance_transform_edt(np.pad(grid, 1))[1:-1, 1:-1]
    route = _long_way(depth)
    share = rng.uniform(0.5, 0.9)
    count = max(1, round(share * len(route)))
    first = int(rng.integers(len(route) - count + 1))
    points = (route[first : first + count] + 0.5) * scale - 0.5
    pixels = np.clip(np.rint(points).astype(int), 0, np.array(piece.shape) - 1)
    pixels = pixels[piece[pixels[:, 0], pixels[:, 1]]]
    if not len(pixels):
        inner = ndimage.distance_transform_edt(np.pad(piece, 1))[1:-1, 1:-1]
        pixels = np.stack(np.unravel_index([np.argmax(inner)], piece.shape), 1)
    width = float(np.clip(2 * depth.max() * scale / 3, 1, 5))
    return pixels + np.array([top, left], float), width


def shaky(
    click: RobotClick, wrong: BoolArray, jitter: float, rng: np.random.Generator
) -> tuple[int, int]:
    """Move a robot's click as an unsteady hand would.

    Parameters
    ----------
    click
        Of the robot.
    wrong
        (H, W) pixels that the user could have meant; the click stays in them.
    jitter
        Standard deviation as a share of the click's distance to the border.

    Returns
    -------
    Pixel (y, x); the robot's own if `wrong` is never hit.
    """
    for _ in range(_TRIES if jitter and click.reach else 0):
        slip = rng.normal(0, jitter * click.reach, 2)
        y, x = round(click.y + slip[0]), round(click.x + slip[1])
        if 0 <= y < wrong.shape[0] and 0 <= x < wrong.shape[1] and wrong[y, x]:
            return y, x
    return click.y, click.x


def _largest_piece(mask: BoolArray) -> tuple[BoolArray, int, int]:
    """Return the largest 8-connected piece, cropped, and its first row and column."""
    labels, count = ndimage.label(mask, np.ones((3, 3)))
    largest = 1 + int(np.argmax(np.bincount(labels.ravel(), minlength=count + 1)[1:]))
    rows, columns = ndimage.find_objects(labels)[largest - 1]
    return labels[rows, columns] == largest, rows.start, columns.start


def _shrink(piece: BoolArray, scale: float) -> BoolArray:
    if scale == 1:
        return piece
    shape = [max(1, round(n / scale)) for n in piece.shape]
    small = resize(piece.astype(np.float32), shape, order=1, anti_aliasing=True)
    # A thin piece may fade out everywhere.
    return np.asarray(small >= min(0.5, small.max()))


def _long_way(depth: NDArray[np.float64]) -> NDArray[np.int_]:
    """Return the (N, 2) pixels of a way between the two farthest ends.

    `depth` is the distance to the border, 0 outside.
    """
    inside = depth > 0
    deepest = np.unravel_index(np.argmax(depth), depth.shape)
    first = _farthest(inside, deepest)
    last = _farthest(inside, first)
    search = MCP_Geometric(np.where(inside, 1 / np.maximum(depth, 1) ** 2, -1))
    search.find_costs([first])
    return np.array(search.traceback(last))


def _farthest(inside: BoolArray, start: tuple[np.intp, ...]) -> tuple[np.intp, ...]:
    """Return the pixel with the longest way from `start` within a region."""
    lengths, _ = MCP_Geometric(np.where(inside, 1.0, -1.0)).find_costs([start])
    lengths[~np.isfinite(lengths)] = -1
    return np.unravel_index(np.argmax(lengths), lengths.shape)

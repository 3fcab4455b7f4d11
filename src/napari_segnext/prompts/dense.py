"""How prompts are drawn into the channels of the dense map, in model pixels.

Model points are as `napari_segnext.geometry.frame.Frame.to_model` gives them: rounding
them down gives the pixel.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any, Literal, TypeAlias

import numpy as np
from numpy.typing import NDArray
from skimage.draw import line, polygon2mask

from napari_segnext.geometry.frame import Frame, Point, Region
from napari_segnext.geometry.resample import FloatArray

RegionDrawing: TypeAlias = Literal["previous", "positive", "outline", "sparse"]

# What a box, which holds more than its object, counts for as a previous mask: measured,
# see docs/models/tiny.md.
_BOX = 0.5


@dataclass(frozen=True, slots=True)
class PromptStyle:
    """How a model wants prompts drawn; part of its configuration.

    Attributes
    ----------
    radius
        Radius of a click's disk in model pixels; 0 is a single pixel.
    region
        How boxes and polygons are drawn. ``"previous"``: filled into the
        previous-mask channel, polygons with 1, boxes with 0.5.
        ``"positive"``: filled into the channel of their sign. ``"outline"``:
        their outline in the channel of their sign, as wide as a click's disk.
        ``"sparse"``, for models that take boxes and points as such: a positive box is
        not drawn, a positive polygon as with ``"previous"``, and a negative one of
        either kind also filled into the negative channel.
    """

    radius: int = 5
    region: RegionDrawing = "previous"


def draw_disks(
    channel: FloatArray, pixels: NDArray[np.integer[Any]], radius: float
) -> None:
    """Set a disk around each (N, 2) pixel, cut at the borders."""
    reach = int(radius)
    rows, columns = np.mgrid[-reach : reach + 1, -reach : reach + 1]
    inside = rows**2 + columns**2 <= radius**2
    y = (pixels[:, :1] + rows[inside]).ravel()
    x = (pixels[:, 1:] + columns[inside]).ravel()
    seen = (y >= 0) & (y < channel.shape[0]) & (x >= 0) & (x < channel.shape[1])
    channel[y[seen], x[seen]] = 1


def draw_path(channel: FloatArray, points: FloatArray, radius: float) -> None:
    """Set all pixels within a radius of the polyline through (N, 2) points."""
    pixels = np.floor(points).astype(int)
    parts = [pixels]
    for (y0, x0), (y1, x1) in pairwise(pixels):
        parts.append(np.stack(line(y0, x0, y1, x1), 1))
    draw_disks(channel, np.unique(np.concatenate(parts), axis=0), radius)


def draw_stroke(
    channel: FloatArray,
    path: Sequence[Point],
    width: float,
    frame: Frame,
    style: PromptStyle,
) -> None:
    """Draw a scribble given as a path, `width` image pixels wide."""
    scale = min(np.array(frame.content) / (frame.height, frame.width))
    # The papers make a scribble a set of clicks, so it is never thinner than one.
    draw_path(channel, frame.to_model(path), max(style.radius, width * scale / 2))


def draw_painted(channel: FloatArray, painted: Region, frame: Frame) -> None:
    """Draw a scribble given as painted image pixels."""
    np.maximum(channel, coverage(painted, frame) > 0.25, out=channel)
    # However far the image is shrunk, no painted pixel is lost.
    pixels = np.argwhere(painted.pixels) + painted.offset
    reached = np.floor(frame.to_model(pixels)).astype(int)
    draw_disks(channel, np.unique(reached, axis=0), 0)


def coverage(region: Region, frame: Frame) -> FloatArray:
    """Return how much of each model pixel a region covers: (S, S), 0 to 1."""
    return frame.crop_part(region.pixels, region.offset, antialias=True)


def draw_outlined(
    dense: FloatArray,
    outline: FloatArray,
    positive: bool,
    style: PromptStyle,
    *,
    is_box: bool,
    answered: bool,
) -> None:
    """Draw a box or polygon, by its (N, 2) model points, as the style says.

    Parameters
    ----------
    is_box
        Whether it is drawn around the object, not along it.
    answered
        Whether the previous mask answers it already; it is not drawn over that.
    """
    if style.region == "sparse" and is_box and positive:
        return
    closed = np.concatenate([outline, outline[:1]])
    channel = dense[1 if positive else 2]
    if style.region == "outline":
        draw_path(channel, closed, style.radius)
        return
    # polygon2mask wants positions on which the pixel centres are the integers.
    filled = polygon2mask(dense.shape[1:], outline - 0.5).astype(np.float32)
    # The outline belongs to the region; a thin one is nothing else.
    draw_path(filled, closed, 0)
    if style.region == "positive" or (style.region == "sparse" and not positive):
        np.maximum(channel, filled, out=channel)
    if style.region != "positive" and not answered:
        blend(dense[0], filled, positive, _BOX if is_box else 1)


def blend(
    previous: FloatArray, region: FloatArray, positive: bool, value: float = 1.0
) -> None:
    """Draw a region into the previous-mask channel: a maximum, or zero."""
    if positive:
        np.maximum(previous, region * np.float32(value), out=previous)
    else:
        previous *= 1 - region

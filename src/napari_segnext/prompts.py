"""What the user gives, and the dense map that the models read.

Clicks, scribbles, boxes, polygons and masks, each positive or negative, are
drawn into one map of three channels: (previous mask, positive, negative). This
is the representation of SegNext (Liu et al., CVPR 2024, section 3.2). How boxes
and polygons are drawn is not stated there, so it is a choice per model: see
`PromptStyle`.

Coordinates are (row, column) = (y, x) in image pixels; the centre of the first
pixel is (0, 0). Nothing here imports torch or Qt.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field, replace
from itertools import pairwise
from typing import Any, Literal, TypeAlias

import numpy as np
from numpy.typing import ArrayLike, NDArray
from skimage.draw import line, polygon2mask

from napari_segnext.resample import FloatArray as FloatArray
from napari_segnext.resample import resize

BoolArray = NDArray[np.bool_]
Point: TypeAlias = tuple[float, float]
RegionDrawing: TypeAlias = Literal["previous", "previous-half", "positive", "outline"]


@dataclass(frozen=True, order=True, slots=True)
class Plane:
    """The slice in which prompts are given.

    Attributes
    ----------
    axis
        Spatial axis that the slice is perpendicular to (0 = z for z, y, x).
        0 for a 2-D image.
    index
        Position along that axis, in voxels.
    fixed
        Positions along the axes that are not spatial (time, ...), in order.
    """

    axis: int = 0
    index: int = 0
    fixed: tuple[int, ...] = ()


@dataclass(frozen=True, slots=True)
class PromptStyle:
    """How a model wants prompts drawn; part of its configuration.

    Attributes
    ----------
    radius
        Radius of a click's disk in model pixels; 0 is a single pixel.
    region
        How boxes and polygons are drawn. ``"previous"``: filled into the
        previous-mask channel. ``"previous-half"``: the same with the value 0.5.
        ``"positive"``: filled into the channel of their sign. ``"outline"``:
        their outline in the channel of their sign, as wide as a click's disk.
    """

    radius: int = 5
    region: RegionDrawing = "previous"


@dataclass(frozen=True, slots=True)
class Frame:
    """The part of an image that a model sees, and how it is resized.

    Attributes
    ----------
    top, left, height, width
        Region of the image, in image pixels.
    size
        Side S of the square model input, in model pixels.
    resize
        ``"square"``: stretched to S x S, as the published SegNext models take
        it. ``"pad"``: the aspect ratio is kept, the long side becomes S and the
        rest, below and to the right, is padding.
    """

    top: int
    left: int
    height: int
    width: int
    size: int
    resize: Literal["square", "pad"] = "square"

    @property
    def content(self) -> tuple[int, int]:
        """Height and width of the region in model pixels, without padding."""
        if self.resize == "square":
            return self.size, self.size
        scale = self.size / max(self.height, self.width)
        return (
            max(1, round(self.height * scale)),
            max(1, round(self.width * scale)),
        )

    def to_model(self, points: ArrayLike) -> FloatArray:
        """Map image points to model points.

        Parameters
        ----------
        points
            (N, 2) image coordinates (y, x).

        Returns
        -------
        (N, 2) float32
            Rounding them down gives the model pixel. With ``"square"`` this is
            the reference's rounding (y S / H + 1/2, in single precision), which
            for a tall image can be S itself: outside the grid by one.
        """
        at = np.asarray(points, np.float32).reshape(-1, 2)
        at = at - np.array([self.top, self.left], np.float32)
        rows, columns = self.content
        scale = np.array([rows / self.height, columns / self.width], np.float32)
        if self.resize == "square":
            return at * scale + np.float32(0.5)
        return (at + np.float32(0.5)) * scale

    def crop(self, image: NDArray[np.generic], antialias: bool = False) -> FloatArray:
        """Cut the region from an image-sized array and bring it to model size.

        Parameters
        ----------
        image
            (H, W) or (H, W, C) in image pixels.

        Returns
        -------
        (S, S) or (S, S, C) float32; padding is 0
        """
        cut = image[
            self.top : self.top + self.height, self.left : self.left + self.width
        ]
        inner = resize(cut, self.content, antialias)
        if inner.shape[:2] == (self.size, self.size):
            return inner
        padded = np.zeros((self.size, self.size, *inner.shape[2:]), np.float32)
        padded[: inner.shape[0], : inner.shape[1]] = inner
        return padded

    def restore(self, model_map: FloatArray) -> FloatArray:
        """Bring an (S, S) map back to the region's (height, width)."""
        rows, columns = self.content
        return resize(model_map[:rows, :columns], (self.height, self.width))


@dataclass(frozen=True, slots=True, eq=False)
class Region:
    """A set of image pixels: a boolean crop and where it lies.

    Attributes
    ----------
    offset
        (row, column) of the crop's first pixel in the image.
    pixels
        (h, w) bool.
    """

    offset: tuple[int, int]
    pixels: BoolArray

    @classmethod
    def of(cls, mask: ArrayLike, offset: tuple[int, int] = (0, 0)) -> Region:
        """Crop a (H, W) mask to what is set in it.

        Raises
        ------
        ValueError
            If the mask is not 2-D.
        """
        pixels = np.asarray(mask)
        if pixels.ndim != 2:
            raise ValueError(f"a mask prompt is 2-D, not of shape {pixels.shape}")
        pixels = pixels != 0
        rows, columns = np.nonzero(pixels.any(1))[0], np.nonzero(pixels.any(0))[0]
        if not len(rows):
            return cls(offset, np.zeros((0, 0), bool))
        top, left = int(rows[0]), int(columns[0])
        cut = pixels[top : rows[-1] + 1, left : columns[-1] + 1].copy()
        cut.flags.writeable = False
        return cls((offset[0] + top, offset[1] + left), cut)

    @property
    def corners(self) -> list[Point]:
        """First and last pixel; none for an empty region."""
        height, width = self.pixels.shape
        top, left = self.offset
        if not self.pixels.size:
            return []
        return [(top, left), (top + height - 1, left + width - 1)]

    def paste(self, shape: tuple[int, int]) -> BoolArray:
        """Return the region as an image-sized (H, W) mask, cut at the borders."""
        mask = np.zeros(shape, bool)
        top, left = self.offset
        height, width = self.pixels.shape
        y0, y1 = np.clip([top, top + height], 0, shape[0])
        x0, x1 = np.clip([left, left + width], 0, shape[1])
        if y0 < y1 and x0 < x1:
            mask[y0:y1, x0:x1] = self.pixels[y0 - top : y1 - top, x0 - left : x1 - left]
        return mask

    def __eq__(self, other: object) -> bool:
        return (
            isinstance(other, Region)
            and self.offset == other.offset
            and np.array_equal(self.pixels, other.pixels)
        )

    def __hash__(self) -> int:
        return hash((self.offset, self.pixels.shape, self.pixels.tobytes()))


@dataclass(frozen=True, slots=True)
class Click:
    """A point on the object (positive) or off it (negative)."""

    at: Point
    positive: bool = True


@dataclass(frozen=True, slots=True)
class Scribble:
    """A stroke: a path with a width in image pixels, or painted pixels."""

    path: tuple[Point, ...] = ()
    width: float = 3.0
    painted: Region | None = None
    positive: bool = True


@dataclass(frozen=True, slots=True)
class Box:
    """Two opposite corners, both inside the box."""

    start: Point
    end: Point
    positive: bool = True


@dataclass(frozen=True, slots=True)
class Polygon:
    """The vertices of a closed outline, at least three."""

    vertices: tuple[Point, ...]
    positive: bool = True


@dataclass(frozen=True, slots=True)
class Mask:
    """A mask drawn or computed elsewhere."""

    region: Region
    positive: bool = True


Prompt: TypeAlias = Click | Scribble | Box | Polygon | Mask


@dataclass(frozen=True, slots=True, eq=False)
class ModelPrompts:
    """Prompts in model pixels, in every form that a model may want.

    Attributes
    ----------
    dense
        (3, S, S) float32: previous mask, positive, negative.
    points
        (N, 2) float32 clicks (y, x), in the order given.
    signs
        (N,) bool, True for positive.
    boxes
        (M, 4) float32: y0, x0, y1, x1 of the positive boxes.
    text
        A phrase, or None.
    """

    dense: FloatArray
    points: FloatArray
    signs: BoolArray
    boxes: FloatArray
    text: str | None = None


def _points(values: ArrayLike, least: int, what: str) -> tuple[Point, ...]:
    array = np.asarray(values, float)
    if array.ndim != 2 or array.shape[1] != 2 or len(array) < least:
        raise ValueError(
            f"a {what} needs at least {least} points as (y, x) rows, "
            f"not an array of shape {array.shape}"
        )
    if not np.isfinite(array).all():
        raise ValueError(f"a {what} needs finite coordinates")
    return tuple((float(y), float(x)) for y, x in array)


@dataclass(frozen=True, slots=True)
class Prompts:
    """All prompts for one object in one plane, in the order given. Immutable.

    Examples
    --------
    >>> prompts = Prompts().click(10, 20).box((0, 0), (30, 40), positive=False)
    >>> len(prompts)
    2
    """

    items: tuple[Prompt, ...] = field(default=())

    def __len__(self) -> int:
        return len(self.items)

    def __iter__(self) -> Iterator[Prompt]:
        return iter(self.items)

    def add(self, prompt: Prompt) -> Prompts:
        """Return these prompts and one more."""
        return replace(self, items=(*self.items, prompt))

    def click(self, y: float, x: float, positive: bool = True) -> Prompts:
        """Add a click at (y, x)."""
        ((row, column),) = _points([[y, x]], 1, "click")
        return self.add(Click((row, column), positive))

    def scribble(
        self, stroke: ArrayLike, width: float = 3.0, positive: bool = True
    ) -> Prompts:
        """Add a scribble.

        Parameters
        ----------
        stroke
            Either an (N, 2) path of (y, x), drawn `width` image pixels wide, or
            a boolean (H, W) array of painted pixels.

        Raises
        ------
        ValueError
            If the stroke is neither, or the width is not positive.
        """
        array = np.asarray(stroke)
        if array.dtype == bool:
            return self.add(Scribble(painted=Region.of(array), positive=positive))
        if not width > 0:
            raise ValueError(f"a scribble's width must be positive, not {width}")
        path = _points(array, 1, "scribble")
        return self.add(Scribble(path, float(width), positive=positive))

    def box(self, start: Point, end: Point, positive: bool = True) -> Prompts:
        """Add a box by two opposite corners (y, x)."""
        first, last = _points([start, end], 2, "box")
        return self.add(Box(first, last, positive))

    def polygon(self, vertices: ArrayLike, positive: bool = True) -> Prompts:
        """Add a polygon by its (N, 2) vertices (y, x)."""
        return self.add(Polygon(_points(vertices, 3, "polygon"), positive))

    def mask(self, mask: ArrayLike, positive: bool = True) -> Prompts:
        """Add an image-sized (H, W) mask; nonzero is inside."""
        return self.add(Mask(Region.of(mask), positive))

    def check_inside(self, shape: tuple[int, int]) -> None:
        """Check that all coordinates lie in an image of this (H, W).

        Raises
        ------
        ValueError
            Naming the first point outside, and the shape.
        """
        for prompt in self.items:
            for y, x in extent(prompt):
                if not (-0.5 <= y < shape[0] - 0.5 + 1e-6) or not (
                    -0.5 <= x < shape[1] - 0.5 + 1e-6
                ):
                    kind = type(prompt).__name__.lower()
                    raise ValueError(
                        f"{kind} point ({y:g}, {x:g}) lies outside the image of "
                        f"shape {shape[0]} x {shape[1]}"
                    )

    def to_dense(
        self,
        frame: Frame,
        style: PromptStyle,
        previous: FloatArray | None = None,
        answered: int = 0,
    ) -> FloatArray:
        """Draw all prompts into the dense map.

        Parameters
        ----------
        previous
            (H, W) probability of the last prediction, in image pixels.
        answered
            How many of the prompts, from the first, `previous` already answers.
            Masks, boxes and polygons among them are not drawn over it again: a
            click that corrected a box must not meet the box a second time.

        Returns
        -------
        (3, S, S) float32
            Previous mask, positive, negative. A region in channel 0 is a
            pixelwise maximum when positive and zero when negative.
        """
        dense = np.zeros((3, frame.size, frame.size), np.float32)
        if previous is not None:
            dense[0] = frame.crop(previous)
        for number, prompt in enumerate(self.items):
            channel = 1 if prompt.positive else 2
            match prompt:
                case Click():
                    _draw_disks(dense[channel], frame.to_model([prompt.at]), style)
                case Scribble():
                    _draw_scribble(dense[channel], prompt, frame, style)
                case Box() | Polygon():
                    _draw_region(dense, prompt, frame, style, number < answered)
                case Mask() if number >= answered:
                    _blend(dense[0], _crop_region(prompt.region, frame), prompt, 1.0)
        return dense

    def to_model(
        self,
        frame: Frame,
        style: PromptStyle,
        previous: FloatArray | None = None,
        answered: int = 0,
        text: str | None = None,
    ) -> ModelPrompts:
        """Bring all prompts to model pixels; parameters as in `to_dense`."""
        clicks = [p for p in self.items if isinstance(p, Click)]
        boxes = [p for p in self.items if isinstance(p, Box) and p.positive]
        corners = [np.sort(np.array([b.start, b.end]), 0).ravel() for b in boxes]
        return ModelPrompts(
            dense=self.to_dense(frame, style, previous, answered),
            points=frame.to_model([c.at for c in clicks]),
            signs=np.array([c.positive for c in clicks], bool),
            boxes=frame.to_model(corners).reshape(-1, 4),
            text=text,
        )


def extent(prompt: Prompt) -> Iterable[Point]:
    """Return points (y, x) whose bounding box holds the prompt."""
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
    raise TypeError(f"not a prompt: {prompt!r}")


def _disk(radius: float) -> tuple[NDArray[Any], NDArray[Any]]:
    reach = int(radius)
    rows, columns = np.mgrid[-reach : reach + 1, -reach : reach + 1]
    inside = rows**2 + columns**2 <= radius**2
    return rows[inside], columns[inside]


def _stamp(channel: FloatArray, pixels: NDArray[Any], radius: float) -> None:
    """Set a disk around each (N, 2) integer pixel, cut at the borders."""
    rows, columns = _disk(radius)
    rows = (pixels[:, :1] + rows).ravel()
    columns = (pixels[:, 1:] + columns).ravel()
    inside = (rows >= 0) & (rows < channel.shape[0])
    inside &= (columns >= 0) & (columns < channel.shape[1])
    channel[rows[inside], columns[inside]] = 1


def _draw_disks(channel: FloatArray, points: FloatArray, style: PromptStyle) -> None:
    _stamp(channel, points.astype(int), style.radius)


def _draw_path(channel: FloatArray, points: FloatArray, radius: float) -> None:
    """Set all pixels within `radius` of the polyline through model points."""
    pixels = points.astype(int)
    parts = [pixels]
    for (y0, x0), (y1, x1) in pairwise(pixels):
        parts.append(np.stack(line(y0, x0, y1, x1), 1))
    _stamp(channel, np.unique(np.concatenate(parts), axis=0), radius)


def _draw_scribble(
    channel: FloatArray, scribble: Scribble, frame: Frame, style: PromptStyle
) -> None:
    if scribble.painted is not None:
        painted = _crop_region(scribble.painted, frame)
        np.maximum(channel, painted > 0.25, out=channel)
        # However far the image is shrunk, no painted pixel is lost.
        pixels = np.argwhere(scribble.painted.pixels) + scribble.painted.offset
        _stamp(channel, np.unique(frame.to_model(pixels).astype(int), axis=0), 0)
        return
    scale = min(np.array(frame.content) / (frame.height, frame.width))
    # The papers make a scribble a set of clicks, so it is never thinner than one.
    radius = max(style.radius, scribble.width * scale / 2)
    _draw_path(channel, frame.to_model(scribble.path), radius)


def _crop_region(region: Region, frame: Frame) -> FloatArray:
    """Bring a region to model pixels: (S, S) coverage, 0 to 1."""
    origin = (region.offset[0] - frame.top, region.offset[1] - frame.left)
    local = Region(origin, region.pixels).paste((frame.height, frame.width))
    moved = replace(frame, top=0, left=0)
    return moved.crop(local, antialias=True)


def _draw_region(
    dense: FloatArray,
    prompt: Box | Polygon,
    frame: Frame,
    style: PromptStyle,
    answered: bool,
) -> None:
    outline = frame.to_model(_outline(prompt))
    closed = np.concatenate([outline, outline[:1]])
    channel = dense[1 if prompt.positive else 2]
    if style.region == "outline":
        _draw_path(channel, closed, style.radius)
        return
    # `to_model` gives positions whose floor is the pixel; polygon2mask wants
    # positions on which the pixel centres are the integers.
    filled = polygon2mask(dense.shape[1:], outline - 0.5).astype(np.float32)
    # The outline belongs to the region; a thin one is nothing else.
    _draw_path(filled, closed, 0)
    if style.region == "positive":
        np.maximum(channel, filled, out=channel)
    elif not answered:
        _blend(dense[0], filled, prompt, 0.5 if style.region == "previous-half" else 1)


def _outline(prompt: Box | Polygon) -> list[Point]:
    if isinstance(prompt, Polygon):
        return list(prompt.vertices)
    (y0, x0), (y1, x1) = prompt.start, prompt.end
    return [(y0, x0), (y0, x1), (y1, x1), (y1, x0)]


def _blend(
    previous: FloatArray, region: FloatArray, prompt: Prompt, value: float
) -> None:
    """Draw a region into the previous-mask channel: maximum, or zero."""
    if prompt.positive:
        np.maximum(previous, region * np.float32(value), out=previous)
    else:
        previous *= 1 - region

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

from collections.abc import Iterator
from dataclasses import dataclass, field, replace

import numpy as np
from numpy.typing import ArrayLike

from napari_segnext.geometry.frame import BoolArray, Frame, Point, Region
from napari_segnext.geometry.misuse import expect
from napari_segnext.geometry.regions import Patch
from napari_segnext.geometry.resample import FloatArray
from napari_segnext.prompts.dense import (
    PromptStyle,
    blend,
    coverage,
    draw_disks,
    draw_outlined,
    draw_painted,
    draw_stroke,
)
from napari_segnext.prompts.kinds import (
    Box,
    Click,
    Mask,
    Phrase,
    Polygon,
    Prompt,
    Scribble,
    extent,
)


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

    def __post_init__(self) -> None:
        object.__setattr__(self, "items", tuple(self.items))
        for item in self.items:
            if not isinstance(item, Prompt):
                raise ValueError(f"a prompt is a click, a box, ..., not {item!r}")
        if sum(isinstance(item, Phrase) for item in self.items) > 1:
            raise ValueError("an object has one phrase at most in a plane")

    def __len__(self) -> int:
        return len(self.items)

    def __iter__(self) -> Iterator[Prompt]:
        return iter(self.items)

    def add(self, prompt: Prompt) -> Prompts:
        """Return these prompts and one more."""
        return replace(self, items=(*self.items, prompt))

    def click(self, y: float, x: float, positive: bool = True) -> Prompts:
        """Add a click at (y, x)."""
        return self.add(Click((y, x), positive))

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
            painted, shape = Region.of(array), array.shape
            made = Scribble((), width, painted, positive, (shape[0], shape[1]))
        else:
            made = Scribble(stroke, width, positive=positive)  # type: ignore[arg-type]
        return self.add(made)

    def box(self, start: Point, end: Point, positive: bool = True) -> Prompts:
        """Add a box by two opposite corners (y, x)."""
        return self.add(Box(start, end, positive))

    def polygon(self, vertices: ArrayLike, positive: bool = True) -> Prompts:
        """Add a polygon by its (N, 2) vertices (y, x)."""
        return self.add(Polygon(vertices, positive))  # type: ignore[arg-type]

    def mask(self, mask: ArrayLike, positive: bool = True) -> Prompts:
        """Add an image-sized (H, W) mask; nonzero is inside."""
        region, (height, width) = Region.of(mask), np.shape(mask)
        return self.add(Mask(region, positive, (height, width)))

    def text(self, phrase: str) -> Prompts:
        """Say in words what the object is.

        There is one phrase at most: it takes the place of an earlier one, and one
        without words takes that away.
        """
        words = " ".join(expect(phrase, str, "a phrase is a text").split())
        new = (Phrase(words),) if words else ()
        known = [n for n, item in enumerate(self.items) if isinstance(item, Phrase)]
        at = known[0] if known else len(self.items)
        return replace(self, items=(*self.items[:at], *new, *self.items[at + 1 :]))

    @property
    def phrase(self) -> str | None:
        """What `text` was given last, or None."""
        said = (item.text for item in self.items if isinstance(item, Phrase))
        return next(said, None)

    def check_inside(self, shape: tuple[int, int]) -> None:
        """Check that all prompts fit an image of this (H, W).

        Raises
        ------
        ValueError
            Naming the first point outside and the shape, or a mask or painted
            scribble of another shape.
        """
        for prompt in self.items:
            drawn_on = prompt.shape if isinstance(prompt, Mask | Scribble) else None
            if drawn_on is not None and drawn_on != tuple(shape):
                raise ValueError(
                    f"a {type(prompt).__name__.lower()} of shape {drawn_on[0]} x "
                    f"{drawn_on[1]} does not fit the image of shape {shape[0]} x "
                    f"{shape[1]}: give one of the image's shape"
                )
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
        previous: FloatArray | Patch | None = None,
        answered: int = 0,
    ) -> FloatArray:
        """Draw all prompts into the dense map.

        Parameters
        ----------
        previous
            Probability of the last prediction in image pixels, (H, W) or a part.
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
        if isinstance(previous, Patch):
            dense[0] = frame.crop_part(previous.values, previous.offset)
        elif previous is not None:
            dense[0] = frame.crop(previous)
        for number, prompt in enumerate(self.items):
            channel = 1 if prompt.positive else 2
            match prompt:
                case Click(at, _):
                    pixel = np.floor(frame.to_model([at])).astype(int)
                    draw_disks(dense[channel], pixel, style.radius)
                case Scribble(painted=Region() as painted):
                    draw_painted(dense[channel], painted, frame)
                case Scribble(path, width):
                    draw_stroke(dense[channel], path, width, frame, style)
                case Box() | Polygon():
                    draw_outlined(
                        dense,
                        frame.to_model(prompt.outline),
                        prompt.positive,
                        style,
                        is_box=isinstance(prompt, Box),
                        answered=number < answered,
                    )
                case Mask(region) if number >= answered:
                    blend(dense[0], coverage(region, frame), prompt.positive)
        return dense

    def to_model(
        self,
        frame: Frame,
        style: PromptStyle,
        previous: FloatArray | Patch | None = None,
        answered: int = 0,
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
            text=self.phrase,
        )

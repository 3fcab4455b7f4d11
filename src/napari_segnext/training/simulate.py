"""What a simulated user gives during training, in model pixels.

The first prompts are clicks, a box, a scribble or a polygon; then come clicks, nearly
all into the largest error, as in the iterative training of RITM and SegNext.
"""

from __future__ import annotations

from typing import Literal

import cv2
import numpy as np

from napari_segnext.evaluation.simulate import FirstPrompt, first_prompt
from napari_segnext.geometry.frame import BoolArray, Frame
from napari_segnext.geometry.resample import FloatArray
from napari_segnext.prompts import Prompts

# Share of each kind of first prompt; several clicks are of both signs.
FIRST_PROMPTS: dict[FirstPrompt | Literal["clicks"], float] = {
    "click": 0.55,
    "clicks": 0.15,
    "box": 0.12,
    "scribble": 0.1,
    "polygon": 0.08,
}
MAX_FIRST_CLICKS = 24
# Chance that one more initial click follows, as in the papers' recipe.
_MORE_CLICKS = 0.8
# Chance that a click is where the evaluation's robot would put it; people do not.
_EXACT_CLICK = 0.4
# Chance that a click corrects nothing, and that such a click is positive. People click
# again into what is found already, to be sure; the mask must not change for that.
_NEEDLESS, _NEEDLESS_POSITIVE = 0.15, 0.7


def depth(mask: BoolArray) -> FloatArray:
    """Distance of each pixel to the outside of a mask; the frame is outside."""
    padded = np.pad(mask, 1).astype(np.uint8)
    distance = cv2.distanceTransform(padded, cv2.DIST_L2, cv2.DIST_MASK_PRECISE)
    return np.asarray(distance[1:-1, 1:-1], np.float32)


def point_inside(
    mask: BoolArray, rng: np.random.Generator, distance: FloatArray | None = None
) -> tuple[int, int]:
    """Choose a pixel of a mask that is not empty, deep inside or anywhere.

    Parameters
    ----------
    distance
        What `depth` returned for the mask, if known.
    """
    distance = depth(mask) if distance is None else distance
    if rng.random() < _EXACT_CLICK:
        y, x = np.unravel_index(distance.argmax(), distance.shape)
        return int(y), int(x)
    least = distance.max() * rng.choice([0.0, 0.3, 0.6])
    candidates = np.flatnonzero((distance > least) & mask)
    if not len(candidates):
        candidates = np.flatnonzero(mask)
    y, x = np.unravel_index(rng.choice(candidates), mask.shape)
    return int(y), int(x)


def first_prompts(mask: BoolArray, rng: np.random.Generator) -> Prompts:
    """Simulate what a user gives first for an object (S, S) that is not empty."""
    drawn = rng.choice(len(FIRST_PROMPTS), p=list(FIRST_PROMPTS.values()))
    kind = list(FIRST_PROMPTS)[drawn]
    if kind != "click" and kind != "clicks":
        return first_prompt(kind, mask, rng)
    prompts = Prompts().click(*point_inside(mask, rng))
    if kind == "clicks":
        around = ~mask & (depth(~mask) < 0.3 * mask.shape[0])
        for region, positive in ((mask, True), (around, False)):
            more = min(rng.geometric(1 - _MORE_CLICKS) - 1, MAX_FIRST_CLICKS - 1)
            distance = depth(region)
            for _ in range(more if region.any() else 0):
                prompts = prompts.click(*point_inside(region, rng, distance), positive)
    return prompts


def next_click(
    prediction: BoolArray, mask: BoolArray, rng: np.random.Generator
) -> tuple[int, int, bool] | None:
    """Simulate the next click: (y, x, positive), or None if all is right.

    It corrects the largest error, or now and then says what is right already.
    """
    if rng.random() < _NEEDLESS:
        positive = bool(rng.random() < _NEEDLESS_POSITIVE)
        right = prediction & mask if positive else ~(prediction | mask)
        if right.any():
            return (*point_inside(right, rng), positive)
    return correction(prediction, mask, rng)


def correction(
    prediction: BoolArray, mask: BoolArray, rng: np.random.Generator
) -> tuple[int, int, bool] | None:
    """Simulate a corrective click: (y, x, positive), or None if all is right."""
    missing, wrong = depth(mask & ~prediction), depth(prediction & ~mask)
    positive = bool(missing.max() > wrong.max())
    distance = missing if positive else wrong
    if distance.max() == 0:
        return None
    return (*point_inside(distance > 0, rng, distance), positive)


def identity_frame(size: int) -> Frame:
    """Return the frame in which image pixels are model pixels."""
    return Frame(0, 0, size, size, size)

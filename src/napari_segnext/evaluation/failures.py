"""A picture of the objects that an evaluation did worst on, to learn from."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import ceil
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFont
from skimage.segmentation import find_boundaries

from napari_segnext.evaluation.evaluate import InteractivePredictor, crop_around
from napari_segnext.evaluation.results import ObjectResult, Settings
from napari_segnext.evaluation.sample import Sample, object_truth
from napari_segnext.geometry.frame import BoolArray
from napari_segnext.geometry.resample import FloatArray
from napari_segnext.images.intensity import robust_window
from napari_segnext.prompts import Prompts

# Prompts after which an object is judged and drawn.
AFTER = 5
COUNT = 8
_COLUMNS, _SIDE, _GAP, _CAPTION = 4, 200, 6, 18
# What is shown around object and mask, as a share of their longer side.
_MARGIN = 0.25
_TRUTH, _MASK = (255, 221, 51), (64, 160, 255)
_GROUND = (24, 24, 28)
_POSITIVE, _NEGATIVE = (53, 208, 127), (229, 56, 59)

Clicks = Sequence[tuple[int, int, int]]


@dataclass(frozen=True, slots=True, eq=False)
class Failure:
    """An object, and what was made of it.

    Attributes
    ----------
    image
        (H, W, 3) float32 in 0..1.
    truth, mask
        (H, W).
    clicks
        Rows (positive, y, x).
    """

    caption: str
    image: FloatArray
    truth: BoolArray
    mask: BoolArray
    clicks: Clicks


def worst(results: Sequence[ObjectResult], count: int = COUNT) -> list[ObjectResult]:
    """Return the objects with the least IoU after `AFTER` prompts, the worst first."""
    return sorted(results, key=lambda r: r.ious[:AFTER][-1])[:count]


def replay(
    predictor: InteractivePredictor,
    samples: Sequence[Sample],
    result: ObjectResult,
    settings: Settings,
) -> Failure:
    """Give a predictor the clicks of an evaluated object again.

    Parameters
    ----------
    settings
        Of the evaluation, whose first prompts were clicks.
    """
    sample = next(s for s in samples if s.name == result.sample)
    image, truth = sample.image(), object_truth(sample.labels(), result.object_id)
    if settings.crop is not None:
        window = crop_around(truth, settings.crop)
        image, truth = image[window], truth[window]
    predictor.set_image(image)
    prompts, answer = Prompts(), None
    clicks = result.clicks[:AFTER]
    for positive, y, x in clicks:
        prompts = prompts.click(y, x, bool(positive))
        answer = predictor.predict(prompts, previous=answer)
    assert answer is not None
    mask = answer.probability > settings.threshold
    caption = f"{result.ious[:AFTER][-1]:.2f}  {result.object_id}  {result.sample}"
    pixels = robust_window(image, "percentile").apply(image)
    return Failure(caption, pixels, truth == 1, mask, clicks)


def draw(failures: Sequence[Failure]) -> Image.Image:
    """Draw objects side by side: yellow the truth, blue the mask, dots the clicks."""
    rows, columns = ceil(len(failures) / _COLUMNS), min(_COLUMNS, len(failures))
    across, down = _SIDE + _GAP, _CAPTION + _SIDE + _GAP
    size = (columns * across + _GAP, rows * down + _GAP)
    picture = Image.new("RGB", size, _GROUND)
    for number, failure in enumerate(failures):
        row, column = divmod(number, _COLUMNS)
        at = (_GAP + column * across, _GAP + row * down)
        # A caption that is too long is cut where its object ends.
        strip = Image.new("RGB", (_SIDE, _CAPTION), _GROUND)
        font = ImageFont.load_default(12)
        ImageDraw.Draw(strip).text((0, 0), failure.caption, (240, 240, 240), font)
        picture.paste(strip, at)
        picture.paste(_panel(failure), (at[0], at[1] + _CAPTION))
    return picture


def _panel(failure: Failure) -> Image.Image:
    """Draw one object in a square of `_SIDE` pixels."""
    top, left, side = _square(failure.truth | failure.mask)
    box = (left, top, left + side, top + side)

    def enlarged(pixels: NDArray[np.uint8], how: Image.Resampling) -> Image.Image:
        # Beyond the image's border it is black.
        return Image.fromarray(pixels).crop(box).resize((_SIDE, _SIDE), how)

    image = (255 * failure.image).round().astype(np.uint8)
    panel = np.array(enlarged(image, Image.Resampling.BICUBIC))
    for region, colour in ((failure.mask, _MASK), (failure.truth, _TRUTH)):
        shape = enlarged(region.astype(np.uint8), Image.Resampling.NEAREST)
        panel[find_boundaries(np.asarray(shape), mode="inner")] = colour
    made = Image.fromarray(panel)
    pen, scale = ImageDraw.Draw(made), _SIDE / side
    for positive, y, x in failure.clicks:
        at = np.array([x - left + 0.5, y - top + 0.5]) * scale
        colour = _POSITIVE if positive else _NEGATIVE
        pen.ellipse((*(at - 4), *(at + 4)), colour, (255, 255, 255))
    return made


def _square(region: BoolArray) -> tuple[int, int, int]:
    """Return top, left and side of a square around a region."""
    rows, columns = np.nonzero(region)
    longest = max(np.ptp(rows), np.ptp(columns)) + 1
    side = ceil((1 + 2 * _MARGIN) * longest)
    top, left = (int(at.min() + at.max() + 1 - side) // 2 for at in (rows, columns))
    return top, left, side


def save(
    predictor: InteractivePredictor,
    samples: Sequence[Sample],
    results: Sequence[ObjectResult],
    settings: Settings,
    path: Path,
) -> None:
    """Draw the worst objects of an evaluation into a PNG.

    Raises
    ------
    OSError
        If it cannot be written.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    shown = [replay(predictor, samples, each, settings) for each in worst(results)]
    draw(shown).save(path, format="PNG")

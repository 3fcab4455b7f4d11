"""The evaluation loop: every object, every click, no early stop."""

from __future__ import annotations

import time
import zlib
from collections.abc import Callable, Collection, Iterable, Iterator
from dataclasses import dataclass, field
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from napari_segnext.evaluation.clicker import ClickRobot
from napari_segnext.evaluation.metrics import iou
from napari_segnext.evaluation.results import ObjectResult, Settings
from napari_segnext.evaluation.sample import Sample, object_truth
from napari_segnext.evaluation.simulate import first_prompt, shaky
from napari_segnext.geometry.resample import FloatArray
from napari_segnext.prompts import Click, Prompts

# Side in pixels of the smallest crop around an object.
_LEAST_CROP = 32

Array = NDArray[Any]
Selection = Iterable[tuple[Sample, tuple[int, ...]]]


class Answer(Protocol):
    """What a predictor gives; see `napari_segnext.predicting.prediction.Prediction`."""

    @property
    def probability(self) -> FloatArray:
        """(H, W) float32."""

    @property
    def embed_ms(self) -> float:
        """Milliseconds of embedding."""


class InteractivePredictor(Protocol):
    """What can be evaluated: a `napari_segnext.Predictor`, or a baseline."""

    def set_image(self, image: Array) -> None:
        """Choose the image."""

    def predict(self, prompts: Prompts, previous: Any = None) -> Answer:
        """Segment with all prompts so far, refining the previous answer."""


@dataclass(slots=True)
class Course:
    """What happened to one object, as in `ObjectResult`."""

    ious: list[float] = field(default_factory=list)
    clicks: list[tuple[int, int, int]] = field(default_factory=list)
    click_ms: float = 0.0
    embed_ms: float = 0.0


def evaluate_object(
    predictor: InteractivePredictor,
    truth: Array,
    settings: Settings | None = None,
    rng: np.random.Generator | None = None,
) -> tuple[list[float], list[tuple[int, int, int]]]:
    """Segment one object of the predictor's image with simulated clicks.

    Parameters
    ----------
    predictor
        After `set_image`.
    truth
        (H, W): 1 is the object, -1 is ignored.
    rng
        For prompts that are drawn at random.

    Returns
    -------
    ious
        One for each of the `max_clicks` prompts.
    clicks
        Rows (positive, y, x); a first prompt that is not a click has none.
    """
    settings = settings or Settings()
    rng = rng or np.random.default_rng(settings.seed)
    course = run_course(predictor, truth, settings, rng)
    return course.ious, course.clicks


def run_course(
    predictor: InteractivePredictor,
    truth: Array,
    settings: Settings,
    rng: np.random.Generator,
    given: Prompts | None = None,
) -> Course:
    """Segment one object of the predictor's image, prompt by prompt.

    Parameters
    ----------
    predictor, truth, rng
        As for `evaluate_object`.
    given
        Prompts that come first, in their order, before any is simulated.
    """
    robot, course = ClickRobot(truth), Course()
    mask = np.zeros(truth.shape, bool)
    prompts, previous = Prompts(), None
    own = () if given is None else given.items
    for number in range(settings.max_clicks):
        if number < len(own):
            prompts = Prompts(own[: number + 1])
            match own[number]:
                case Click((row, column), positive):
                    robot.remember(int(row), int(column))
                    course.clicks.append((int(positive), int(row), int(column)))
        elif number == 0 and settings.first_prompt != "click":
            prompts = first_prompt(settings.first_prompt, truth == 1, rng)
        else:
            click = robot.next_click(mask)
            y, x = shaky(click, robot.wrong(mask, click.positive), settings.jitter, rng)
            robot.remember(y, x)
            course.clicks.append((int(click.positive), y, x))
            prompts = prompts.click(y, x, click.positive)
        started = time.perf_counter()
        previous = predictor.predict(prompts, previous=previous)
        mask = previous.probability > settings.threshold
        elapsed = 1e3 * (time.perf_counter() - started)
        course.click_ms += max(0.0, elapsed - previous.embed_ms)
        course.embed_ms += previous.embed_ms
        course.ious.append(iou(truth, mask))
    return course


def evaluate(
    predictor: InteractivePredictor,
    selection: Selection,
    settings: Settings | None = None,
    *,
    done: Collection[tuple[str, int]] = (),
    embeddings: Callable[[], int] = lambda: 0,
) -> Iterator[ObjectResult]:
    """Evaluate objects one after the other.

    An image is set once for all its objects, so that they share what the
    predictor keeps of it; with `Settings.crop` each object has its own.

    Parameters
    ----------
    selection
        From `napari_segnext.evaluation.select_objects`.
    done
        (sample name, object id) of objects to leave out.
    embeddings
        How many embeddings the predictor has computed so far.

    Yields
    ------
    Each object's result as soon as it is known.
    """
    settings = settings or Settings()
    started = time.perf_counter()
    for sample, objects in selection:
        objects = tuple(o for o in objects if (sample.name, o) not in done)
        if not objects:
            continue
        image, labels = sample.image(), sample.labels()
        if settings.crop is None:
            predictor.set_image(image)
        for object_id in objects:
            truth = object_truth(labels, object_id)
            if settings.crop is not None:
                window = crop_around(truth, settings.crop)
                predictor.set_image(image[window])
                truth = truth[window]
            before = embeddings()
            rng = _generator(settings.seed, sample.name, object_id)
            course = run_course(predictor, truth, settings, rng)
            now = time.perf_counter()
            yield ObjectResult(
                sample=sample.name,
                object_id=object_id,
                area=int((truth == 1).sum()),
                ious=tuple(course.ious),
                clicks=tuple(course.clicks),
                click_ms=course.click_ms,
                embed_ms=course.embed_ms,
                embeddings=embeddings() - before,
                seconds=now - started,
            )
            started = now


def crop_around(truth: Array, factor: float) -> tuple[slice, slice]:
    """Return the square window around an object, as slices of the image.

    Its side is `factor` times the object's longer side, at least 32 pixels; it is
    cut at the image's borders.
    """
    rows, columns = np.nonzero(truth == 1)
    if not len(rows):
        return slice(None), slice(None)
    longest = max(np.ptp(rows), np.ptp(columns)) + 1
    side = max(_LEAST_CROP, round(factor * float(longest)))
    window = []
    for used, length in zip((rows, columns), truth.shape, strict=True):
        first = int((used.min() + used.max() + 1 - side) // 2)
        window.append(slice(max(0, first), min(length, first + side)))
    return window[0], window[1]


def _generator(seed: int, sample: str, object_id: int) -> np.random.Generator:
    """Return the object's own generator, the same in whatever order it comes."""
    return np.random.default_rng([seed, zlib.crc32(sample.encode()), object_id])


def segment_anything_seconds(
    predictor: InteractivePredictor, image: Array, size: int, grid: int = 16
) -> float:
    """Time the papers' segment-anything task on one image.

    One embedding, then one positive click for each of grid x grid positions, at
    ``patch // 2 + patch * i`` of the model's input (patch = size // grid).

    Parameters
    ----------
    predictor
        One that has not seen the image.
    size
        Side of the model's input in pixels.
    """
    height, width = image.shape[:2]
    patch = size // grid
    at = (patch // 2 + patch * np.arange(grid)) / size
    started = time.perf_counter()
    predictor.set_image(image)
    for y in at * height:
        for x in at * width:
            predictor.predict(Prompts().click(float(y), float(x)))
    return time.perf_counter() - started

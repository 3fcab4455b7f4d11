"""A model measured on users' own work: prompts of journals, and what came of them.

Each object that was accepted is segmented anew in each plane in which it was prompted:
first with the prompts that the user gave, in that order, then with clicks of the robot.
What was accepted counts as the truth.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from napari_segnext.evaluation.evaluate import run_course
from napari_segnext.evaluation.results import ObjectResult, Settings
from napari_segnext.files.checks import about
from napari_segnext.images.opened import opened
from napari_segnext.images.volume import Volume
from napari_segnext.journal import read_journal
from napari_segnext.journal.paths import image_of
from napari_segnext.labels.chunked import blank_labels
from napari_segnext.predicting.volume_predictor import VolumePredictor
from napari_segnext.session.accepted import Accepted, accepted


@dataclass(frozen=True, slots=True, eq=False)
class Work:
    """What a user has accepted in an image.

    Attributes
    ----------
    name
        Of the image.
    volume
        The image.
    accepted
        At least one.
    """

    name: str
    volume: Volume
    accepted: tuple[Accepted, ...]


def read_work(journal: Path, image: Path | None = None) -> Work:
    """Read a journal and the image that it is about.

    Parameters
    ----------
    image
        Its file; by default the one beside the journal that it is named after.

    Raises
    ------
    ValueError
        If the journal is none, is about another image, or nothing in it is accepted.
    OSError
        If one of the two cannot be read.
    """
    with about(journal):
        saved = read_journal(journal)
    image = image or image_of(journal)
    if image is None:
        raise FileNotFoundError(
            f"{journal} does not lie beside its image: name that with --image"
        )
    with about(image):
        volume, file = opened(image)
    assert file is not None
    shape = file.geometry.shape
    if saved.shape != shape:
        raise ValueError(
            f"{journal} is about an image of shape {saved.shape}, not {shape}, as "
            f"{image} is"
        )
    with about(journal):
        most = max(saved.ledger.objects, default=0)
        found = accepted(saved.resume(blank_labels(saved.shape, most)))
    if not found:
        raise ValueError(
            f"{journal} has no object that was segmented with prompts and accepted: "
            "accept some with G first"
        )
    return Work(image.name, volume, tuple(found))


def replay(
    works: Sequence[Work],
    predictor_of: Callable[[Volume], VolumePredictor],
    settings: Settings,
) -> Iterator[ObjectResult]:
    """Give a model the prompts of users.

    Parameters
    ----------
    predictor_of
        Sets the model to work on an image.
    settings
        Of these the number of prompts and the threshold count.

    Yields
    ------
    What came of each object in a plane
    """
    rng = np.random.default_rng(settings.seed)
    for work in works:
        predictor = predictor_of(work.volume)
        for each in work.accepted:
            began, at = time.perf_counter(), predictor.at(each.plane)
            truth = each.mask.paste(at.shape).astype(np.int8)
            course = run_course(at, truth, settings, rng, each.prompts)
            yield ObjectResult(
                sample=f"{work.name} {_place(each)}",
                object_id=each.object_id,
                area=int(truth.sum()),
                ious=tuple(course.ious),
                clicks=tuple(course.clicks),
                click_ms=course.click_ms,
                embed_ms=course.embed_ms,
                embeddings=int(course.embed_ms > 0),
                seconds=time.perf_counter() - began,
                given=min(len(each.prompts), settings.max_clicks),
            )


def _place(each: Accepted) -> str:
    plane = each.plane
    return " ".join(map(str, (plane.axis, plane.index, *plane.fixed)))

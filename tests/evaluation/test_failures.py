"""The objects that went worst, drawn as they went."""

from __future__ import annotations

import io
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from rich.console import Console

from napari_segnext.evaluation import (
    Files,
    ObjectResult,
    Sample,
    Settings,
    evaluate,
    run,
    select_objects,
)
from napari_segnext.evaluation.baselines import FloodFill
from napari_segnext.evaluation.failures import Failure, draw, replay, worst

TRUTH, MASK = (255, 221, 51), (64, 160, 255)


def result(number: int, *ious: float) -> ObjectResult:
    return ObjectResult("a", number, 9, ious, (), 1.0, 0.0, 0, 0.1)


def colours(picture: Image.Image) -> set[tuple[int, ...]]:
    return set(map(tuple, np.asarray(picture).reshape(-1, 3)))


def sample() -> Sample:
    """An image in which two objects touch, so that flood fill takes both."""
    labels = np.zeros((40, 70), np.int32)
    labels[5:25, 5:25], labels[5:25, 25:50], labels[30:38, 52:66] = 1, 2, 3
    image = np.where(labels == 3, 120, 200 * (labels > 0)).astype(np.uint8)
    return Sample("a", lambda: image, lambda: labels, (1, 2, 3))


def test_the_worst_are_those_after_the_fifth_prompt() -> None:
    results = [
        result(1, 0.1, 0.2, 0.3, 0.4, 0.9, 0.0),
        result(2, 0.9, 0.9, 0.9, 0.9, 0.3, 0.9),
        result(3, 0.5, 0.6),
    ]
    assert [r.object_id for r in worst(results, 2)] == [2, 3]


@pytest.mark.parametrize("crop", [None, 1.5])
def test_an_object_is_drawn_as_it_was_evaluated(crop: float | None) -> None:
    settings = Settings(3, crop=crop)
    found = list(evaluate(FloodFill(), select_objects([sample()]), settings))
    (bad,) = worst(found, 1)
    shown = replay(FloodFill(), [sample()], bad, settings)
    overlap = (shown.mask & shown.truth).sum() / (shown.mask | shown.truth).sum()
    assert overlap == pytest.approx(bad.ious[-1])
    assert shown.truth.sum() == bad.area
    assert shown.image.shape == (*shown.mask.shape, 3)


def test_truth_mask_and_clicks_are_seen_also_at_the_border() -> None:
    truth, mask = np.zeros((2, 30, 30), bool)
    truth[:10, :10], mask[5:18, 2:30] = True, True
    image = np.full((30, 30, 3), 0.5, np.float32)
    clicks = ((1, 3, 3), (0, 12, 12))
    picture = draw(5 * [Failure("0.20  a 1", image, truth, mask, clicks)])
    seen = colours(picture)
    assert {TRUTH, MASK, (53, 208, 127), (229, 56, 59)} <= seen
    assert picture.height > 400  # two rows


def test_the_command_writes_the_picture(tmp_path: Path) -> None:
    labels, path = sample().labels(), tmp_path / "made" / "worst.png"
    archive = tmp_path / "pairs.npz"
    np.savez(archive, image_0000=sample().image(), mask_0000=labels)
    quiet, files = Console(file=io.StringIO()), Files(failures=path)
    run("flood-fill", "pairs", archive, Settings(2), files, console=quiet)
    with Image.open(path) as picture:
        assert TRUTH in colours(picture)
    with pytest.raises(ValueError, match="start with a click"):
        run("flood-fill", "pairs", archive, Settings(first_prompt="box"), files)

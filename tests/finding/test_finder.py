from __future__ import annotations

import numpy as np
import pytest

from napari_segnext.finding import Example, Finder, learn, learning
from napari_segnext.finding.maps import pieces
from napari_segnext.geometry.plane import Plane
from napari_segnext.geometry.regions import Extent
from napari_segnext.models import Cancelled
from napari_segnext.predicting.volume_predictor import VolumePredictor


def test_all_objects_of_another_plane_are_found(
    finder: Finder, pages: np.ndarray
) -> None:
    proposals = finder.find(Plane(0, 1), least=0)
    ids = set()
    for each in proposals[:16]:
        mask = each.region.paste(pages[1].shape)
        values, counts = np.unique(pages[1][mask], return_counts=True)
        number = values[counts.argmax()]
        truth = pages[1] == number
        assert number and (mask & truth).sum() > 0.8 * (mask | truth).sum()
        assert truth[int(each.click[0]), int(each.click[1])]
        ids.add(number)
    assert len(ids) == 16
    scores = [each.score for each in proposals]
    assert scores == sorted(scores, reverse=True)


def test_what_is_there_is_not_proposed_again(finder: Finder, pages: np.ndarray) -> None:
    there = pages[1] * (pages[1] <= 10)

    def taken(extent: Extent) -> np.ndarray:
        return there[extent.slices] > 0

    proposals = finder.find(Plane(0, 1), taken, least=0)
    masks = [each.region.paste(there.shape) for each in proposals]
    assert not (np.sum(masks, axis=0) > 1).any()
    assert not (np.any(masks, axis=0) & (there > 0)).any()
    found = {n for m in masks for n in np.unique(pages[1][m]).tolist() if n}
    assert set(range(11, 17)) <= found


def test_a_part_is_found_once_however_a_plane_is_cut(
    finder: Finder, predictor: VolumePredictor, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = finder.find(Plane(0, 2), least=0)
    monkeypatch.setattr("napari_segnext.finding.maps._PIECE", 48)
    assert len(pieces(predictor.at(Plane(0, 2)), 1)) > 1
    parts = finder.find(Plane(0, 2), least=0)
    assert len(parts) == len(whole)


def test_cancelling_ends_learning_and_finding(
    finder: Finder, predictor: VolumePredictor, pages: np.ndarray
) -> None:
    example = Example.of_labels(Plane(0, 0), pages[0])
    with pytest.raises(Cancelled):
        learn(predictor, [example], cancelled=lambda: True)
    with pytest.raises(Cancelled):
        finder.find(Plane(0, 1), cancelled=lambda: True)


def test_learning_tells_how_far_it_is_and_is_the_same_each_time(
    predictor: VolumePredictor, pages: np.ndarray
) -> None:
    example = Example.of_labels(Plane(0, 0), pages[0], complete=True)
    shares = list(learning(predictor, [example], steps=4))
    assert shares == sorted(shares) and shares[-1] == 1
    one, other = (learn(predictor, [example], steps=4) for _ in range(2))
    scores = [
        [each.score for each in finder.find(Plane(0, 1), least=0)]
        for finder in (one, other)
    ]
    assert scores[0] == scores[1]


def test_there_is_nothing_to_learn_from_no_object(predictor: VolumePredictor) -> None:
    with pytest.raises(ValueError, match="accept one first"):
        learn(predictor, [Example(Plane(0, 0))])

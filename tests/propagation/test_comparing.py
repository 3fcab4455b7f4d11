"""Masks that are not the object's are doubted; it is said what is odd about them."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from napari_segnext.geometry.plane import Plane
from napari_segnext.images.volume import Volume
from napari_segnext.predicting.volume_predictor import VolumePredictor
from napari_segnext.prompts import Prompts
from napari_segnext.propagation import comparing, survey
from napari_segnext.propagation.comparing import Comparison
from napari_segnext.propagation.survey import Survey
from napari_segnext.session import ArrayLabels, Session
from napari_segnext.session.doubt import LEAST_DOUBT, Doubt
from tests.doubles import WHOLE, IntensityFollower

SHAPE = (8, 64, 56)
ALONG = Plane(0, 0)


@pytest.fixture
def model(monkeypatch: pytest.MonkeyPatch) -> IntensityFollower:
    model = IntensityFollower(replace(WHOLE, resize="pad"))
    monkeypatch.setattr(comparing, "load_follower", lambda device: model)
    return model


@pytest.fixture
def truth() -> np.ndarray:
    """Return two bars that are as bright, far apart."""
    truth = np.zeros(SHAPE, np.uint16)
    truth[2:6, 8:20, 10:26], truth[1:8, 38:56, 30:50] = 1, 2
    return truth


def doubts(model, truth, labels, like=ALONG) -> dict[tuple[int, int], Doubt]:
    image = np.where(truth > 0, 200, 40).astype(np.uint8)
    session = Session(ArrayLabels(labels))
    comparison = Comparison(VolumePredictor(model, Volume(image)))
    return {
        (shown.object_id, shown.plane.index): doubt
        for piece in Survey(session, like).pieces()
        for shown, doubt in comparison.doubts(piece)
    }


def listed(found: dict) -> set:
    return {key for key, doubt in found.items() if doubt.degree >= LEAST_DOUBT}


@pytest.mark.parametrize("axis", [0, 1, 2])
def test_masks_that_are_right_are_not_doubted(model, truth, axis) -> None:
    found = doubts(model, truth, truth, Plane(axis, 0))
    bounds = [
        np.flatnonzero((truth == n).any(tuple({0, 1, 2} - {axis}))) for n in (1, 2)
    ]
    ends = {
        (n, i)
        for n, at in zip((1, 2), bounds, strict=True)
        for i in (at[0] - 1, at[-1] + 1)
        if 0 <= i < SHAPE[axis]
    }
    assert found.keys() == ends | {
        (n, i) for n, at in zip((1, 2), bounds, strict=True) for i in at.tolist()
    }
    assert not listed(found)
    assert all((found[key].parts == 0) == (key in ends) for key in found)


def test_each_damaged_mask_is_doubted(model, truth) -> None:
    labels = truth.copy()
    labels[3][labels[3] == 1] = 0
    labels[3, 12:16, 14:22] = 1
    labels[4][labels[4] == 2] = 0
    labels[4, 32:50, 24:44] = 2
    labels[6][labels[6] == 2] = 0
    labels[7][labels[7] == 2] = 0
    found = doubts(model, truth, labels)
    assert listed(found) == {(1, 3), (2, 4), (2, 6)}
    assert found[2, 6].parts == 0


def test_a_slice_that_is_missing_between_others_comes_first(model, truth) -> None:
    labels = truth.copy()
    labels[4][labels[4] == 2] = 0
    found = doubts(model, truth, labels)
    first = max(found, key=lambda key: found[key].degree)
    assert first == (2, 4)
    assert found[first].parts == 0
    assert not any(doubt.parts > 1 for doubt in found.values())


def test_touching_objects_with_the_same_answer_are_told(model, truth) -> None:
    labels = truth.copy()
    labels[:, :, 40:][labels[:, :, 40:] == 2] = 5
    found = doubts(model, truth, labels)
    assert {key for key, doubt in found.items() if doubt.like} == listed(found)
    assert found[2, 3].like == 5
    assert found[5, 3].like == 2


def test_an_object_of_two_bodies_is_told_once_for_each_way_it_can_be(model, truth):
    labels = np.minimum(truth, 1)
    found = doubts(model, truth, labels)
    twice = {key: d.parts for key, d in found.items() if d.parts > 1}
    assert set(twice.values()) == {2}
    assert len(twice) == 1
    labels = truth.copy()
    labels[3][truth[3] == 2] = 1
    found = doubts(model, truth, labels)
    assert found[1, 3].parts == 2
    assert listed(found) >= {(1, 3), (2, 3)}


def test_what_is_decided_compared_or_finished_is_passed_over(model, truth) -> None:
    session = Session(ArrayLabels(truth))
    session.accept(1)
    session.set_prompts(Plane(0, 4), Prompts().click(45, 40), 2)
    session.doubt({(2, Plane(0, 5)): Doubt(0.1)})
    shown = [s.key for piece in Survey(session, Plane(0, 0)).pieces() for s in piece]
    assert shown == [(2, Plane(0, i)) for i in (0, 1, 2, 3, 6, 7)]


def test_a_survey_goes_on_while_the_session_changes(truth) -> None:
    session = Session(ArrayLabels(truth))
    looked = Survey(session, Plane(0, 0))
    pieces = looked.pieces()
    first = next(piece for piece in pieces if piece)
    assert looked.found == looked.objects == 2
    assert all(shown.unchanged(session) for shown in first)
    session.delete(1)
    assert {s.object_id for piece in pieces for s in piece} == {2}
    session.delete(2)
    assert not any(shown.unchanged(session) for shown in first)


def test_a_single_image_is_compared_without_neighbours(model, truth) -> None:
    labels = truth[3].copy()
    labels[44:] = 0
    image = np.where(truth[3] > 0, 200, 40).astype(np.uint8)
    comparison = Comparison(VolumePredictor(model, Volume(image)))
    session = Session(ArrayLabels(labels))
    found = {
        shown.object_id: doubt
        for piece in Survey(session, Plane()).pieces()
        for shown, doubt in comparison.doubts(piece)
    }
    assert found[2].degree >= LEAST_DOUBT > found[1].degree


def test_an_object_in_a_large_box_is_taken_for_one_body(monkeypatch, truth) -> None:
    session = Session(ArrayLabels(np.minimum(truth, 1)))
    assert len(survey.bodies(session.space, session.voxels(1))) == 2
    monkeypatch.setattr(survey, "_BOX", 100)
    assert len(survey.bodies(session.space, session.voxels(1))) == 1

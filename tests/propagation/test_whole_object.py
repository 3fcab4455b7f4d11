"""Propagation within a session: what counts as decided, one step, nothing left over."""

from __future__ import annotations

import numpy as np
import pytest

from napari_segnext.commands.segment import answer
from napari_segnext.geometry.plane import Plane
from napari_segnext.images.volume import Volume
from napari_segnext.labels.scan import Scanned, scan
from napari_segnext.models import Cancelled
from napari_segnext.predicting.image_model import ImageModel
from napari_segnext.predicting.volume_predictor import VolumePredictor
from napari_segnext.prompts import Prompts
from napari_segnext.propagation import PlaneResult, Propagation, propagate, search
from napari_segnext.propagation.whole_object import (
    WholeObject,
    commit,
    complete,
    decided_planes,
)
from napari_segnext.session import ArrayLabels, Session
from tests.doubles import WHOLE
from tests.propagation.test_propagate import Both

SHAPE = (12, 64, 64)


@pytest.fixture(autouse=True)
def model(monkeypatch: pytest.MonkeyPatch) -> None:
    both = Both(WHOLE)
    monkeypatch.setattr(search, "load_follower", lambda device: both)


def bar(first: int, last: int) -> np.ndarray:
    truth = np.zeros(SHAPE, bool)
    truth[first:last, 20:40, 24:44] = True
    return truth


def started(truth: np.ndarray) -> tuple[Session, VolumePredictor, np.ndarray]:
    volume = Volume(np.where(truth, 200, 40).astype(np.uint8))
    labels = np.zeros(truth.shape, np.uint16)
    session = Session(ArrayLabels(labels))
    session.new_object()
    return session, VolumePredictor(search.load_follower("cpu"), volume), labels


def prompt(session, predictor, plane: Plane, prompts: Prompts) -> None:
    request = session.set_prompts(plane, prompts)
    assert request is not None
    answer(session, ImageModel(predictor), request)


def test_a_click_and_a_propagation_are_two_steps() -> None:
    truth = bar(2, 9)
    session, predictor, labels = started(truth)
    prompt(session, predictor, Plane(0, 5), Prompts().click(30, 30))
    complete(session, predictor, 1)
    assert np.array_equal(labels == 1, truth)
    session.undo()
    assert np.array_equal(labels[5] == 1, truth[5])
    assert np.count_nonzero(labels) == truth[5].sum()
    session.undo()
    assert not labels.any()


def test_the_axis_with_most_prompts_is_taken() -> None:
    session, predictor, labels = started(bar(2, 9))
    prompt(session, predictor, Plane(0, 5), Prompts().click(30, 30))
    for index in (24, 34):
        prompt(session, predictor, Plane(1, index), Prompts().click(5, 30))
    results = complete(session, predictor, 1)
    assert {result.plane.axis for result in results} == {1}
    assert np.array_equal(labels == 1, bar(2, 9))


def test_a_stop_sign_takes_back_what_lies_behind_it() -> None:
    session, predictor, labels = started(bar(2, 11))
    prompt(session, predictor, Plane(0, 4), Prompts().click(30, 30))
    complete(session, predictor, 1)
    off = Prompts().click(30, 30, positive=False)
    request = session.set_prompts(Plane(0, 8), off)
    assert request is not None
    session.commit(request, np.zeros(SHAPE[1:], np.float32))
    complete(session, predictor, 1)
    assert np.array_equal(labels == 1, bar(2, 8))
    session.undo()
    assert np.array_equal(labels[9:] == 1, bar(2, 11)[9:])


def test_a_negative_click_in_its_middle_ends_what_was_followed_too_far() -> None:
    session, predictor, labels = started(bar(2, 11))
    prompt(session, predictor, Plane(0, 4), Prompts().click(30, 30))
    complete(session, predictor, 1)
    # A model would take no more than a dent out of the mask.
    off = Prompts().click(31, 32, positive=False)
    prompt(session, predictor, Plane(0, 8), off)
    assert not labels[8].any()
    prompt(session, predictor, Plane(0, 8), off.click(22, 42, positive=False))
    assert not labels[8].any()
    complete(session, predictor, 1)
    assert np.array_equal(labels == 1, bar(2, 8))
    for _ in range(3):
        session.undo()
    assert np.array_equal(labels == 1, bar(2, 11))


def test_a_negative_click_at_its_border_trims_what_was_followed() -> None:
    session, predictor, labels = started(bar(2, 11))
    prompt(session, predictor, Plane(0, 4), Prompts().click(30, 30))
    complete(session, predictor, 1)
    off = Prompts().click(22, 42, positive=False)
    request = session.set_prompts(Plane(0, 8), off)
    assert request is not None
    assert request.patch is not None
    assert np.array_equal(request.patch.expand() > 0.5, bar(2, 11)[8])
    trimmed = bar(2, 11)[8].astype(np.float32)
    trimmed[20:26, 38:44] = 0
    session.commit(request, trimmed)
    assert np.array_equal(labels[8] == 1, trimmed > 0.5)
    # What is left is still not the user's own: in its middle it is ended.
    prompt(session, predictor, Plane(0, 8), off.click(31, 30, positive=False))
    assert not labels[8].any()


def test_of_two_pieces_that_were_followed_the_one_that_is_hit_goes() -> None:
    session, _, _ = started(bar(2, 11))
    shown = np.where(bar(2, 11)[8], 0.9, 0).astype(np.float32)
    shown[46:54, 48:56] = 0.9
    commit(session, 1, [PlaneResult.of(Plane(0, 8), shown, 0.8)])
    off = Prompts().click(50, 52, positive=False)
    request = session.set_prompts(Plane(0, 8), off, 1)
    assert request is not None
    assert request.patch is not None
    assert np.array_equal(request.patch.expand() > 0.5, bar(2, 11)[8])


def test_a_negative_click_trims_what_was_clicked_or_painted() -> None:
    session, predictor, labels = started(bar(2, 11))
    on = Prompts().click(30, 30)
    prompt(session, predictor, Plane(0, 4), on)
    complete(session, predictor, 1)
    prompt(session, predictor, Plane(0, 8), on)
    prompt(session, predictor, Plane(0, 8), on.click(22, 42, positive=False))
    assert 0 < labels[8].sum() < bar(2, 11)[8].sum()


def test_a_cleared_slice_stays_clear_and_ends_the_object() -> None:
    session, predictor, labels = started(bar(2, 11))
    prompt(session, predictor, Plane(0, 4), Prompts().click(30, 30))
    complete(session, predictor, 1)
    session.clear_plane(1, Plane(0, 8))
    assert not labels[8].any()
    assert session.objects[1].prompts.keys() == {Plane(0, 4)}
    complete(session, predictor, 1)
    assert np.array_equal(labels == 1, bar(2, 8))
    session.undo()
    session.undo()
    assert np.array_equal(labels == 1, bar(2, 11))
    session.accept(1)
    with pytest.raises(ValueError, match="reopen"):
        session.clear_plane(1, Plane(0, 5))


def test_negative_prompts_trim_or_stop() -> None:
    session, predictor, labels = started(bar(2, 11))
    prompt(session, predictor, Plane(0, 4), Prompts().click(30, 30))
    complete(session, predictor, 1)
    for index, kept in ((6, 38), (8, 23)):
        plane = Plane(0, index)
        request = session.set_prompts(plane, Prompts().click(22, 42, positive=False))
        assert request is not None
        mask = bar(2, 11)[index] & (np.arange(64) < kept + 2)
        session.commit(request, mask.astype(np.float32))
    labels[8, 20:40, 26:44] = 0
    decided = decided_planes(session, 1, 0)
    assert [plane.index for plane in decided] == [4, 6, 8]
    assert decided[Plane(0, 6)].mask.any()
    assert not decided[Plane(0, 8)].mask.any()


def test_negative_prompts_where_nothing_is_stop_without_a_decode() -> None:
    session, predictor, labels = started(bar(0, 12))
    prompt(session, predictor, Plane(0, 4), Prompts().click(30, 30))
    off = Prompts().click(30, 30, positive=False)
    prompt(session, predictor, Plane(0, 7), off)
    complete(session, predictor, 1)
    assert np.array_equal(labels == 1, bar(0, 7))


def test_what_was_painted_counts_as_decided() -> None:
    truth = bar(0, 12)
    session, predictor, labels = started(truth)
    rows, columns = np.nonzero(truth[6])
    labels[6][truth[6]] = 1
    session.record_stroke(Plane(0, 6), rows, columns, 0, 1)
    prompt(session, predictor, Plane(0, 2), Prompts().click(30, 30))
    results = complete(session, predictor, 1)
    assert {result.plane.index for result in results} == set(range(12)) - {2, 6}


def test_time_points_are_apart() -> None:
    truth = np.stack([bar(2, 9), bar(1, 5)])
    session, predictor, labels = started(truth)
    for frame in (0, 1):
        prompt(session, predictor, Plane(0, 3, (frame,)), Prompts().click(30, 30))
    complete(session, predictor, 1)
    assert np.array_equal(labels == 1, truth)


def test_cancelling_writes_nothing() -> None:
    session, predictor, labels = started(bar(2, 9))
    prompt(session, predictor, Plane(0, 5), Prompts().click(30, 30))
    before = labels.copy()
    with pytest.raises(Cancelled):
        complete(session, predictor, 1, cancelled=lambda: predictor.model.decoded > 4)
    assert np.array_equal(labels, before)


def test_what_was_found_until_then_can_be_kept() -> None:
    session, predictor, labels = started(bar(2, 9))
    prompt(session, predictor, Plane(0, 5), Prompts().click(30, 30))
    results = complete(session, predictor, 1)
    session.undo()
    commit(session, 1, results[:2])
    assert np.count_nonzero(labels.any((1, 2))) == 3


def follow(whole: WholeObject, predictor: VolumePredictor) -> set[int]:
    """Propagate; return the planes that were to be found."""
    decided, within = whole.begin()
    way, results = Propagation(predictor, decided, 0, within), []
    while not way.ended:
        results += way.advance()
    whole.commit(results)
    return within


def test_only_what_depends_on_a_change_is_found_anew() -> None:
    session, predictor, labels = started(bar(2, 11))
    prompt(session, predictor, Plane(0, 5), Prompts().click(30, 30))
    whole = WholeObject(session, 1)
    assert follow(whole, predictor) == set(range(12)) - {5}
    with pytest.raises(ValueError, match="has changed"):
        whole.begin()
    corrected = Plane(0, 8)
    prompt(session, predictor, corrected, Prompts().click(30, 30).click(22, 26))
    assert follow(whole, predictor) == {6, 7, 9, 10, 11}
    prompt(session, predictor, Plane(0, 3), Prompts().click(30, 30))
    assert follow(whole, predictor) == {0, 1, 2, 4}
    session.set_prompts(corrected, Prompts())
    assert follow(whole, predictor) == {6, 7, 8, 9, 10, 11}
    assert np.array_equal(labels == 1, bar(2, 11))


def test_what_undo_took_away_is_found_anew() -> None:
    session, predictor, _ = started(bar(2, 11))
    prompt(session, predictor, Plane(0, 5), Prompts().click(30, 30))
    whole = WholeObject(session, 1)
    follow(whole, predictor)
    session.undo()
    assert whole.begin()[1] == set(range(12)) - {5}
    session.redo()
    with pytest.raises(ValueError, match="has changed"):
        whole.begin()


@pytest.mark.parametrize("finish", ["before", "meanwhile"])
def test_a_finished_object_is_not_touched(finish: str) -> None:
    session, predictor, labels = started(bar(2, 11))
    prompt(session, predictor, Plane(0, 5), Prompts().click(30, 30))
    whole, before = WholeObject(session, 1), labels.copy()
    if finish == "meanwhile":
        whole.begin()
    session.accept(1)
    with pytest.raises(ValueError, match="finished"):
        whole.begin() if finish == "before" else whole.commit([])
    assert np.array_equal(labels, before)


@pytest.mark.parametrize("way", ["discard", "undo", "clear slice"])
def test_what_loses_its_ground_meanwhile_is_not_written(way: str) -> None:
    session, predictor, labels = started(bar(2, 9))
    prompt(session, predictor, Plane(0, 5), Prompts().click(30, 30))
    whole = WholeObject(session, 1)
    decided, within = whole.begin()
    results = list(propagate(predictor, decided, 0, within=within))
    match way:
        case "discard":
            session.discard(1)
        case "undo":
            session.undo()
        case _:
            session.clear_plane(1, Plane(0, 5))
    with pytest.raises(ValueError, match="followed from in slice 5 is gone"):
        whole.commit(results)
    assert not labels.any()
    assert session.can_redo == (way == "undo")


def test_doubtful_planes_leave_the_list_when_they_are_changed_or_checked() -> None:
    truth = bar(0, 12)
    session, predictor, _ = started(truth)
    prompt(session, predictor, Plane(0, 5), Prompts().click(30, 30))
    whole = WholeObject(session, 1)
    whole.begin()
    results = []
    for number, index in enumerate((4, 6, 7, 8, 9)):
        confidence = (0.9, 0.3, 0.5, 0.4, 0.9)[number]
        found = truth[index].astype(np.float32)
        results.append(PlaneResult.of(Plane(0, index), found, confidence))
    results += [
        PlaneResult.of(Plane(0, i), truth[i].astype(np.float32), 0.9) for i in (1, 2, 3)
    ]
    whole.commit(results)
    assert [plane.index for plane in whole.doubtful] == [6, 8, 7]
    session.check(1, Plane(0, 8))
    assert [plane.index for plane in whole.doubtful] == [6, 7]
    prompt(session, predictor, Plane(0, 6), Prompts().click(30, 30))
    assert [plane.index for plane in whole.doubtful] == [7]
    session.undo()
    session.undo()
    assert whole.doubtful == []
    session.redo()
    assert [plane.index for plane in whole.doubtful] == [6, 7]
    with pytest.raises(ValueError, match="has changed"):
        whole.begin()


@pytest.fixture
def adopted():
    """Adopt a bar with a wrong slice, another missing, and a prompt in a third."""
    truth = bar(2, 11)
    session, predictor, labels = started(truth)
    given = truth.astype(np.uint32) * 70_000
    given[6] = 0
    given[8, :30] = 0
    session.adopt_labels(Scanned.of((runs for runs, _ in scan(given)), {}))
    return session, predictor, labels, truth


def propagated(session, predictor, whole) -> None:
    decided, within = whole.begin()
    whole.commit(list(propagate(predictor, decided, within=within)))


def test_slices_of_a_label_stay_until_it_is_asked_twice(adopted) -> None:
    session, predictor, labels, truth = adopted
    number = session.current
    before = labels.copy()
    whole = WholeObject(session, number)
    propagated(session, predictor, whole)
    changed = set(np.flatnonzero((labels != before).any((1, 2))).tolist())
    assert changed == {6}
    assert whole.kept == {2, 3, 4, 5, 7, 8, 9, 10}
    prompt(session, predictor, Plane(0, 4), Prompts().click(30, 30))
    with pytest.raises(ValueError, match="press U again"):
        whole.begin()
    propagated(session, predictor, whole)
    np.testing.assert_array_equal(labels > 0, truth)
    assert not whole.kept
    session.undo()
    np.testing.assert_array_equal(labels[8] > 0, before[8] > 0)


def test_without_prompts_there_is_nothing_to_find_a_label_anew_from(adopted) -> None:
    session, predictor, *_ = adopted
    whole = WholeObject(session, session.current)
    propagated(session, predictor, whole)
    with pytest.raises(ValueError, match="click on it in one first"):
        whole.begin()


def test_a_whole_object_keeps_the_slices_of_its_label(adopted) -> None:
    session, predictor, labels, _ = adopted
    before = labels.copy()
    complete(session, predictor, session.current)
    assert set(np.flatnonzero((labels != before).any((1, 2))).tolist()) == {6}

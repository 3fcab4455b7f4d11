"""What undo costs, and what is said when it ends before the first step."""

from __future__ import annotations

import numpy as np
import pytest

from napari_segnext.geometry.plane import Plane
from napari_segnext.prompts import Prompts
from napari_segnext.session import ArrayLabels, Session, history, undoable
from tests.session.doubles import Z1, Z2, Picture, answer, ask, click, paint, started
from tests.session.random_player import Player


def bound(monkeypatch, nbytes: int) -> None:
    monkeypatch.setattr(history, "_BUDGET", nbytes)


def undone(session: Session) -> int:
    steps = 0
    while session.undo() is not None:
        steps += 1
    return steps


def test_a_thousand_clicks_on_a_large_object_take_less_than_200_mb() -> None:
    side, clicks = 600, 20
    session = Session(ArrayLabels(np.zeros((2, side, side), np.uint16)), blank=True)
    session.new_object()
    rows, columns = np.mgrid[:side, :side]
    away, rng = np.hypot(rows - 300, columns - 300), np.random.default_rng(0)
    plane, prompts = Plane(0, 1), Prompts()
    for number in range(clicks):
        prompts = prompts.click(300, 300 + number)
        edge = (away - 250 + rng.normal(0, 3) + np.sin(rows / 9)) / 4
        probability = 1 / (1 + np.exp(edge.astype(np.float32)))
        session.commit(session.set_prompts(plane, prompts), probability)
    assert session.count(1).voxels > 190_000
    assert 1000 / clicks * session._history.nbytes < 200e6


def test_the_oldest_steps_go_and_the_others_undo_as_before(monkeypatch) -> None:
    session, array = started()
    click(session, Z1, (5, 5))
    bound(monkeypatch, 6 * session._history.nbytes)
    pictures = []
    for number in range(20):
        pictures.append(Picture.of(session, array))
        click(session, (Z1, Z2)[number % 2], (number % 9, 3 + number % 7))
        assert session._history.nbytes <= history._BUDGET
    assert session.undo_is_shortened
    steps = 0
    while session.undo() is not None:
        assert Picture.of(session, array) == pictures.pop()
        steps += 1
    assert 3 <= steps < 10
    assert session.undo_is_shortened
    assert not session.can_undo
    while session.redo() is not None:
        steps -= 1
    assert steps == 0


def test_strokes_are_bounded_too(monkeypatch) -> None:
    session, _ = started()
    bound(monkeypatch, 30_000)
    for number in range(40):
        paint(session, Z1, [(number % 10, c) for c in range(0, 12, 2)], number % 3)
        assert session._history.nbytes <= history._BUDGET


def test_the_newest_step_is_kept_whatever_it_takes(monkeypatch) -> None:
    bound(monkeypatch, 1)
    session, array = started()
    click(session, Z1, (5, 5))
    before = array.copy()
    click(session, Z1, (2, 2))
    assert undone(session) == 1
    np.testing.assert_array_equal(array, before)


def test_a_mask_that_arrives_for_a_dropped_step_is_written(monkeypatch) -> None:
    session, array = started()
    request = ask(session, Z2, (5, 5))
    bound(monkeypatch, 1)
    for number in range(5):
        click(session, Z1, (number, 5))
    assert [(r.plane, r.prompts) for r in session.requests()] == [(Z2, request.prompts)]
    answer(session, request)
    assert array[2].any()
    assert session.requests() == []
    assert session.commit(request, np.ones(array.shape[1:], np.float32)) is None


def test_undo_of_a_step_that_follows_dropped_ones_asks_for_these(monkeypatch) -> None:
    session, _ = started()
    first = ask(session, Z1, (5, 5))
    bound(monkeypatch, 1)
    ask(session, Z1, (2, 2))
    (request,) = session.undo().requests
    assert request.prompts == first.prompts


def test_only_a_session_that_dropped_or_never_had_steps_says_so() -> None:
    session, _ = started()
    click(session, Z1, (5, 5))
    assert undone(session) == 1
    assert not session.undo_is_shortened
    resumed, _ = started()
    resumed.restore(session.records())
    assert resumed.undo() is None
    assert resumed.undo_is_shortened


def test_ids_of_dropped_steps_are_not_given_again(monkeypatch) -> None:
    session, _ = started()
    bound(monkeypatch, 1)
    session.delete(session.new_object())
    session.rename(1, "one")
    session.rename(1, "two")
    assert session.new_object() == 3


def awaited(session: Session) -> set:
    """Look through all steps for what is to be decoded."""
    last = {}
    for step in session._history.done:
        last |= dict.fromkeys(step.asks, True) | dict.fromkeys(step.settles, False)
    return {key for key, waits in last.items() if waits and key[0] in session.objects}


@pytest.mark.parametrize("seed", range(6))
def test_what_is_to_be_decoded_is_known_at_any_time(seed, monkeypatch) -> None:
    bound(monkeypatch, 60_000)
    player = Player(seed, *started())
    session, rng, open_ = player.session, player.rng, []
    for _ in range(150):
        number, plane, draw = player.open_object(), player.plane(), rng.random()
        if draw < 0.4 and number:
            prompts = player.new_prompts(number, plane)
            open_.append(session.set_prompts(plane, prompts, number))
        elif draw < 0.6 and open_:
            request = open_.pop(rng.integers(len(open_)))
            if request is not None:
                player.answer(request)
        elif draw < 0.7:
            session.new_object()
        elif draw < 0.8:
            session.delete(session.current)
        else:
            (session.undo if draw < 0.93 else session.redo)()
        asked = {(r.object_id, r.plane) for r in session.requests()}
        assert asked == awaited(session)


def test_what_is_answered_costs_nothing_when_all_requests_are_asked_for(
    monkeypatch,
) -> None:
    session, _ = started()
    for _ in range(20):
        click(session, Z1, (5, 5), number=session.new_object())
    ask(session, Z2, (5, 5))
    asked = []
    previous_mask = undoable.previous_mask
    monkeypatch.setattr(
        undoable,
        "previous_mask",
        lambda *about: asked.append(about) or previous_mask(*about),
    )
    assert len(session.requests()) == 1
    assert len(asked) == 1

"""Random sequences of actions, against the plain model and against themselves."""

from __future__ import annotations

import numpy as np
import pytest

from napari_segnext.prompts import Prompts
from napari_segnext.session import Record
from tests.session.doubles import (
    SHAPE,
    Z1,
    Z2,
    Picture,
    paint,
    started,
)
from tests.session.model import Model
from tests.session.random_player import Player


def turn(session, model: Model, which: str) -> bool:
    if getattr(session, which)() is None:
        return False
    getattr(model, which)()
    return True


def answered_next(session) -> bool:
    """Tell whether the step that would be redone next has its mask."""
    if session.redo() is None:
        return False
    settled = not session.requests()
    session.undo()
    return settled


@pytest.mark.parametrize("seed", range(12))
def test_session_does_what_the_plain_model_does(seed):
    player, model = Player(seed, *started()), Model(SHAPE)
    session, rng = player.session, player.rng
    records: list[Record] = []
    session.recorders.append(records.append)

    def answered(request):
        written, probability = player.answer(request)
        assert written is not None
        model.commit(request.object_id, request.plane, probability)

    for _ in range(60):
        draw, number, plane = rng.random(), player.open_object(), player.plane()
        if draw < 0.45 and number:
            request = None
            for _ in range(rng.integers(1, 4)):
                prompts = player.new_prompts(number, plane)
                if prompts == session.objects[number].prompts.get(plane, Prompts()):
                    continue
                request = session.set_prompts(plane, prompts, number)
                model.step()
                model.set_prompts(number, plane, prompts)
            if request is not None:
                answered(request)
        elif draw < 0.6:
            pixels = player.pixels(plane, 12)
            new = int(rng.choice([0, *session.objects]))
            records.clear()
            paint(session, plane, pixels, new)
            if records:
                model.step()
            model.stroke(plane, pixels, new)
        elif draw < 0.65 and number and plane in session.objects[number].edits:
            request = session.clear_manual_edits(number, plane)
            model.step()
            del model.edits[number, plane]
            if request is not None:
                answered(request)
        elif draw < 0.8:
            player.operate(model)
        else:
            for _ in range(rng.integers(1, 6)):
                turn(session, model, "undo" if rng.random() < 0.65 else "redo")
                request = next(iter(session.requests()), None)
                # The model redoes states as they were; so nothing may show through.
                if (
                    request is not None
                    and rng.random() < 0.5
                    and answered_next(session)
                ):
                    answered(request)
                model.check(session)
            while session.requests():
                assert turn(session, model, "redo")
        model.check(session)


@pytest.mark.parametrize("seed", range(20))
def test_all_undone_is_the_start_and_all_redone_the_end(seed):
    player = Player(100 + seed, *started())
    session, rng = player.session, player.rng
    start, waiting = Picture.of(session, player.labels), []
    for _ in range(80):
        draw, number, plane = rng.random(), player.open_object(), player.plane()
        if draw < 0.1 and number:
            changes = {each: player.new_prompts(number, each) for each in (Z1, Z2)}
            waiting += session.change_prompts(changes, number)
        elif draw < 0.5 and number:
            prompts = player.new_prompts(number, plane)
            request = session.set_prompts(plane, prompts, number)
            waiting += [request] if request is not None else []
        elif draw < 0.6:
            pixels = player.pixels(plane, 12)
            paint(session, plane, pixels, int(rng.choice([0, *session.objects])))
        elif draw < 0.65 and number:
            request = session.clear_manual_edits(number, plane)
            waiting += [request] if request is not None else []
        elif draw < 0.75:
            player.operate()
        elif draw < 0.79 and number:
            player.follow(number)
        elif draw < 0.81:
            player.look_at_it()
        elif draw < 0.85:
            waiting += player.review()
        elif draw < 0.93:
            for _ in range(rng.integers(1, 8)):
                turned = session.undo() if rng.random() < 0.6 else session.redo()
                waiting += [] if turned is None else turned.requests
        elif draw < 0.97 and number:
            player.repair(number)
        elif draw < 0.99:
            player.nest()
        elif number:
            waiting += session.begin_with({plane: player.new_prompts(number, plane)})
        while waiting and rng.random() < 0.6:
            player.answer(waiting.pop(rng.integers(len(waiting))))
        ids, counts = np.unique(player.labels[player.labels > 0], return_counts=True)
        for each, count in zip(ids.tolist(), counts.tolist(), strict=True):
            assert session.count(each).voxels == count
    while session.redo():
        pass
    # What is no step is not undone.
    start.semantic = session.semantic
    end, states = Picture.of(session, player.labels), []
    while session.can_undo:
        states.append(Picture.of(session, player.labels))
        session.undo()
    assert Picture.of(session, player.labels) == start
    while session.can_redo:
        session.redo()
        assert Picture.of(session, player.labels) == states.pop()
    assert Picture.of(session, player.labels) == end

"""What counts as accepted, and with which prompts."""

from __future__ import annotations

import numpy as np

from napari_segnext import Plane, Prompts
from napari_segnext.session import ArrayLabels, Session
from napari_segnext.session.accepted import accepted

SHAPE = (3, 12, 14)
HERE, ABOVE = Plane(0, 1), Plane(0, 2)


def segment(
    session: Session,
    prompts: Prompts,
    at: int,
    plane: Plane = HERE,
    accept: bool = True,
) -> int:
    """Give prompts for a square of 3 x 3 pixels, write it, and accept it."""
    number = session.new_object()
    request = session.set_prompts(plane, prompts, number)
    assert request is not None
    probability = np.zeros(SHAPE[1:], np.float32)
    probability[at : at + 3, at : at + 3] = 1
    session.commit(request, probability)
    if accept:
        session.accept(number)
    return number


def test_an_accepted_object_comes_with_its_prompts_and_pixels() -> None:
    session = Session(ArrayLabels(np.zeros(SHAPE, np.uint8)), blank=True)
    prompts = Prompts().click(2, 2).click(9, 9, positive=False)
    first = segment(session, prompts, 1)
    segment(session, Prompts().click(6, 6), 5, accept=False)
    second = segment(session, Prompts().box((8, 8), (10, 10)), 8, ABOVE)
    found = accepted(session)
    assert [(f.object_id, f.plane) for f in found] == [(first, HERE), (second, ABOVE)]
    assert found[0].prompts == prompts
    assert found[0].mask.extent == (1, 1, 4, 4)


def test_what_was_corrected_or_given_whole_tells_no_story() -> None:
    session = Session(ArrayLabels(np.zeros(SHAPE, np.uint8)), blank=True)
    whole = np.zeros(SHAPE[1:], bool)
    whole[5:8, 5:8] = True
    segment(session, Prompts().click(9, 9, positive=False), 1)
    segment(session, Prompts().mask(whole).click(6, 6), 5)
    assert accepted(session) == []

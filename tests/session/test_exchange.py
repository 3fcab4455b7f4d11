"""Prompts out of a session, and into one."""

from __future__ import annotations

from contextlib import suppress
from types import SimpleNamespace

import numpy as np
import pytest

from napari_segnext.files import ObjectPrompts
from napari_segnext.files.categories import Category, Named
from napari_segnext.geometry.plane import Plane
from napari_segnext.geometry.regions import Patch
from napari_segnext.geometry.space import Space
from napari_segnext.prompts import Prompts
from napari_segnext.session import ArrayLabels, Session
from napari_segnext.session.exchange import (
    Replay,
    check_objects,
    exported,
    legend,
    replay,
)
from tests.session.doubles import (
    SHAPE,
    Y5,
    Z1,
    Z2,
    answer,
    click,
    decoded,
    page_shape,
    started,
)

CELL = Category(2, "cell")


def drawn() -> Session:
    session, _ = started()
    click(session, Z1, (4, 4), (4, 6, False))
    session.rename(1, "left")
    session.categorise([1], CELL)
    session.new_object("empty")
    session.new_object("right")
    session.categorise([3], None)
    click(session, Z1, (4, 7))
    click(session, Y5, (2, 7))
    return session


def again(objects) -> tuple[Session, np.ndarray]:
    labels = np.zeros(SHAPE, np.uint16)
    session = Session(ArrayLabels(labels), blank=True)
    for _, request in replay(session, objects):
        answer(session, request)
    return session, labels


def test_objects_with_prompts_are_exported_with_name_and_class():
    session = drawn()
    assert exported(session) == [
        ObjectPrompts(1, "left", session.objects[1].prompts, CELL),
        ObjectPrompts(3, "right", session.objects[3].prompts),
    ]
    assert legend(session)[1] == Named("left", CELL)


def test_replayed_prompts_are_those_that_were_exported():
    objects = exported(drawn())
    session, labels = again(objects)
    replayed = exported(session)
    assert [o.planes for o in replayed] == [o.planes for o in objects]
    assert [(o.name, o.category) for o in replayed] == [
        (o.name, o.category) for o in objects
    ]
    assert session.requests() == []
    assert set(np.unique(labels)) == {0, 1, 2}


def test_finished_object_loses_nothing_to_a_later_one():
    first = ObjectPrompts(1, "", {Z1: Prompts().click(4, 4)})
    second = ObjectPrompts(2, "", {Z1: Prompts().click(4, 6)})
    _, alone = again([first])
    _, both = again([first, second])
    assert ((both == 1) == (alone == 1)).all()
    assert (both == 2).any()


@pytest.mark.parametrize(
    ("objects", "message"),
    [
        ([], "no objects"),
        ([ObjectPrompts(1), ObjectPrompts(1)], "different"),
        ([ObjectPrompts(0)], "at least 1"),
        ([ObjectPrompts(2**63)], "at most 9223372036854775807"),
        ([ObjectPrompts(1, "", {Plane(0, 99): Prompts()})], "does not cut"),
        ([ObjectPrompts(1, "", {Z2: Prompts().click(50, 1)})], "outside"),
        (
            [
                ObjectPrompts(1, category=CELL),
                ObjectPrompts(2, category=Category(2, "x")),
            ],
            "mistaken",
        ),
    ],
)
def test_what_does_not_fit_is_named(objects, message):
    space = Space(SHAPE)
    with pytest.raises(ValueError, match=message):
        check_objects(objects, space.check, space.plane_shape)


def test_negative_prompts_alone_need_no_model():
    session, _ = started()
    request = session.set_prompts(Z1, Prompts().click(1, 1, positive=False))
    assert request is not None and request.vain
    click(session, Z2, (4, 4))
    request = session.set_prompts(Y5, Prompts().click(2, 4, positive=False))
    assert request is not None and not request.vain


def test_replay_that_is_interrupted_asks_again_and_gives_the_same() -> None:
    objects = [
        ObjectPrompts(
            5, "soma", {Z1: Prompts().click(3, 3), Z2: Prompts().click(4, 4)}
        ),
        ObjectPrompts(2, "", {Z1: Prompts().click(4, 7)}),
    ]
    found = []
    for interrupted in (False, True):
        session = Session(ArrayLabels(np.zeros(SHAPE, np.uint16)), blank=True)
        left, asked = Replay(session, objects), []

        def answer(request, asked=asked, interrupted=interrupted):
            asked.append((request.object_id, request.plane))
            if interrupted and len(asked) % 2:
                raise RuntimeError("give up")
            shape = page_shape(request.plane)
            return SimpleNamespace(patch=Patch.of(decoded(request.prompts, shape)))

        while left.item is not None:
            with suppress(RuntimeError):
                left.advance(answer)
        found.append(session.labels.array.copy())
        times = 2 if interrupted else 1
        assert asked == [k for k in [(1, Z1), (1, Z2), (2, Z1)] for _ in range(times)]
    assert found[0].any()
    np.testing.assert_array_equal(*found)

"""A session in a section of which a whole map would be gigabytes."""

from __future__ import annotations

import tracemalloc

import numpy as np
import pytest

from napari_segnext.geometry.plane import Plane
from napari_segnext.geometry.regions import Extent, Patch
from napari_segnext.labels.chunked import LabelStore
from napari_segnext.prompts import Prompts
from napari_segnext.session import Session

SHAPE = (30_000, 30_000)
FAR = [(2000, 3000), (2100, 29_000), (28_000, 500)]


@pytest.fixture(autouse=True)
def bounded():
    """No test may take more memory than a ninth of the section, at one byte a pixel."""
    tracemalloc.start()
    yield
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 100e6


def square(at: tuple[int, int], side: int = 100) -> Patch:
    values = np.full((side, side), 0.9, np.float32)
    return Patch(SHAPE, (at[0] - side // 2, at[1] - side // 2), values)


def click(session: Session, at: tuple[int, int], side: int = 100) -> None:
    prompts = session.objects[session.current].prompts.get(Plane(), Prompts())
    request = session.set_prompts(Plane(), prompts.click(*at))
    assert request is not None
    session.commit(request, square(at, side))


@pytest.fixture
def session() -> Session:
    session = Session(LabelStore(SHAPE), blank=True)
    session.new_object()
    return session


def test_masks_far_apart_are_written_undone_and_discarded(session: Session) -> None:
    for at in FAR:
        click(session, at)
        session.new_object()
    assert [session.count(n).voxels for n in (1, 2, 3)] == [10_000] * 3
    for number, at in enumerate(FAR, 1):
        around = Extent.at((at[0] - 60, at[1] - 60), (120, 120))
        assert (session.labels.read(Plane(), around) == number).sum() == 10_000
    session.discard(2)
    assert session.count(2).voxels == 0
    while session.can_undo:
        session.undo()
    assert not any(session.count(n).voxels for n in session.objects)


def test_a_refinement_starts_from_the_part_that_the_object_is_in(
    session: Session,
) -> None:
    click(session, FAR[1])
    request = session.set_prompts(
        Plane(), session.objects[1].prompts[Plane()].click(2130, 29_030, positive=False)
    )
    assert request is not None
    assert request.patch is not None
    assert request.answered == 1
    assert request.patch.shape == SHAPE
    assert max(request.patch.values.shape) <= 1024
    assert request.patch.above(0.5) == square(FAR[1]).extent


def test_an_object_that_was_far_larger_leaves_no_trace(session: Session) -> None:
    click(session, FAR[0], 800)
    session.undo()
    click(session, FAR[0], 50)
    assert session.count(1).voxels == 2500


def test_a_stroke_at_the_border_of_a_mask_is_kept(session: Session) -> None:
    click(session, FAR[0])
    rows, columns = np.mgrid[2040:2060, 3040:3060].reshape(2, -1)
    part = Extent(2040, 3040, 2060, 3060)
    old = session.labels.read(Plane(), part).ravel()
    new = np.ones(len(rows), old.dtype)
    session.labels.write(Plane(), rows, columns, new)
    session.record_stroke(Plane(), rows, columns, old, new)
    click(session, FAR[0], 50)
    painted = old == 0
    assert 0 < painted.sum() < len(painted)
    assert (session.labels.read(Plane(), part).ravel()[painted] == 1).all()
    assert session.count(1).voxels == 2500 + painted.sum()

"""Labels of others become objects: one step, and what one can do with them then."""

from __future__ import annotations

import numpy as np
import pytest

from napari_segnext.files.categories import Category, Named
from napari_segnext.journal import Journal, read_journal
from napari_segnext.labels import counted
from napari_segnext.labels.chunked import LabelStore
from napari_segnext.labels.scan import Scanned, scan
from napari_segnext.prompts import Prompts
from napari_segnext.session import ArrayLabels, Session
from napari_segnext.session.exchange import file_values
from napari_segnext.session.numbered import Numbered
from tests.session.doubles import SHAPE, Z1, Z2, Picture, answer, ask, click, started

FAR = 2**32 - 1


@pytest.fixture
def given() -> np.ndarray:
    given = np.zeros(SHAPE, np.uint32)
    given[:, 1:4, 1:5], given[1:3, 5:9, 6:11], given[2, 9, 0] = FAR, 70_000, 9
    return given


def scanned(given: np.ndarray, **names) -> Scanned:
    legend = {int(value[1:]): named for value, named in names.items()}
    return Scanned.of((runs for runs, _ in scan(given)), legend)


def written(session: Session) -> np.ndarray:
    labels = Numbered(session.labels, file_values(session))
    return labels[tuple(slice(0, n) for n in labels.shape)]


@pytest.fixture(params=[False, True], ids=["pixels", "bands"])
def size(request, monkeypatch):
    """Write changes pixel by pixel, and as large ones are."""
    if request.param:
        monkeypatch.setattr(counted, "_MANY", 0)
        monkeypatch.setattr(counted, "_BAND", 30)


@pytest.mark.usefixtures("size")
@pytest.mark.parametrize("stored", [False, True])
def test_every_label_is_an_object_and_is_written_with_its_value(given, stored):
    labels = LabelStore(SHAPE) if stored else ArrayLabels(np.zeros(SHAPE, np.uint16))
    session = Session(labels, blank=True)
    session.new_object()
    axon = Named("axon", Category(2, "neurite"))
    session.adopt_labels(scanned(given, **{f"v{FAR}": axon}))
    assert {each.value: each.name for each in session.objects.values()} == {
        9: "Object 9",
        70_000: "Object 70000",
        FAR: "axon",
    }
    (far,) = (each for each in session.objects.values() if each.value == FAR)
    assert far.category == axon.category
    assert session.count(far.id).voxels == (given == FAR).sum()
    np.testing.assert_array_equal(written(session), given)


@pytest.mark.usefixtures("size")
def test_it_is_one_step_that_leaves_what_is_there(given):
    session, labels = started()
    click(session, Z1, (6, 7))
    mine, before = labels == 1, Picture.of(session, labels)
    session.adopt_labels(scanned(given))
    after = Picture.of(session, labels)
    assert (labels[mine] == 1).all()
    np.testing.assert_array_equal(written(session)[~mine], given[~mine])
    counts = {n: session.count(n).voxels for n in session.objects}
    assert counts == {n: (labels == n).sum() for n in counts}
    session.undo()
    assert Picture.of(session, labels) == before
    session.redo()
    assert Picture.of(session, labels) == after
    assert counts == {n: session.count(n).voxels for n in session.objects}


def test_a_value_that_an_object_has_is_given_once(given):
    session, _ = started()
    session.adopt_labels(scanned(given))
    more = np.zeros_like(given)
    more[3, 9, 9:] = FAR
    (number,) = session.adopt_labels(scanned(more))
    assert session.objects[number].value == number
    assert len({each.value for each in session.objects.values()}) == 4


def test_the_first_prompt_refines_the_mask_that_is_there(given):
    session, _ = started()
    session.adopt_labels(scanned(given))
    (number,) = (n for n, each in session.objects.items() if each.value == 70_000)
    request = session.set_prompts(Z2, Prompts().click(6, 7), number)
    assert request is not None and request.previous is not None
    np.testing.assert_array_equal(request.previous > 0.5, given[2] == 70_000)
    answer(session, request)
    session.undo()
    np.testing.assert_array_equal(written(session), given)


def test_adopted_objects_are_merged_deleted_and_protected(given):
    session, _ = started()
    numbers = session.adopt_labels(scanned(given))
    by_value = {session.objects[n].value: n for n in numbers}
    session.merge(by_value[FAR], by_value[70_000])
    assert (written(session)[given == 70_000] == FAR).all()
    session.accept(by_value[FAR])
    session.new_object()
    answer(session, ask(session, Z1, (3, 4)))
    assert (written(session)[given == FAR] == FAR).all()
    session.delete(by_value[9])
    assert not (written(session) == 9).any()


def test_they_come_back_from_the_journal(given, tmp_path):
    session, _ = started()
    journal = Journal(tmp_path / "journal", SHAPE)
    journal.follow(session)
    axon = Named("axon", Category(2, "neurite"))
    numbers = session.adopt_labels(scanned(given, **{f"v{FAR}": axon}))
    assert journal.close()
    saved = read_journal(tmp_path / "journal")
    assert len(saved.worked) == len(numbers)
    again = saved.resume(ArrayLabels(np.zeros(SHAPE, np.uint16)))
    assert [e.info for e in again.objects.values()] == [
        e.info for e in session.objects.values()
    ]
    np.testing.assert_array_equal(written(again), given)


@pytest.mark.parametrize(
    ("given", "said"),
    [
        (np.zeros((4, 5), int), "no label in it"),
        (np.full((4, 5), -3), "from 0 on, not -3"),
        (np.full((4, 5), 1.5), "fractions"),
        (np.full((4, 5), 2**64 - 1, np.uint64), "go up to"),
    ],
)
def test_what_are_no_labels_is_told(given, said):
    with pytest.raises(ValueError, match=said):
        scanned(given)


@pytest.mark.parametrize(
    ("dtype", "exact"), [(np.float16, 2**11), (np.float32, 2**24), (np.float64, 2**53)]
)
def test_floating_labels_are_taken_as_far_as_they_are_exact(dtype, exact):
    given = np.zeros(SHAPE, dtype)
    given[1, 2:4, 2:4] = exact - 1
    assert scanned(given).values.tolist() == [exact - 1]
    given[1, 2, 2] = exact
    with pytest.raises(ValueError, match=f"exact below {exact:,} alone, and .*uint32"):
        scanned(given)


def test_too_many_objects_change_nothing():
    session, labels = started(dtype=np.uint8)
    before = Picture.of(session, labels)
    given = np.arange(480).reshape(SHAPE)
    with pytest.raises(ValueError, match=r"479 objects more are too many: .* for 255"):
        session.adopt_labels(scanned(given))
    assert Picture.of(session, labels) == before

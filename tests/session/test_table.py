"""The numbers of objects and classes, and a paragraph about how they came about."""

from __future__ import annotations

import csv
from pathlib import Path

import numpy as np
import pytest

from napari_segnext.files import Geometry
from napari_segnext.files.categories import Category
from napari_segnext.images.volume import Volume
from napari_segnext.journal import Journal, read_journal
from napari_segnext.journal.coding import from_line
from napari_segnext.session import ArrayLabels, Session, work
from napari_segnext.session.doubt import Doubt
from napari_segnext.session.methods import methods
from napari_segnext.session.table import Frozen, write_table
from tests.session.doubles import SHAPE, Z0, Z1, Z2, click, paint, started

VERSIONS = {"napari-segnext": "1.2", "napari": "0.9"}


@pytest.fixture
def image() -> np.ndarray:
    return np.random.default_rng(0).integers(0, 255, (*SHAPE, 2)).astype(np.uint8)


@pytest.fixture
def session() -> Session:
    """Segment three objects, two of a class."""
    labels = np.zeros(SHAPE, np.uint16)
    labels[:3, 1:4, 1:5], labels[1:3, 5:9, 6:11], labels[3, 9, 0] = 1, 2, 3
    session = Session(ArrayLabels(labels))
    session.categorise([1, 2], Category(4, "=cmd()"))
    session.rename(3, "@home")
    paint(session, Z2, [(0, 0), (0, 1)], 1)
    return session


def rows(session: Session, path: Path, image: np.ndarray) -> list[dict[str, str]]:
    volume = Volume(image, channel=3)
    geometry = Geometry.plain(SHAPE)
    frozen, labels = Frozen.of(session), session.labels
    write_table(path, frozen, labels, geometry, None, volume, ["a", "b"])
    with path.open(newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file))


def test_objects_and_classes_are_counted_in_one_way_through(
    session, image, tmp_path
) -> None:
    found = rows(session, tmp_path / "t.csv", image)
    assert [row["kind"] for row in found] == ["object"] * 3 + ["class"]
    labels = session.labels.array
    for row, ids in zip(found, ([1], [2], [3], [1, 2]), strict=True):
        mask = np.isin(labels, ids)
        at = np.argwhere(mask)
        assert int(row["objects"]) == len(ids)
        assert int(row["voxels"]) == mask.sum()
        assert int(row["slices"]) == mask.any((1, 2)).sum()
        for axis, name in enumerate("zyx"):
            assert int(row[f"first_{name}"]) == at[:, axis].min()
            assert int(row[f"last_{name}"]) == at[:, axis].max()
            middle = at[:, axis].mean()
            assert float(row[f"centroid_{name}"]) == pytest.approx(middle, rel=1e-5)
        for channel, name in enumerate("ab"):
            values = image[mask][:, channel]
            assert float(row[f"mean_{name}"]) == pytest.approx(values.mean(), rel=1e-5)
            assert float(row[f"deviation_{name}"]) == pytest.approx(
                values.std(), rel=1e-4, abs=1e-6
            )
    painted = 2 / (labels == 1).sum()
    assert float(found[0]["painted"]) == pytest.approx(painted, rel=1e-5)


def test_what_lies_inside_counts_to_the_outer_object_and_class_as_in_brats(
    image, tmp_path
) -> None:
    # Values of BraTS: 1 necrotic core, 2 oedema, 4 enhancing. The whole tumour is all
    # three, and the core is 1 and 4.
    labels = np.zeros(SHAPE, np.uint16)
    labels[0:4, 1:8, 1:9], labels[1:3, 2:6, 3:7], labels[1, 3:5, 4:6] = 2, 1, 3
    session = Session(ArrayLabels(labels))
    for number, value, name in ((2, 2, "whole"), (1, 1, "core"), (3, 4, "enhancing")):
        session.categorise([number], Category(value, name))
    session.nest(1, 2)
    session.nest(4, 1)
    found = rows(session, tmp_path / "t.csv", image)
    for kind in ("object", "class"):
        told = {r["class"]: r for r in found if r["kind"] == kind}
        for name, ids in (("whole", [1, 2, 3]), ("core", [1, 3]), ("enhancing", [3])):
            mask = np.isin(session.labels.array, ids)
            at, row = np.argwhere(mask), told[name]
            assert int(row["voxels"]) == mask.sum()
            assert int(row["slices"]) == mask.any((1, 2)).sum()
            assert [int(row[f"last_{axis}"]) for axis in "zyx"] == at.max(0).tolist()
            mean = image[mask][:, 1].mean()
            assert float(row["mean_b"]) == pytest.approx(mean, rel=1e-5)
            assert row["objects"] == "1"


def test_what_lies_inside_counts_to_the_object_that_it_was_drawn_on(
    image, tmp_path
) -> None:
    session, array = started()
    cell, nucleus = Category(1, "cell"), Category(2, "nucleus", inside=1)
    session.categorise([1], cell)
    click(session, Z1, (3, 3))
    second = session.new_object()
    session.categorise([second], cell)
    click(session, Z1, (8, 10), number=second)
    third = session.new_object()
    session.categorise([third], nucleus)
    click(session, Z1, (3, 3), number=third)
    found = rows(session, tmp_path / "t.csv", image)
    voxels = {(r["kind"], r["id"]): int(r["voxels"]) for r in found}
    shown = {number: np.count_nonzero(array == number) for number in (1, 2, 3)}
    # The first cell is covered by its nucleus; it is there all the same.
    assert shown[1] == 0
    assert voxels == {
        ("object", "1"): shown[3],
        ("object", "2"): shown[2],
        ("object", "3"): shown[3],
        ("class", "1"): shown[2] + shown[3],
        ("class", "2"): shown[3],
    }


def test_large_planes_are_counted_in_bands(
    session, image, tmp_path, monkeypatch
) -> None:
    whole = rows(session, tmp_path / "t.csv", image)
    monkeypatch.setattr("napari_segnext.geometry.regions._BAND", 30)
    assert rows(session, tmp_path / "t.csv", image) == whole


def test_no_text_runs_as_a_formula_in_a_spreadsheet(session, image, tmp_path) -> None:
    found = rows(session, tmp_path / "t.csv", image)
    assert found[2]["name"] == "'@home"
    assert found[0]["class"] == "'=cmd()"
    assert found[0]["name"] == "Object 1"


def test_what_was_done_is_frozen_for_another_thread(session) -> None:
    objects = Frozen.of(session).objects
    before = len(objects[0].prompts)
    click(session, Z1, (2, 2), number=1)
    assert len(objects[0].prompts) == before < len(session.objects[1].prompts)


@pytest.fixture
def clock(monkeypatch):
    now = [100.0]
    monkeypatch.setattr(work, "monotonic", lambda: now[0])

    def wait(seconds: float) -> None:
        now[0] += seconds

    return wait


def test_seconds_and_clicks_of_work_are_kept_and_come_back(clock, tmp_path) -> None:
    session, _ = started()
    journal = Journal(tmp_path / "j", SHAPE)
    journal.follow(session)
    clock(4)
    click(session, Z1, (2, 2))
    clock(3)
    session.undo()
    session.new_object()
    clock(600)
    click(session, Z2, (7, 7))
    spent = {
        n: (each.work.seconds, each.work.clicks) for n, each in session.objects.items()
    }
    assert spent == {1: (7.0, 2), 2: (60.0, 1)}
    assert journal.close()
    again = read_journal(tmp_path / "j").resume(ArrayLabels(np.zeros(SHAPE, np.uint16)))
    assert {n: each.work for n, each in again.objects.items()} == {
        n: each.work for n, each in session.objects.items()
    }
    _, *lines = (tmp_path / "j").read_bytes().splitlines(keepends=True)
    assert all(from_line(line)["time"] > 1e9 for line in lines)


def test_a_paragraph_tells_with_what_and_how_it_was_done(session) -> None:
    click(session, Z1, (2, 2), number=1)
    session.accept(2)
    session.commit_planes(1, {Z0: np.ones(SHAPE[1:], np.float32)}, "propagate")
    session.doubt({(3, Z2): Doubt(0.5, checked=True)})
    text = methods(session.objects.values(), VERSIONS, "tiny", "abc123")
    assert "napari-segnext 1.2, napari 0.9, and the model tiny (abc123)." in text
    assert "There are 3 objects, 1 of them accepted: 2 =cmd()." in text
    assert "Prompts were 1 click, in 1 slice of objects." in text
    assert "Propagation found 1 slice more." in text
    assert "Checked by eye were 1 doubtful slice." in text
    assert "made elsewhere" not in text
    assert methods([], VERSIONS, "tiny", "").endswith(
        "There are 0 objects, 0 of them accepted."
    )

"""Saving from the panel never touches what the image was read from."""

from __future__ import annotations

import csv
import threading
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
from napari.components import ViewerModel

from napari_segnext import __version__
from napari_segnext.files import Geometry, write_labels
from napari_segnext.files.categories import Category
from napari_segnext.files.image_group import group_of, labels_in
from napari_segnext.files.label_file import read_labels
from napari_segnext.geometry.plane import Plane
from napari_segnext.geometry.regions import Patch
from napari_segnext.plugin.work.exporting import Exporting
from napari_segnext.prompts import Prompts
from napari_segnext.session import ArrayLabels, Session

SHAPE = (3, 20, 30)


@pytest.fixture
def scan(tmp_path: Path) -> Path:
    np.save(tmp_path / "scan.npy", np.zeros(SHAPE, np.uint8))
    (tmp_path / "scan.npy").chmod(0o600)
    return tmp_path / "scan.npy"


@pytest.fixture
def exporting(scan, qtbot) -> Exporting:
    image = ViewerModel().add_image(np.load(scan))
    object.__setattr__(image.source, "path", str(scan))
    stored = ArrayLabels(np.zeros(SHAPE, np.uint16))
    session = Session(stored, blank=True)
    session.set_prompts(Plane(0, 1), Prompts().click(3, 4))
    labels = SimpleNamespace(stored=stored)
    inputs = SimpleNamespace(inputs=None)
    inference = SimpleNamespace(model=None)
    return Exporting(image, session, labels, inputs, inference)


def saved(exporting, qtbot, save, path) -> str:
    told: list[str] = []
    exporting.said.connect(told.append)
    save(path)
    qtbot.waitUntil(
        lambda: any("saved" in text.lower() for text in told), timeout=30_000
    )
    return told[-1]


@pytest.mark.parametrize("what", ["save_labels", "save_prompts", "save_table"])
def test_the_image_is_never_replaced(exporting, scan, qtbot, tmp_path, what):
    before = scan.read_bytes()
    (tmp_path / "link.npy").symlink_to(scan)
    for path in (scan, tmp_path / "link.npy"):
        told = saved(exporting, qtbot, getattr(exporting, what), path)
        assert "was not saved" in told
        assert "which is read and stays as it is" in told
    assert scan.read_bytes() == before


def test_what_is_saved_is_as_private_as_the_image(exporting, qtbot, tmp_path):
    out = tmp_path / "prompts.json"
    assert saved(exporting, qtbot, exporting.save_prompts, out) == "Saved prompts.json"
    assert out.stat().st_mode & 0o777 == 0o600


def test_whatever_goes_wrong_is_told(exporting, qtbot, tmp_path, monkeypatch):
    def fail(*_):
        raise RuntimeError("no such\nthing")

    monkeypatch.setattr("napari_segnext.plugin.work.exporting.write_prompts", fail)
    told = saved(exporting, qtbot, exporting.save_prompts, tmp_path / "prompts.json")
    assert told.startswith("prompts.json was not saved: no such thing.")


def test_labels_are_saved_into_an_ome_zarr_image_and_nowhere_else_in_it(
    exporting, qtbot, tmp_path
):
    path = tmp_path / "scan.zarr"
    write_labels(path, np.ones(SHAPE, np.uint8))
    exporting.source, exporting.group = path, group_of(path)
    request = exporting._session.request(1, Plane(0, 1))
    page = np.zeros(SHAPE[1:], np.float32)
    page[2:5, 3:6] = 1
    exporting._session.commit(request, Patch.of(page))
    place = labels_in(exporting.group, "my cells/1")
    told = saved(exporting, qtbot, exporting.save_labels, place)
    assert told == "Saved my cells_1"
    found = read_labels(place, Geometry.plain(SHAPE))
    np.testing.assert_array_equal(np.asarray(found.data[...])[1], page)
    assert found.legend[1].name == "Object 1"
    told = saved(exporting, qtbot, exporting.save_labels, path / "other.zarr")
    assert "was not saved" in told and "lies in" in told


class Watched(ArrayLabels):
    """A layer's labels, which only the GUI thread may touch."""

    def read(self, plane, extent=None):
        assert threading.current_thread() is threading.main_thread()
        return super().read(plane, extent)


@pytest.mark.parametrize("by_class", [False, True])
def test_labels_are_read_off_the_gui_thread_from_where_they_are_stored(
    exporting, qtbot, tmp_path, by_class
):
    session = Session(Watched(exporting._labels.stored.array), blank=True)
    exporting._session = session
    request = session.set_prompts(Plane(0, 1), Prompts().click(3, 4))
    page = np.zeros(SHAPE[1:], np.float32)
    page[2:5, 3:6] = 1
    session.commit(request, Patch.of(page))
    exporting._session.semantic = by_class
    out = tmp_path / "labels.npy"
    told = saved(exporting, qtbot, exporting.save_labels, out)
    if by_class:
        assert "labels.npy was not saved: Object 1 has no class" in told
        session.categorise([1], Category(7, "cell"))
        assert (
            saved(exporting, qtbot, exporting.save_labels, out) == f"Saved {out.name}"
        )
    expected = np.zeros(SHAPE)
    expected[1, 2:5, 3:6] = 7 if by_class else 1
    np.testing.assert_array_equal(np.load(out), expected)


def test_a_table_has_what_the_image_shows_of_each_object(exporting, qtbot, tmp_path):
    session, out = exporting._session, tmp_path / "objects.csv"
    rows, columns = np.mgrid[2:5, 2:6].reshape(2, -1)
    session.labels.write(Plane(0, 1), rows, columns, np.ones(12))
    session.record_stroke(Plane(0, 1), rows, columns, 0, 1)
    assert saved(exporting, qtbot, exporting.save_table, out) == "Saved objects.csv"
    with out.open(newline="", encoding="utf-8") as file:
        (row,) = csv.DictReader(file)
    name = exporting._image.name
    assert (row["voxels"], row["clicks"], row["painted"]) == ("12", "1", "1.0")
    assert (row[f"mean_{name}"], row[f"deviation_{name}"]) == ("0.0", "0.0")
    assert out.stat().st_mode & 0o777 == 0o600


def test_a_paragraph_tells_versions_and_counts(exporting):
    text = exporting.methods("tiny")
    assert f"napari-segnext {__version__}, napari " in text
    assert "the model tiny" in text
    assert "1 click" in text

from __future__ import annotations

import queue

import numpy as np
import pytest

from napari_segnext.files import Geometry, read_image
from napari_segnext.geometry.plane import Plane
from napari_segnext.geometry.regions import Extent
from napari_segnext.geometry.space import Space
from napari_segnext.labels import chunked
from napari_segnext.labels.chunked import LabelStore, blank_labels
from napari_segnext.labels.mirror import LabelMirror
from napari_segnext.session import ArrayLabels

VOLUME, SECTION = (4, 600, 1300), (600, 2600)
PLACE = Geometry.plain(
    VOLUME, scale=(40.0, 4.0, 4.0), translate=(0.0, 8.0, 8.0), units=("nm",) * 3
)


def scribble(labels, array, plane, seed, count=300):
    """Write the same pixels into a store and an array."""
    rng = np.random.default_rng(seed)
    height, width = Space(array.shape).plane_shape(plane)
    flat = rng.choice(height * width, min(count, height * width // 2), replace=False)
    rows, columns = np.divmod(flat, width)
    values = rng.integers(0, 60_000, len(rows)).astype(np.uint16)
    labels.write(plane, rows, columns, values)
    ArrayLabels(array).write(plane, rows, columns, values)


@pytest.fixture(params=[160, 2], ids=["unpacked", "packed"])
def few_unpacked(request, monkeypatch):
    monkeypatch.setattr(chunked, "_UNPACKED", request.param)


@pytest.mark.usefixtures("few_unpacked")
@pytest.mark.parametrize(
    ("shape", "planes"),
    [
        (SECTION, [Plane()]),
        (VOLUME, [Plane(0, 2), Plane(1, 540), Plane(2, 1299), Plane(0, 2)]),
        ((2, *VOLUME), [Plane(0, 2, (1,)), Plane(1, 0, (0,)), Plane(2, 1030, (1,))]),
    ],
)
def test_what_is_written_in_any_plane_is_read_back_in_all(shape, planes) -> None:
    store, array = LabelStore(shape), np.zeros(shape, np.uint16)
    for seed, plane in enumerate(planes):
        scribble(store, array, plane, seed)
    for plane in planes:
        expected = ArrayLabels(array).read(plane)
        np.testing.assert_array_equal(store.read(plane), expected)
        height, width = expected.shape
        part = Extent(height // 3, width // 5, height, width // 2)
        np.testing.assert_array_equal(store.read(plane, part), expected[part.slices])


@pytest.mark.usefixtures("few_unpacked")
def test_each_level_shows_the_largest_id_of_four_pixels() -> None:
    store, array = LabelStore(SECTION), np.zeros(SECTION, np.uint16)
    for seed in range(2):
        scribble(store, array, Plane(), seed)
    assert store.shapes == [(600, 2600), (300, 1300), (150, 650)]
    for level, shape in enumerate(store.shapes):
        found = store.read_page(level, (), Extent(0, 0, *shape))
        np.testing.assert_array_equal(found, array)
        array = np.pad(array, [(0, n % 2) for n in array.shape])
        array = array.reshape(array.shape[0] // 2, 2, -1, 2).max((1, 3))


def test_memory_is_for_what_was_painted_and_lately_used(monkeypatch) -> None:
    monkeypatch.setattr(chunked, "_UNPACKED", 4)
    store = LabelStore((50_000, 50_000))
    for at in range(0, 50_000, 5000):
        rows, columns = np.mgrid[at : at + 300, at : at + 300].reshape(2, -1)
        store.write(Plane(), rows, columns, np.ones(len(rows), np.uint16))
    assert store.nbytes < 4 * 2 * 512**2 + 300_000


@pytest.mark.parametrize(
    ("shape", "most", "kind", "dtype"),
    [
        ((10, 300, 400), 3, ArrayLabels, np.uint16),
        ((10, 300, 400), 70_000, ArrayLabels, np.uint32),
        ((2000, 4000, 4000), 3, LabelStore, np.uint16),
        ((40_000, 40_000), 2**40, LabelStore, np.uint64),
    ],
)
def test_blank_labels_hold_ids_and_take_little(shape, most, kind, dtype) -> None:
    labels = blank_labels(shape, most)
    assert isinstance(labels, kind)
    at = np.array([7])
    labels.write(Plane(), at, at, np.array([most], dtype))
    part = labels.read(Plane(), Extent(6, 6, 9, 9))
    assert part.dtype == dtype
    assert part[1, 1] == most
    assert np.count_nonzero(part) == 1


def read_back(folder):
    return [np.asarray(level) for level in read_image(folder).data]


def test_mirror_is_an_image_of_labels_that_can_be_opened(tmp_path) -> None:
    store, array = LabelStore(VOLUME), np.zeros(VOLUME, np.uint16)
    scribble(store, array, Plane(0, 1), 0)
    folder = tmp_path / "labels.zarr"
    mirror = LabelMirror(store, folder, PLACE)
    scribble(store, array, Plane(0, 3), 1)
    mirror.finish()
    assert mirror.wait(30)
    file = read_image(folder)
    assert file.labels
    assert tuple(file.geometry.scale) == (40, 4, 4)
    assert tuple(file.geometry.translate) == (0, 8, 8)
    assert file.geometry.units == ("nm", "nm", "nm")
    levels = read_back(folder)
    np.testing.assert_array_equal(levels[0], array)
    assert [level.shape for level in levels] == store.shapes


def test_mirror_follows_what_is_erased_and_replaces_what_was_there(tmp_path) -> None:
    folder = tmp_path / "labels.zarr"
    folder.mkdir()
    (folder / "old").write_text("of an earlier session")
    store, array = LabelStore(SECTION), np.zeros(SECTION, np.uint16)
    scribble(store, array, Plane(), 0)
    mirror = LabelMirror(store, folder, Geometry.plain(SECTION))
    rows, columns = np.nonzero(array)
    store.write(Plane(), rows, columns, np.zeros(len(rows), np.uint16))
    mirror.finish()
    assert mirror.wait(30)
    assert not any(level.any() for level in read_back(folder))
    assert not (folder / "old").exists()


def test_mirror_that_cannot_write_says_so_and_tries_again(tmp_path) -> None:
    store, array = LabelStore(SECTION), np.zeros(SECTION, np.uint16)
    scribble(store, array, Plane(), 0)
    in_the_way, told = tmp_path / "drive", queue.Queue[str | None]()
    in_the_way.touch()
    folder = in_the_way / "labels.zarr"
    mirror = LabelMirror(store, folder, Geometry.plain(SECTION), told.put, 0.05)
    assert "not up to date" in str(told.get(timeout=30))
    in_the_way.unlink()
    assert told.get(timeout=30) is None
    mirror.finish()
    assert mirror.wait(30)
    np.testing.assert_array_equal(read_back(folder)[0], array)


def test_stores_are_the_same_whatever_was_written_and_erased_on_the_way() -> None:
    one, other = LabelStore(VOLUME), LabelStore(VOLUME)
    rows, columns = np.array([5, 599]), np.array([7, 1299])
    one.write(Plane(0, 2), rows, columns, np.array([3, 4]))
    assert not one.same_as(other) and not other.same_as(one)
    other.write(Plane(0, 2), rows, columns, np.array([3, 4]))
    other.write(Plane(0, 3), rows, columns, np.array([3, 4]))
    assert not one.same_as(other)
    other.write(Plane(0, 3), rows, columns, np.array([0, 0]))
    assert one.same_as(other) and other.same_as(one)
    assert not one.same_as(LabelStore(SECTION))

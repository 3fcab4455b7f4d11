"""Many labels at once in a store: there for whoever reads, drawn little by little."""

from __future__ import annotations

import numpy as np
import pytest

from napari_segnext.geometry.plane import Plane
from napari_segnext.geometry.regions import Extent
from napari_segnext.labels.chunked import LabelStore
from napari_segnext.labels.runs import Runs

SHAPES = [(700, 1300), (3, 520, 1100), (2, 2, 900, 600)]


def planes(shape):
    for at in np.ndindex(shape[:-2]):
        yield at, Plane(0, at[-1], at[:-1]) if at else Plane()


def some_runs(random, size: int, longest: int) -> Runs:
    start = np.unique(random.integers(0, size, random.integers(1, 60)))
    end = np.append(start[1:], size)
    length = np.minimum(random.integers(1, longest, len(start)), end - start)
    return Runs(start, length, random.integers(0, 5, len(start)).astype(np.uint16))


def whole(store: LabelStore, level: int = 0) -> np.ndarray:
    shape = store.shapes[level]
    extent = Extent(0, 0, *shape[-2:])
    pages = [store.read_page(level, at, extent) for at in np.ndindex(shape[:-2])]
    return np.stack(pages).reshape(shape)


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("seed", range(4))
def test_whoever_reads_or_writes_finds_what_was_laid_in_its_order(shape, seed):
    random = np.random.default_rng(seed)
    store, expected = LabelStore(shape), np.zeros(shape, np.uint16)
    for longest in (4000, 900_000, 300):
        runs = some_runs(random, expected.size, longest)
        voxels, values = runs.expand()
        expected.ravel()[voxels] = values
        assert store.lay(runs)
        if seed % 2:
            # A part is read, another written, before the rest is drawn.
            *_, (at, plane) = planes(shape)
            part = Extent(100, 100, 300, 560)
            page = store.read(plane, part)
            np.testing.assert_array_equal(page, expected[at][part.slices])
            rows, columns = np.array([510, 512]), np.array([3, 599])
            store.write(plane, rows, columns, np.array([7, 8]))
            expected[at][rows, columns] = 7, 8
        store.draw(seconds=0.0)
    np.testing.assert_array_equal(whole(store), expected)


@pytest.mark.parametrize("shape", SHAPES)
def test_all_levels_are_drawn_and_told_of(shape):
    random = np.random.default_rng(9)
    laid, filled = LabelStore(shape), LabelStore(shape)
    expected = np.zeros(shape, np.uint16)
    runs = some_runs(random, expected.size, 100_000)
    voxels, values = runs.expand()
    expected.ravel()[voxels] = values
    laid.lay(runs)
    turns = 1
    while laid.draw(seconds=0.0):
        turns += 1
    assert turns > 1
    for at, plane in planes(shape):
        part = Extent(0, 0, *shape[-2:])
        filled.fill(plane, part, expected[at], expected[at] > 0)
    assert laid.same_as(filled)
    for level in range(len(laid.shapes)):
        np.testing.assert_array_equal(whole(laid, level), whole(filled, level))
    assert laid.take_changed() >= filled.take_changed()
    assert not laid.draw()


def test_stores_are_compared_by_what_was_laid_in_them():
    one, other = LabelStore((600, 600)), LabelStore((600, 600))
    runs = Runs(np.array([7]), np.array([5000]), np.array([3], np.uint16))
    one.lay(runs)
    assert not one.same_as(other)
    other.lay(runs)
    assert one.same_as(other)

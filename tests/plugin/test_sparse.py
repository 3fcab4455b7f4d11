import numpy as np
import pytest

from napari_segnext.plugin.planes import Axes
from napari_segnext.plugin.sparse import SparsePlanes
from napari_segnext.prompts import Plane

SHAPES = [(6, 7), (4, 6, 7), (2, 4, 6, 7)]
EVERYTHING = slice(None)


def keys(ndim):
    """Return indices of the kinds that a Labels layer uses."""
    lead = (1,) * (ndim - 2)
    yield (*lead, EVERYTHING, EVERYTHING)
    yield (*[slice(i, i + 1) for i in lead], slice(1, 4), slice(2, 7))
    yield (*lead, 3, 4)
    yield (..., 2)
    yield (EVERYTHING,) * ndim
    yield tuple(np.array([i, i, i]) for i in (*lead, 2, 3))
    yield tuple(np.array([0, 1, 1, 0]) for _ in range(ndim))


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("axis", [0, 1, 2])
def test_reading_and_writing_is_as_in_numpy(shape, axis):
    generator = np.random.default_rng(0)
    whole = np.zeros(shape, np.uint8)
    sparse = SparsePlanes(Axes(shape), axis if len(shape) > 2 else 0)
    for _ in range(3):
        for key in keys(len(shape)):
            value = generator.integers(0, 3, whole[key].shape).astype(np.uint8)
            whole[key], sparse[key] = value, value
            assert np.array_equal(np.asarray(sparse), whole)
            for other in keys(len(shape)):
                assert np.array_equal(sparse[other], whole[other])


def test_only_painted_planes_take_memory():
    sparse = SparsePlanes(Axes((2000, 512, 512)))
    assert sparse.nbytes == 0
    sparse[7:8, 10:20, 30:40] = np.ones((1, 10, 10), np.uint8)
    sparse[9:10, 10:20, 30:40] = np.zeros((1, 10, 10), np.uint8)
    assert sparse.nbytes == 512 * 512
    assert sparse.planes == {Plane(0, 7)}


def test_touched_planes_are_told_once_and_not_for_what_is_filled_in():
    sparse = SparsePlanes(Axes((4, 6, 7)))
    sparse.fill(Plane(0, 2), np.ones((6, 7), np.uint8))
    assert sparse.take_touched() == set()
    sparse[2, 3, 4] = 0
    assert sparse.take_touched() == {Plane(0, 2)}
    assert sparse.take_touched() == set()


def test_what_is_read_is_a_copy():
    sparse = SparsePlanes(Axes((4, 6, 7)))
    sparse[1] = 2
    sparse[1][:] = 0
    assert (sparse[1] == 2).all()

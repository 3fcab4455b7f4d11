import numpy as np
import pytest

from napari_segnext.geometry.frame import Region
from napari_segnext.geometry.plane import Plane
from napari_segnext.geometry.regions import Extent
from napari_segnext.geometry.space import Space
from napari_segnext.plugin.layers.scribble_canvas import SparsePlanes

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
    sparse = SparsePlanes(Space(shape), axis if len(shape) > 2 else 0)
    for _ in range(3):
        for key in keys(len(shape)):
            value = generator.integers(0, 3, whole[key].shape).astype(np.uint8)
            whole[key], sparse[key] = value, value
            assert np.array_equal(np.asarray(sparse), whole)
            for other in keys(len(shape)):
                assert np.array_equal(sparse[other], whole[other])


def test_only_painted_planes_take_memory():
    sparse = SparsePlanes(Space((2000, 512, 512)))
    assert sparse.nbytes == 0
    sparse[7:8, 10:20, 30:40] = np.ones((1, 10, 10), np.uint8)
    sparse[9:10, 10:20, 30:40] = np.zeros((1, 10, 10), np.uint8)
    assert sparse.nbytes == 512 * 512
    assert sparse.planes == {Plane(0, 7)}


def test_touched_planes_are_told_once_and_not_for_what_is_filled_in():
    sparse = SparsePlanes(Space((4, 6, 7)))
    sparse.paint(Plane(0, 2), Region((1, 2), np.ones((3, 3), bool)), 2)
    assert sparse.take_touched() == {}
    sparse[2, 3, 4] = 0
    sparse[2, 4:6, 1:3] = 1
    assert sparse.take_touched() == {Plane(0, 2): (3, 1, 6, 5)}
    sparse[tuple(np.array(i) for i in ([1, 1], [2, 3], [4, 6]))] = 1
    assert sparse.take_touched() == {Plane(0, 1): (2, 4, 4, 7)}
    assert sparse.take_touched() == {}


@pytest.mark.parametrize("shape", SHAPES)
def test_a_part_is_read_and_written_as_a_part_of_the_whole(shape):
    origin = (0,) * (len(shape) - 2) + (2, 1)
    size = (2,) * (len(shape) - 2) + (4, 5)
    whole = np.zeros(shape, np.uint8)
    view = whole[tuple(slice(o, o + n) for o, n in zip(origin, size, strict=True))]
    part = SparsePlanes(Space(shape)).part(origin, size)
    for number, key in enumerate(keys(len(shape)), 1):
        part[key] = view[key] = number
        for other in keys(len(shape)):
            assert np.array_equal(part[other], view[other])
    assert np.array_equal(np.asarray(part), view)


def test_a_stroke_in_a_large_plane_takes_little_memory_and_is_read_as_a_crop():
    resource = pytest.importorskip("resource")
    sparse = SparsePlanes(Space((40_000, 40_000)))
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    sparse[20_000:20_100, 30_000:30_100] = np.ones((100, 100), np.uint8)
    ((plane, extent),) = sparse.take_touched().items()
    assert sparse.read(plane, Extent(*extent)).sum() == 10_000
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 300_000


def test_what_is_read_is_a_copy():
    sparse = SparsePlanes(Space((4, 6, 7)))
    sparse[1] = 2
    sparse[1][:] = 0
    assert (sparse[1] == 2).all()

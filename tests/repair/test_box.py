"""What is read around an object, along any axis and in any kind of image."""

import numpy as np
import pytest

from napari_segnext.geometry.plane import Plane
from napari_segnext.repair.box import ObjectBox
from napari_segnext.session import ArrayLabels, Session


def boxed(labels, shown, whole, margin=1, scale=None):
    session = Session(ArrayLabels(labels))
    place = session.place(1, shown, whole)
    scale = scale or (1,) * min(labels.ndim, 3)
    box = ObjectBox.read(session.labels, 1, place, shown.axis, scale, {}, margin)
    return box


@pytest.mark.parametrize("axis", [0, 1, 2])
@pytest.mark.parametrize("whole", [True, False])
def test_voxels_have_their_numbers_and_slices_are_those_that_are_seen(axis, whole):
    labels = np.zeros((6, 8, 10), np.uint8)
    labels[2:4, 3:6, 4:9] = 1
    labels[3, 4, 4:6] = 2
    shown = Plane(axis, (3, 4, 5)[axis])
    box = boxed(labels, shown, whole)
    there = labels == 1
    if not whole:
        there &= np.indices(labels.shape)[axis] == shown.index
    assert (box.numbers(box.mask) == np.flatnonzero(there)).all()
    assert not (labels.ravel()[box.numbers(box.free)]).any()
    assert (box.marked(np.flatnonzero(there)) == box.mask).all()
    slices = np.count_nonzero(there.any(tuple({0, 1, 2} - {axis})))
    pages = box.along(box.mask)
    assert np.count_nonzero(pages.any((1, 2))) == slices
    # One voxel around it, but across the slice that is taken alone.
    sizes = np.array([np.ptp(at) + 3 for at in np.nonzero(there)])
    sizes[axis] -= 0 if whole else 2
    assert sorted(box.mask.shape) == sorted(sizes)


def test_the_box_ends_where_the_image_does():
    labels = np.ones((2, 3, 4), np.uint8)
    box = boxed(labels, Plane(0, 1), whole=True, margin=5)
    assert box.mask.all()
    assert box.mask.shape == labels.shape


def test_an_object_of_a_2d_image_and_of_one_time_is_read():
    flat = np.zeros((5, 6), np.uint8)
    flat[1:3, 2:4] = 1
    box = boxed(flat, Plane(), whole=True)
    assert box.mask.shape == (1, 4, 4)
    assert (box.numbers(box.mask) == np.flatnonzero(flat)).all()

    series = np.zeros((2, 3, 5, 6), np.uint8)
    series[:, 1, 1:3, 2:4] = 1
    box = boxed(series, Plane(0, 1, (1,)), whole=True)
    there = np.flatnonzero(series)
    assert (box.numbers(box.mask) == there[there >= 3 * 5 * 6]).all()


@pytest.mark.parametrize(
    ("axis", "steps"), [(0, (4, 1, 2)), (1, (4, 1, 2)), (2, (4, 1, 2))]
)
def test_steps_are_in_pixels_of_the_slices_that_are_seen(axis, steps):
    labels = np.ones((3, 4, 5), np.uint8)
    box = boxed(labels, Plane(axis, 1), whole=True, scale=steps)
    seen = [step for at, step in enumerate(steps) if at != axis]
    assert box.steps == tuple(step / min(seen) for step in steps)


def test_nothing_of_the_object_is_said():
    labels = np.zeros((3, 4, 5), np.uint8)
    labels[0, 0, 0] = 1
    with pytest.raises(ValueError, match="nothing of the object here"):
        boxed(labels, Plane(0, 2), whole=False)

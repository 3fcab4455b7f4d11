"""Axes, planes and positions of an image of any number of axes."""

from __future__ import annotations

import numpy as np
import pytest

from napari_segnext.geometry.plane import Plane
from napari_segnext.geometry.space import Space

VOLUME = Space((5, 6, 7))
SERIES = Space((3, 5, 6, 7))
# Sections at places along other axes, which have no third axis.
SECTIONS = Space((3, 2, 6, 7), flat=True)


@pytest.mark.parametrize(
    ("space", "position", "axis", "plane"),
    [
        (Space((6, 7)), (2, 3), 0, Plane()),
        (VOLUME, (2.4, 3, 4), 0, Plane(0, 2)),
        (VOLUME, (2, 3.6, 4), 1, Plane(1, 4)),
        (VOLUME, (2, 3, 4), 2, Plane(2, 4)),
        (SERIES, (1, 2, 3, 4), 0, Plane(0, 2, (1,))),
        (SERIES, (1, 2, 3, 4), 2, Plane(2, 4, (1,))),
        (VOLUME, (2.5, 3, 4), 0, Plane(0, 2)),
        (VOLUME, (3.5, 3, 4), 0, Plane(0, 4)),
        (VOLUME, (2, 4.5, 4), 1, Plane(1, 4)),
        (VOLUME, (-0.5, 3, 4), 0, Plane(0, 0)),
        (VOLUME, (-0.6, 3, 4), 0, None),
        (VOLUME, (4.5, 3, 4), 0, Plane(0, 4)),
        (VOLUME, (4.6, 3, 4), 0, None),
    ],
)
def test_position_lies_in_plane(space, position, axis, plane):
    assert space.plane_at(position, axis) == plane


@pytest.mark.parametrize("space", [Space((6, 7)), VOLUME, SERIES])
@pytest.mark.parametrize("axis", [0, 1, 2])
def test_plane_points_pixels_and_index_agree(space, axis):
    position = [1, 2, 3, 4][-space.ndim :]
    data = np.arange(np.prod(space.shape)).reshape(space.shape)
    plane = space.plane_at(position, axis)
    ((row, column),) = space.to_plane(np.array([position]), axis).astype(int)
    assert space.from_plane(plane, [(row, column)])[0].tolist() == position
    cut = data[space.index(plane)]
    assert cut.shape == space.plane_shape(plane)
    assert cut[row, column] == data[tuple(position)]
    assert (
        data[space.pixel_index(plane, np.array([row]), np.array([column]))]
        == cut[row, column]
    )


def test_last_half_pixel_is_outside():
    assert VOLUME.contains(Plane(0, 2), [(-0.5, 6.49)])
    assert not VOLUME.contains(Plane(0, 2), [(0, 6.5)])
    assert not VOLUME.contains(Plane(0, 2), [(-0.51, 0)])


@pytest.mark.parametrize("space", [Space((6, 7)), VOLUME, SERIES, SECTIONS])
def test_planes_along_every_axis_cut_the_array_into_all_of_its_voxels(space):
    numbers = np.arange(space.size).reshape(space.shape)
    for axis in range(1 if space.flat else 3):
        cuts = []
        for plane in space.planes(axis):
            space.check(plane)
            cut = numbers[space.index(plane)]
            rows, columns = np.indices(cut.shape).reshape(2, -1)
            voxels = space.numbers(plane, rows, columns)
            np.testing.assert_array_equal(voxels, cut.ravel())
            np.testing.assert_array_equal(space.pixels(plane, voxels), [rows, columns])
            within = space.within(plane, numbers.ravel())
            assert within.sum() == cut.size and within[voxels].all()
            cuts.append(cut.ravel())
        every = np.concatenate(cuts)
        assert len(every) == space.size and len(set(every)) == space.size
    area = space.shape[-2] * space.shape[-1]
    assert space.planes(0) == [
        space.slice_plane(number) for number in range(space.size // area)
    ]


def test_a_box_is_cut_by_planes_of_every_axis():
    numbers = np.arange(SERIES.size).reshape(SERIES.shape)
    box = np.zeros(SERIES.shape, bool)
    box[1:2, 2:4, 1:6, 3:5] = True
    for axis in range(3):
        for plane in SERIES.planes(axis):
            cut = SERIES.cut(plane, (1, 2, 1, 3), (1, 2, 5, 2))
            met = numbers[SERIES.index(plane)][cut.slices]
            np.testing.assert_array_equal(
                met.ravel(), numbers[SERIES.index(plane)][box[SERIES.index(plane)]]
            )


def test_planes_beside_one_end_with_the_image():
    assert [p.index for p in SERIES.along(Plane(1, 0, (2,)), 2)] == [0, 1, 2]
    assert [p.index for p in SERIES.along(Plane(0, 4, (2,)), 1)] == [3, 4]
    assert SECTIONS.along(Plane(0, 0, (2, 1)), 3) == [Plane(0, 0, (2, 1))]


@pytest.mark.parametrize(
    ("space", "plane"),
    [
        (VOLUME, Plane(0, 5)),
        (VOLUME, Plane(3, 0)),
        (VOLUME, Plane(0, 0, (0,))),
        (SERIES, Plane(0, 0, (3,))),
        (SERIES, Plane(0, 0)),
        (SECTIONS, Plane(0, 1, (0, 0))),
        (SECTIONS, Plane(1, 0, (0, 0))),
    ],
)
def test_a_plane_that_does_not_cut_the_array_is_named(space, plane):
    with pytest.raises(
        ValueError, match=f"slice {plane.index} along axis {plane.axis}"
    ):
        space.check(plane)


def test_a_slice_that_is_none_is_told_which_there_are():
    with pytest.raises(ValueError, match=r"\(5, 6, 7\), which has slices 0 to 6 there"):
        VOLUME.check(Plane(2, 7))
    with pytest.raises(ValueError, match=r"\(6, 7\), a section"):
        Space((6, 7)).check(Plane(0, 3))

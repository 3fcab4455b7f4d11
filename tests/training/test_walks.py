from __future__ import annotations

import numpy as np
import pytest
from scipy import ndimage
from skimage.draw import disk

pytest.importorskip("cv2", reason="training needs the extra `train`")

from napari_segnext.training.data import LabelledImage
from napari_segnext.training.organelles import dark_organelles, planes_of
from napari_segnext.training.walks import LENGTH, Walk, Walks, made_up, walks_in

SIZE = 64


def oblique(ends: int = 12) -> np.ndarray:
    """Return a rod that moves on by two columns from plane to plane, until it ends."""
    labels = np.zeros((12, 60, 60), np.uint16)
    for z in range(ends):
        labels[z, 20:36, 10 + 2 * z : 24 + 2 * z] = 3
    return labels


def drawn(ways, count: int = 12) -> list[Walk]:
    sources = {"ways": (ways, 1.0)}
    return [Walks(sources, SIZE, 2, seed=0).sample(n) for n in range(count)]


def test_masks_lie_on_their_object_in_every_plane() -> None:
    labels = oblique()
    for walk in drawn(walks_in((70 * labels).astype(np.uint8), [labels], 2)):
        assert walk.images.shape == (LENGTH, SIZE, SIZE, 3)
        assert walk.masks.shape == (2, LENGTH, SIZE, SIZE)
        assert walk.motion.shape == (LENGTH - 1, 2, SIZE, SIZE)
        for image, mask in zip(walk.images, walk.masks[0], strict=True):
            inside, outside = image[mask].mean(), image[~mask].mean()
            assert abs(inside - outside) > 0.2
        starts = [np.argwhere(mask).mean(0) for mask in walk.masks[0]]
        steps = np.abs(np.diff(starts, axis=0)).max(1)
        # It goes on in one direction, from each plane to the next by as much.
        assert steps.min() > 1
        assert np.ptp(steps) < 2


def test_an_object_that_ends_has_empty_masks_from_there_on() -> None:
    labels = oblique(ends=6)
    walks = drawn(walks_in((70 * labels).astype(np.uint8), [labels], 3), 30)
    shown = np.array([walk.masks[0].any((1, 2)) for walk in walks])
    assert shown[:, 0].all()
    assert not shown[:, 2].all()
    # What is gone does not come back.
    assert not (shown[:, 2] & ~shown[:, 1]).any()


def test_all_pieces_are_followed_or_the_largest_alone() -> None:
    labels = oblique()
    # The same cell, far off.
    labels[:, 2:8, 50:58] = 3
    pieces = set()
    for walk in drawn(walks_in((70 * labels).astype(np.uint8), [labels], 1), 20):
        counts = [ndimage.label(mask)[1] for mask in walk.masks[0]]
        # Each goes on from itself: no piece comes or goes on the way.
        assert len(set(counts)) == 1
        pieces.add(counts[0])
    assert pieces == {1, 2}


def test_motion_is_from_each_plane_to_the_next() -> None:
    rng = np.random.default_rng(0)
    texture = np.repeat(np.repeat(rng.integers(0, 255, (30, 50)), 2, 0), 3, 1)
    image = np.stack([np.roll(texture, 3 * z, 1) for z in range(9)]).astype(np.uint8)
    labels = np.zeros(image.shape, np.uint8)
    for z in range(9):
        labels[z, 16:44, 30 + 3 * z : 70 + 3 * z] = 1
    moved = []
    for walk in drawn(walks_in(image, [labels], 1), 20):
        on = walk.masks[0, 1]
        assert np.isfinite(walk.motion).all()
        moved.append(np.hypot(*(walk.motion[0][:, on].mean(1))))
    # Of some ways pixels are moved before the model looks, of others they are not.
    assert min(moved) == 0
    assert max(moved) > 1


def test_planes_beside_a_picture_show_its_objects_moved() -> None:
    labels = np.zeros((120, 120), np.int32)
    labels[disk((60, 60), 24)] = 1
    image = (90 + 90 * labels + np.indices(labels.shape)[0] // 4).astype(np.uint8)
    picture = LabelledImage.of(image, [labels])
    walks = drawn(made_up(lambda rng: picture), 30)
    lasting = [walk for walk in walks if walk.masks[0, -1].any()]
    assert len(walks) > len(lasting) > len(walks) // 2
    for walk in lasting:
        inside = [i[m].mean() for i, m in zip(walk.images, walk.masks[0], strict=True)]
        assert np.ptp(inside) < 0.3
    assert any((w.masks[0, 0] != w.masks[0, -1]).mean() > 0.02 for w in lasting)


def test_a_way_is_the_same_whenever_it_is_drawn() -> None:
    labels = oblique()
    ways = walks_in((70 * labels).astype(np.uint8), [labels], 2)
    for first, second in zip(drawn(ways, 3), drawn(ways, 3), strict=True):
        np.testing.assert_array_equal(first.images, second.images)
        np.testing.assert_array_equal(first.masks, second.masks)


def test_dark_organelles_are_those_that_the_labelled_planes_show() -> None:
    image = np.full((48, 64, 64), 150, np.uint8)
    z, y, x = np.indices(image.shape)
    first = (z - 24) ** 2 + (y - 20) ** 2 + (x - 20) ** 2 <= 12**2
    second = (z - 24) ** 2 + (y - 44) ** 2 + (x - 44) ** 2 <= 12**2
    membrane = np.abs(x + y - 64) <= 1
    image[first | second | membrane] = 80
    # Of the second one nothing is known to be a mitochondrion.
    pictures = [
        (image[24], first[24].astype(int)),
        (image[:, 20].copy(), first[:, 20].astype(int)),
        (np.zeros_like(image[0]), np.ones(image[0].shape, int)),
    ]
    known, labelled = planes_of(image, pictures)
    assert known.sum() == 64 * 64 + 48 * 64 - 64
    found = dark_organelles(image, known, labelled)
    assert found.max() == 1
    # Half of an edge as sharp as this one counts as bright.
    assert (found[first] == 1).mean() > 0.7
    assert not found[second | (membrane & ~first)].any()

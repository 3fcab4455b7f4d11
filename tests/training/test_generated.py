"""Generated images: repeatable, fully labelled, and with objects one can see."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from itertools import pairwise

import numpy as np
import pytest
from scipy import ndimage

from napari_segnext.training.generated import (
    GeneratedSlice,
    em_slice,
    em_stack,
    mri_slice,
    mri_stack,
)
from napari_segnext.training.generated.anatomy import head
from napari_segnext.training.generated.canvas import Grid
from napari_segnext.training.generated.lesions import draw_lesions

Draw = Callable[..., GeneratedSlice]

DRAW = [
    pytest.param(em_slice, (96, 80), id="em_slice"),
    pytest.param(mri_slice, (96, 80), id="mri_slice"),
    pytest.param(em_stack, (6, 64, 72), id="em_stack"),
    pytest.param(mri_stack, (6, 64, 72), id="mri_stack"),
]


def _ids(layer: np.ndarray) -> set[int]:
    return set(np.unique(layer).tolist()) - {0}


def _edge_contrast(image: np.ndarray, mask: np.ndarray) -> float:
    """Grey-level difference between an object and a ring around it."""
    ring = ndimage.binary_dilation(mask, iterations=3) & ~mask
    rim = mask & ~ndimage.binary_erosion(mask, iterations=3)
    if not ring.any():
        return 0.0
    return abs(float(image[rim].mean()) - float(image[ring].mean()))


@pytest.mark.parametrize(("draw", "shape"), DRAW)
def test_same_seed_gives_the_same_image_and_another_seed_another(
    draw: Draw, shape: tuple[int, ...]
) -> None:
    first, again, other = (draw(np.random.default_rng(s), shape) for s in (3, 3, 4))
    np.testing.assert_array_equal(first.image, again.image)
    assert first.kinds == again.kinds
    for a, b in zip(first.layers, again.layers, strict=True):
        np.testing.assert_array_equal(a, b)
    assert np.any(first.image != other.image)


@pytest.mark.parametrize(("draw", "shape"), DRAW)
def test_every_object_is_named_once_and_every_layer_has_objects(
    draw: Draw, shape: tuple[int, ...]
) -> None:
    for seed in range(8):
        drawn = draw(np.random.default_rng(seed), shape)
        assert drawn.image.shape == shape
        assert drawn.image.dtype == np.uint8
        ids = [_ids(layer) for layer in drawn.layers]
        assert ids
        assert all(ids)
        assert sum(map(len, ids)) == len(drawn.kinds)
        assert set().union(*ids) == set(drawn.kinds)
        for layer in drawn.layers:
            assert layer.shape == shape
            assert layer.dtype == np.int32


@pytest.mark.parametrize("shape", [(20, 31), (33, 200), (256, 256)])
@pytest.mark.parametrize("draw", [em_slice, mri_slice])
def test_any_size_can_be_drawn(draw: Draw, shape: tuple[int, int]) -> None:
    assert draw(np.random.default_rng(0), shape).labels.shape == shape


def test_labels_show_the_innermost_object() -> None:
    drawn = em_slice(np.random.default_rng(1), (128, 128))
    cells, organelles = drawn.layers
    np.testing.assert_array_equal(
        drawn.labels, np.where(organelles > 0, organelles, cells)
    )


def test_parts_of_a_lesion_lie_in_each_other_and_all_in_the_brain() -> None:
    nested = 0
    for seed in range(10):
        rng = np.random.default_rng(seed)
        anatomy = head(rng, Grid((128, 128)))
        for lesion in draw_lesions(rng, anatomy):
            masks = [anatomy.whole, *(mask for _, mask in lesion.masks)]
            nested += len(lesion.masks) > 1
            for outer, inner in pairwise(masks):
                assert inner.any()
                assert not np.any(inner & ~outer)
    assert nested > 3


@pytest.mark.parametrize(
    ("draw", "kind", "seeds"),
    [
        (em_slice, "cell", 20),
        (em_slice, "mitochondrion", 30),
        (em_slice, "nucleus", 80),
        (mri_slice, "lesion", 30),
        (mri_slice, "structure", 30),
    ],
)
def test_objects_stand_out_more_than_the_same_shapes_elsewhere(
    draw: Draw, kind: str, seeds: int
) -> None:
    here, elsewhere = [], []
    for seed in range(seeds):
        drawn = draw(np.random.default_rng(seed), (160, 160))
        for number in [i for i, k in drawn.kinds.items() if k == kind][:6]:
            mask = np.any([layer == number for layer in drawn.layers], axis=0)
            if np.count_nonzero(mask) < 60:
                continue
            moved = np.roll(mask, (11, 11), (0, 1))
            here.append(_edge_contrast(drawn.image, mask))
            elsewhere.append(_edge_contrast(drawn.image, moved))
    assert len(here) > 8
    assert np.mean(here) > 1.3 * np.mean(elsewhere)
    assert np.median(here) > 8


def test_em_pictures_differ_in_scale_and_polarity() -> None:
    sizes, darker = [], []
    for seed in range(40):
        drawn = em_slice(np.random.default_rng(seed), (160, 160))
        cells = drawn.layers[0]
        sizes.append(np.median(np.bincount(cells.ravel())[1:]))
        membranes, insides = drawn.image[cells == 0], drawn.image[cells > 0]
        darker.append(np.median(membranes) < np.median(insides))
    assert np.percentile(sizes, 90) > 5 * np.percentile(sizes, 10)
    assert 0.5 < np.mean(darker) < 0.98


def test_channels_are_contrasts_of_one_anatomy_some_missing_some_repeated() -> None:
    missing = repeated = independent = 0
    for seed in range(40):
        drawn = mri_slice(np.random.default_rng(seed), (64, 64), channels=3)
        assert drawn.image.shape == (64, 64, 3)
        assert drawn.layers[0].shape == (64, 64)
        planes = list(np.moveaxis(drawn.image, -1, 0))
        flat = [np.ptp(plane) == 0 for plane in planes]
        pairs = [
            np.array_equal(planes[a], planes[b])
            for a, b in ((0, 1), (0, 2), (1, 2))
            if not (flat[a] or flat[b])
        ]
        assert not all(flat)
        missing += any(flat)
        repeated += any(pairs)
        independent += not any(flat) and not any(pairs)
    assert missing >= 2
    assert repeated >= 2
    assert independent >= 15


@pytest.mark.parametrize("draw", [em_stack, mri_stack])
def test_stacks_are_coherent_through_z(draw: Draw) -> None:
    near, far = [], []
    for seed in range(4):
        labels = draw(np.random.default_rng(seed), (14, 96, 96)).layers[0]
        inside = labels > 0
        near.append(np.mean((labels[1:] == labels[:-1])[inside[1:]]))
        far.append(np.mean((labels[12:] == labels[:-12])[inside[12:]]))
    assert np.mean(near) > 0.6
    assert np.mean(near) > np.mean(far) + 0.1


def test_em_sections_jump_in_brightness_more_than_their_content_does() -> None:
    steps = []
    for seed in range(6):
        stack = em_stack(np.random.default_rng(seed), (16, 48, 48)).image
        steps.append(np.abs(np.diff(stack.mean(axis=(1, 2)))).max())
    assert np.median(steps) > 4


@pytest.mark.parametrize("channels", [0, 4])
def test_a_wrong_number_of_channels_is_refused(channels: int) -> None:
    with pytest.raises(ValueError, match="1 to 3 channels"):
        mri_slice(np.random.default_rng(0), (32, 32), channels=channels)


@pytest.mark.parametrize("shape", [(32,), (0, 32), (2, 2, 32, 32)])
def test_a_wrong_shape_is_refused(shape: tuple[int, ...]) -> None:
    with pytest.raises(ValueError, match="is \\(Y, X\\) or"):
        em_slice(np.random.default_rng(0), shape)  # type: ignore[arg-type]


def test_drawing_needs_no_torch() -> None:
    code = (
        "import sys, napari_segnext.training.generated;"
        "sys.exit('torch' in sys.modules or 'napari' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from skimage.draw import disk

from napari_segnext import evaluation
from napari_segnext.training.augment import change_intensity, turn
from napari_segnext.training.crops import (
    MIN_PIXELS,
    around_object,
    frame_around,
    whole_image,
)
from napari_segnext.training.data import Crop, LabelledImage, Mixture
from napari_segnext.training.sources import Archive, DataSet, repeated, superpixels


def cells(
    rng: np.random.Generator, shape: tuple[int, int] = (150, 200)
) -> LabelledImage:
    """Draw disks, each as bright as its number."""
    labels = np.zeros(shape, np.int32)
    for number in range(1, 9):
        at = rng.uniform(10, np.array(shape) - 10)
        labels[disk(at, rng.uniform(6, 25), shape=shape)] = number
    image = (labels * 25).astype(np.uint8)
    return LabelledImage.of(image, [labels])


@pytest.mark.parametrize("crop", [around_object, whole_image])
@pytest.mark.parametrize("seed", range(15))
def test_masks_lie_on_their_objects(seed: int, crop: Crop) -> None:
    rng = np.random.default_rng(seed)
    sample = None
    while sample is None:
        sample = crop(cells(rng), rng, 64, 3)
    assert sample.image.shape == (64, 64, 3)
    assert sample.masks.shape == (3, 64, 64)
    for mask in sample.masks:
        assert mask.sum() >= MIN_PIXELS
        # An object has one brightness; its rim is mixed by the resampling.
        assert np.std(sample.image[mask], axis=0).max() < 0.2
        assert np.ptp(np.median(sample.image[mask], axis=0)) < 1e-6


def test_a_whole_image_fills_the_input() -> None:
    image = np.zeros((40, 100), np.uint8)
    labels = np.zeros((40, 100), np.int32)
    labels[:, 50:], image[:, 50:] = 1, 200
    picture = LabelledImage.of(image, [labels])
    sample = whole_image(picture, np.random.default_rng(0), 64, 1)
    assert sample is not None
    np.testing.assert_array_equal(sample.masks[0, :, 32:], True)
    assert not sample.masks[0, :, :32].any()


def test_a_window_follows_the_rule_of_the_model() -> None:
    image = np.linspace(50, 100, 64 * 64).reshape(64, 64).astype(np.uint8)
    labels = (image > 75).astype(np.int32)
    rng = np.random.default_rng(0)
    drawn = {
        rule: whole_image(LabelledImage.of(image, [labels], rule), rng, 64, 1)
        for rule in ("uint8", "percentile")
    }
    brightest = {rule: sample.image.max() for rule, sample in drawn.items() if sample}
    assert brightest["uint8"] == pytest.approx(100 / 255, abs=0.01)
    assert brightest["percentile"] == pytest.approx(1)


def test_objects_come_in_many_sizes() -> None:
    mixture = Mixture({"cells": (cells, 1.0)}, around_object, 64, 1, seed=0)
    shares = [mixture.sample(i).masks.mean() for i in range(60)]
    assert min(shares) < 0.03
    assert max(shares) > 0.25


def test_a_crop_in_five_is_magnified_like_a_small_image() -> None:
    rng = np.random.default_rng(0)
    box = (slice(100, 112), slice(300, 310))
    frames = [frame_around(box, (900, 900), rng, 192) for _ in range(400)]
    zooms = np.array([192 / max(frame.height, frame.width) for frame in frames])
    assert np.mean(zooms > 1.51) == pytest.approx(0.17, abs=0.05)
    assert 4 < zooms.max() <= 6.1


def test_sample_number_i_is_always_the_same() -> None:
    first = Mixture({"cells": (cells, 1.0)}, around_object, 48, 2, seed=4)
    later = Mixture({"cells": (cells, 1.0)}, around_object, 48, 2, seed=4, start=3)
    np.testing.assert_array_equal(first.sample(3).image, next(iter(later)).image)
    assert not np.array_equal(first.sample(3).image, first.sample(4).image)
    other = Mixture({"cells": (cells, 1.0)}, around_object, 48, 2, seed=5)
    assert not np.array_equal(first.sample(3).image, other.sample(3).image)


def test_sources_are_drawn_by_their_weights() -> None:
    drawn = {"a": 0, "b": 0}

    def counting(name: str):  # type: ignore[no-untyped-def]
        def source(rng: np.random.Generator) -> LabelledImage:
            drawn[name] += 1
            return cells(rng)

        return source

    sources = {"a": (counting("a"), 3.0), "b": (counting("b"), 1.0)}
    mixture = Mixture(sources, around_object, 32, 1, seed=0)
    for i in range(80):
        mixture.sample(i)
    assert 0.55 < drawn["a"] / sum(drawn.values()) < 0.92


def test_an_archive_is_read_and_unlabelled_images_are_left_out(tmp_path: Path) -> None:
    path = tmp_path / "set.npz"
    picture = cells(np.random.default_rng(0))
    np.savez(
        path,
        image_0000=picture.image,
        mask_0000=picture.labels[0],
        image_0001=picture.image,
        mask_0001=np.zeros_like(picture.labels[0]),
    )
    source = Archive(path)
    for seed in range(5):
        assert source(np.random.default_rng(seed)).labels[0].any()
    np.savez(path, other=np.zeros(3))
    with pytest.raises(ValueError, match="image_NNNN"):
        Archive(path)


def test_a_data_set_is_read_with_overlapping_layers_and_without_what_is_ignored() -> (
    None
):
    labels = np.zeros((30, 40, 2), np.int64)
    labels[:10, :, 0] = 70_000
    labels[5:20, :, 1] = 3
    labels[25:, :, 1] = -1
    image = np.arange(30 * 40, dtype=np.uint16).reshape(30, 40)
    sample = evaluation.Sample("one", lambda: image, lambda: labels, (3, 70_000))
    picture = DataSet([sample], "percentile")(np.random.default_rng(0))
    first, second = picture.labels
    np.testing.assert_array_equal(first == 1, labels[..., 0] == 70_000)
    np.testing.assert_array_equal(second == 1, labels[..., 1] == 3)
    assert first.max() == second.max() == 1


def test_superpixels_follow_the_image() -> None:
    rng = np.random.default_rng(1)
    picture = superpixels(cells)(rng)
    (labels,) = picture.labels
    assert labels.min() == 1
    assert labels.max() > 3
    spread = [picture.image[labels == i].std() for i in range(1, labels.max() + 1)]
    assert np.median(spread) < picture.image.std() / 3


def test_a_repeated_source_draws_each_picture_once() -> None:
    calls = []

    def source(rng: np.random.Generator) -> LabelledImage:
        calls.append(1)
        return cells(rng)

    draw = repeated(source, 3, seed=0)
    for seed in range(30):
        draw(np.random.default_rng(seed))
    assert len(calls) == 3


def test_turning_keeps_image_and_masks_together() -> None:
    rng = np.random.default_rng(0)
    masks = rng.random((2, 16, 16)) > 0.5
    image = np.stack([masks[0], masks[1], masks[0]], -1).astype(np.float32)
    seen = set()
    for _ in range(40):
        turned, moved = turn(image, masks, rng)
        np.testing.assert_array_equal(turned[..., 0] > 0.5, moved[0])
        np.testing.assert_array_equal(turned[..., 1] > 0.5, moved[1])
        seen.add(moved.tobytes())
    assert len(seen) == 8


def test_intensities_stay_in_range_and_grey_stays_mostly_grey() -> None:
    rng = np.random.default_rng(0)
    grey = np.repeat(rng.random((24, 24, 1)).astype(np.float32), 3, 2)
    still_grey = 0
    for _ in range(60):
        changed = change_intensity(grey, rng)
        assert changed.dtype == np.float32
        assert changed.min() >= 0
        assert changed.max() <= 1
        still_grey += np.array_equal(changed[..., 0], changed[..., 1])
    assert 40 < still_grey < 60

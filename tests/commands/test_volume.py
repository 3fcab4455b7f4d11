"""Volumes segmented by one call of Python: axes, grids, and what is misgiven."""

from __future__ import annotations

from pathlib import Path

import nibabel as nib
import numpy as np
import pytest
import tifffile
from numpy.typing import NDArray
from tests.doubles import WHOLE, IntensityModel

from napari_segnext import (
    Plane,
    Prompts,
    Volume,
    VolumePredictor,
    read_image,
    segment_volume,
    write_labels,
)
from napari_segnext.files import ObjectPrompts, read_prompts, write_prompts

SHAPE = (6, 64, 64)
BRIGHT = np.zeros(SHAPE, bool)
BRIGHT[1:5, 8:20, 12:36] = True
# Stored as x to the left, y to the front, z to the feet, and in another order.
TURNED = np.array([[0.0, -2, 0, 9], [0, 0, -3, -4], [-4, 0, 0, 1], [0, 0, 0, 1]])
CLICK = {Plane(0, 2): Prompts().click(12, 20)}


@pytest.fixture
def model() -> IntensityModel:
    return IntensityModel(WHOLE)


@pytest.fixture
def array() -> NDArray[np.uint8]:
    return np.where(BRIGHT, 200, 20).astype(np.uint8)


@pytest.fixture
def scan(array: NDArray[np.uint8], tmp_path: Path) -> Path:
    """Write a NIfTI that napari shows as the array."""
    path = tmp_path / "scan.nii.gz"
    # Along the stored axes run z downwards, x and y as they are shown or against it.
    stored = nib.Nifti1Image(array.transpose(0, 2, 1), TURNED)
    shown = read_image(stored).data
    for flips in np.ndindex(2, 2, 2):
        turned = np.flip(array, np.flatnonzero(flips))
        stored = nib.Nifti1Image(turned.transpose(0, 2, 1), TURNED)
        shown = read_image(stored).data
        if np.array_equal(shown, array):
            nib.save(stored, path)
            return path
    raise AssertionError(f"{shown.shape} is never as the array")


def in_slice(index: int) -> NDArray[np.bool_]:
    labels = np.zeros(SHAPE, bool)
    labels[index] = BRIGHT[index]
    return labels


def test_labels_of_an_array_are_on_its_grid(model, array) -> None:
    labels = segment_volume(array, CLICK, model)
    assert np.issubdtype(labels.dtype, np.integer)
    np.testing.assert_array_equal(labels, in_slice(2))


def test_a_path_a_volume_and_an_array_give_the_same(model, array, scan) -> None:
    tifffile.imwrite(scan.with_name("s.tif"), array, metadata={"axes": "ZYX"})
    for image in (Volume(array), scan, str(scan), scan.with_name("s.tif")):
        np.testing.assert_array_equal(segment_volume(image, CLICK, model), in_slice(2))


def test_labels_of_an_image_of_nibabels_have_its_order(model, scan) -> None:
    image = nib.load(scan)
    labels = segment_volume(image, CLICK, model)
    assert labels.shape == image.shape
    stored = nib.Nifti1Image(labels, image.affine)
    np.testing.assert_array_equal(read_image(stored).data, in_slice(2))
    write_labels(scan.with_name("l.nii.gz"), in_slice(2), read_image(scan).geometry)
    saved = nib.load(scan.with_name("l.nii.gz"))
    np.testing.assert_array_equal(np.asarray(saved.dataobj), labels)
    np.testing.assert_array_equal(saved.affine, image.affine)


def test_series_and_modalities_of_nibabel_keep_their_last_axis_or_lose_it(
    model, array
) -> None:
    series = nib.Nifti1Image(np.stack([array.T] * 6, -1), np.diag([-1, -1, 1, 1]))
    labels = segment_volume(series, {Plane(0, 2, (4,)): Prompts().click(12, 20)}, model)
    assert labels.shape == series.shape
    assert labels[..., 4].any() and not labels[..., :4].any()
    both = nib.Nifti1Image(np.stack([array.T] * 2, -1), np.diag([-1, -1, 1, 1]))
    labels = segment_volume(both, CLICK, model)
    np.testing.assert_array_equal(labels, in_slice(2).T)


def test_other_images_of_nibabel_are_read_too(model, array) -> None:
    image = nib.MGHImage(array.T, np.diag([-1.0, -1, 1, 1]))
    np.testing.assert_array_equal(segment_volume(image, CLICK, model), in_slice(2).T)


def test_objects_have_their_numbers_and_are_protected(model, array) -> None:
    prompts = {np.int64(7): CLICK, 3: {Plane(1, 12): Prompts().click(2, 20)}}
    labels = segment_volume(array, prompts, model)
    assert set(np.unique(labels)) == {0, 3, 7}
    np.testing.assert_array_equal(labels == 7, in_slice(2))


def test_a_prompts_file_and_what_it_holds_give_the_same(model, array, tmp_path) -> None:
    write_prompts(tmp_path / "p.json", [ObjectPrompts(5, "bright", CLICK)])
    for prompts in (tmp_path / "p.json", read_prompts(tmp_path / "p.json")):
        labels = segment_volume(array, prompts, model)
        np.testing.assert_array_equal(labels, 5 * in_slice(2))


def test_objects_are_followed_where_that_is_asked(model, array) -> None:
    labels = segment_volume(array, CLICK, model, propagate=True)
    np.testing.assert_array_equal(labels, BRIGHT)
    across = {**CLICK, Plane(1, 12): Prompts().click(2, 20)}
    labels = segment_volume(array, across, model, propagate=True, axis=1)
    assert labels[:, 8:20].any((0, 2)).all()


def test_an_object_that_cannot_be_followed_costs_no_other(model, array) -> None:
    nothing = {Plane(0, 2): Prompts().click(2, 2, positive=False)}
    with pytest.warns(UserWarning, match="object 7 was not followed: no plane"):
        labels = segment_volume(array, {3: CLICK, 7: nothing}, model, propagate=True)
    np.testing.assert_array_equal(labels, 3 * BRIGHT)


def test_a_prompt_outside_is_told_with_its_object_and_slice(model, array) -> None:
    wrong = {2: CLICK, 9: {Plane(0, 1): Prompts().click(2, 990)}}
    with pytest.raises(
        ValueError, match=r"object 9, slice 1 along axis 0: click .*990"
    ):
        segment_volume(array, wrong, model)


def test_a_single_image_is_a_volume_too(model, array) -> None:
    labels = segment_volume(array[2], {Plane(): Prompts().click(12, 20)}, model)
    np.testing.assert_array_equal(labels, BRIGHT[2])


def test_a_predictor_takes_names_paths_and_nibabel(array, scan) -> None:
    known = VolumePredictor("tiny", array).predict(*next(iter(CLICK.items())))
    for image in (scan, nib.load(scan)):
        found = VolumePredictor("tiny", image).predict(*next(iter(CLICK.items())))
        np.testing.assert_array_equal(found.mask, known.mask)


def tells(error: type[Exception], *words: str):
    return pytest.raises(error, match=r"(?s)\A(?!.*\n).*" + ".*".join(words))


@pytest.mark.parametrize(
    ("prompts", "error", "said"),
    [
        (Prompts().click(1, 1), TypeError, "by plane"),
        ({74: Prompts().click(1, 1)}, TypeError, "by plane"),
        ({Plane(0, 2): (1, 1)}, TypeError, "by plane"),
        ({"a": CLICK}, TypeError, "numbers"),
        ([CLICK], TypeError, "by plane"),
        (5, TypeError, "by plane"),
        ({}, ValueError, "no prompts"),
        ({0: CLICK}, ValueError, "at least 1"),
        ({Plane(0, 6): Prompts().click(1, 1)}, ValueError, "slice 6"),
        ({Plane(0, 2): Prompts().click(64, 1)}, ValueError, "outside"),
        ("nowhere.json", OSError, "nowhere.json"),
    ],
)
def test_prompts_that_are_none_are_told_in_a_line(
    prompts, error, said, model, array
) -> None:
    with tells(error, said):
        segment_volume(array, prompts, model)


@pytest.mark.parametrize(
    ("image", "error", "said"),
    [
        (5, TypeError, "array"),
        ("nowhere.nii.gz", OSError, "nowhere.nii.gz"),
        (np.zeros(4), ValueError, "axes"),
        (np.array("text"), ValueError, "numbers"),
        (nib.Nifti1Image(np.zeros((4, 4, 4)), None), ValueError, "affine"),
        (nib.Nifti1Image(np.zeros((2, 2, 2), "c8"), np.eye(4)), ValueError, "complex"),
    ],
)
def test_images_that_are_none_are_told_in_a_line(image, error, said, model) -> None:
    with tells(error, said):
        segment_volume(image, CLICK, model)


def test_models_and_axes_that_are_none_are_told_in_a_line(model, array) -> None:
    with tells(OSError, "nobody"):
        segment_volume(array, CLICK, "nobody")
    with tells(TypeError, "load_model"):
        segment_volume(array, CLICK, 5)
    with tells(ValueError, "propagate"):
        segment_volume(array, CLICK, model, axis=0)
    with tells(ValueError, "axis 2"):
        segment_volume(array, CLICK, model, propagate=True, axis=2)
    with tells(TypeError, "path", "nibabel"):
        read_image(array)

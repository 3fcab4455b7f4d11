from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import nibabel
import numpy as np
import pytest
import tifffile
from scipy import ndimage

pytest.importorskip("accelerate", reason="training needs the extra `train`")

from napari_segnext import load_model
from napari_segnext.training.finetune import finetune, options_of
from napari_segnext.training.folders import hold_out, read_folders
from napari_segnext.training.loop import Options


def stripes(rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    """Draw objects that differ from their surroundings in texture alone."""
    labels = np.zeros((96, 96), np.uint8)
    for number in (1, 2):
        y, x = rng.integers(4, 52, 2)
        labels[y : y + 36, x : x + 36] = number
    rows, columns = np.indices(labels.shape)
    wave = np.where(labels > 0, np.sin(rows * 1.2), np.sin(columns * 1.2))
    noisy = 128 + 70 * wave + rng.normal(0, 10, labels.shape)
    return np.clip(noisy, 0, 255).astype(np.uint8), labels


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "image").mkdir()
    (tmp_path / "annotation").mkdir()
    return tmp_path


def save_sections(folder: Path, count: int) -> None:
    rng = np.random.default_rng(0)
    for number in range(count):
        image, labels = stripes(rng)
        tifffile.imwrite(folder / "image" / f"s{number}.tif", image)
        tifffile.imwrite(folder / "annotation" / f"s{number}.tif", labels)


@pytest.fixture
def small_crops(monkeypatch: pytest.MonkeyPatch) -> None:
    """Learn from crops that are little larger than the pictures here."""

    def options(*args: Any) -> Options:
        return replace(options_of(*args), size=128)

    monkeypatch.setattr("napari_segnext.training.finetune.options_of", options)


@pytest.mark.usefixtures("small_crops")
def test_a_model_learns_what_only_the_user_has(folder: Path) -> None:
    save_sections(folder, 10)
    rows: list[object] = []
    result = finetune(
        "tiny", folder, folder / "out", steps=24, workers=0, report=rows.append
    )
    assert rows
    assert result.objects >= 2
    assert len(result.before) == len(result.after) == 5
    assert result.better
    changed = load_model(result.path).state_dict()
    kept = load_model("tiny").state_dict()
    assert not np.allclose(changed["head.weight"], kept["head.weight"])
    encoder = [k for k in kept if k.startswith("encoder.")]
    assert all(np.array_equal(changed[k], kept[k]) for k in encoder)


def test_volumes_give_their_labelled_planes(folder: Path) -> None:
    labels = np.zeros((12, 14, 9), np.int16)
    labels[3:6, 4:8, 2:5] = 7
    image = ndimage.gaussian_filter(labels.astype(np.float32), 1)
    # Nibabel's axes are x, y, z; read as z, y, x.
    affine = np.diag([-1.0, -1.0, 1.0, 1.0])
    for place, data in (("image", image), ("annotation", labels)):
        nibabel.Nifti1Image(data, affine).to_filename(folder / place / "case.nii.gz")
    samples = read_folders(folder)
    assert [s.name for s in samples] == ["case 2", "case 3", "case 4"]
    for sample in samples:
        assert sample.objects == (7,)
        assert sample.image().shape == sample.labels().shape == (14, 12)
        assert (sample.image()[sample.labels() == 7] > 0.3).all()


def test_the_last_fifth_is_held_out(folder: Path) -> None:
    save_sections(folder, 11)
    samples = read_folders(folder)
    training, held_out = hold_out(samples)
    assert [*training, *held_out] == samples
    assert len(held_out) == 2


@pytest.mark.parametrize(
    ("prepare", "message"),
    [
        (lambda f: (f / "image").rmdir(), "there is no folder"),
        (lambda f: None, "holds no image"),
        (lambda f: save_sections(f, 1), "label a second one"),
        (
            lambda f: (
                save_sections(f, 2),
                (f / "annotation" / "s1.tif").rename(f / "annotation" / "other.tif"),
            ),
            "no labels for s1",
        ),
        (
            lambda f: (
                save_sections(f, 2),
                tifffile.imwrite(
                    f / "annotation" / "s0.tif", np.ones((4, 5), np.uint8)
                ),
            ),
            "one and the same",
        ),
        (
            lambda f: (
                save_sections(f, 1),
                tifffile.imwrite(
                    f / "annotation" / "s0.tif", np.zeros((96, 96), np.uint8)
                ),
            ),
            "nothing is labelled",
        ),
    ],
)
def test_what_cannot_be_learned_from_is_said(
    folder: Path,
    prepare,  # type: ignore[no-untyped-def]
    message: str,
) -> None:
    prepare(folder)
    with pytest.raises((ValueError, OSError), match=message):
        finetune("tiny", folder, folder / "out", steps=1, workers=0)

"""Labels on the command line that `segment` starts from."""

from __future__ import annotations

import json
from pathlib import Path

import nibabel
import numpy as np
import pytest
from typer.testing import CliRunner

from napari_segnext.commands.cli import app

FAR = 2**32 - 1
AFFINE = np.diag([-1.0, -1.0, 2.5, 1.0])


@pytest.fixture
def files(tmp_path: Path) -> dict[str, Path]:
    """A bright ball, labels, of which one is a part of it, and prompts for two."""
    grid = np.mgrid[:40, :48, :12]
    ball = sum((g - c) ** 2 for g, c in zip(grid, (20, 24, 6), strict=True)) < 49
    labels = np.zeros(ball.shape, np.uint32)
    labels[18:23, 22:27, 4:8], labels[2:6, 2:6, :] = FAR, 70_000
    paths = {name: tmp_path / f"{name}.nii.gz" for name in ("scan", "labels", "out")}
    image = (200 * ball).astype(np.uint8)
    nibabel.save(nibabel.Nifti1Image(image, AFFINE), paths["scan"])
    nibabel.save(nibabel.Nifti1Image(labels, AFFINE, dtype=np.uint32), paths["labels"])
    prompts = [
        {"id": FAR, "planes": [_plane(6, 29, 20)]},
        {"id": 5, "name": "new", "planes": [_plane(5, 24, 20)]},
    ]
    paths["prompts"] = tmp_path / "prompts.json"
    paths["prompts"].write_text(json.dumps({"version": 1, "objects": prompts}))
    return paths


def _plane(index: int, row: int, column: int) -> dict:
    return {"index": index, "prompts": [{"type": "click", "at": [row, column]}]}


def run(command: str, files: dict[str, Path], *more: object):
    words = [command, files["scan"], "--prompts", files["prompts"]]
    words += ["--out", files["out"], "--labels", files["labels"], *more]
    return CliRunner().invoke(app, [str(word) for word in words])


def test_prompts_refine_the_label_of_their_id_and_others_stay(files):
    assert run("segment", files).exit_code == 0
    before, after = (
        np.asarray(nibabel.load(files[name]).dataobj) for name in ("labels", "out")
    )
    np.testing.assert_array_equal(after[..., :4], before[..., :4])
    np.testing.assert_array_equal(after[..., 7:], before[..., 7:])
    assert set(np.unique(after).tolist()) <= {0, 5, 70_000, FAR}
    assert (after[..., 6] == FAR).sum() > (before[..., 6] == FAR).sum()


def test_labels_that_do_not_fit_are_told_before_anything_is_computed(files):
    away = np.diag([-1.0, -1.0, 5.0, 1.0])
    away[2, 3] = 500
    short = nibabel.Nifti1Image(np.ones((40, 48, 3), np.uint8), away)
    nibabel.save(short, files["labels"])
    answer = run("propagate", files)
    assert answer.exit_code == 1
    assert "the labels are 3 x 48 x 40 voxels of 5 x 1 x 1 mm" in str(answer.exception)
    assert not files["out"].exists()

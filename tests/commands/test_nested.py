"""Regions inside others, from a prompts file to the values of a challenge."""

from __future__ import annotations

import nibabel
import numpy as np
from typer.testing import CliRunner

from napari_segnext.commands.cli import app
from napari_segnext.files import ObjectPrompts, read_prompts, write_prompts
from napari_segnext.files.categories import Category
from napari_segnext.geometry.plane import Plane
from napari_segnext.prompts import Prompts

WHOLE, CORE, ENHANCING = 2, 1, 4


def test_nested_regions_are_written_with_their_values(tmp_path):
    scan, out = tmp_path / "scan.nii.gz", tmp_path / "out.nii.gz"
    nibabel.save(nibabel.Nifti1Image(np.zeros((30, 24, 3), np.uint8), np.eye(4)), scan)
    objects, right = [], np.zeros((24, 30), np.uint8)
    for margin, value, inside in (
        (2, WHOLE, 0),
        (5, CORE, WHOLE),
        (8, ENHANCING, CORE),
    ):
        mask = np.zeros(right.shape, bool)
        mask[margin:-margin, margin:-margin] = True
        right[mask] = value
        category = Category(value, f"region {value}", inside)
        planes = {Plane(0, 1): Prompts().mask(mask)}
        objects.append(ObjectPrompts(value, "", planes, category))
    prompts = tmp_path / "prompts.json"
    write_prompts(prompts, objects)
    assert read_prompts(prompts) == objects
    words = ["segment", scan, "--prompts", prompts, "--out", out, "--semantic"]
    answer = CliRunner().invoke(app, [str(word) for word in words])
    assert answer.exit_code == 0, answer.output
    # It is the same the other way round.
    written = np.asarray(nibabel.load(out).dataobj)
    np.testing.assert_array_equal(written[..., 1].T, right)
    assert not written[..., ::2].any()

"""From a folder of DICOM to segmentations of DICOM, on the command line."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from tests.dicom import pydicom, write_series
from typer.testing import CliRunner

from napari_segnext.commands.cli import app

highdicom = pytest.importorskip("highdicom", reason="needs the extra `dicom`")


def run(*words: object):
    return CliRunner().invoke(app, [str(word) for word in words])


@pytest.fixture
def cases(tmp_path: Path) -> Path:
    """Write two patients, with a block each, and prompts for both."""
    prompts = {"type": "click", "at": [35, 30]}
    plane = {"axis": 0, "index": 4, "prompts": [prompts]}
    objects = [{"id": 5, "name": "lesion", "planes": [plane]}]
    for folder in ("prompts", "out"):
        (tmp_path / folder).mkdir()
    for name in ("p1", "p2"):
        voxels = np.full((9, 64, 64), 40)
        voxels[2:7, 25:45, 20:40] = 200
        write_series(tmp_path / "cases" / name, voxels)
        text = json.dumps({"version": 1, "objects": objects})
        (tmp_path / "prompts" / f"{name}.json").write_text(text)
    return tmp_path


def test_a_folder_of_series_becomes_segmentations(model, cases: Path) -> None:
    out = cases / "out"
    words = ("propagate", cases / "cases", "--prompts", cases / "prompts")
    answer = run(*words, "--out", f"{out}/{{name}}.dcm")
    assert answer.exit_code == 0, answer.output
    for name in ("p1", "p2"):
        made = highdicom.seg.segread(out / f"{name}.dcm")
        files = sorted((cases / "cases" / name).iterdir())
        source = highdicom.get_volume_from_series([pydicom.dcmread(p) for p in files])
        found = made.get_volume(combine_segments=True)
        assert source.geometry_equal(found)
        np.testing.assert_array_equal(found.array > 0, source.array > 60)
        assert made.get_segment_description(1).SegmentLabel == "lesion"
    assert "4711" not in answer.output and "Jane" not in answer.output


def test_a_bad_case_is_told_and_the_other_done(model, cases: Path) -> None:
    next((cases / "cases" / "p1").glob("IM0004")).unlink()
    words = ("segment", cases / "cases", "--prompts", cases / "prompts")
    answer = run(*words, "--out", cases / "out")
    assert answer.exit_code == 1
    assert "1 of 9 slices are missing" in answer.stderr
    assert answer.output.rstrip().endswith("2 images: 1 done, 1 failed")
    assert [path.name for path in (cases / "out").iterdir()] == ["p2.nii.gz"]


def test_a_segmentation_of_what_is_no_dicom_is_refused_at_once(model, cases) -> None:
    np.save(cases / "a.npy", np.zeros((9, 64, 64)))
    words = ("segment", cases / "a.npy", "--prompts", cases / "prompts" / "p1.json")
    answer = run(*words, "--out", cases / "seg.dcm")
    assert "refers to a volume of DICOM" in str(answer.exception)
    assert model.encoded == 0

"""What is asked of the commands is checked before PyTorch is imported."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from napari_segnext.commands.job import Job
from napari_segnext.files import write_labels
from napari_segnext.files.categories import Named

SHAPE = (5, 30, 42)


def prompts_file(folder: Path, *ids: object, axis: int = 0, **more: object) -> Path:
    click = {"type": "click", "at": [4, 4]}
    objects = [
        {"id": n, "planes": [{"axis": axis, "index": 2, "prompts": [click]}], **more}
        for n in ids
    ]
    path = folder / "prompts.json"
    path.write_text(json.dumps({"version": 1, "objects": objects}))
    return path


@pytest.fixture
def scan(tmp_path: Path) -> Path:
    np.save(tmp_path / "scan.npy", np.zeros(SHAPE, np.uint8))
    return tmp_path / "scan.npy"


def test_what_is_asked_for_is_read_and_checked(scan, tmp_path):
    prompts = prompts_file(tmp_path, 2**40, 3)
    job = Job.check(scan, prompts, tmp_path / "l.zarr")
    assert job.shape == SHAPE
    assert job.legend == {2**40: Named(f"Object {2**40}"), 3: Named("Object 3")}
    assert not job.has_phrases
    job.check_axis(0)
    with pytest.raises(ValueError, match="no plane along axis 1 shows the object"):
        job.check_axis(1)


def test_annotations_need_no_class_where_classes_are_asked_for(scan, tmp_path):
    prompts = prompts_file(tmp_path, 1)
    job = Job.check(scan, prompts, tmp_path / "l.json", semantic=True)
    assert job.legend == {1: Named("Object 1")}


@pytest.mark.parametrize(
    ("out", "ids", "more", "why"),
    [
        ("l.jpg", [1], {}, "written as l.jpg; choose one of"),
        ("folder", [1], {}, "folder: there is no such folder, and a file needs"),
        ("no/l.npy", [1], {}, "there is no folder"),
        ("scan.npy", [1], {}, "is the file .*scan.npy itself"),
        ("prompts.json", [1], {}, "is the file .*prompts.json itself"),
        ("model.npy", [1], {}, "is the file .*model.npy itself"),
        ("l.tif", [2**40], {}, "l.tif cannot hold labels up to 1099511627776"),
        ("l.npy", [1, 1], {}, "ids of objects are different"),
        ("l.npy", [1], {"semantic": True}, "Object 1 has no class"),
    ],
)
def test_what_cannot_be_written_is_told_first(scan, tmp_path, out, ids, more, why):
    (tmp_path / "model.npy").write_bytes(b"weights")
    prompts = prompts_file(tmp_path, *ids)
    before = {path: path.read_bytes() for path in tmp_path.iterdir()}
    with pytest.raises((ValueError, OSError), match=why):
        Job.check(
            scan,
            prompts,
            tmp_path / out,
            overwrite=True,
            inputs=[tmp_path / "model.npy"],
            **more,
        )
    assert {path: path.read_bytes() for path in tmp_path.iterdir()} == before


def test_a_plane_outside_is_told_in_a_sentence_that_names_the_file(tmp_path):
    np.save(tmp_path / "scan.npy", np.zeros((2, *SHAPE), np.uint8))
    prompts = prompts_file(tmp_path, 1)
    with pytest.raises(ValueError, match="fixed") as told:
        Job.check(tmp_path / "scan.npy", prompts, tmp_path / "l.npy")
    assert "Plane(" not in str(told.value)
    assert told.value.__notes__ == [str(prompts)]


def test_a_section_has_one_axis(tmp_path):
    write_labels(tmp_path / "section.tif", np.ones((30, 42), np.uint8))
    prompts = prompts_file(tmp_path, 1)
    prompts.write_text(prompts.read_text().replace('"index": 2', '"index": 0'))
    job = Job.check(tmp_path / "section.tif", prompts, tmp_path / "l.npy")
    job.check_axis(0)
    with pytest.raises(ValueError, match="is a single section"):
        job.check_axis(1)


@pytest.mark.parametrize("command", ["segment", "propagate"])
def test_mistakes_are_told_without_torch(scan, tmp_path, command):
    code = (
        "import sys; sys.modules['torch'] = None; "
        "from napari_segnext.commands.cli import main; main()"
    )
    words = [
        scan,
        "--prompts",
        prompts_file(tmp_path, 1),
        "--out",
        tmp_path / "no/l.npy",
    ]
    done = subprocess.run(
        [sys.executable, "-c", code, command, *map(str, words)],
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert done.returncode == 1
    assert "there is no folder" in done.stderr
    assert len(done.stderr.splitlines()) == 1

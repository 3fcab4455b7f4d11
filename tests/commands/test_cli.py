from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import nibabel
import numpy as np
import pytest
from PIL import Image

from napari_segnext import __version__
from napari_segnext.commands import cli
from napari_segnext.evaluation import agreement


class Answer(NamedTuple):
    returncode: int | str | None
    stdout: str
    stderr: str


def command(*words: object) -> Answer:
    """Run the command line in a process of its own, as a user does."""
    done = subprocess.run(
        [sys.executable, "-m", "napari_segnext", *map(str, words)],
        capture_output=True,
        text=True,
        timeout=300,
    )
    return Answer(done.returncode, done.stdout, done.stderr)


@pytest.fixture
def here(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> Callable[..., Answer]:
    """Run the command line in this process, which saves its start."""

    def run(*words: object) -> Answer:
        monkeypatch.setattr(sys, "argv", ["napari-segnext", *map(str, words)])
        with pytest.raises(SystemExit) as ended:
            cli.main()
        return Answer(ended.value.code, *capsys.readouterr())

    return run


@pytest.fixture
def scan(tmp_path: Path) -> Path:
    """Write a small NIfTI with a bright ball, and return its path."""
    grid = np.mgrid[:40, :48, :12]
    ball = sum((g - c) ** 2 for g, c in zip(grid, (20, 24, 6), strict=True)) < 49
    path = tmp_path / "scan.nii.gz"
    affine = np.diag([-1.0, -1.0, 2.5, 1.0])
    nibabel.save(nibabel.Nifti1Image((200 * ball).astype(np.uint8), affine), path)
    return path


def prompts_file(folder: Path) -> Path:
    path = folder / "prompts.json"
    click = {"type": "click", "positive": True, "at": [24, 20]}
    plane = {"axis": 0, "index": 6, "prompts": [click]}
    objects = [{"id": 3, "name": "ball", "planes": [plane]}]
    path.write_text(json.dumps({"version": 1, "objects": objects}))
    return path


def test_version_and_help_need_no_torch() -> None:
    assert command("--version").stdout.strip() == __version__
    code = (
        "import sys; from napari_segnext.commands import cli; "
        "sys.exit('torch' in sys.modules or 'qtpy' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", code], timeout=60).returncode == 0


@pytest.mark.parametrize("name", ["demo", "segment", "evaluate", "train", "models"])
def test_every_command_explains_itself(name: str, here: Callable[..., Answer]) -> None:
    answer = here(name, "--help")
    assert answer.returncode == 0
    assert "Usage" in answer.stdout


def test_segment_writes_labels_in_the_space_of_the_image(
    scan: Path, tmp_path: Path, here: Callable[..., Answer]
) -> None:
    out = tmp_path / "labels.nii.gz"
    answer = command("segment", scan, "--prompts", prompts_file(tmp_path), "--out", out)
    assert answer.returncode == 0, answer.stderr
    image, labels = nibabel.load(scan), nibabel.load(out)
    values = np.asarray(labels.dataobj)
    np.testing.assert_allclose(labels.affine, image.affine)
    assert set(np.unique(values)) == {0, 3}
    truth = np.asarray(image.dataobj)[:, :, 6] > 0
    mask = values[:, :, 6] == 3
    assert (mask & truth).sum() / (mask | truth).sum() > 0.6
    again = here("segment", scan, "--prompts", prompts_file(tmp_path), "--out", out)
    assert again.returncode == 1
    assert "overwrite" in again.stderr


def test_mistakes_are_told_in_one_line(
    scan: Path, tmp_path: Path, here: Callable[..., Answer]
) -> None:
    good, out = prompts_file(tmp_path), tmp_path / "out.nii.gz"
    broken = tmp_path / "broken.nii.gz"
    broken.write_bytes(scan.read_bytes()[:200])
    outside = tmp_path / "outside.json"
    outside.write_text(good.read_text().replace("[24, 20]", "[500, 2]"))
    cases = [
        (("segment", tmp_path / "no.nii", "--prompts", good, "--out", out), "no.nii"),
        (("segment", broken, "--prompts", good, "--out", out), "broken.nii.gz"),
        (("segment", scan, "--prompts", scan, "--out", out), "scan.nii.gz"),
        (("segment", scan, "--prompts", outside, "--out", out), "outside the image"),
        (("models", "verify", "no-such-model"), "no-such-model"),
        (
            ("evaluate", "--model", "tiny", "--dataset", "zoo", "--data", tmp_path),
            "zoo",
        ),
    ]
    # One of them as a user meets it, in a process of its own.
    for run, (words, expected) in zip([command, *5 * [here]], cases, strict=True):
        answer = run(*words)
        assert answer.returncode == 1, words
        assert "Traceback" not in answer.stderr
        # A progress bar may stand above it.
        *_, last = answer.stderr.strip().splitlines()
        assert last.startswith("Error:")
        assert expected in last
        lines = answer.stderr.splitlines()
        assert sum(line.startswith("Error:") for line in lines) == 1
    assert not out.exists()


def test_an_engine_that_cannot_be_measured_is_told_in_one_line(
    tmp_path: Path, here: Callable[..., Answer], monkeypatch: pytest.MonkeyPatch
) -> None:
    def fails(*arguments: object) -> None:
        raise RuntimeError("OpenVINO is not installed")

    monkeypatch.setattr(agreement, "run", fails)
    words = ("models", "verify", "tiny", "--engine", "openvino", "--data", tmp_path)
    answer = here(*words)
    assert answer.returncode == 1
    assert "openvino cannot be measured: OpenVINO is not installed" in answer.stderr


def test_evaluate_writes_the_numbers_of_the_design(
    tmp_path: Path, here: Callable[..., Answer]
) -> None:
    for folder in ("image", "annotation"):
        (tmp_path / folder).mkdir()
    truth = np.zeros((64, 64), np.uint8)
    truth[20:44, 16:48] = 255
    Image.fromarray(truth).save(tmp_path / "image" / "a.png")
    Image.fromarray(truth).save(tmp_path / "annotation" / "a.png")
    out = tmp_path / "scores.json"
    answer = here(
        *("evaluate", "--model", "tiny", "--dataset", "pairs", "--data", tmp_path),
        *("--max-clicks", 4, "--json", out),
    )
    assert answer.returncode == 0, answer.stderr
    scores = json.loads(out.read_text())
    assert scores["objects"] == 1
    assert list(scores["miou"]) == ["1", "2", "3", "4"]
    assert scores["miou"]["4"] > 0.7
    assert scores["sat_s"] is None
    assert scores["spc_ms"] > 0


def test_models_are_listed_and_verified(here: Callable[..., Answer]) -> None:
    listed = here("models", "list").stdout
    for name in ("tiny", "vitb-sa1", "vitb-sa2", "vitb-sa2-hq"):
        assert name in listed
    verified = here("models", "verify", "tiny")
    assert verified.returncode == 0
    assert "sha256" in verified.stdout

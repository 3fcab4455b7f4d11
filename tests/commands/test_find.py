"""Objects of a kind on the command line."""

from __future__ import annotations

import shutil
import subprocess
import sys
from functools import partial
from pathlib import Path

import numpy as np
import pytest
import tifffile
from typer.testing import CliRunner

from napari_segnext import finding
from napari_segnext.commands.cli import app
from napari_segnext.commands.find import indices


@pytest.fixture
def files(tmp_path: Path) -> dict[str, Path]:
    """Write bright disks in four planes, and labels of those in the first."""
    rows, columns = np.indices((128, 128))
    disks = np.zeros((128, 128), np.uint16)
    for number in range(9):
        y, x = np.array(divmod(number, 3)) * 40 + 22
        disks[np.hypot(rows - y, columns - x) <= 9] = number + 1
    noise = np.random.default_rng(0).normal(0, 8, (4, 128, 128))
    image = np.clip(60 + 120 * (disks > 0) + noise, 0, 255).astype(np.uint8)
    labels = np.zeros(image.shape, np.uint16)
    labels[0] = disks
    labels[2] = disks * (disks == 5)
    paths = {name: tmp_path / f"{name}.tif" for name in ("image", "labels", "out")}
    tifffile.imwrite(paths["image"], image, photometric="minisblack")
    tifffile.imwrite(paths["labels"], labels, photometric="minisblack")
    return paths


def run(files: dict[str, Path], *more: object):
    words = ["find", files["image"], "--examples", files["labels"]]
    words += ["--out", files["out"], *more]
    return CliRunner().invoke(app, [str(word) for word in words])


@pytest.fixture
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """Learn a little only."""
    monkeypatch.setattr(finding, "learn", partial(finding.learn, steps=60))


@pytest.mark.usefixtures("quick")
def test_other_planes_get_new_objects_that_overlap_none(files) -> None:
    answer = run(files, "--complete", "0")
    assert answer.exit_code == 0, answer.output
    found, labels = (tifffile.imread(files[name]) for name in ("out", "labels"))
    assert found.shape == labels.shape and not found[0].any()
    assert not (found[2] > 0)[labels[2] > 0].any()
    new = [set(np.unique(page[page > 0]).tolist()) for page in found]
    assert sum(map(len, new)) == len(set().union(*new)) >= 20
    assert not set().union(*new) & set(range(1, 10))
    truth = np.broadcast_to(labels[0] > 0, found[1::2].shape)
    both = (truth & (found[1::2] > 0)).sum()
    assert both > 0.7 * (truth | (found[1::2] > 0)).sum()


@pytest.mark.usefixtures("quick")
def test_linked_objects_go_on_from_plane_to_plane(files) -> None:
    assert run(files, "--complete", "0", "--link").exit_code == 0
    found, labels = (tifffile.imread(files[name]) for name in ("out", "labels"))
    inside = labels[0] == 5
    for page in found[[1, 3]]:
        assert np.median(page[inside]) == 5
    assert not (found[2] == 5).any()


@pytest.mark.parametrize(
    ("more", "said"),
    [
        (["--complete", "0,9"], "there is no plane 9"),
        (["--complete", "0,1,2,3"], "there is none to look in"),
        (["--complete", "all"], "whole numbers, as in 0,7"),
    ],
)
def test_what_cannot_be_is_told_before_anything_is_computed(files, more, said) -> None:
    answer = run(files, *more)
    assert answer.exit_code == 1
    assert said in str(answer.exception)
    assert not files["out"].exists()


@pytest.mark.usefixtures("quick")
def test_a_folder_of_images_has_a_folder_of_examples(files, tmp_path) -> None:
    folders = {name: tmp_path / name for name in ("scans", "some", "all")}
    for folder in folders.values():
        folder.mkdir()
    for name in ("a.tif", "b.tif"):
        shutil.copy(files["image"], folders["scans"] / name)
    shutil.copy(files["labels"], folders["some"] / "a.tif")
    examples, out = folders["some"] / "{name}.tif", folders["all"]
    words = ["find", folders["scans"], "--examples", examples, "--out", out]
    given = [str(word) for word in [*words, "--complete", "0"]]
    answer = CliRunner().invoke(app, given)
    assert answer.exit_code == 1
    assert answer.output.rstrip().endswith("2 images: 1 done, 1 failed")
    assert "b.tif" in answer.stderr
    assert [path.name for path in out.iterdir()] == ["a.nii.gz"]


def test_labels_without_a_label_are_refused(files) -> None:
    nothing = np.zeros((4, 128, 128), np.uint8)
    tifffile.imwrite(files["labels"], nothing, photometric="minisblack")
    assert "there is no label in it" in str(run(files).exception)


def test_indices_are_read_from_words() -> None:
    assert indices("0, 7") == [0, 7]
    assert indices("") == []


_LEARNING_LITTLE = """
from functools import partial
from napari_segnext import finding
from napari_segnext.commands.cli import main
finding.learn = partial(finding.learn, steps=2)
main()
"""


def test_the_bar_ends_full_and_no_library_has_the_last_word(files) -> None:
    words = ["find", files["image"], "--examples", files["labels"]]
    command = [sys.executable, "-c", _LEARNING_LITTLE, *words, "--out", files["out"]]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr
    assert len(done.stderr.splitlines()) == 1, done.stderr
    assert done.stderr.split()[0] == "finding" and "4/4" in done.stderr

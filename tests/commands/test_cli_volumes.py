"""The commands for volumes, with a model that tests can reason about."""

from __future__ import annotations

import json
from pathlib import Path

import nibabel
import numpy as np
import pytest
import tifffile
from typer.testing import CliRunner

from napari_segnext.commands import embed
from napari_segnext.commands.cli import app

AFFINE = np.array([[-1.5, 0, 0, 9], [0, -1.5, 0, 7], [0, 0, 3, -20], [0, 0, 0, 1.0]])


@pytest.fixture
def scan(tmp_path: Path) -> Path:
    """Write a NIfTI with two blocks, one brighter, on dark ground."""
    voxels = np.full((64, 60, 14), 40, np.uint8)
    voxels[20:40, 25:45, 3:11] = 200
    voxels[50:58, 5:15, 6:9] = 120
    path = tmp_path / "scan.nii.gz"
    nibabel.save(nibabel.Nifti1Image(voxels, AFFINE), path)
    return path


def prompts_file(folder: Path, *objects: list[dict]) -> Path:
    path = folder / "prompts.json"
    listed = [
        {"id": 5 + n, "name": f"block {n}", "planes": planes}
        for n, planes in enumerate(objects)
    ]
    path.write_text(json.dumps({"version": 1, "objects": listed}))
    return path


def click(index: int, y: int, x: int, positive: bool = True, axis: int = 0) -> dict:
    prompt = {"type": "click", "positive": positive, "at": [y, x]}
    return {"axis": axis, "index": index, "prompts": [prompt]}


def run(*words: object):
    return CliRunner().invoke(app, [str(word) for word in words])


def test_whole_objects_are_written_on_the_grid_of_the_image(
    model, scan: Path, tmp_path: Path
) -> None:
    prompts = prompts_file(tmp_path, [click(6, 35, 30)], [click(7, 10, 54)])
    out = tmp_path / "labels.nii.gz"
    answer = run("propagate", scan, "--prompts", prompts, "--out", out)
    assert answer.exit_code == 0, answer.output
    source, written = nibabel.load(scan), nibabel.load(out)
    np.testing.assert_allclose(written.affine, source.affine)
    labels, image = np.asarray(written.dataobj), np.asarray(source.dataobj)
    assert np.array_equal(labels > 0, image > 60)
    assert set(np.unique(labels[:45])) == {0, 5}
    assert set(np.unique(labels[45:])) == {0, 6}


def test_a_negative_click_alone_ends_an_object(model, scan, tmp_path) -> None:
    prompts = prompts_file(tmp_path, [click(6, 35, 30), click(9, 35, 30, False)])
    out = tmp_path / "labels.npy"
    answer = run("propagate", scan, "--prompts", prompts, "--out", out)
    assert answer.exit_code == 0, answer.output
    assert np.flatnonzero(np.load(out).any((1, 2))).tolist() == [3, 4, 5, 6, 7, 8]


def test_the_axis_can_be_chosen(model, scan, tmp_path) -> None:
    planes = [click(6, 35, 30), click(30, 7, 30, axis=1)]
    prompts, out = prompts_file(tmp_path, planes), tmp_path / "labels.npy"
    answer = run("propagate", scan, "--prompts", prompts, "--out", out, "--axis", 1)
    assert answer.exit_code == 0, answer.output
    assert np.flatnonzero(np.load(out).any((0, 2))).tolist() == list(range(25, 45))
    answer = run("propagate", scan, "--prompts", prompts, "--out", out, "--axis", 2)
    assert isinstance(answer.exception, FileExistsError)
    more = ("--axis", 2, "--overwrite")
    answer = run("propagate", scan, "--prompts", prompts, "--out", out, *more)
    assert "no plane along axis 2 shows the object" in str(answer.exception)


def test_doubtful_slices_are_named(model, scan, tmp_path) -> None:
    source = nibabel.load(scan)
    voxels = np.asarray(source.dataobj).copy()
    voxels[20:40, 25:45, 7] = 40
    nibabel.save(nibabel.Nifti1Image(voxels, AFFINE), scan)
    prompts = prompts_file(tmp_path, [click(4, 35, 30), click(10, 35, 30)])
    out = tmp_path / "labels.npy"
    answer = run("propagate", scan, "--prompts", prompts, "--out", out)
    assert "block 0: check slices 7 (the least certain first)" in answer.output


@pytest.mark.parametrize("command", ["segment", "propagate"])
@pytest.mark.parametrize(
    ("axes", "place", "found"),
    [
        # As the viewer exports it, and by its time alone.
        ("TYX", {"index": 6}, (6,)),
        ("TYX", {"fixed": [6]}, (6,)),
        ("TCYX", {"index": 6}, (6,)),
        ("QYX", {"index": 6}, (6,)),
        ("TZYX", {"index": 6, "fixed": [1]}, (1, 6)),
        ("TCZYX", {"index": 6, "fixed": [1]}, (1, 6)),
        ("TZYX", {"fixed": [1, 6]}, (1, 6)),
    ],
)
def test_frames_are_segmented_as_slices_are(
    model, tmp_path, command, axes, place, found
) -> None:
    stack = np.full((14, 60, 64), 40, np.uint8)
    stack[3:11, 25:45, 20:40] = 200
    image = np.stack([stack] * 2) if axes[-3] == "Z" else stack
    shape = image.shape
    if "C" in axes:
        image = np.stack([image] * 2, axes.index("C"))
    tifffile.imwrite(
        tmp_path / "a.tif", image, photometric="minisblack", metadata={"axes": axes}
    )
    plane = {**place, "prompts": [{"type": "click", "at": [35, 30]}]}
    prompts, out = prompts_file(tmp_path, [plane]), tmp_path / "labels.npy"
    answer = run(command, tmp_path / "a.tif", "--prompts", prompts, "--out", out)
    assert answer.exit_code == 0, answer.output
    labels = np.load(out)
    assert labels.shape == shape
    shown = np.argwhere(labels.any((-2, -1)))
    depth = range(6, 7) if command == "segment" else range(3, 11)
    assert shown.tolist() == [[*found[:-1], at] for at in depth]
    assert (labels[found] == 5).sum() == 400


def test_a_section_is_segmented_and_nothing_is_followed(model, tmp_path) -> None:
    section = np.full((60, 64), 40, np.uint8)
    section[25:45, 20:40] = 200
    tifffile.imwrite(tmp_path / "a.tif", section)
    prompts, out = prompts_file(tmp_path, [click(0, 35, 30)]), tmp_path / "l.npy"
    answer = run("propagate", tmp_path / "a.tif", "--prompts", prompts, "--out", out)
    assert answer.exit_code == 0, answer.output
    np.testing.assert_array_equal(np.load(out), 5 * (section > 60))


def test_an_object_that_cannot_be_followed_does_not_lose_the_others(
    model, scan, tmp_path
) -> None:
    prompts = prompts_file(
        tmp_path, [click(6, 35, 30)], [click(7, 10, 54, positive=False)]
    )
    out = tmp_path / "labels.npy"
    answer = run("propagate", scan, "--prompts", prompts, "--out", out)
    assert answer.exit_code == 1
    assert "block 1 was not followed: no plane along axis 0" in answer.output
    assert set(np.unique(np.load(out))) == {0, 5}
    assert np.load(out).any((1, 2)).sum() == 8


@pytest.mark.parametrize("store", ["scan.nii.gz", "scan.nii.gz/store"])
def test_embeddings_never_go_where_the_image_is(model, scan, tmp_path, store) -> None:
    answer = run("embed", scan, "--store", tmp_path / store)
    assert "scan.nii.gz" in str(answer.exception)
    assert scan.is_file()
    assert model.encoded == 0


def test_embeddings_are_made_once(model, scan, tmp_path) -> None:
    store = tmp_path / "store"
    for _ in range(2):
        answer = run("embed", scan, "--model", "tiny", "--axis", 0, "--store", store)
        assert answer.exit_code == 0, answer.output
        assert "holds the embeddings of 14 slices" in answer.output
        assert model.encoded == 14
        embed._predictor.cache_clear()


def test_embedding_that_is_stopped_says_how_to_go_on(
    model, scan, tmp_path, monkeypatch
) -> None:
    whole = embed.embed_plane

    def stopped(job, plane):
        if plane.index == 5:
            raise KeyboardInterrupt
        return whole(job, plane)

    monkeypatch.setattr(embed, "embed_plane", stopped)
    words = ("embed", scan, "--store", tmp_path / "store")
    answer = run(*words)
    assert answer.exit_code == 130
    assert "the same command goes on" in answer.output
    monkeypatch.setattr(embed, "embed_plane", whole)
    assert run(*words).exit_code == 0
    assert model.encoded == 14


@pytest.mark.parametrize("name", ["propagate", "embed"])
def test_commands_explain_themselves(name: str) -> None:
    answer = run(name, "--help")
    assert answer.exit_code == 0
    assert "--axis" in answer.output


def test_a_server_finds_whole_objects_and_one_that_is_gone_loses_none(
    model, scan, tmp_path
) -> None:
    pytest.importorskip("nnInteractive", reason="needs the extra nninteractive")
    from tests.propagation.nninteractive_double import Double, serving

    prompts = prompts_file(tmp_path, [click(6, 35, 30)], [click(7, 10, 54)])
    with serving(Double()) as double:
        out = tmp_path / "labels.npy"
        words = ("propagate", scan, "--prompts", prompts, "--out", out)
        answer = run(*words, "--nninteractive", double.address)
        assert answer.exit_code == 0, answer.output
        assert len(double.images) == 1 and not double.leases
        labels = np.load(out)
        image = np.asarray(nibabel.load(scan).dataobj)
        assert (labels == 5).sum() == (image == 200).sum()
        assert (labels == 6).sum() == (image == 120).sum()
        double.failing = "out of memory"
        answer = run(*words, "--overwrite", "--nninteractive", double.address)
        assert "refused what it was sent (400)" in " ".join(answer.output.split())
        labels = np.load(out)
        assert set(np.unique(labels)) == {0, 5, 6}
        assert np.flatnonzero(labels.any((1, 2))).size == 2, "the prompted slices"
    answer = run(*words, "--overwrite", "--nninteractive", "ftp://box")
    assert "no address of a server" in str(answer.exception)

"""Phrases on the command line: a prompts file with text becomes labels."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("transformers", reason="phrases need the extra `text`")

import nibabel
from tests.models.research.test_text import listening
from tests.training.phrase_folder import write_clip
from typer.testing import CliRunner

from napari_segnext.commands.cli import app
from napari_segnext.models.research.text.clip import read_clip
from napari_segnext.weights import save_model


@pytest.fixture
def asked(tmp_path: Path) -> list[object]:
    """Write a scan and a file that names something in it; return the command."""
    voxels = np.random.default_rng(0).integers(0, 200, (64, 64, 3), np.uint8)
    nibabel.save(nibabel.Nifti1Image(voxels, np.eye(4)), tmp_path / "scan.nii.gz")
    prompts = [
        {"type": "text", "text": "bright ring"},
        {"type": "click", "positive": False, "at": [2, 3]},
    ]
    plane = {"axis": 0, "index": 1, "prompts": prompts}
    content = {"version": 1, "objects": [{"id": 4, "planes": [plane]}]}
    (tmp_path / "prompts.json").write_text(json.dumps(content))
    files = ["--prompts", tmp_path / "prompts.json", "--out", tmp_path / "out.nii.gz"]
    return ["segment", tmp_path / "scan.nii.gz", *files]


def run(*words: object):
    return CliRunner().invoke(app, [str(word) for word in words])


def test_a_phrase_in_a_prompts_file_is_answered(asked, tmp_path):
    clip = write_clip(tmp_path / "clip")
    model = listening(read_clip(clip))
    # Whatever is named, it is all that there is.
    model.base.head.bias.data.fill_(30)
    save_model(model, tmp_path / "model.safetensors")
    done = run(*asked, "--model", tmp_path / "model.safetensors", "--text", clip)
    assert done.exit_code == 0, done.output
    labels = np.asarray(nibabel.load(tmp_path / "out.nii.gz").dataobj)
    assert (labels[..., 1] == 4).any()
    assert not labels[..., 0].any()


def test_a_model_that_takes_no_phrases_is_refused_before_it_begins(asked, tmp_path):
    failed = run(*asked, "--model", "tiny")
    assert isinstance(failed.exception, ValueError)
    assert "takes no phrases" in str(failed.exception)
    assert not (tmp_path / "out.nii.gz").exists()

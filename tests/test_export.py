"""What a journal and a prompts file become on the command line."""

from __future__ import annotations

import json
from pathlib import Path

import nibabel
import numpy as np
import pytest
from typer.testing import CliRunner

from napari_segnext.categories import Category
from napari_segnext.cli import app
from napari_segnext.io import read_image, read_prompts
from napari_segnext.journal import Journal, Subject
from napari_segnext.prompts import Plane, Prompts
from napari_segnext.session import ArrayLabels, Session

AFFINE = np.diag([-2.0, -2.0, 4.0, 1.0])
SHAPE = (5, 12, 14)


@pytest.fixture
def scan(tmp_path: Path) -> Path:
    path = tmp_path / "scan.nii"
    nibabel.save(nibabel.Nifti1Image(np.zeros(SHAPE[::-1], np.uint8), AFFINE), path)
    return path


@pytest.fixture
def annotated(scan: Path) -> np.ndarray:
    """Annotate the scan in two classes; return the labels."""
    labels = np.zeros(SHAPE, np.uint16)
    session = Session(ArrayLabels(labels), blank=True)
    journal = Journal(Subject(scan, "", SHAPE).places()[0], SHAPE)
    journal.follow(session)
    for number, value in ((1, 4), (2, 2)):
        session.new_object()
        session.categorise([number], Category(value, f"class {value}"))
        request = session.set_prompts(Plane(0, number), Prompts().click(3, 4))
        assert request is not None
        probability = np.zeros(SHAPE[1:], np.float32)
        probability[2:5, 3 : 5 + number] = 1
        session.commit(request, probability)
    assert journal.close()
    return labels


def run(*words: object):
    return CliRunner().invoke(app, [str(word) for word in words])


def test_journal_becomes_labels_on_the_grid_of_the_image(scan, annotated, tmp_path):
    out = tmp_path / "labels.nii.gz"
    answer = run("export", scan, "--labels", out)
    assert answer.exit_code == 0, answer.output
    written = nibabel.load(out)
    np.testing.assert_allclose(written.affine, AFFINE)
    np.testing.assert_array_equal(np.asarray(read_image(out).data), annotated)
    again = run("export", scan, "--labels", out)
    assert isinstance(again.exception, FileExistsError)


def test_classes_become_values(scan, annotated, tmp_path):
    out = tmp_path / "labels.npy"
    assert run("export", scan, "--labels", out, "--semantic").exit_code == 0
    np.testing.assert_array_equal(np.load(out), np.array([0, 4, 2])[annotated])


def test_journal_becomes_a_prompts_file_and_annotations(scan, annotated, tmp_path):
    prompts, labels = tmp_path / "prompts.json", tmp_path / "labels.json"
    answer = run("export", scan, "--prompts", prompts, "--labels", labels)
    assert answer.exit_code == 0, answer.output
    first, second = read_prompts(prompts)
    assert first.planes == {Plane(0, 1): Prompts().click(3, 4)}
    assert second.category == Category(2, "class 2")
    content = json.loads(labels.read_text())
    assert {c["name"]: c["id"] for c in content["categories"]} == {
        "class 4": 4,
        "class 2": 2,
    }
    assert {a["instance_id"]: a["category_id"] for a in content["annotations"]} == {
        1: 4,
        2: 2,
    }


def test_image_that_was_not_annotated_is_named(scan, tmp_path):
    answer = run("export", scan, "--labels", tmp_path / "l.npy")
    assert isinstance(answer.exception, FileNotFoundError)
    assert "no journal of" in str(answer.exception)
    assert "--prompts" in str(run("export", scan).exception)

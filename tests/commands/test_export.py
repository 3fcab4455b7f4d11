"""What a journal and a prompts file become on the command line."""

from __future__ import annotations

import csv
import json
import os
import re
from pathlib import Path

import nibabel
import numpy as np
import pytest
from roifile import roiread
from typer.testing import CliRunner

from napari_segnext.commands.cli import app
from napari_segnext.files import Geometry, read_image, read_prompts, write_labels
from napari_segnext.files.categories import Category, Named
from napari_segnext.files.label_file import read_labels
from napari_segnext.geometry.plane import Plane
from napari_segnext.journal import Journal, Subject
from napari_segnext.labels.chunked import blank_labels
from napari_segnext.prompts import Prompts
from napari_segnext.session import ArrayLabels, Session
from napari_segnext.session.numbered import write_session

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
        journal.wait(timeout=30)
    assert journal.close()
    return labels


def table_rows(path: Path) -> list[dict[str, str]]:
    with path.open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def run(*words: object):
    return CliRunner().invoke(app, [str(word) for word in words])


def test_journal_becomes_labels_on_the_grid_of_the_image(scan, annotated, tmp_path):
    out = tmp_path / "labels.nii.gz"
    answer = run("export", scan, "--labels", out)
    assert answer.exit_code == 0, answer.output
    assert f"wrote {out}" in answer.output
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


def test_several_images_are_exported_by_name(scan, annotated, tmp_path):
    other = scan.with_name("other.nii")
    other.write_bytes(scan.read_bytes())
    for folder in ("labels", "tables"):
        (tmp_path / folder).mkdir()
    words = ("export", scan, other, "--labels", tmp_path / "labels")
    answer = run(*words, "--csv", tmp_path / "tables")
    assert answer.exit_code == 1
    assert answer.output.rstrip().endswith("2 images: 1 done, 1 failed")
    assert f"there is no journal of {other}" in answer.stderr
    written = read_image(tmp_path / "labels" / "scan.nii.gz")
    np.testing.assert_array_equal(np.asarray(written.data), annotated)
    assert [each.name for each in (tmp_path / "tables").iterdir()] == ["scan.csv"]
    answer = run(*words, "--prompts", tmp_path / "labels")
    assert answer.output.rstrip().endswith("2 images: 2 failed")
    assert "scan.nii.gz exists" in answer.stderr


def test_several_images_have_one_table(scan, annotated, tmp_path):
    other, table = scan.with_name("other.nii"), tmp_path / "all.csv"
    other.write_bytes(scan.read_bytes())
    listed = tmp_path / "cases.csv"
    listed.write_text("name,t1\np1,scan.nii\np2,other.nii\np3,gone.nii\n")
    answer = run("export", listed, "--csv", table)
    assert answer.exit_code == 1
    assert answer.output.rstrip().endswith(f"wrote {table}")
    assert "3 images: 2 done, 1 failed" in answer.output
    assert re.search(r"p1 +done +rows: \d", answer.output)
    assert re.search(r"p2 +done +nothing yet", answer.output)
    assert "gone.nii" in answer.stderr
    rows = table_rows(table)
    assert {row["case"] for row in rows} == {"p1"}
    alone = tmp_path / "alone.csv"
    assert run("export", scan, "--csv", alone).exit_code == 0
    expected = table_rows(alone)
    assert expected == [{name: row[name] for name in expected[0]} for row in rows]
    assert isinstance(run("export", listed, "--csv", table).exception, FileExistsError)
    both = run("export", listed, "--csv", table, "--prompts", tmp_path)
    assert "leave --labels and --prompts" in str(both.exception)


def test_a_case_is_exported_by_the_modality_that_was_worked_on(
    scan, annotated, tmp_path
):
    case = tmp_path / "cases" / "p1"
    case.mkdir(parents=True)
    for name in ("flair", "t1"):
        (case / f"p1_{name}.nii").write_bytes(scan.read_bytes())
    (journal,) = Subject(scan, "", SHAPE).journals()
    journal.rename(case / "p1_t1.nii.segnext-journal")
    empty = tmp_path / "cases" / "p2"
    empty.mkdir()
    for name in ("flair", "t1"):
        (empty / f"p2_{name}.nii").write_bytes(scan.read_bytes())
    (tmp_path / "out").mkdir()
    answer = run("export", tmp_path / "cases", "--labels", tmp_path / "out")
    assert "2 images: 1 done, 1 failed" in answer.output
    assert "p2: none of its images has a journal" in answer.stderr
    written = read_image(tmp_path / "out" / "p1.nii.gz")
    np.testing.assert_array_equal(np.asarray(written.data), annotated)


def test_image_that_was_not_annotated_is_named(scan, tmp_path):
    answer = run("export", scan, "--labels", tmp_path / "l.npy")
    assert isinstance(answer.exception, FileNotFoundError)
    assert "no journal of" in str(answer.exception)
    assert "--prompts" in str(run("export", scan).exception)


@pytest.fixture
def damaged(scan, annotated):
    """Annotate, and damage the journal in its middle."""
    (journal,) = Subject(scan, "", SHAPE).journals()
    content = bytearray(journal.read_bytes())
    lines = content.splitlines(keepends=True)
    content[sum(map(len, lines[: len(lines) // 2])) + 20] ^= 1
    journal.write_bytes(content)
    return journal


def test_what_a_damaged_journal_has_lost_is_told(scan, damaged, tmp_path):
    answer = run("export", scan, "--labels", tmp_path / "l.npy")
    assert answer.exit_code == 1
    assert (tmp_path / "l.npy").exists()
    told = " ".join(answer.output.split())
    assert f"Warning: {damaged} is damaged after change" in told
    assert "bytes cannot be read" in told


@pytest.mark.parametrize("bytes_off", [1, 30])
def test_a_journal_that_ends_within_a_change_is_told(
    scan, annotated, tmp_path, bytes_off
):
    (journal,) = Subject(scan, "", SHAPE).journals()
    os.truncate(journal, journal.stat().st_size - bytes_off)
    answer = run("export", scan, "--labels", tmp_path / "l.npy")
    assert answer.exit_code == 1 and (tmp_path / "l.npy").exists()
    assert f"{journal} was cut short" in " ".join(answer.output.split())


def test_a_journal_that_cannot_be_read_does_not_hide_an_older_one(
    scan, annotated, tmp_path
):
    (older,) = Subject(scan, "", SHAPE).journals()
    newest = older.with_name(older.name + ".2")
    newest.write_bytes(b"damaged in its first line\n")
    os.utime(newest, (2e9, 2e9))
    answer = run("export", scan, "--labels", tmp_path / "l.npy")
    assert answer.exit_code == 1
    assert f"{newest} is not a journal" in " ".join(answer.output.split())
    np.testing.assert_array_equal(np.load(tmp_path / "l.npy"), annotated)


@pytest.mark.parametrize("what", ["scan", "journal", "each other"])
def test_nothing_that_is_read_is_replaced(scan, annotated, tmp_path, what):
    (journal,) = Subject(scan, "", SHAPE).journals()
    before = scan.read_bytes(), journal.read_bytes()
    words = {
        "scan": ("--labels", scan),
        "journal": ("--prompts", journal),
        "each other": (
            "--prompts",
            tmp_path / "a.json",
            "--labels",
            tmp_path / "a.json",
        ),
    }[what]
    answer = run("export", scan, *words, "--overwrite")
    assert isinstance(answer.exception, ValueError)
    assert (scan.read_bytes(), journal.read_bytes()) == before


def test_annotations_are_of_objects_also_where_classes_are_asked_for(
    scan, annotated, tmp_path
):
    out = tmp_path / "labels.json"
    assert run("export", scan, "--labels", out, "--semantic").exit_code == 0
    content = json.loads(out.read_text())
    assert {a["instance_id"]: a["category_id"] for a in content["annotations"]} == {
        1: 4,
        2: 2,
    }


def test_what_is_written_may_be_read_by_nobody_who_may_not_read_the_image(
    scan, annotated, tmp_path
):
    scan.chmod(0o600)
    outs = tmp_path / "labels.npy", tmp_path / "prompts.json"
    assert run("export", scan, "--labels", outs[0], "--prompts", outs[1]).exit_code == 0
    assert [out.stat().st_mode & 0o777 for out in outs] == [0o600, 0o600]


def test_a_session_of_a_large_section_is_written_from_what_is_painted(tmp_path):
    shape = (40_000, 40_000)
    labels = blank_labels(shape, 70_000)
    assert not isinstance(labels, ArrayLabels)
    session = Session(labels, blank=True)
    for number, at in ((69_999, 100), (70_000, 39_000)):
        rows, columns = np.mgrid[at : at + 300, at : at + 500].reshape(2, -1)
        labels.write(Plane(), rows, columns, np.full(len(rows), number))
        session.record_stroke(Plane(), rows, columns, 0, number)
    names = {number: Named("a") for number in (69_999, 2**40)}
    ids = {69_999: 69_999, 70_000: 2**40}
    geometry = Geometry.plain(shape)
    write_session(tmp_path / "l.zarr", session, geometry, names, ids)
    written = read_image(tmp_path / "l.zarr").data
    assert written.dtype == np.int64
    assert (written[39_000:39_300, 39_000:39_500] == 2**40).all()
    assert (written[100:400, 100:600] == 69_999).all()
    assert not written[400:2000, 0:2000].any()


def test_a_table_has_a_row_for_each_object(scan, annotated, tmp_path):
    out = tmp_path / "objects.csv"
    answer = run("export", scan, "--csv", out)
    assert answer.exit_code == 0, answer.output
    with out.open(newline="", encoding="utf-8") as file:
        first, second, *classes = csv.DictReader(file)
    assert [row["class"] for row in classes] == ["class 2", "class 4"]
    values = np.asarray(read_image(scan).data)[annotated == 2]
    assert float(second["mean_image"]) == pytest.approx(values.mean(), rel=1e-5)
    assert (first["id"], first["class"], second["class"]) == ("1", "class 4", "class 2")
    voxels = (annotated == 2).sum()
    assert (second["voxels"], second["slices"]) == (str(voxels), "1")
    assert (float(second["size"]), second["unit"]) == (voxels * 16, "mm3")
    geometry = read_image(scan).geometry
    middle = np.argwhere(annotated == 2).mean(0) * geometry.scale + geometry.translate
    centroid = [float(second[f"centroid_{name}"]) for name in "zyx"]
    np.testing.assert_allclose(centroid, middle, rtol=1e-5)
    assert (second["first_z"], second["last_x"]) == ("2", "6")
    assert (second["clicks"], second["boxes"], second["painted"]) == ("1", "0", "0.0")


def test_labels_go_into_an_ome_zarr_image_and_are_replaced_on_request(tmp_path):
    path = tmp_path / "scan.zarr"
    write_labels(path, np.zeros(SHAPE, np.uint8))
    labels = np.zeros(SHAPE, np.uint16)
    session = Session(ArrayLabels(labels), blank=True)
    journal = Journal(Subject(path, "", SHAPE).places()[0], SHAPE)
    journal.follow(session)
    request = session.set_prompts(Plane(0, 1), Prompts().click(3, 4))
    probability = np.zeros(SHAPE[1:], np.float32)
    probability[2:5, 3:6] = 1
    session.commit(request, probability)
    assert journal.close()
    place = path / "labels" / "cells"
    words = ("export", path, "--labels", place)
    done = run(*words)
    assert done.exit_code == 0, done.output
    found = read_labels(place, read_image(path).geometry)
    np.testing.assert_array_equal(np.asarray(found.data[...]), labels)
    assert "exists; choose another name" in str(run(*words).exception)
    assert run(*words, "--overwrite").exit_code == 0
    for name in ("a.geojson", "a.zip"):
        assert run("export", path, "--labels", tmp_path / name).exit_code == 0
    (roi,) = roiread(tmp_path / "a.zip")
    assert len(roi.coordinates()) == 4

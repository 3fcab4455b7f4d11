"""Files that earlier code wrote are read by this code to the same.

Those in `earlier` were written by version 0.1.0 as it was on 29 November 2026, and are
never written anew: what they say is what users have on their disks.
"""

from __future__ import annotations

import json
import shutil
import zipfile
from pathlib import Path
from typing import Any

import nibabel
import numpy as np
import pytest
from numpy.typing import NDArray
from typer.testing import CliRunner

from napari_segnext import Plane, Predictor, Prompts, load_model
from napari_segnext.commands.cli import app
from napari_segnext.files import read_image, read_prompts, write_prompts
from napari_segnext.images.intensity import robust_window
from napari_segnext.images.layout import content_key
from napari_segnext.journal import read_journal
from napari_segnext.labels.sparse import Sparse
from napari_segnext.models.fingerprint import model_fingerprint
from napari_segnext.predicting.store import EmbeddingStore, embedding_key
from napari_segnext.predicting.tiles import Tile
from napari_segnext.session import ArrayLabels, Session
from napari_segnext.session.checklist import doubtful
from napari_segnext.session.exchange import exported
from napari_segnext.session.state import Result

EARLIER = Path(__file__).parent / "earlier"
ARRAYS = np.load(EARLIER / "arrays.npz")
LABELS = ARRAYS["labels"]
EMBEDDED = json.loads((EARLIER / "embeddings.json").read_text())


def resume(journal: str) -> tuple[Session, NDArray[np.uint16]]:
    saved = read_journal(EARLIER / journal)
    assert not saved.damaged and not saved.lost
    labels = np.zeros(saved.shape, np.uint16)
    return saved.resume(ArrayLabels(labels)), labels


def place(plane: Plane) -> str:
    return f"{plane.axis} {plane.index} {list(plane.fixed)}"


def sparse(each: Sparse) -> list[list[int]]:
    return [[int(n) for n in each.voxels], [int(n) for n in each.values]]


def told(result: Result) -> dict[str, Any]:
    """Tell a result as `session.json` does: levels and pixels of the whole plane."""
    levels = np.zeros(result.probability.shape, np.uint8)
    levels[result.probability.extent.slices] = result.probability.levels
    section = np.zeros(levels.shape, bool)
    (top, left), pixels = result.section.offset, result.section.pixels
    section[top : top + pixels.shape[0], left : left + pixels.shape[1]] = pixels
    return {
        "answered": len(result.prompts),
        "section": np.flatnonzero(section).tolist(),
        "levels": levels.ravel().tolist(),
        "base": sparse(result.base),
        "confidence": result.confidence,
        "checked": result.checked,
    }


@pytest.mark.parametrize("name", ["brain.nii.gz", "at_once"])
def test_journal_comes_back_as_it_was(name: str, tmp_path: Path) -> None:
    session, labels = resume(f"{name}.segnext-journal")
    np.testing.assert_array_equal(labels, LABELS)
    write_prompts(tmp_path / "prompts.json", exported(session))
    expected = json.loads((EARLIER / "prompts.json").read_text())
    assert json.loads((tmp_path / "prompts.json").read_text()) == expected
    known = json.loads((EARLIER / "session.json").read_text())
    assert session.current == known["current"]
    assert session.semantic == known["semantic"]
    awaited = [[r.object_id, place(r.plane)] for r in session.requests()]
    assert sorted(awaited) == known["awaited"]
    assert [str(number) for number in session.objects] == list(known["objects"])
    for each, was in zip(
        session.objects.values(), known["objects"].values(), strict=True
    ):
        assert (each.name, each.finished) == (was["name"], was["finished"])
        assert each.colour == (was["colour"] and tuple(was["colour"]))
        category = each.category and [each.category.value, each.category.name]
        assert category == was["category"]
        assert {place(p): sparse(e) for p, e in each.edits.items()} == was["edits"]
        assert {place(p): told(r) for p, r in each.results.items()} == was["results"]
        doubted = doubtful(each, Plane(0, 0, (0,)))
        assert [place(plane) for plane in doubted] == was["doubtful"]


def test_journal_beside_its_image_is_exported_to_the_same_files(
    tmp_path: Path,
) -> None:
    for name in ("brain.nii.gz", "brain.nii.gz.segnext-journal"):
        shutil.copy(EARLIER / name, tmp_path)
    image, out = tmp_path / "brain.nii.gz", tmp_path / "labels.nii.gz"
    prompts = tmp_path / "prompts.json"
    words = ["export", str(image), "--labels", str(out), "--prompts", str(prompts)]
    done = CliRunner().invoke(app, words)
    assert done.exit_code == 0, done.output
    assert json.loads(prompts.read_text()) == json.loads(
        (EARLIER / "prompts.json").read_text()
    )
    found, was = (nibabel.load(p) for p in (out, EARLIER / "exported.nii.gz"))
    np.testing.assert_array_equal(found.dataobj, was.dataobj)
    np.testing.assert_array_equal(found.affine, was.affine)
    assert found.header["descrip"] == was.header["descrip"]
    assert found.header.extensions == was.header.extensions


@pytest.mark.parametrize("name", ["exported.nii.gz", "exported.tif", "semantic.nii.gz"])
def test_labels_of_the_commands_are_read_where_they_lie(name: str) -> None:
    file = read_image(EARLIER / name)
    known = json.loads((EARLIER / "session.json").read_text())["objects"]
    values = np.arange(256)
    if name.startswith("semantic"):
        for number, each in known.items():
            values[int(number)] = (each["category"] or [0])[0]
    np.testing.assert_array_equal(file.data, values[LABELS])
    image = read_image(EARLIER / "brain.nii.gz").geometry
    assert file.geometry.shape == image.shape
    if name.endswith(".nii.gz"):
        assert file.geometry.scale == pytest.approx(image.scale)
        assert file.geometry.translate == pytest.approx(image.translate)
        assert file.geometry.units == image.units


def test_prompts_file_is_read_and_written_to_the_same(tmp_path: Path) -> None:
    objects = read_prompts(EARLIER / "prompts.json")
    assert [item.name for item in objects] == ["soma", "näme", "later"]
    write_prompts(tmp_path / "prompts.json", objects)
    again = (tmp_path / "prompts.json").read_text()
    assert json.loads(again) == json.loads((EARLIER / "prompts.json").read_text())


@pytest.fixture
def folder(request: pytest.FixtureRequest, tmp_path: Path) -> Path:
    """Lay out the folder of embeddings that is called as the test's parameter."""
    with zipfile.ZipFile(EARLIER / f"{request.param}.zip") as packed:
        packed.extractall(tmp_path)
    return tmp_path


def square() -> NDArray[np.uint8]:
    image = np.zeros((256, 256), np.uint8)
    image[96:120, 100:124] = 200
    return image


@pytest.mark.parametrize("folder", ["small", "tiny"], indirect=True)
def test_embeddings_on_disk_are_read_to_the_same(folder: Path) -> None:
    (key,) = (path.name for path in folder.iterdir() if path.is_dir())
    (was,) = (each for each in EMBEDDED.values() if each["key"] == key)
    embedding = EmbeddingStore(folder=folder, writing=False).get(key)
    assert embedding is not None
    assert set(embedding.tensors) == set(was["tensors"])
    for name, tensor in embedding.tensors.items():
        values, known = tensor.double(), was["tensors"][name]
        assert list(values.shape) == known["shape"]
        assert values.sum().item() == pytest.approx(known["sum"])
        assert values.abs().sum().item() == pytest.approx(known["absolute"])


def test_embeddings_keep_their_names() -> None:
    was, image = EMBEDDED["tiny"], square()[..., None]
    window = robust_window(image, "percentile")
    key = embedding_key(content_key(image), Tile(0, 0, 0), window, was["fingerprint"])
    assert key == was["key"]


@pytest.mark.parametrize("folder", ["small"], indirect=True)
def test_checkpoint_predicts_from_its_embedding_on_disk_as_before(
    folder: Path,
) -> None:
    model = load_model(EARLIER / "small.safetensors", "cpu")
    assert model_fingerprint(model) == EMBEDDED["small"]["fingerprint"]
    predictor = Predictor(model, EmbeddingStore(folder=folder))
    predictor.set_image(read_image(EARLIER / "brain.nii.gz").data[0, 2])
    assert predictor.is_embedded()
    first = predictor.predict(Prompts().click(4, 5))
    found = predictor.predict(first.prompts.click(0, 0, positive=False), first)
    np.testing.assert_allclose(found.probability, ARRAYS["probability"], atol=1e-3)

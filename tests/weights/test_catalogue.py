from __future__ import annotations

import json
import math
import subprocess
import sys

import pytest

from napari_segnext.models import ModelConfig, build_model
from napari_segnext.models.reference import reference_config
from napari_segnext.weights import (
    CATALOGUE,
    DownloadError,
    cache_folder,
    download,
    embeddings_folder,
    list_models,
    load_model,
    path_of,
    save_model,
    verify,
)
from napari_segnext.weights.catalogue import model_label
from napari_segnext.weights.checkpoint import expected_shapes

PUBLISHED = [
    entry
    for entry in CATALOGUE.values()
    if entry.reference and not entry.in_transformers
]


@pytest.mark.parametrize(
    ("name", "keys"),
    [("vitb-sa1", "sa1"), ("vitb-sa2", "sa2"), ("vitb-sa2-hq", "sa2")],
)
def test_expected_tensors_are_those_of_the_published_files(shared, name, keys):
    listed = json.loads((shared / "parity" / f"keys_{keys}.json").read_text())
    found = expected_shapes(reference_config(CATALOGUE[name].reference))
    assert found == {key: tuple(shape) for key, shape in listed.items()}


@pytest.mark.parametrize("entry", PUBLISHED, ids=lambda e: e.name)
def test_sizes_are_those_of_the_tensors(entry):
    shapes = expected_shapes(reference_config(entry.reference))
    tensors = 4 * sum(math.prod(shape) for shape in shapes.values())
    assert tensors < entry.size < tensors * 1.001


@pytest.mark.parametrize("entry", PUBLISHED, ids=lambda e: e.name)
def test_terms_of_published_models_are_said(entry):
    assert entry.licence.startswith("MIT")
    assert "CC BY-NC" in entry.caveat
    assert ("HQSeg-44K" in entry.caveat) == (entry.name == "vitb-sa2-hq")


@pytest.mark.parametrize(
    "name",
    [
        "ois-tiny",
        "ois-small",
        "ois-base",
        "tiny-ref",
        "vitb-sa2-ref",
        "text-tiny",
        "text-vitb-sa2",
        "sam-vitb-ref",
    ],
)
def test_an_unpublished_model_says_how_to_make_it(cache, name):
    entry = CATALOGUE[name]
    assert not entry.bundled
    assert ("not for commercial use" in entry.licence) == (name == "ois-base")
    with pytest.raises(DownloadError, match=f"train --model {name}"):
        download(name)
    with pytest.raises(FileNotFoundError, match=f"train --model {name}"):
        verify(name)


def test_an_unpublished_model_is_found_where_the_message_says(cache):
    config = ModelConfig("ois-tiny", 64, arch={"widths": [8, 8, 8, 16]})
    cache.mkdir()
    save_model(build_model(config), path_of(CATALOGUE["ois-tiny"]))
    assert load_model("ois-tiny", device="cpu").config == config


def test_the_cache_can_be_elsewhere(monkeypatch, tmp_path):
    monkeypatch.delenv("NAPARI_SEGNEXT_CACHE", raising=False)
    assert cache_folder().name == "napari-segnext"
    monkeypatch.setenv("NAPARI_SEGNEXT_CACHE", str(tmp_path))
    assert path_of(CATALOGUE["vitb-sa1"]).parent == tmp_path


def test_the_list_says_what_is_present(cache):
    cache.mkdir()
    (cache / CATALOGUE["vitb-sa1"].file).write_bytes(b"123")
    listed = {status.entry.name: status for status in list_models()}
    assert list(listed) == list(CATALOGUE)
    assert (listed["vitb-sa1"].present, listed["vitb-sa1"].size) == (True, 3)
    missing = listed["vitb-sa2"]
    assert (missing.present, missing.size) == (False, missing.entry.size)


def test_listing_models_imports_neither_torch_nor_gdown():
    code = (
        "import sys; from napari_segnext.weights import list_models; list_models();"
        "sys.exit(bool({'torch', 'gdown'} & set(sys.modules)))"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


def test_embeddings_are_kept_in_the_cache_or_where_the_environment_says(
    tmp_path, monkeypatch
):
    monkeypatch.setenv("NAPARI_SEGNEXT_CACHE", str(tmp_path))
    monkeypatch.delenv("NAPARI_SEGNEXT_EMBEDDINGS", raising=False)
    assert embeddings_folder() == tmp_path / "embeddings"
    monkeypatch.setenv("NAPARI_SEGNEXT_EMBEDDINGS", str(tmp_path / "mine"))
    assert embeddings_folder() == tmp_path / "mine"


@pytest.mark.parametrize(
    ("model", "label"),
    [
        ("tiny", "tiny"),
        ("/data/vitb_sa2.pth", "vitb_sa2.pth"),
        ("/data/tuned/model.safetensors", "tuned/model.safetensors"),
        ("model.safetensors", "model.safetensors"),
    ],
)
def test_models_in_files_of_one_name_are_told_apart(model, label):
    assert model_label(model) == label

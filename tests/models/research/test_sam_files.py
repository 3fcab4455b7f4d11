"""Files of SAM's family made for transformers, and what is said without the library."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from safetensors.torch import load_file, save_file

pytest.importorskip("transformers", reason="the library that SAM runs in")

from tests.models.research.sam import KINDS, SIZE, small_config, small_model

from napari_segnext import Predictor, Prompts, load_model
from napari_segnext.models.research.sam import library, published
from napari_segnext.models.research.sam.library import MissingLibrary, from_transformers
from napari_segnext.models.research.sam.published import SAM_CONFIGS, recognise
from napari_segnext.weights import CATALOGUE, WeightsError, download, save_model
from napari_segnext.weights.checkpoint import expected_shapes

IMAGE = np.random.default_rng(0).integers(0, 255, (SIZE, 40), dtype=np.uint8)
OF = {"sam": "sam-vitb", "sam-hq": "sam-hq-vitb", "sam2": "sam2-tiny"}


@pytest.fixture(params=KINDS)
def kind(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> str:
    """Return a kind of which the only published model is a small one."""
    kind = str(request.param)
    monkeypatch.setattr(published, "SAM_CONFIGS", {OF[kind]: small_config(kind)})
    return kind


@pytest.fixture
def folder(kind: str, tmp_path: Path) -> Path:
    """Return a folder as transformers writes it."""
    network = small_model(kind).network
    saved = from_transformers(type(network).__name__)(network.config)
    saved.load_state_dict(network.state_dict())
    saved.save_pretrained(tmp_path / "saved")
    return tmp_path / "saved"


def probability(model: Any) -> np.ndarray:
    predictor = Predictor(model)
    predictor.set_image(IMAGE)
    return predictor.predict(Prompts().click(20, 20)).probability


def test_a_file_or_folder_made_for_transformers_is_read(
    kind: str, folder: Path, tmp_path: Path
) -> None:
    wanted = probability(small_model(kind))
    for place in (folder, folder / "model.safetensors"):
        model = load_model(place, device="cpu")
        assert model.config == small_config(kind)
        np.testing.assert_allclose(probability(model), wanted, atol=1e-6)
    save_model(model, tmp_path / "ours.safetensors")
    again = load_model(tmp_path / "ours.safetensors", device="cpu")
    np.testing.assert_allclose(probability(again), wanted, atol=1e-6)


def test_parts_for_video_are_left_out(kind: str, folder: Path) -> None:
    path = folder / "model.safetensors"
    save_file({**load_file(path), "memory_encoder.weight": torch.ones(2)}, path)
    assert load_model(path, device="cpu").config == small_config(kind)


def test_a_file_that_lacks_tensors_is_refused(kind: str, folder: Path) -> None:
    path = folder / "model.safetensors"
    tensors = load_file(path)
    del tensors["mask_decoder.iou_token.weight"]
    save_file(tensors, path)
    with pytest.raises(WeightsError, match=r"1 missing \(network.mask_decoder.iou"):
        load_model(path, device="cpu")


def test_a_file_of_another_model_is_refused(tmp_path: Path) -> None:
    save_file({"encoder.weight": torch.ones(2)}, tmp_path / "model.safetensors")
    with pytest.raises(WeightsError, match="SAM, HQ-SAM or SAM 2"):
        load_model(tmp_path, device="cpu")


def test_the_authors_own_file_is_refused_with_advice(tmp_path: Path) -> None:
    torch.save({"image_encoder.pos_embed": torch.ones(2)}, tmp_path / "sam.pth")
    with pytest.raises(WeightsError, match="made for the library"):
        load_model(tmp_path / "sam.pth", device="cpu")


@pytest.mark.parametrize(
    ("name", "millions"),
    [("sam-vitb", 93.7), ("sam-hq-vitl", 313.7), ("sam2-base-plus", 73.3)],
)
def test_published_models_have_their_size_and_are_known_by_it(
    name: str, millions: float
) -> None:
    shapes = expected_shapes(SAM_CONFIGS[name])
    values = sum(math.prod(shape) for shape in shapes.values())
    assert round(values / 1e6, 1) == millions
    # SAM 2's files hold 7.5 million values for video as well.
    assert 4 * values <= CATALOGUE[name].size < 4 * values + 3.2e7
    tensors = {
        key.removeprefix("network."): torch.empty(shape, device="meta")
        for key, shape in shapes.items()
    }
    assert recognise(tensors) is SAM_CONFIGS[name]


def test_all_published_models_are_told_apart() -> None:
    signatures = {published._signature_of(c) for c in SAM_CONFIGS.values()}
    assert len(signatures) == len(SAM_CONFIGS) == 10
    listed = [e for e in CATALOGUE.values() if e.in_transformers and e.reference]
    assert [entry.reference for entry in listed] == list(SAM_CONFIGS)
    assert {entry.licence for entry in listed} == {"Apache-2.0"}


def test_without_the_library_nothing_is_fetched_and_the_message_says_what_to_install(
    kind: str, folder: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("NAPARI_SEGNEXT_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr(library, "find_spec", lambda name: None)
    advice = r"pip install 'napari-segnext\[sam\]'"
    with pytest.raises(MissingLibrary, match=advice):
        download(OF[kind])
    assert not (tmp_path / "cache").exists()
    with pytest.raises(MissingLibrary, match=advice):
        load_model(folder, device="cpu")


def test_a_library_that_is_too_old_is_told_apart() -> None:
    with pytest.raises(MissingLibrary, match="too old for Sam99Model"):
        from_transformers("Sam99Model")

"""SAM's decoder learns a user's images; its encoder stays as it is."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

pytest.importorskip("accelerate", reason="training needs the extra `train`")
pytest.importorskip("transformers", reason="SAM needs the extra `sam`")

from tests.models.research.sam import SIZE, small_model

from napari_segnext.training.crops import padded_image
from napari_segnext.training.data import LabelledImage
from napari_segnext.training.finetune import finetune
from napari_segnext.weights import load_model, save_model


def test_a_padded_image_keeps_its_ratio_and_is_filled_with_the_mean() -> None:
    labels = np.zeros((40, 80), np.int32)
    labels[5:30, 10:70] = 1
    picture = LabelledImage.of((200 * labels).astype(np.uint8), [labels])
    sample = padded_image(picture, np.random.default_rng(0), SIZE, 1)
    assert sample is not None
    assert np.allclose(sample.image[32:], (0.485, 0.456, 0.406))
    assert not sample.masks[:, 32:].any()
    assert sample.masks[0, 4:24, 8:56].all()


def test_fine_tuning_changes_the_decoder_alone(tmp_path: Path) -> None:
    save_model(small_model("sam"), tmp_path / "sam.safetensors")
    rng = np.random.default_rng(0)
    for folder in ("image", "annotation"):
        (tmp_path / "data" / folder).mkdir(parents=True)
    for number in range(4):
        labels = np.zeros((50, 70), np.uint8)
        labels[10:40, 10 + number : 50] = 1
        image = 90 * labels + rng.integers(0, 30, labels.shape).astype(np.uint8)
        Image.fromarray(image).save(tmp_path / "data" / "image" / f"{number}.png")
        Image.fromarray(labels).save(tmp_path / "data" / "annotation" / f"{number}.png")
    tuned = finetune(
        tmp_path / "sam.safetensors",
        tmp_path / "data",
        tmp_path / "out",
        steps=2,
        workers=0,
    )
    before = load_model(tmp_path / "sam.safetensors", "cpu").state_dict()
    after = load_model(tuned.path, "cpu").state_dict()
    changed = {name for name in before if not torch.equal(before[name], after[name])}
    assert any(name.startswith("network.mask_decoder.") for name in changed)
    assert not any(name.startswith("network.vision_encoder.") for name in changed)

"""Numbers of the reference implementation; its fixtures are not redistributed."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

from napari_segnext import Predictor, Prompts, load_model
from napari_segnext.geometry.frame import Frame
from napari_segnext.models.segnext import SegNext
from napari_segnext.prompts import ModelPrompts

FEATURES, PROBABILITIES = 1e-3, 1e-4
NAMES = [
    *(f"{model}_{i}" for i in ("coffee", "rand") for model in ("naive", "sa1", "sa2")),
    "sa2_coffeecorner",
    "sa2_tall",
]


class Golden:
    """A model of the reference's own format and what it gave on one image."""

    def __init__(self, folder: Path, name: str) -> None:
        file = folder / f"golden_{name}.npz"
        if not file.exists():
            pytest.skip(f"no {file.name} in this set of fixtures")
        self.arrays = dict(np.load(file))
        path = folder / f"ref_small_{name.split('_')[0]}_000.pth"
        self.model = load_model(path, device="cpu")
        height, width = self.image.shape[:2]
        self.frame = Frame(0, 0, height, width, int(self.arrays["img_size"]))
        assert self.model.config.size == self.frame.size

    @property
    def image(self) -> np.ndarray:
        return self.arrays["image"]

    def prompts(self) -> list[Prompts]:
        """All clicks so far, at every click."""
        steps = [Prompts()]
        for positive, y, x in self.arrays["clicks"]:
            steps.append(steps[-1].click(y, x, positive=bool(positive)))
        return steps[1:]

    def compare(self, name: str, index: int, ours: np.ndarray, atol: float) -> None:
        wanted = self.arrays.get(name)
        if wanted is not None:
            stride = int(self.arrays["prob_stride"]) if name == "probs" else 1
            ours = ours[..., ::stride, ::stride]
            np.testing.assert_allclose(ours, wanted[index], atol=atol, rtol=0)


@pytest.fixture(params=NAMES)
def golden(request, shared) -> Golden:
    return Golden(shared / "parity", request.param)


def _inside(
    model: SegNext, features: torch.Tensor, prompts: ModelPrompts
) -> tuple[np.ndarray, ...]:
    """Prompt features, fused features and low-resolution logits."""
    dense = torch.from_numpy(prompts.dense)[None]
    with torch.inference_mode():
        encoded = model.visual_prompts_encoder(dense)[0]
        fused = model.fuse({"image": features[None]}, dense)
        low = model.low_resolution_logits(fused)[0, 0]
    return encoded.numpy(), fused[0].numpy(), low.numpy()


def test_every_stage_gives_the_references_numbers(golden):
    model, frame = golden.model, golden.frame
    embedding = model.encode(frame.crop(np.float32(golden.image) / 255))
    features = embedding.tensors["image"]
    np.testing.assert_allclose(
        features, golden.arrays["image_feats"], atol=FEATURES, rtol=0
    )
    previous = None
    for i, prompts in enumerate(golden.prompts()):
        ours = prompts.to_model(frame, model.config.style, previous)
        disks = np.packbits(ours.dense[1:].astype(bool))
        np.testing.assert_array_equal(disks, golden.arrays["disk_bits"][i].ravel())

        encoded, fused, low = _inside(model, features, ours)
        golden.compare("prompt_feats", i, encoded, FEATURES)
        golden.compare("low_logits", i, low, PROBABILITIES)

        logits = frame.restore(model.decode(embedding, ours).logits.numpy())
        previous = 1 / (1 + np.exp(-logits))
        golden.compare("probs", i, previous, PROBABILITIES)
    np.testing.assert_allclose(
        fused, golden.arrays["fused_last"], atol=FEATURES, rtol=0
    )


def test_clicks_come_to_the_references_pixels(golden):
    for i in range(len(golden.arrays["clicks"])):
        raw = golden.arrays[f"points_raw_{i}"]
        scaled = golden.arrays[f"points_scaled_{i}"]
        given = raw[:, 2] >= 0
        ours = golden.frame.to_model(raw[given, :2]).astype(int)
        np.testing.assert_array_equal(ours, scaled[given, :2])


def test_the_predictor_gives_the_references_probabilities(golden):
    predictor = Predictor(golden.model)
    predictor.set_image(golden.image)
    prediction = None
    for i, prompts in enumerate(golden.prompts()):
        prediction = predictor.predict(prompts, previous=prediction)
        golden.compare("probs", i, prediction.probability, PROBABILITIES)

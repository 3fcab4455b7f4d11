"""A volume's planes are segmented one by one, and embedded once."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
import torch
from tests.doubles import Watched
from torch import Tensor

from napari_segnext.geometry.plane import Plane
from napari_segnext.images.intensity import Window
from napari_segnext.images.volume import Volume
from napari_segnext.models import ModelConfig, SegmentationModel, Tiling
from napari_segnext.predicting.embed import embed_planes
from napari_segnext.predicting.store import EmbeddingStore
from napari_segnext.predicting.volume_predictor import VolumePredictor
from napari_segnext.prompts import Prompts

rng = np.random.default_rng(0)


class Counting(SegmentationModel):
    """Its mask is where the image is bright; counts what it encodes."""

    encoded = 0

    def image_features(self, images: Tensor, check=lambda: None) -> dict[str, Tensor]:
        self.encoded += 1
        return {"brightness": images.mean(1, keepdim=True)}

    def mask_logits(self, features: dict[str, Tensor], dense: Tensor) -> Tensor:
        return features["brightness"] * 20


def model(tiling: Tiling | None = None, size: int = 32) -> Counting:
    return Counting(
        ModelConfig("counting", size, mean=(0.5,) * 3, std=(1.0,) * 3, tiling=tiling)
    )


def bright_square() -> np.ndarray:
    data = np.zeros((6, 32, 32), np.float32)
    data[1:5, 8:20, 10:24] = 100
    return data


@pytest.mark.parametrize("axis", [0, 1, 2])
def test_a_prediction_lies_where_the_object_is(axis):
    data = bright_square()
    plane = Plane(axis, 3 if axis == 0 else 12)
    predictor = VolumePredictor(model(), Volume(data))
    prediction = predictor.predict(plane, Prompts().click(3, 14))
    truth = np.take(data, plane.index, axis) > 0
    assert (prediction.mask & truth).sum() / (prediction.mask | truth).sum() > 0.9


def test_no_plane_is_encoded_twice():
    network = model()
    predictor = VolumePredictor(network, Volume(bright_square()))
    for _ in range(2):
        for index in (1, 2, 3):
            predictor.predict(Plane(0, index), Prompts().click(5, 5))
            predictor.embed(Plane(0, index))
    assert network.encoded == 3


def test_is_embedded_says_what_embed_did_and_reads_nothing():
    array = Watched(bright_square())
    network = model()
    predictor = VolumePredictor(network, Volume(array))
    plane = Plane(0, 3)
    before = array.voxels
    assert not predictor.is_embedded(plane)
    assert array.voxels == before
    predictor.embed(plane)
    assert predictor.is_embedded(plane) and not predictor.is_embedded(Plane(0, 2))
    before = network.encoded
    predictor.predict(plane, Prompts().click(12, 12))
    assert network.encoded == before


def test_embeddings_outlive_the_predictor_when_the_volume_has_an_identity(tmp_path):
    for expected in (1, 0):
        network = model()
        volume = Volume(bright_square(), identity="mri")
        predictor = VolumePredictor(network, volume, EmbeddingStore(folder=tmp_path))
        predictor.embed(Plane(0, 3))
        assert network.encoded == expected
        assert predictor.is_embedded(Plane(0, 3))


def test_a_click_on_a_large_section_reads_only_its_tiles():
    section = Watched(np.zeros((4096, 4096), np.uint8))
    predictor = VolumePredictor(
        model(Tiling(), size=64), Volume(section), window=Window((0.0,), (255.0,))
    )
    predictor.embed(Plane(), at=(3000, 1000))
    assert 0 < section.voxels < section.data.size / 20


@pytest.mark.parametrize("side", [8999, 9001])
def test_all_tiles_of_a_section_whose_levels_round_up_are_embedded(side):
    levels = [np.zeros((side, side - 37), np.uint8)]
    levels[0][6000:, 6000:] = 200
    while max(levels[-1].shape) > 600:
        levels.append(levels[-1][::2, ::2])
    network = model(Tiling(finest=0.014), size=64)
    predictor = VolumePredictor(network, Volume(levels))
    embed_planes(predictor, [Plane()])
    pyramid = predictor.at(Plane()).pyramid
    assert pyramid.levels == 2 and pyramid.step(1) > 1
    assert network.encoded == sum(len(pyramid.tiles(n)) for n in range(pyramid.levels))
    box = Prompts().box((6000, 6000), (side - 1, side - 38))
    assert predictor.predict(Plane(), box).mask[7000, 7000]


def test_several_threads_get_the_masks_of_their_planes():
    data = rng.random((12, 32, 32)).astype(np.float32)
    predictor = VolumePredictor(model(), Volume(data))
    clicked = Prompts().click(5, 5)
    alone = [predictor.predict(Plane(0, z), clicked).probability for z in range(12)]
    predictor.store.clear()
    together = threading.Barrier(4, timeout=30)

    def ask(first: int) -> list[np.ndarray]:
        together.wait()
        planes = [z % 12 for z in range(first, first + 24)]
        return [predictor.predict(Plane(0, z), clicked).probability for z in planes]

    with ThreadPoolExecutor(4) as pool:
        for first, found in zip((0, 3, 6, 9), pool.map(ask, (0, 3, 6, 9)), strict=True):
            for number, probability in enumerate(found):
                np.testing.assert_array_equal(probability, alone[(first + number) % 12])


def test_a_given_window_is_used_and_nothing_sampled():
    array = Watched(bright_square())
    window = Window((0.0,), (1000.0,))
    predictor = VolumePredictor(model(), Volume(array), window=window)
    assert array.voxels == 0
    assert not predictor.predict(Plane(0, 3), Prompts().click(12, 12)).mask.any()


def test_a_prompt_in_a_plane_outside_is_refused():
    predictor = VolumePredictor(model(), Volume(bright_square()))
    with pytest.raises(ValueError, match="outside the volume"):
        predictor.predict(Plane(0, 6), Prompts().click(1, 1))
    assert not torch.is_inference_mode_enabled()

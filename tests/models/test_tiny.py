from __future__ import annotations

import pytest
import torch

from napari_segnext.models import ModelConfig, build_model
from napari_segnext.models.tiny import Detail, Tiny


@pytest.fixture(scope="module")
def model() -> Tiny:
    torch.manual_seed(0)
    tiny = build_model(ModelConfig("tiny", 64, arch={"widths": [8, 16, 24, 32]}))
    assert isinstance(tiny, Tiny)
    return tiny.eval()


@pytest.mark.parametrize("side", [64, 96, 256])
def test_logits_have_the_input_size(model: Tiny, side: int) -> None:
    with torch.no_grad():
        features = model.image_features(torch.rand(2, 3, side, side))
        logits = model.mask_logits(features, torch.rand(2, 3, side, side))
    assert {k: v.shape[1:] for k, v in features.items()} == {
        f"stride{2**i}": (width, side >> i, side >> i)
        for i, width in enumerate((3, 8, 16, 24, 32))
    }
    assert logits.shape == (2, 1, side, side)


@pytest.mark.parametrize("channel", [0, 1, 2])
def test_every_channel_of_the_dense_map_reaches_the_mask(
    model: Tiny, channel: int
) -> None:
    dense = torch.zeros(2, 3, 64, 64)
    dense[1, channel, 20:30, 20:30] = 1
    with torch.no_grad():
        features = model.image_features(torch.rand(1, 3, 64, 64).expand(2, -1, -1, -1))
        nothing, something = model.mask_logits(features, dense)
    assert (nothing - something).abs().max() > 1e-3


def test_detail_corrects_single_pixels_and_starts_as_no_correction(model: Tiny) -> None:
    image, dense = torch.rand(2, 1, 3, 64, 64)
    fused = torch.rand(1, 8, 32, 32)
    assert not model.detail(image, dense, fused).any()
    trained = Detail(8, 4)
    torch.nn.init.ones_(trained.head.weight)
    changed = image.clone()
    changed[0, 0, 20, 30] += 5
    difference = trained(changed, dense, fused) - trained(image, dense, fused)
    rows, columns = difference[0, 0].nonzero(as_tuple=True)
    assert len(rows)
    assert (rows - 20).abs().max() <= 2
    assert (columns - 30).abs().max() <= 2


def test_the_embedding_does_not_depend_on_what_else_is_in_the_batch(
    model: Tiny,
) -> None:
    images = torch.rand(3, 3, 64, 64)
    with torch.no_grad():
        together = model.image_features(images)
        alone = model.image_features(images[1:2])
    for name, tensor in alone.items():
        torch.testing.assert_close(together[name][1:2], tensor, atol=1e-4, rtol=1e-4)


def test_an_unknown_architecture_number_is_named() -> None:
    with pytest.raises(ValueError, match="depth_of_field"):
        build_model(ModelConfig("tiny", 64, arch={"depth_of_field": 3}))


@pytest.mark.parametrize("name", ["hf-hub:someone/network", "no_such_network"])
def test_an_encoder_that_timm_would_have_to_fetch_is_refused(name: str) -> None:
    with pytest.raises(ValueError, match="timm has no network"):
        build_model(ModelConfig("tiny", 64, arch={"encoder": name}))

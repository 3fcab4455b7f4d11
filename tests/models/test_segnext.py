from __future__ import annotations

import numpy as np
import pytest
import torch
from torch.nn import functional as F

from napari_segnext.geometry.frame import Frame
from napari_segnext.models import Cancelled, ModelConfig, build_model
from napari_segnext.models.segnext import SegNext
from napari_segnext.models.vit import window_of
from napari_segnext.prompts import Prompts

from .plain_segnext import PlainSegNext

ARCH = {
    "embed_dim": 24,
    "depth": 4,
    "num_heads": 3,
    "global_every": 3,
    "fusion_depth": 2,
    "neck_channels": [6, 8, 12, 16],
    "head_channels": 10,
}
CORNERS = [(True, 0, 0), (False, -1, -1), (True, 0, -1), (False, -1, 0)]


def small(size: int = 224, **changes: object) -> SegNext:
    """A model with random parameters everywhere, whose probabilities go 0 to 1."""
    model = build_model(ModelConfig("segnext", size, arch={**ARCH, **changes}))
    assert isinstance(model, SegNext)
    model.eval()
    generator = torch.Generator().manual_seed(0)
    with torch.no_grad():
        for name, parameter in model.named_parameters():
            noise = torch.randn(parameter.shape, generator=generator)
            if "norm" in name and name.endswith("weight"):
                parameter.copy_(1 + 0.3 * noise)
            elif parameter.ndim > 1 and name != "backbone.pos_embed":
                parameter.copy_(noise / parameter[0].numel() ** 0.5)
            else:
                parameter.copy_(0.2 * noise)
        dense = torch.zeros(1, 3, size, size)
        images = torch.randn(1, 3, size, size, generator=generator)
        logits = model.mask_logits(model.image_features(images), dense)
        model.head.seg_conv.weight.mul_(2 / logits.std())
        model.head.seg_conv.bias.sub_(logits.mean()).mul_(2 / logits.std())
    return model


def click_sequence(shape: tuple[int, int]) -> list[tuple[bool, int, int]]:
    height, width = shape
    inside = [(True, height // 3, width // 2), (False, height // 2, width // 5)]
    return inside + [(s, y % height, x % width) for s, y, x in CORNERS]


@pytest.mark.parametrize("fusion_depth", [0, 1, 2])
@pytest.mark.parametrize(
    ("size", "shape"),
    [
        pytest.param(448, (150, 211), id="windows, enlarged"),
        pytest.param(224, (503, 305), id="one window, tall and shrunk"),
        pytest.param(224, (224, 224), id="as it is"),
    ],
)
def test_every_click_gives_what_the_plain_model_gives(size, shape, fusion_depth):
    model = small(size, fusion_depth=fusion_depth)
    plain = PlainSegNext(model.state_dict(), size, model.config.arch)
    image = np.random.default_rng(0).integers(0, 256, (*shape, 3), dtype=np.uint8)
    frame = Frame(0, 0, *shape, size)
    embedding = model.encode(frame.crop(np.float32(image) / 255))
    features = plain.features(image)
    torch.testing.assert_close(
        embedding.tensors["image"], features[0], atol=1e-4, rtol=0
    )

    prompts, previous, clicks = Prompts(), None, []
    for positive, y, x in click_sequence(shape):
        clicks.append((positive, y, x))
        prompts = prompts.click(y, x, positive=positive)
        expected = None if previous is None else torch.from_numpy(previous)
        dense = plain.dense(shape, clicks, expected)
        ours = prompts.to_model(frame, model.config.style, previous)
        np.testing.assert_array_equal(ours.dense[1:], dense[0, 1:].numpy())
        np.testing.assert_allclose(ours.dense[0], dense[0, 0].numpy(), atol=1e-6)

        logits = frame.restore(model.decode(embedding, ours).logits.numpy())
        previous = 1 / (1 + np.exp(-logits))
        wanted = plain.probability(features, dense, shape).numpy()
        assert np.ptp(wanted) > 0.2
        np.testing.assert_allclose(previous, wanted, atol=2e-5)


def test_windows_of_a_1024_image_are_the_plain_models():
    model = small(1024, depth=2, fusion_depth=0)
    assert model.backbone.window == 16
    plain = PlainSegNext(model.state_dict(), 1024, model.config.arch)
    image = np.random.default_rng(0).integers(0, 256, (300, 200, 3), dtype=np.uint8)
    frame = Frame(0, 0, 300, 200, 1024)
    ours = model.encode(frame.crop(np.float32(image) / 255)).tensors["image"]
    torch.testing.assert_close(ours, plain.features(image)[0], atol=1e-4, rtol=0)


def test_norms_guard_against_small_variance_as_the_published_ones_do():
    model = small()
    assert {b.norm1.eps for b in model.backbone.blocks} == {1e-6}
    assert {b.norm2.eps for b in model.fusion_blocks} == {1e-5}


def test_a_click_that_rounds_out_of_the_grid_keeps_its_disk_inside():
    shape = (1003, 610)
    frame = Frame(0, 0, *shape, 448)
    prompts = Prompts().click(1002, 609)
    assert frame.to_model([(1002, 609)]).astype(int).tolist() == [[448, 447]]
    model = small(448)
    dense = prompts.to_dense(frame, model.config.style)
    plain = PlainSegNext({}, 448, {}).dense(shape, [(True, 1002, 609)], None)
    np.testing.assert_array_equal(dense, plain[0].numpy())
    assert 0 < dense[1].sum() < 81


def test_grid_centres_in_model_pixels_are_prompts_in_a_frame_of_the_models_size():
    model, patch = small(224), 224 // 4
    image = np.random.default_rng(1).integers(0, 256, (90, 130, 3), dtype=np.uint8)
    plain = PlainSegNext(model.state_dict(), 224, model.config.arch)
    embedding = model.encode(Frame(0, 0, 90, 130, 224).crop(np.float32(image) / 255))
    features = plain.features(image)
    centres = [patch // 2 + patch * i for i in range(4)]
    for y in centres:
        for x in centres[::3]:
            prompts = Prompts().click(y, x)
            ours = prompts.to_model(Frame(0, 0, 224, 224, 224), model.config.style)
            dense = plain.dense((224, 224), [(True, y, x)], None)
            np.testing.assert_array_equal(ours.dense, dense[0].numpy())
            wanted = plain.probability(features, dense, (90, 130)).numpy()
            logits = model.decode(embedding, ours).logits.numpy()
            logits = Frame(0, 0, 90, 130, 224).restore(logits)
            np.testing.assert_allclose(1 / (1 + np.exp(-logits)), wanted, atol=2e-5)


@pytest.mark.parametrize(
    ("grid", "window"), [(8, 8), (14, 14), (27, 27), (28, 14), (30, 15), (64, 16)]
)
def test_windows_divide_the_grid(grid, window):
    assert window_of(grid) == window


@pytest.mark.parametrize(
    ("size", "changes", "message"),
    [
        (464, {}, "29 x 29 tokens"),
        (250, {}, "no multiple of 16"),
        (224, {"num_heads": 5}, "5 heads"),
        (224, {"neck_channels": [8, 8, 8]}, "four numbers"),
        (224, {"colour": 3}, "colour"),
    ],
)
def test_numbers_that_cannot_be_built_are_told(size, changes, message):
    with pytest.raises(ValueError, match=message):
        build_model(ModelConfig("segnext", size, arch={**ARCH, **changes}))


def test_encoding_stops_between_two_blocks():
    model, asked = small(), []

    def cancelled() -> bool:
        asked.append(None)
        return len(asked) == 3

    with pytest.raises(Cancelled):
        model.encode(np.zeros((224, 224, 3), np.float32), cancelled)
    assert len(asked) == 3


def test_a_batch_gives_what_each_image_gives():
    model = small(448)
    images = torch.rand(2, 3, 448, 448)
    dense = (torch.rand(2, 3, 448, 448) > 0.99).float()
    with torch.inference_mode():
        features = model.image_features(images)
        both = model.mask_logits(features, dense)
        assert both.shape == (2, 1, 448, 448)
        for i in range(2):
            one = model.image_features(images[i : i + 1])
            alone = model.mask_logits(one, dense[i : i + 1])
            torch.testing.assert_close(both[i : i + 1], alone, atol=1e-4, rtol=1e-4)


def test_clicks_under_autocast_are_answered_in_half_precision():
    model = small(448)
    torch.manual_seed(0)
    dense = torch.zeros(1, 3, 448, 448)
    dense[:, 1, 200:211, 200:211] = 1
    with torch.inference_mode():
        features = model.image_features(torch.rand(1, 3, 448, 448))
        exact = model.mask_logits(features, dense)
        with torch.autocast("cpu", torch.bfloat16):
            rounded = model.mask_logits(features, dense)
    assert rounded.dtype == torch.bfloat16
    apart = (rounded.float().sigmoid() - exact.sigmoid()).abs()
    assert 0 < apart.mean() < 0.06


def test_learning_and_answering_see_the_same_features():
    model = small(448)
    images = torch.randn(2, 3, 448, 448, generator=torch.Generator().manual_seed(1))
    with torch.no_grad():
        learnt = model.image_features(images)["image"]
    with torch.inference_mode():
        answered = model.image_features(images)["image"]
    torch.testing.assert_close(answered, learnt, atol=1e-4, rtol=1e-4)


def test_dropout_acts_in_training_alone():
    model = small(dropout=0.5)
    features = model.image_features(torch.rand(1, 3, 224, 224))
    dense = torch.zeros(1, 3, 224, 224)

    def twice() -> tuple[torch.Tensor, torch.Tensor]:
        return model.mask_logits(features, dense), model.mask_logits(features, dense)

    assert torch.equal(*twice())
    model.train()
    assert not torch.equal(*twice())


def test_every_part_in_use_learns():
    torch.manual_seed(0)
    model = build_model(ModelConfig("segnext", 64, arch={**ARCH, "dropout": 0.0}))
    optimizer = torch.optim.Adam(
        [p for p in model.parameters() if p.requires_grad], lr=3e-3
    )
    image = torch.zeros(1, 3, 64, 64)
    image[..., 16:40, 8:32] = 1
    dense = torch.zeros(1, 3, 64, 64)
    dense[0, 1, 28, 20] = 1
    losses = []
    for _ in range(30):
        logits = model.mask_logits(model.image_features(image), dense)
        loss = F.binary_cross_entropy_with_logits(logits, image[:, :1])
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    still = [
        name
        for name, p in model.named_parameters()
        if p.requires_grad and (p.grad is None or not p.grad.any())
    ]
    assert still == []
    assert losses[-1] < 0.5 * losses[0]


def untrained(embed_dim: int = 48) -> SegNext:
    torch.manual_seed(0)
    arch = {**ARCH, "embed_dim": embed_dim, "patch_size": 8}
    model = build_model(ModelConfig("segnext", 128, arch=arch))
    assert isinstance(model, SegNext)
    return model.eval()


@torch.no_grad()
def test_untrained_fusion_tells_of_a_click_to_those_alike() -> None:
    model = untrained()
    one, other = torch.randn(2, 48)
    image = torch.empty(1, 48, 16, 16)
    image[..., :8], image[..., 8:] = one.view(-1, 1, 1), other.view(-1, 1, 1)
    clicked = torch.zeros_like(image)
    clicked[0, :, 8, 2] = torch.randn(48)
    told = model.fusion_blocks(image, clicked)
    told = (told - model.fusion_blocks(image, 0 * clicked))[0].norm(dim=0)
    told[8, 2] = torch.nan
    assert told[:, :8].nanmean() > 1.5 * told[:, 8:].mean()


@torch.no_grad()
def test_untrained_embedding_of_places_is_alike_for_neighbours() -> None:
    places = untrained().backbone.pos_embed[0, 1:].reshape(16, 16, -1)
    centred = F.normalize(places - places.mean((0, 1)), dim=-1)
    likeness = centred @ centred[8, 8]
    assert likeness.argmax() == 8 * 16 + 8
    assert likeness[8, 9] > likeness[8, 10] > likeness[8, 12]
    assert likeness[9, 8] > likeness[10, 8] > likeness[12, 8]


def test_channels_that_cannot_embed_places_are_refused() -> None:
    with pytest.raises(ValueError, match="multiple of 4"):
        untrained(embed_dim=30)

from __future__ import annotations

import pytest
import torch
from tests.models.test_segnext import small
from timm.models.vision_transformer import Block
from torch import Tensor
from torch.nn import functional as F

from napari_segnext.engines.functions import Decoding
from napari_segnext.models.fast import (
    ApproximateDecoder,
    ExactDecoder,
    decoding,
    exact_decoder,
    first,
)
from napari_segnext.models.fast.attention import Attended, finish
from napari_segnext.models.fast.cells import (
    COARSE,
    from_cells,
    neighbourhoods,
    patches,
    to_cells,
    upsampling,
)
from napari_segnext.models.fast.merging import Merging
from napari_segnext.models.segnext import SegNext

SIZE = 448
GRID = SIZE // 16


@pytest.fixture(scope="module")
def model() -> SegNext:
    return small(SIZE)


@pytest.fixture
def image() -> Tensor:
    return torch.randn(24, GRID, GRID, generator=torch.Generator().manual_seed(1))


def dense_map(*clicks: tuple[int, int, int], previous: Tensor | float = 0.0) -> Tensor:
    """(3, S, S) with a small square for each (channel, y, x)."""
    dense = torch.zeros(3, SIZE, SIZE)
    dense[0] = previous
    for channel, y, x in clicks:
        dense[channel, y : y + 7, x : x + 7] = 1
    return dense


def plain(model: SegNext, image: Tensor, dense: Tensor) -> Tensor:
    fused = model.fuse({"image": image[None]}, dense[None])
    return model.low_resolution_logits(fused)[0, 0]


def session(model: SegNext, image: Tensor) -> list[Tensor]:
    """Dense maps of a user's clicks, each with the mask before."""
    clicks = [(1, 100, 200), (2, 300, 60), (1, 0, 0), (1, 437, 437)]
    maps: list[Tensor] = []
    previous: Tensor | float = 0.0
    for count in range(1, len(clicks) + 1):
        maps.append(dense_map(*clicks[:count], previous=previous))
        low = plain(model, image, maps[-1])[None, None]
        previous = F.interpolate(low, (SIZE, SIZE), mode="bilinear")[0, 0].sigmoid()
    return maps


def test_rows_in_the_order_of_cells_hold_all_that_the_map_held() -> None:
    grid = torch.arange(2 * 8 * 8.0).reshape(2, 8, 8)
    rows = to_cells(grid)
    assert rows[:5, 0].tolist() == [0, 1, 8, 9, 2]
    dense = torch.rand(3, 64, 64)
    convolution = torch.nn.Conv2d(3, 5, 16, 16)
    wanted = to_cells(convolution(dense[None])[0])
    weight, bias = convolution.weight.flatten(1), convolution.bias
    torch.testing.assert_close(F.linear(patches(dense, 16), weight, bias), wanted)


@pytest.mark.parametrize("level", range(3))
def test_neighbourhoods_and_weights_are_bilinear_interpolation(level: int) -> None:
    side, cells = COARSE[level], 3
    maps = [torch.zeros(cells * s, cells * s) for s in COARSE]
    maps[level] = torch.rand(cells * side, cells * side)
    rows = []
    for plane, of_cell in zip(maps, COARSE, strict=True):
        cut = plane.reshape(cells, of_cell, cells, of_cell).transpose(1, 2)
        nested = cut.reshape(cells**2, of_cell, of_cell)
        while nested.shape[-1] > 1:  # quarters of quarters, row by row
            half = nested.shape[-1] // 2
            nested = nested.unflatten(-1, (2, half)).unflatten(-3, (2, half))
            nested = nested.movedim((-4, -2), (-4, -3)).flatten(0, -3)
        rows.append(nested.flatten())
    gathered = torch.cat(rows)[neighbourhoods(cells)]
    found = from_cells(gathered @ upsampling().T)
    wanted = F.interpolate(maps[level][None, None], 8 * cells, mode="bilinear")[0, 0]
    torch.testing.assert_close(found, wanted)


@pytest.mark.parametrize("depth", [0, 1, 2])
def test_the_exact_decoder_gives_the_models_own_logits(image, depth) -> None:
    model = small(SIZE, fusion_depth=depth)
    with torch.inference_mode():
        decoder = ExactDecoder(model)
        for dense in session(model, image):
            wanted = plain(model, image, dense)
            torch.testing.assert_close(
                decoder(image, dense), wanted, atol=1e-4, rtol=1e-4
            )


def counted(monkeypatch, owner, name: str) -> list[int]:
    """Have the tokens counted that a function of a block is given."""
    counts, function = [], getattr(owner, name)

    def counting(block, tokens, *others):
        counts.append(len(tokens))
        return function(block, tokens, *others)

    monkeypatch.setattr(owner, name, counting)
    return counts


def test_a_first_click_only_corrects_what_is_remembered(image, monkeypatch) -> None:
    model = small(SIZE, fusion_depth=1)
    attended = counted(monkeypatch, Attended, "of")
    with torch.inference_mode():
        decoder = ExactDecoder(model)
        for y in (20, 120, 320):
            dense = dense_map((1, y, 200))
            found = decoder(image, dense)
            torch.testing.assert_close(
                found, plain(model, image, dense), atol=1e-4, rtol=1e-4
            )
    assert attended == [GRID**2]


def test_a_next_click_projects_only_the_clicks_tokens_anew(image, monkeypatch) -> None:
    model = small(SIZE, fusion_depth=1)
    attended = counted(monkeypatch, Attended, "of")
    finished = counted(monkeypatch, first, "finish")
    projected = counted(monkeypatch, first, "_project")
    with torch.inference_mode():
        decoder = ExactDecoder(model)
        for dense in session(model, image)[1:]:
            found = decoder(image, dense)
            wanted = plain(model, image, dense)
            torch.testing.assert_close(found, wanted, atol=1e-4, rtol=1e-4)
    assert projected[0] == GRID**2
    assert all(1 <= count <= 16 for count in projected[1:])
    # All tokens looked once for each; what they see without prompts was not needed.
    assert finished == [GRID**2] * 3
    assert not attended


def test_what_is_remembered_is_of_two_images_at_most(model) -> None:
    with torch.inference_mode():
        decoder = ExactDecoder(model)
        sizes = []
        for seed in range(4):
            other = torch.randn(
                24, GRID, GRID, generator=torch.Generator().manual_seed(seed)
            )
            dense = dense_map((1, 50, 50))
            found = decoder(other, dense)
            torch.testing.assert_close(
                found, plain(model, other, dense), atol=1e-4, rtol=1e-4
            )
            sizes.append(decoder.nbytes)
    assert sizes[1:] == [2 * sizes[0]] * 3


def test_a_result_stays_when_the_decoders_memory_is_used_again(model, image) -> None:
    with torch.inference_mode():
        decoder = ExactDecoder(model)
        maps = session(model, image)
        kept = [(found := decoder(image, dense), found.clone()) for dense in maps]
    assert all(torch.equal(found, then) for found, then in kept)


def test_other_weights_get_another_decoder(image) -> None:
    model = small(SIZE)
    dense = dense_map((1, 50, 50))
    with torch.inference_mode():
        before = model.mask_logits({"image": image[None]}, dense[None])
        assert exact_decoder(model) is exact_decoder(model)
    with torch.no_grad():
        model.neck.down_4[0].weight.mul_(1.5)
    with torch.inference_mode():
        after = model.mask_logits({"image": image[None]}, dense[None])
        low = plain(model, image, dense)[None, None]
    assert not torch.allclose(before, after, atol=1e-2)
    wanted = F.interpolate(low, (SIZE, SIZE), mode="bilinear", align_corners=True)
    torch.testing.assert_close(after, wanted, atol=1e-4, rtol=1e-4)


@pytest.mark.filterwarnings("ignore:.*torch.jit:FutureWarning")
@pytest.mark.filterwarnings("ignore:.*torch.jit:DeprecationWarning")
@pytest.mark.filterwarnings("ignore::torch.jit.TracerWarning")
def test_a_recorded_decode_does_not_depend_on_the_prompts_it_was_recorded_with(
    model, image
) -> None:
    first, second = dense_map((1, 50, 50)), dense_map((1, 9, 9), (2, 300, 300))
    with torch.inference_mode():
        given = (image[None], first[None])
        traced = torch.jit.trace(Decoding(model, ["image"]), given, check_trace=False)
        wanted = model.mask_logits({"image": image[None]}, second[None])
        torch.testing.assert_close(
            traced(image[None], second[None]), wanted, atol=1e-4, rtol=1e-4
        )


@pytest.mark.parametrize("loudness", [1.0, 30.0])
@pytest.mark.parametrize("seed", range(4))
def test_changed_tokens_are_exchanged_in_every_row(loudness: float, seed: int) -> None:
    """Loud tokens draw most attention, before or after."""
    torch.manual_seed(seed)
    block = Block(16, 2, qkv_bias=True).eval()
    tokens = torch.randn(60, 16)
    rows, new = torch.tensor([3, 40]), torch.randn(2, 16)
    with torch.inference_mode():
        block.norm1 = torch.nn.Identity()
        tokens[3] *= loudness
        for values in (new, loudness * new, tokens[rows]):
            changed = tokens.clone()
            changed[rows] = values
            attended = Attended.of(block, tokens.clone(), block.attn.qkv(tokens))
            attended.change(rows, values)
            wanted = Attended.of(block, changed, block.attn.qkv(changed))
            torch.testing.assert_close(attended.seen, wanted.seen, atol=1e-4, rtol=1e-4)
            torch.testing.assert_close(attended.mass, wanted.mass, atol=1e-4, rtol=1e-4)
            torch.testing.assert_close(
                finish(block, attended.tokens, attended.seen),
                block(changed[None])[0],
                atol=1e-3,
                rtol=1e-3,
            )


def through_the_blocks(monkeypatch) -> list[int]:
    """Have the rows counted that go through each block after the first."""
    return counted(monkeypatch, decoding, "through")


def test_with_all_cells_near_the_approximate_decoder_is_exact(model, image) -> None:
    with torch.inference_mode():
        decoder = ApproximateDecoder(model, faint=-1)
        for dense in session(model, image):
            torch.testing.assert_close(
                decoder(image, dense), plain(model, image, dense), atol=1e-4, rtol=1e-4
            )


@pytest.mark.parametrize("depth", [0, 1, 2, 3])
def test_tokens_that_are_alike_may_be_merged_without_any_loss(
    image, depth, monkeypatch
) -> None:
    model = small(SIZE, fusion_depth=depth)
    cells = F.avg_pool2d(image[None], 2)
    alike = F.interpolate(cells, scale_factor=2, mode="nearest")[0]
    rows = through_the_blocks(monkeypatch)
    with torch.inference_mode():
        # No mask reaches beyond the clicks, so that nothing is decoded twice.
        model.head.seg_conv.bias.fill_(-1e3)
        # The mask is faint, and the same all over.
        for dense in (
            dense_map((1, 100, 200), previous=0.05),
            dense_map((1, 100, 200), (2, 300, 60), previous=0.02),
        ):
            found = ApproximateDecoder(model)(alike, dense)
            wanted = plain(model, alike, dense)
            torch.testing.assert_close(found, wanted, atol=1e-3, rtol=1e-4)
    # Cells of 32 pixels: three by three around a click, whose own row, or column, of
    # tokens is the first or the last of its cell, reach over two by two.
    assert rows[: depth - 1] == [(GRID // 2) ** 2 + 3 * 4] * max(depth - 1, 0)


def test_without_a_previous_mask_the_approximate_decoder_is_exact(model, image) -> None:
    dense = dense_map((1, 100, 200), (2, 300, 60))
    with torch.inference_mode():
        found = ApproximateDecoder(model)(image, dense)
        assert torch.equal(found, ExactDecoder(model)(image, dense))


def test_all_tokens_may_be_merged(image) -> None:
    """The prompts are on another tile, the mask is faint."""
    model = small(SIZE)
    alike = F.interpolate(F.avg_pool2d(image[None], 2), scale_factor=2)[0]
    dense = dense_map(previous=0.05)
    with torch.inference_mode():
        model.head.seg_conv.bias.fill_(-1e3)
        found = ApproximateDecoder(model)(alike, dense)
        wanted = plain(model, alike, dense)
    torch.testing.assert_close(found, wanted, atol=1e-3, rtol=1e-4)


def test_keys_of_merged_tokens_weigh_as_much_as_all_four() -> None:
    merging = Merging.but(torch.arange((GRID // 2) ** 2) < 5)
    weights = merging.weights
    assert weights is not None
    assert weights.shape == (1, 1, 20 + 191, 20 + 191)
    torch.testing.assert_close(weights[0, 0, 7].exp().double(), merging.mass)
    assert merging.mass.sum() == GRID**2


def test_rows_are_merged_and_spread_by_cell() -> None:
    merging = Merging.but(torch.tensor([False, True, False]))
    tokens = torch.arange(12.0)[:, None]
    rows = merging.rows(tokens)
    assert rows[:, 0].tolist() == [4, 5, 6, 7, 1.5, 9.5]
    # Two values were made of each row.
    into = torch.zeros(3, 8, 1)
    merging.spread(rows.repeat_interleave(2, 0), into)
    assert into[1, :, 0].tolist() == [4, 4, 5, 5, 6, 6, 7, 7]
    assert into[0].unique().tolist() == [1.5]
    assert into[2].unique().tolist() == [9.5]


def test_what_is_near_is_a_token_away() -> None:
    pixels = torch.zeros(SIZE, SIZE, dtype=torch.bool)
    pixels[100, 200] = True  # token 6, 12; its neighbours 5..7, 11..13
    near = decoding._cells_near(pixels, 16).view(GRID // 2, GRID // 2)
    assert near.nonzero().tolist() == [[y, x] for y in (2, 3) for x in (5, 6)]


def test_a_mask_that_reaches_beyond_is_decoded_again_in_full(
    model, image, monkeypatch
) -> None:
    rows = through_the_blocks(monkeypatch)
    with torch.inference_mode():
        bias = model.head.seg_conv.bias.clone()
        try:
            for shift, decodes in ((-1e3, 1), (1e3, 2)):
                rows.clear()
                model.head.seg_conv.bias.copy_(bias + shift)
                dense = dense_map((1, 100, 200), previous=0.05)
                found = ApproximateDecoder(model)(image, dense)
                assert len(rows) == decodes
                assert bool((found > 0).any()) == (shift > 0)
        finally:
            model.head.seg_conv.bias.copy_(bias)
    assert rows[-1] == GRID**2

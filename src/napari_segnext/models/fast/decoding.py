"""Decoders that remember: exact, and with merged tokens."""

from __future__ import annotations

from typing import Any, Protocol, TypeAlias
from weakref import WeakKeyDictionary

import torch
from torch import Tensor
from torch.nn import functional as F

from napari_segnext.models.decoder import MLPHead, SimpleFPN
from napari_segnext.models.fast.attention import through
from napari_segnext.models.fast.cells import from_cells, patches
from napari_segnext.models.fast.first import FirstBlock, Projection, Unprompted
from napari_segnext.models.fast.merging import Merging
from napari_segnext.models.fast.pyramid import FoldedDecoder
from napari_segnext.models.fast.workspace import Workspace
from napari_segnext.models.fusion import DenseFusion
from napari_segnext.models.prompt_encoder import DenseEncoder
from napari_segnext.models.vit import VisionTransformer

# Images of which something is remembered.
_IMAGES = 2


class Parts(Protocol):
    """The parts of a SegNext that its decode depends on."""

    backbone: VisionTransformer
    visual_prompts_encoder: DenseEncoder
    fusion_blocks: DenseFusion
    neck: SimpleFPN
    head: MLPHead


def fits(model: Parts) -> bool:
    """Tell whether a model on its device can be decoded incrementally."""
    attention = hasattr(torch.ops.aten, "_scaled_dot_product_flash_attention_for_cpu")
    weight = model.head.seg_conv.weight
    return (
        attention
        and weight.device.type == "cpu"
        and weight.dtype == torch.float32
        and model.backbone.grid % 2 == 0
    )


class _Decoder:
    """A SegNext's decoding half, for tokens in rows.

    What no prompt changes in the first block is remembered for the last two images.
    """

    def __init__(self, model: Parts) -> None:
        self._projection = Projection(model.visual_prompts_encoder.proj)
        first, *self._later = list[Any](model.fusion_blocks) or [None]
        self._first = FirstBlock(self._projection, first) if first else None
        self._last = FoldedDecoder(model.neck, model.head, model.backbone.grid // 2)
        self._known: dict[int, tuple[Tensor, Unprompted]] = {}
        self._workspace = Workspace()

    @property
    def nbytes(self) -> int:
        """Bytes remembered of images."""
        return sum(kept.nbytes for _, kept in self._known.values())

    def _decoded(self, image: Tensor, prompts: Tensor, merging: Merging) -> Tensor:
        """Return (cells, 64) logits at stride 4."""
        tokens, take = self._fused(image, prompts, merging), self._workspace
        return self._last(tokens, merging, take)

    def _fused(self, image: Tensor, prompts: Tensor, merging: Merging) -> Tensor:
        """Return the tokens after the last block: the (rows, C) of `merging`."""
        if self._first is None:
            unprompted = self._projection.unprompted(image)
            return merging.rows(unprompted + self._projection(prompts))
        kept, take = self._remembered(image, self._first), self._workspace
        tokens, weights = self._first(kept, prompts, merging, take), merging.weights
        for block in self._later:
            tokens = through(block, tokens, weights, take)
        return tokens

    def _remembered(self, image: Tensor, first: FirstBlock) -> Unprompted:
        # An image is held as long as what is known of it, so no other is at its place.
        place = image.data_ptr()
        known = self._known.pop(place, None)
        if known is None:
            known = image, first.on(image)
        self._known[place] = known
        for oldest in list(self._known)[:-_IMAGES]:
            self._known.pop(oldest, None)
        return known[1]


class ExactDecoder(_Decoder):
    """Logits at stride 4 for one image and one dense map, as SegNext's own.

    Parameters
    ----------
    model
        Its weights must not change afterwards; see `fits`.
    """

    def __call__(self, image: Tensor, dense: Tensor) -> Tensor:
        """Decode.

        Parameters
        ----------
        image
            (C, G, G) features.
        dense
            (3, S, S).

        Returns
        -------
        (4 G, 4 G)
        """
        every = Merging.but(torch.ones(self._last.cells, dtype=torch.bool))
        prompts = patches(dense, self._projection.patch)
        return from_cells(self._decoded(image, prompts, every))


_State: TypeAlias = tuple[tuple[int, int], ...]
_decoders: WeakKeyDictionary[Parts, tuple[_State, ExactDecoder]] = WeakKeyDictionary()


def exact_decoder(model: Parts) -> ExactDecoder:
    """Return a model's decoder, a new one if its weights have changed meanwhile."""
    half = (
        model.visual_prompts_encoder,
        model.fusion_blocks,
        model.neck,
        model.head,
    )
    # Tensors of a model that was loaded in inference mode have no version.
    state = tuple(
        (p.data_ptr(), 0 if p.is_inference() else p._version)
        for m in half
        for p in m.parameters()
    )
    known = _decoders.get(model)
    if known is None or known[0] != state:
        known = _decoders[model] = state, ExactDecoder(model)
    return known[1]


class ApproximateDecoder(_Decoder):
    """Logits at stride 4, with fewer tokens where little happens.

    Away from prompts and from the previous mask the four tokens of a cell are one. To
    those that look at them in the first block they are still four, so that what is near
    the prompts sees the whole image as it is. Where the new mask reaches into such
    cells, a second decode has them in full. Without a previous mask, when nobody knows
    how far the object reaches, all of it is decoded exactly.

    Parameters
    ----------
    model
        Its weights must not change afterwards; see `fits`.
    faint
        From which probability on a pixel may belong to the mask.
    """

    def __init__(self, model: Parts, faint: float = 0.1) -> None:
        super().__init__(model)
        self._faint = faint

    def near(self, dense: Tensor) -> Tensor:
        """Tell which (cells,) have a prompt or some of the previous mask close by.

        All of them, if there is no previous mask in the (3, S, S) map.
        """
        pixels = dense[1:].any(0) | (dense[0] > self._faint)
        near = _cells_near(pixels, self._projection.patch)
        return near if dense[0].any() else torch.ones_like(near)

    def __call__(self, image: Tensor, dense: Tensor) -> Tensor:
        """Decode; parameters and result are those of `ExactDecoder`."""
        prompts, near = patches(dense, self._projection.patch), self.near(dense)
        found = self._decoded(image, prompts, Merging.but(near))
        if ((found > 0).any(1) & ~near).any():
            # Pixels of the logits are a quarter of a token wide.
            near |= _cells_near(from_cells(found).sigmoid() > self._faint, 4)
            found = self._decoded(image, prompts, Merging.but(near))
        return from_cells(found)


def _cells_near(pixels: Tensor, patch: int) -> Tensor:
    """Tell which (cells,) have a pixel of (H, W), or are a token away from one."""
    tokens = F.max_pool2d(pixels[None, None].float(), patch)
    return F.max_pool2d(F.max_pool2d(tokens, 3, 1, 1), 2).flatten() > 0

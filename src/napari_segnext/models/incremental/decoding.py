"""Decoders that remember: exact, and with a tolerance."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Protocol, TypeAlias
from weakref import WeakKeyDictionary

import torch
from torch import Tensor
from torch.nn import functional as F

from napari_segnext.models.decoder import MLPHead, SimpleFPN
from napari_segnext.models.fusion import DenseFusion
from napari_segnext.models.incremental.attention import Attended
from napari_segnext.models.incremental.cells import from_cells, patches
from napari_segnext.models.incremental.first import FirstBlock, Projection, Unprompted
from napari_segnext.models.incremental.pyramid import FoldedDecoder, Moments, levels
from napari_segnext.models.lean import Workspace
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


class _Half:
    """What both decoders are made of: a SegNext's decoding half, for tokens in rows."""

    def __init__(self, model: Parts) -> None:
        self.projection = Projection(model.visual_prompts_encoder.proj)
        self.blocks: list[Any] = list(model.fusion_blocks)
        self.last = FoldedDecoder(model.neck, model.head, model.backbone.grid // 2)


class ExactDecoder:
    """Logits at stride 4 for one image and one dense map, as SegNext's own.

    What no prompt changes in the first block is remembered for the last two images.

    Parameters
    ----------
    model
        Its weights must not change afterwards; see `fits`.
    """

    def __init__(self, model: Parts) -> None:
        self._half = _Half(model)
        blocks = self._half.blocks
        self._first = FirstBlock(self._half.projection, blocks[0]) if blocks else None
        self._known: dict[int, tuple[Tensor, Unprompted]] = {}
        self._workspace = Workspace()

    @property
    def nbytes(self) -> int:
        """Bytes remembered of images."""
        return sum(kept.nbytes for _, kept in self._known.values())

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
        tokens = self._fused(image, patches(dense, self._half.projection.patch))
        moments, take = Moments(len(tokens) // 4), self._workspace
        last = self._half.last
        coarse = last.coarse(tokens, moments, take=take)
        return from_cells(last.logits(*last.fine(tokens, moments, take=take), coarse))

    def _fused(self, image: Tensor, prompts: Tensor) -> Tensor:
        """Return the (N, C) tokens after the last block."""
        if self._first is None:
            projection = self._half.projection
            return projection.unprompted(image) + projection(prompts)
        kept, take = self._remembered(image, self._first), self._workspace
        tokens = self._first(kept, prompts, take).outputs(take=take)
        for block in self._half.blocks[1:]:
            tokens = Attended.to(block, tokens, take).outputs(take=take)
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


@dataclass(slots=True)
class _Decode:
    """A decode, all of it, with the inputs that each step had when it was last run.

    Attributes
    ----------
    prompts
        (N, 3 * patch * patch) patches of the dense map.
    blocks, seen
        Each block's attention, and what of it the rest of the block has used.
    fused
        (N, C) tokens after the last block.
    coarse, logits
        See `FoldedDecoder`.
    """

    prompts: Tensor
    blocks: list[Attended]
    seen: list[Tensor]
    fused: Tensor
    moments: Moments
    coarse: Tensor
    logits: Tensor

    def copy(self) -> _Decode:
        """Return one that can be changed apart from this one."""
        return _Decode(
            self.prompts.clone(),
            [block.copy() for block in self.blocks],
            [seen.clone() for seen in self.seen],
            self.fused.clone(),
            self.moments.copy(),
            self.coarse.clone(),
            self.logits.clone(),
        )

    @property
    def nbytes(self) -> int:
        """Size in memory, in bytes."""
        tensors = (self.prompts, self.fused, self.coarse, self.logits, *self.seen)
        blocks = sum(block.nbytes for block in self.blocks)
        return blocks + sum(tensor.nbytes for tensor in tensors)


class ApproximateDecoder:
    """Logits at stride 4, where only what changes noticeably is computed.

    A decode starts from the nearest of two: that without prompts, and the last one of
    the same image. A patch of the dense map counts as new where it differs by more than
    a tolerance; its token runs through the first block, and all others learn of it by
    attention. Those whose view changes noticeably run through the rest of the block and
    into the next one, and so on; feature pyramid, head and upsampling run in the cells
    of tokens that have changed, and beside them. A step is compared with the inputs it
    was last run with, so errors do not add up over many prompts.

    Parameters
    ----------
    model
        Its weights must not change afterwards; see `fits`.
    tolerance
        Change of a token's attention, in terms of the mean length, that is ignored.
    ignored
        Difference of the dense map, 0..1, that is ignored.
    """

    def __init__(
        self, model: Parts, tolerance: float = 0.1, ignored: float = 0.02
    ) -> None:
        self._half, self._tolerance, self._ignored = _Half(model), tolerance, ignored
        self._image: Tensor | None = None
        self._starts: list[_Decode] = []

    @property
    def nbytes(self) -> int:
        """Bytes remembered of the last image."""
        return sum(start.nbytes for start in self._starts)

    def __call__(self, image: Tensor, dense: Tensor) -> Tensor:
        """Decode; parameters and result are those of `ExactDecoder`."""
        prompts = patches(dense, self._half.projection.patch)
        if self._image is None or self._image.data_ptr() != image.data_ptr():
            self._image = image
            self._starts = [self._whole(torch.zeros_like(prompts))]
        news = [
            ((prompts - start.prompts).abs().amax(1) > self._ignored).nonzero()[:, 0]
            for start in self._starts
        ]
        nearest = min(range(len(news)), key=lambda i: len(news[i]))
        start = self._starts[nearest]
        if len(news[nearest]) > len(prompts) / 2:
            start = self._whole(prompts)
        else:
            start = start.copy() if nearest == 0 else start
            if len(news[nearest]):
                self._update(start, news[nearest], prompts)
        self._starts[1:] = [start]
        return from_cells(start.logits)

    def _whole(self, prompts: Tensor) -> _Decode:
        """Decode all of it."""
        half = self._half
        assert self._image is not None
        tokens = half.projection.unprompted(self._image) + half.projection(prompts)
        blocks = []
        for block in half.blocks:
            blocks.append(Attended.to(block, tokens))
            tokens = blocks[-1].outputs()
        moments = Moments(len(tokens) // 4)
        coarse = half.last.coarse(tokens, moments)
        logits = half.last.logits(*half.last.fine(tokens, moments), coarse)
        seen = [block.seen.clone() for block in blocks]
        return _Decode(prompts, blocks, seen, tokens, moments, coarse, logits)

    def _update(self, start: _Decode, rows: Tensor, prompts: Tensor) -> None:
        half = self._half
        start.prompts[rows] = prompts[rows]
        assert self._image is not None
        tokens = half.projection.unprompted(self._image)[rows]
        tokens = tokens + half.projection(prompts[rows])
        for block, seen in zip(start.blocks, start.seen, strict=True):
            block.change(rows, tokens)
            moved = torch.linalg.vector_norm(block.seen - seen, dim=1)
            usual = torch.linalg.vector_norm(seen, dim=1).mean()
            stale = moved > self._tolerance * usual
            stale[rows] = True
            rows = stale.nonzero()[:, 0]
            seen[rows] = block.seen[rows]
            tokens = block.outputs(rows)
        start.fused[rows] = tokens
        self._redraw(start, rows)

    def _redraw(self, start: _Decode, rows: Tensor) -> None:
        """Bring coarse levels and logits up to date around some tokens."""
        last = self._half.last
        side = round(last.cells**0.5)
        touched = torch.zeros(side, side)
        touched.view(-1)[rows // 4] = 1
        wide = F.max_pool2d(touched[None, None], 3, 1, 1)
        cells = wide.flatten().nonzero()[:, 0]
        tokens = start.fused.view(last.cells, -1)[cells].view(4 * len(cells), -1)
        for kept, new in zip(
            levels(start.coarse),
            levels(last.coarse(tokens, start.moments, cells)),
            strict=True,
        ):
            kept[cells] = new
        fine = last.fine(tokens, start.moments, cells)
        start.logits[cells] = last.logits(*fine, start.coarse, cells)

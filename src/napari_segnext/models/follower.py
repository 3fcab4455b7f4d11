"""From where an object is in some planes to where it is in another one.

What a click decoder is asked, it answers with something; from plane to plane an object
moves, splits and ends. So this is a decoder of its own on the same embeddings: that of
`Tiny`, whose weights it starts from, with three things more. Where the object is
expected takes the place of the previous mask. A memory of the planes that are known is
read by attention, pixels that look alike and lie near telling each other whether they
are the object's, as in space-time memory networks (Oh et al., ICCV 2019). And it judges
its own answer: whether the object is there, and how well it is found.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn.functional import (
    avg_pool2d,
    interpolate,
    pad,
    pixel_unshuffle,
    scaled_dot_product_attention,
    softplus,
)

from napari_segnext.models.base import Features
from napari_segnext.models.config import ModelConfig
from napari_segnext.models.tiny import LITE0, Tiny

# Stride at which the memory is read, and the features that it is read by.
_STRIDE = 8
# By how much less a place is believed, for each head, that is a cell away: a first
# guess; the log-odds of an affinity grow less with the square of the distance.
_NEAR = (0.02, 0.06, 0.2, 0.6)
_SURE = 1e-4


@dataclass(frozen=True, slots=True, eq=False)
class Seen:
    """A plane in which it is known where the object is.

    Attributes
    ----------
    features
        Of `Tiny.image_features`: of the same region as those of the plane asked for.
    mask
        (B, 1, S, S) probability of the object.
    """

    features: Features
    mask: Tensor


@dataclass(frozen=True, slots=True, eq=False)
class Followed:
    """What was found in a plane.

    Attributes
    ----------
    logits
        (B, 1, S, S).
    present
        (B,) logits: whether the object is there.
    overlap
        (B,) logits: the intersection over union of mask and object, if it is.
    """

    logits: Tensor
    present: Tensor
    overlap: Tensor


class Memory(nn.Module):
    """Read, at each place of a plane, what is known of places like it.

    Parameters
    ----------
    widths
        Channels of the features at strides 2, 4, 8 and 16.
    width
        Channels of a head.
    """

    def __init__(self, widths: Sequence[int], width: int) -> None:
        super().__init__()
        self.heads = len(_NEAR)
        inner = width * self.heads
        self.looks = nn.Conv2d(sum(widths[1:]), inner, 3, padding=1)
        self.shows = nn.Sequential(
            nn.Conv2d(_STRIDE**2 + inner, inner, 1),
            nn.ReLU(inplace=True),
            nn.Conv2d(inner, inner, 1),
        )
        # Not by PyTorch, which on the device "meta" would bring its compiler along.
        near = [math.log(math.expm1(n)) for n in _NEAR]
        self.near = nn.Parameter(torch.tensor(near))
        # Of the plane gone through last, and of the others.
        self.role = nn.Parameter(torch.zeros(2, inner))
        self.believed = nn.Parameter(torch.zeros(2, self.heads))
        self.tell = nn.Conv2d(inner, widths[2], 1)
        # It starts as no memory at all.
        nn.init.zeros_(self.tell.weight)
        nn.init.zeros_(self.tell.bias)  # type: ignore[arg-type]

    def forward(self, features: Features, seen: Sequence[Seen]) -> Tensor:
        """Return (B, widths[2], S / 8, S / 8) to add at stride 8.

        Parameters
        ----------
        features
            Of the plane asked for.
        seen
            The plane that was gone through last, then others.
        """
        looks = self._look(features)
        height, width = looks.shape[2:]
        place = self._place(height, width, looks.device)
        keys, values = [], []
        for number, plane in enumerate(seen):
            role, same = min(number, 1), plane.features is features
            key = looks if same else self._look(plane.features)
            detail = pixel_unshuffle(plane.mask.to(key.dtype), _STRIDE)
            shown = self.shows(torch.cat([detail, key], 1))
            keys.append(self._near(self._split(key), place, self.believed[role]))
            values.append(self._split(shown + self.role[role, :, None, None]))
        read = self._attend(self._split(looks), place, torch.cat(keys, 2), values)
        read = read.transpose(2, 3).reshape(len(looks), -1, height, width)
        return self.tell(read)  # type: ignore[no-any-return]

    def _near(self, key: Tensor, place: Tensor, believed: Tensor) -> Tensor:
        """Add to (B, heads, N, width) keys what makes near places more alike.

        From an affinity a multiple n of the squared distance of two places is taken,
        n (|p|^2 - 2 p q + |q|^2), of which |q|^2, of the place that asks, is the same
        for all keys; so three more channels will do.
        """
        near = softplus(self.near)[:, None, None]
        alone = believed[:, None, None] - near * place.square().sum(-1, keepdim=True)
        more = torch.cat([2 * near * place, alone], -1)
        return torch.cat([key, more.expand(len(key), -1, -1, -1)], -1)

    def _attend(
        self, query: Tensor, place: Tensor, keys: Tensor, values: Sequence[Tensor]
    ) -> Tensor:
        """Return (B, heads, N, width): the values at places like those that ask."""
        width = query.shape[-1]
        more = torch.cat([place, torch.ones_like(place[:, :1])], -1)
        query = torch.cat(
            [query / width**0.5, more.expand(*query.shape[:2], -1, -1)], -1
        )
        # Keys and values of one width are attended to faster.
        value = pad(torch.cat(list(values), 2), (0, more.shape[-1]))
        with _full_precision(query.device.type):
            read = scaled_dot_product_attention(
                query.float(), keys.float(), value.float(), scale=1.0
            )
        return read[..., :width]

    def _look(self, features: Features) -> Tensor:
        """Return (B, heads * width, S / 8, S / 8): how places look."""
        fine, same, coarse = (features[f"stride{s}"] for s in (4, 8, 16))
        coarse = interpolate(coarse, scale_factor=2.0, mode="bilinear")
        return self.looks(torch.cat([avg_pool2d(fine, 2), same, coarse], 1))  # type: ignore[no-any-return]

    def _split(self, x: Tensor) -> Tensor:
        """Bring (B, heads * width, h, w) to (B, heads, h * w, width)."""
        height, width = x.shape[2:]
        return x.reshape(len(x), self.heads, -1, height * width).transpose(2, 3)

    def _place(self, height: int, width: int, device: torch.device) -> Tensor:
        """Return (N, 2): row and column of each cell, from the middle."""
        rows = torch.arange(height, device=device) - (height - 1) / 2
        columns = torch.arange(width, device=device) - (width - 1) / 2
        return torch.cartesian_prod(rows, columns)


def _full_precision(device: str) -> AbstractContextManager[object]:
    """Compute as the tensors are, also where a training computes in less."""
    # PyTorch 2.4 knows of no autocast on Apple's GPUs, not even that there is none.
    if not torch.amp.is_autocast_available(device):
        return nullcontext()
    return torch.autocast(device, enabled=False)


class Judge(nn.Module):
    """Tell whether the object is there, and how well the mask covers it.

    Parameters
    ----------
    coarse, middle
        Channels of the fused maps at strides 16 and 8.
    """

    def __init__(self, coarse: int, middle: int, width: int = 64) -> None:
        super().__init__()
        self.layers = nn.Sequential(
            nn.Linear(coarse + 2 * middle + 4, width),
            nn.ReLU(inplace=True),
            nn.Linear(width, 2),
        )

    def forward(
        self, coarse: Tensor, middle: Tensor, expected: Tensor, logits: Tensor
    ) -> Tensor:
        """Return (B, 2) logits: of presence and of overlap.

        Parameters
        ----------
        coarse, middle
            Fused maps at strides 16 and 8.
        expected, logits
            (B, 1, S, S): the probability that was expected, and what was found.
        """
        found = logits.detach().float().sigmoid()
        own, wanted = found.sum((1, 2, 3)) + 1, expected.float().sum((1, 2, 3)) + 1
        both = torch.minimum(found, expected.float()).sum((1, 2, 3)) + 1
        sure = ((found - 0.5).abs() * 2 * found).sum((1, 2, 3)) / own
        told = torch.stack(
            [(own / wanted).log(), both / own, both / wanted, sure], 1
        ).to(coarse.dtype)
        pooled = [coarse.mean((2, 3))]
        for weight in (expected, found):
            share = avg_pool2d(weight.to(middle.dtype), _STRIDE) + _SURE
            total = share.sum((2, 3))
            pooled.append((middle * share).sum((2, 3)) / total)
        return self.layers(torch.cat([*pooled, told], 1))  # type: ignore[no-any-return]


class Follower(Tiny):
    """`Tiny`, taught to follow an object through planes.

    Parameters
    ----------
    config, encoder, widths, fusion_depth, fusion_heads, detail, base
        See `Tiny`.
    memory
        Channels of a head of the memory.
    """

    def __init__(
        self,
        config: ModelConfig,
        encoder: str = LITE0,
        widths: Sequence[int] = (16, 32, 64, 128),
        fusion_depth: int = 1,
        fusion_heads: int = 4,
        detail: int = 8,
        memory: int = 16,
        base: str = "",
    ) -> None:
        super().__init__(
            config, encoder, widths, fusion_depth, fusion_heads, detail, base
        )
        self.memory = Memory(widths, memory)
        self.judge = Judge(widths[3], widths[2])

    def mask_logits(self, features: Features, dense: Tensor) -> Tensor:
        """Raise `ValueError`: it has not learned to answer prompts."""
        raise ValueError(
            "this model follows objects from plane to plane and answers no prompts: "
            "choose another one, such as tiny"
        )

    def follow(
        self, features: Features, expected: Tensor, seen: Sequence[Seen]
    ) -> Followed:
        """Find an object in a plane.

        Parameters
        ----------
        features
            Of the plane.
        expected
            (B, 1, S, S) probability, from what is known of other planes.
        seen
            The plane that was gone through last, then others; at least one.
        """
        dense = torch.cat([expected, torch.zeros_like(expected).repeat(1, 2, 1, 1)], 1)
        beside = self.memory(features, seen)
        logits, maps = self.decoded(features, dense, beside)
        present, overlap = self.judge(maps[0], maps[1], expected, logits).unbind(1)
        return Followed(logits, present, overlap)

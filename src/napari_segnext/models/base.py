"""What every model offers: `encode` an image once, `decode` prompts many times."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TypeAlias

import numpy as np
import torch
from torch import Tensor, nn

from napari_segnext.geometry.regions import Extent
from napari_segnext.geometry.resample import FloatArray
from napari_segnext.models.config import ModelConfig
from napari_segnext.models.prompt_batch import PromptBatch
from napari_segnext.prompts import ModelPrompts

State: TypeAlias = Mapping[str, Tensor]
Features: TypeAlias = dict[str, Tensor]


def cut(maps: Tensor, part: Extent, stride: int = 1) -> Tensor:
    """Return a part, given in model pixels, of maps (1, C, S / stride, S / stride)."""
    rows, columns = (slice(at.start // stride, at.stop // stride) for at in part.slices)
    return maps[..., rows, columns]


class Cancelled(Exception):
    """Raised inside `encode` when its caller no longer wants the result."""


@dataclass(frozen=True, slots=True)
class Embedding:
    """What a model keeps of one image or tile: named tensors, no batch axis."""

    tensors: Mapping[str, Tensor]

    @property
    def nbytes(self) -> int:
        """Size in memory, in bytes."""
        return sum(t.nbytes for t in self.tensors.values())

    def part(self, part: Extent, size: int) -> Features:
        """Return a part, given in model pixels, of what is kept of (size, size) pixels.

        Returns
        -------
        tensors (1, C, h, w), each at its own stride
        """
        return {
            name: cut(tensor[None], part, size // tensor.shape[-1])
            for name, tensor in self.tensors.items()
        }

    def numpy(self) -> dict[str, np.ndarray]:
        """Return the tensors as half-precision arrays, for a store."""
        return {k: t.half().cpu().numpy() for k, t in self.tensors.items()}

    @classmethod
    def from_numpy(
        cls, arrays: Mapping[str, np.ndarray], device: torch.device
    ) -> Embedding:
        """Restore what `numpy` returned, in single precision."""
        return cls(
            {k: torch.from_numpy(a).to(device).float() for k, a in arrays.items()}
        )


@dataclass(frozen=True, slots=True)
class Decoded:
    """Result of `decode`.

    Attributes
    ----------
    logits
        (S, S) float32 on the model's device; padding included.
    state
        What the model wants back at the next prompt, unread by callers, or None.
    """

    logits: Tensor
    state: State | None = None


@dataclass(frozen=True, slots=True, eq=False)
class Auxiliary:
    """Logits that are learned beside a model's answer.

    Attributes
    ----------
    logits
        (B, 1, S, S).
    judged
        (B, 1, S, S) logits of a mask, if what is learned is where that mask is wrong;
        None if it is the object.
    inside
        (B, 1, S, S) bool: the pixels that count; None for all.
    """

    logits: Tensor
    judged: Tensor | None = None
    inside: Tensor | None = None


class SegmentationModel(nn.Module):
    """Base of all models: two verbs over two batched tensor functions.

    A subclass writes `image_features` and `mask_logits`, or in place of the latter,
    if the dense map is not all that it reads of the prompts, `prompted_logits`.
    Those are also what the training calls.
    """

    # Names an arithmetic whose embeddings are not those of single precision.
    numerics = ""
    # Whether its decode uses again what it has computed for other prompts.
    remembers = False
    # Fingerprint of another model whose embeddings are the same, if there is one.
    embeds_as = ""
    # Whether phrases may be of use to it, once it has a CLIP.
    takes_text = False

    def __init__(self, config: ModelConfig) -> None:
        super().__init__()
        self.config = config
        self.register_buffer(
            "mean", torch.tensor(config.mean).view(3, 1, 1), persistent=False
        )
        self.register_buffer(
            "std", torch.tensor(config.std).view(3, 1, 1), persistent=False
        )

    mean: Tensor
    std: Tensor

    def normalised(self, images: Tensor) -> Tensor:
        """Bring (B, 3, S, S) values of 0..1 to the statistics of the training."""
        return (images - self.mean) / self.std

    @property
    def device(self) -> torch.device:
        """Where the parameters are."""
        return self.mean.device

    @property
    def no_text(self) -> str:
        """Why phrases are of no use to it, "in short: in full"; empty if they are."""
        return (
            "This model takes no phrases: choose one that does, such as text-tiny, or "
            "take the phrase away"
        )

    @property
    def understands_text(self) -> bool:
        """Whether a phrase may be among its prompts."""
        return not self.no_text

    def use_clip_in(self, folder: Path) -> None:
        """Understand phrases from now on, with the CLIP of a folder.

        Raises
        ------
        ValueError, OSError, ImportError
            If the model takes no phrases, or there is no CLIP that it was trained with.
        """
        raise ValueError(f"a CLIP was given, but: {self.no_text}")

    @abstractmethod
    def image_features(
        self, images: Tensor, check: Callable[[], None] = lambda: None
    ) -> Features:
        """Compute what does not depend on prompts.

        Parameters
        ----------
        images
            (B, 3, S, S) normalised.
        check
            Called between blocks; it may raise `Cancelled`.
        """

    def mask_logits(self, features: Features, dense: Tensor) -> Tensor:
        """Fuse features with the (B, 3, S, S) dense map: (B, 1, S, S) logits."""
        raise NotImplementedError(f"{type(self).__name__} reads more than a dense map")

    def prompted_logits(self, features: Features, prompts: PromptBatch) -> Tensor:
        """Fuse features with prompts in any of their forms: (B, 1, S, S) logits."""
        return self.mask_logits(features, prompts.dense)

    def learned_logits(
        self, features: Features, prompts: PromptBatch
    ) -> tuple[Tensor, list[Auxiliary]]:
        """Return `prompted_logits`, and what else a training compares."""
        return self.prompted_logits(features, prompts), []

    def encode(
        self, image: FloatArray, cancelled: Callable[[], bool] = lambda: False
    ) -> Embedding:
        """Embed one image or tile.

        Parameters
        ----------
        image
            (S, S, 3) float32, windowed to 0..1.
        cancelled
            Asked between blocks.

        Raises
        ------
        Cancelled
            If `cancelled` said so.
        """
        return self.encode_batch([image], cancelled)[0]

    @torch.inference_mode()
    def encode_batch(
        self,
        images: Sequence[FloatArray],
        cancelled: Callable[[], bool] = lambda: False,
    ) -> list[Embedding]:
        """Embed several images at once, which is what a GPU is good at.

        Parameters and errors are those of `encode`.
        """

        def check() -> None:
            if cancelled():
                raise Cancelled

        pixels = torch.from_numpy(np.stack(images)).to(self.device)
        normalised = self.normalised(pixels.permute(0, 3, 1, 2))
        features = self.image_features(normalised, check)
        return [
            # Each owns its values, so that it can be forgotten alone.
            Embedding({n: t[i].clone() for n, t in features.items()})
            for i in range(len(images))
        ]

    @torch.inference_mode()
    def decode(
        self, embedding: Embedding, prompts: ModelPrompts, state: State | None = None
    ) -> Decoded:
        """Turn prompts into mask logits."""
        features = {name: t[None] for name, t in embedding.tensors.items()}
        batch = PromptBatch.of([prompts], self.device)
        return Decoded(self.prompted_logits(features, batch)[0, 0].float())

    def decode_part(
        self, embedding: Embedding, prompts: ModelPrompts, part: Extent
    ) -> Tensor:
        """Turn prompts into mask logits of a part of a tile; (h, w) float32.

        Parameters
        ----------
        part
            In model pixels; its ends are multiples of the coarsest features' stride.
        """
        return self.decode(embedding, prompts).logits[part.slices]

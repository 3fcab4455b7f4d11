"""SAM, HQ-SAM and SAM 2 behind the two verbs, computed by the library transformers.

Kirillov et al., "Segment Anything", ICCV 2023 (arXiv 2304.02643); Ke et al., "Segment
Anything in High Quality", NeurIPS 2023 (arXiv 2306.01567); Ravi et al., "SAM 2: Segment
Anything in Images and Videos", ICLR 2025 (arXiv 2408.00714), of which the part for
images is taken.

A first click that stands alone is answered by that one of three masks that the model
thinks best, everything else by the single mask. The logits of the answer, at a quarter
of the input's side, go back in with the next prompt.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable, Mapping
from copy import deepcopy
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.functional import interpolate

from napari_segnext.models.base import (
    Decoded,
    Embedding,
    Features,
    SegmentationModel,
    State,
)
from napari_segnext.models.config import ModelConfig
from napari_segnext.models.prompt_batch import PromptBatch
from napari_segnext.models.research.sam.library import from_transformers
from napari_segnext.models.research.sam.prompts import SamPrompts, sam_prompts
from napari_segnext.prompts import ModelPrompts

_PATCH = 16
# What each thread wants to be asked before the next block of the encoder.
_asking = threading.local()


class Sam(SegmentationModel):
    """SAM.

    Parameters
    ----------
    config
        Its `size` is a multiple of 16; its `arch` holds the arguments that follow.
    vision, prompt, decoder
        What differs from the defaults of transformers' configurations of the image
        encoder, the prompt encoder and the mask decoder.

    Raises
    ------
    ValueError
        If the size does not fit; its kind `MissingLibrary` if transformers is not
        installed.
    """

    kind = "Sam"

    def __init__(
        self,
        config: ModelConfig,
        vision: Mapping[str, Any] | None = None,
        prompt: Mapping[str, Any] | None = None,
        decoder: Mapping[str, Any] | None = None,
    ) -> None:
        super().__init__(config)
        if config.size % _PATCH:
            raise ValueError(f"the size is a multiple of {_PATCH}, not {config.size}")
        numbers = from_transformers(f"{self.kind}Config")(
            vision_config=self._vision(config.size, vision or {}),
            prompt_encoder_config={"image_size": config.size, **(prompt or {})},
            mask_decoder_config=dict(decoder or {}),
        )
        self.network = from_transformers(f"{self.kind}Model")(numbers)
        # One tensor under two names cannot be written to a file.
        shared = deepcopy(self.network.shared_image_embedding)
        self.network.prompt_encoder.shared_embedding = shared
        for block in self._blocks():
            block.register_forward_pre_hook(_ask)

    @property
    def encoder(self) -> nn.Module:
        """What a fine-tuning leaves alone."""
        vision: nn.Module = self.network.vision_encoder
        return vision

    def image_features(
        self, images: Tensor, check: Callable[[], None] = lambda: None
    ) -> Features:
        """Return ``image``, (B, C, S / 16, S / 16), and what `_embed` adds to it."""
        _asking.check = check
        try:
            return self._embed(images)
        finally:
            del _asking.check

    def prompted_logits(self, features: Features, prompts: PromptBatch) -> Tensor:
        """Answer prompts, those of each image alone: (B, 1, S, S) logits."""
        answers = [
            self._answer(
                {name: t[n : n + 1] for name, t in features.items()},
                self._translated(prompts.of_image(n)),
            )
            for n in range(len(prompts.dense))
        ]
        return self._enlarged(torch.cat(answers))

    @torch.inference_mode()
    def decode(
        self, embedding: Embedding, prompts: ModelPrompts, state: State | None = None
    ) -> Decoded:
        """Turn prompts into mask logits.

        The state is ``logits``, (S / 4, S / 4) float32: the answer before it is
        enlarged.
        """
        features = {name: t[None] for name, t in embedding.tensors.items()}
        low = self._answer(features, self._translated(prompts, state))
        return Decoded(self._enlarged(low)[0, 0], {"logits": low[0, 0]})

    def _vision(self, size: int, numbers: Mapping[str, Any]) -> dict[str, Any]:
        return {"image_size": size, **numbers}

    def _blocks(self) -> Iterable[nn.Module]:
        """Return the blocks of the encoder."""
        blocks: nn.ModuleList = self.network.vision_encoder.layers
        return blocks

    def _embed(self, images: Tensor) -> Features:
        """Embed (B, 3, S, S) images."""
        return {"image": self.network.get_image_embeddings(images)}

    def _embedded(self, features: Features) -> dict[str, Any]:
        """Return the features by the names of transformers' arguments."""
        return {"image_embeddings": features["image"]}

    def _translated(
        self, prompts: ModelPrompts, state: State | None = None
    ) -> SamPrompts:
        last = None if state is None else state["logits"].cpu().numpy()
        side = 4 * self.config.size // _PATCH
        return sam_prompts(prompts, self.config.style.radius, side, last)

    def _answer(self, features: Features, prompts: SamPrompts) -> Tensor:
        """Return logits at a quarter of the input's side: (1, 1, S / 4, S / 4)."""

        def tensor(array: Any) -> Tensor | None:
            """Add the axes of images and of objects."""
            if array is None or not len(array):
                return None
            return torch.from_numpy(array).to(self.device)[None, None]

        output = self.network(
            **self._embedded(features),
            input_points=tensor(prompts.points),
            input_labels=tensor(prompts.labels),
            input_boxes=tensor(prompts.box),
            input_masks=tensor(prompts.mask),
            multimask_output=prompts.ambiguous,
        )
        best = int(output.iou_scores[0, 0].argmax())
        low: Tensor = output.pred_masks[:, :, best].float()
        return low

    def _enlarged(self, low: Tensor) -> Tensor:
        side = self.config.size
        return interpolate(low, (side, side), mode="bilinear", align_corners=False)


class HQSam(Sam):
    """HQ-SAM: SAM with one more mask, drawn from early features too."""

    kind = "SamHQ"

    def _embed(self, images: Tensor) -> Features:
        """Add ``early``, (B, S / 16, S / 16, C): after the first global attention."""
        image, (early, *_) = self.network.get_image_embeddings(images)
        return {"image": image, "early": early}

    def _embedded(self, features: Features) -> dict[str, Any]:
        early = [features["early"]]
        return {**super()._embedded(features), "intermediate_embeddings": early}


class Sam2(Sam):
    """SAM 2 for single images: a Hiera encoder, finer features in the decoder."""

    kind = "Sam2"

    def _vision(self, size: int, numbers: Mapping[str, Any]) -> dict[str, Any]:
        sides = [[size // stride] * 2 for stride in (4, 8, 16)]
        return {"backbone_feature_sizes": sides, **numbers}

    def _blocks(self) -> Iterable[nn.Module]:
        blocks: nn.ModuleList = self.network.vision_encoder.backbone.blocks
        return blocks

    def _embed(self, images: Tensor) -> Features:
        """Add ``stride4`` and ``stride8``, (B, C / 8 and C / 4, S / 4 and S / 8)."""
        levels = self.network.get_image_embeddings(images)
        return dict(zip(("stride4", "stride8", "image"), levels, strict=True))

    def _embedded(self, features: Features) -> dict[str, Any]:
        names = ("stride4", "stride8", "image")
        return {"image_embeddings": [features[name] for name in names]}


def _ask(module: nn.Module, inputs: object) -> None:
    """Ask, before a block, whether its result is still wanted."""
    if not torch.compiler.is_compiling():
        getattr(_asking, "check", lambda: None)()

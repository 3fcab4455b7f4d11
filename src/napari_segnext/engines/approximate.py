"""SegNext's decode with fewer tokens away from prompts and mask.

It is never chosen by itself. How often its masks are those of the exact decode is
measured with `napari-segnext models verify MODEL --engine approximate --data DIR`.
"""

from __future__ import annotations

from torch import Tensor

from napari_segnext.engines.running import Functions
from napari_segnext.models import SegmentationModel
from napari_segnext.models.base import Features
from napari_segnext.models.fast import ApproximateDecoder, fits
from napari_segnext.models.segnext import SegNext


def prepare(model: SegmentationModel) -> Functions:
    """Return the approximate decode of a SegNext; its encoder stays PyTorch's.

    Raises
    ------
    ValueError
        If the model is not a SegNext in single precision on a CPU.
    """
    if not isinstance(model, SegNext) or not fits(model):
        raise ValueError(
            "the engine approximate is for SegNext models on a CPU; choose another"
        )
    decoder, enlarge = ApproximateDecoder(model), model.enlarge

    def mask_logits(features: Features, dense: Tensor) -> Tensor:
        low = decoder(features["image"][0], dense[0])
        return enlarge(low[None, None])

    return Functions("PyTorch, approximate", mask_logits=mask_logits)

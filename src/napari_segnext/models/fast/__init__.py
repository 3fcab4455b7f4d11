"""SegNext's decode with less work: the same numbers, or nearly so.

Tokens are matrices in the order of 2 x 2 cells, linear steps that follow each other are
one, and what a prompt does not change is remembered from an earlier decode. The
approximate decode merges tokens where little happens.
"""

from napari_segnext.models.fast.decoding import (
    ApproximateDecoder,
    ExactDecoder,
    exact_decoder,
    fits,
)

__all__ = ["ApproximateDecoder", "ExactDecoder", "exact_decoder", "fits"]

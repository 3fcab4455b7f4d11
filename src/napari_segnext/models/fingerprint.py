"""The name of a model: its configuration, its tensors and its arithmetic."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from typing import TypeAlias
from weakref import WeakKeyDictionary

import torch

from napari_segnext.models.base import SegmentationModel

_State: TypeAlias = tuple[tuple[int, int], ...]


_fingerprints: WeakKeyDictionary[
    SegmentationModel, tuple[dict[str, torch.Tensor], _State, str]
] = WeakKeyDictionary()


def model_fingerprint(model: SegmentationModel) -> str:
    """Name a model by its configuration, the values of its tensors and its arithmetic.

    The name is computed once and again only after the tensors have changed, as
    fine-tuning does.
    """
    known = _fingerprints.get(model)
    if known and known[1] == _state(known[0]):
        return known[2]
    tensors = model.state_dict(keep_vars=True)
    header = model.config.to_json() + model.numerics
    digest = hashlib.blake2b(header.encode(), digest_size=16)
    for name, tensor in sorted(tensors.items()):
        values = tensor.detach().cpu().contiguous()
        digest.update(f"{name} {values.dtype} {tuple(values.shape)}".encode())
        digest.update(values.reshape(-1).view(torch.uint8).numpy().data)
    _fingerprints[model] = dict(tensors), _state(tensors), digest.hexdigest()
    return digest.hexdigest()


def _state(tensors: Mapping[str, torch.Tensor]) -> _State:
    """Tell where tensors are, and how often they were changed in place."""
    # Tensors of a model that was loaded in inference mode do not count that.
    return tuple(
        (t.data_ptr(), 0 if t.is_inference() else t._version) for t in tensors.values()
    )

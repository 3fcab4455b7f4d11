"""COCO+LVIS in the packing of RITM and SegNext.

``SPLIT/images/ID.jpg``, ``SPLIT/masks/ID.pickle`` (PNG-encoded layers of instance
ids, and for each instance its layer and value) and ``SPLIT/hannotation.pickle``
(per image the number of instances that are things, not stuff), SPLIT being ``val`` or
``train``. Only things are listed. The pickles are read without running code of
theirs: arrays, numbers and containers are accepted, anything else is refused.
"""

from __future__ import annotations

import io
import pickle
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from napari_segnext.evaluation.images import read_pixels
from napari_segnext.evaluation.sample import Sample

# Numpy 2 renamed numpy.core to numpy._core; files name the one or the other.
_CORE = np.zeros(0).__reduce__()[0].__module__
_ALLOWED = {
    ("numpy", "ndarray"),
    ("numpy", "dtype"),
    (_CORE, "_reconstruct"),
    (_CORE, "scalar"),
    ("collections", "OrderedDict"),
    ("_codecs", "encode"),
}


class _ArraysOnly(pickle.Unpickler):
    def find_class(self, module: str, name: str) -> Any:
        """Resolve what numpy arrays are rebuilt from; refuse the rest."""
        if module in ("numpy.core.multiarray", "numpy._core.multiarray"):
            module = _CORE
        if (module, name) in _ALLOWED:
            return super().find_class(module, name)
        raise pickle.UnpicklingError(f"{module}.{name} is not data")


def _unpickle(path: Path) -> Any:
    try:
        with path.open("rb") as file:
            return _ArraysOnly(file).load()
    except pickle.UnpicklingError as error:
        raise OSError(f"{path} is not a file of masks: {error}") from error


def _labels(path: Path, object_count: int) -> NDArray[np.int32]:
    """Read the (H, W, L) layers of things: object i, from 0, has the label i + 1.

    A thing and its parts lie in different layers.
    """
    encoded, mapping = _unpickle(path)
    layers = [np.asarray(Image.open(io.BytesIO(bytes(layer)))) for layer in encoded]
    labels = np.zeros((*layers[0].shape[:2], len(layers)), np.int32)
    for number in range(object_count):
        layer, value = mapping[number]
        labels[layers[layer] == value, layer] = number + 1
    return labels


def load_cocolvis(data: Path, split: str = "val") -> list[Sample]:
    """List the images of a split below a folder."""
    root = data / split
    annotation = root / "hannotation.pickle"
    if not annotation.is_file():
        raise FileNotFoundError(
            f"{annotation} does not exist; download the COCO+LVIS packing of RITM"
        )
    samples = []
    for name, entry in sorted(_unpickle(annotation).items()):
        count = int(entry["num_instance_masks"])
        samples.append(
            Sample(
                str(name),
                partial(read_pixels, root / "images" / f"{name}.jpg"),
                partial(_labels, root / "masks" / f"{name}.pickle", count),
                tuple(range(1, count + 1)),
            )
        )
    return samples

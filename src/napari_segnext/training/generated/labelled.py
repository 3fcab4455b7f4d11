"""Heads whose label maps are those of real ones."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from napari_segnext.training.generated.anatomy import Anatomy
from napari_segnext.training.generated.canvas import Grid

# FreeSurfer's numbers of tissues whose brightness is known, left and right; others get
# any. Those that are as long as the brain are no structures to ask for.
_TISSUES = {
    "white": (2, 41, 7, 46),
    "grey": (3, 42),
    "csf": (24,),
    "ventricle": (4, 43, 5, 44, 14, 15, 72),
    "cerebellum": (8, 47),
    "thalamus": (10, 49),
    "caudate": (11, 50),
    "putamen": (12, 51),
    "hippocampus": (17, 53),
    "brainstem": (16,),
}
_LONG = ("white", "grey", "csf")
# Numbers from here on lie outside of the brain.
_OUTSIDE = 500
# Chance that all but the brain is masked away.
_STRIPPED = 0.6


def head_of_labels(
    rng: np.random.Generator, labels: NDArray[np.integer[Any]]
) -> Anatomy:
    """Make a label map of tissues and structures.

    Parameters
    ----------
    labels
        (Z, Y, X) FreeSurfer's numbers; those from 500 on are not of the brain.
    """
    brain = (labels > 0) & (labels < _OUTSIDE)
    known = {number: name for name, both in _TISSUES.items() for number in both}
    grid = Grid(labels.shape)
    head = Anatomy(
        grid=grid,
        tissue=np.zeros(labels.shape, np.int32),
        structures=np.zeros(labels.shape, np.int32),
        whole=brain,
        open_to_lesions=np.isin(labels, [*_TISSUES["white"], *_TISSUES["grey"]]),
        preferred=np.isin(labels, _TISSUES["white"]),
        radius=float(max(labels.shape)) / 2,
    )
    stripped = rng.random() < _STRIPPED
    for number in np.setdiff1d(labels, 0).tolist():
        name, mask = known.get(number, f"part {number}"), labels == number
        if number >= _OUTSIDE or name in _LONG:
            if not (stripped and number >= _OUTSIDE):
                head.paint(name, mask)
        else:
            head.add(name, mask)
    return head

"""An EM-like image while cells and organelles are drawn into it."""

from __future__ import annotations

from dataclasses import dataclass, field

from napari_segnext.training.generated.canvas import BoolArray, Grid, LabelArray
from napari_segnext.training.generated.noise import FloatArray


@dataclass
class Tissue:
    """An EM-like image while it is drawn; grey values about 0 (dark) to 1.

    Attributes
    ----------
    nm
        Size of an in-plane pixel in nanometres.
    image
        Grey values, drawn into.
    depth
        Distance of each pixel from the inner side of the membrane of its cell, in
        pixels; negative in membranes and between cells.
    cells, organelles
        Label maps; ids are unique over both.
    wobble, fine
        Two smooth fields that keep shapes from being too regular.
    """

    grid: Grid
    nm: float
    image: FloatArray
    depth: FloatArray
    cells: LabelArray
    organelles: LabelArray
    wobble: FloatArray
    fine: FloatArray
    kinds: dict[int, str] = field(default_factory=dict)

    def name(self, kind: str, box: tuple[slice, ...], mask: BoolArray) -> None:
        """Enter an object into the organelles."""
        number = max(self.kinds, default=0) + 1
        self.kinds[number] = kind
        self.organelles[box][mask] = number

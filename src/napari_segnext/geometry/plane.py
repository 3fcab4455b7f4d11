"""The slice in which prompts are given."""

from __future__ import annotations

import operator
from dataclasses import dataclass


@dataclass(frozen=True, order=True, slots=True)
class Plane:
    """The slice in which prompts are given.

    Attributes
    ----------
    axis
        Spatial axis that the slice is perpendicular to (0 = z for z, y, x).
        0 for a 2-D image.
    index
        Position along that axis, in voxels.
    fixed
        Positions along the axes that are not spatial (time, ...), in order.

    Raises
    ------
    ValueError
        If one of them is no whole number.
    """

    axis: int = 0
    index: int = 0
    fixed: tuple[int, ...] = ()

    def __post_init__(self) -> None:
        if type(self.axis) is type(self.index) is int and self.fixed == ():
            # Nearly all planes, of which there are many.
            return
        try:
            values = {
                "axis": operator.index(self.axis),
                "index": operator.index(self.index),
                "fixed": tuple(map(operator.index, self.fixed)),
            }
        except TypeError as error:
            raise ValueError(
                "axis, index and fixed places of a plane are whole numbers, not "
                f"{self.axis!r}, {self.index!r} and {self.fixed!r}"
            ) from error
        for name, value in values.items():
            object.__setattr__(self, name, value)

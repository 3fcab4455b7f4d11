"""The click robot of the papers' protocol: where a careful user would click next.

The next click goes to the pixel farthest from the border of what is wrong, in
the missing or in the superfluous region, whichever holds the farthest one. This
is the rule of the SegNext reference (and of RITM and SimpleClick before it), to
the pixel. Numpy and scipy only.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import distance_transform_edt

from napari_segnext.geometry.frame import BoolArray

IGNORE = -1


@dataclass(frozen=True, slots=True)
class RobotClick:
    """A click of the robot.

    Attributes
    ----------
    y, x
        Pixel.
    positive
        On the object (something is missing) or off it.
    reach
        Distance in pixels to the nearest pixel that is right: 0 if none is wrong.
    """

    y: int
    x: int
    positive: bool
    reach: float


class ClickRobot:
    """Clicks for one object; it never clicks the same pixel twice.

    Parameters
    ----------
    truth
        (H, W) integers: 1 is the object, -1 is ignored, anything else is not the
        object.
    """

    def __init__(self, truth: NDArray[Any]) -> None:
        self._object: BoolArray = truth == 1
        self._counts: BoolArray = truth != IGNORE
        self._clicked: list[tuple[int, int]] = []

    def next_click(self, mask: BoolArray) -> RobotClick:
        """Choose the next click for a (H, W) predicted mask, and remember it.

        Of equally far pixels the first in row-major order is taken; between the
        two regions a tie goes to the negative click. With nothing wrong that was
        not clicked before, it is a negative click at (0, 0).
        """
        missing = self._farthest(self.wrong(mask, positive=True))
        superfluous = self._farthest(self.wrong(mask, positive=False))
        positive = missing[0] > superfluous[0]
        reach, y, x = missing if positive else superfluous
        self.remember(y, x)
        return RobotClick(y, x, positive, reach)

    def remember(self, y: int, x: int) -> None:
        """Never click this pixel again."""
        self._clicked.append((y, x))

    def wrong(self, mask: BoolArray, positive: bool) -> BoolArray:
        """Return the (H, W) missing (positive) or superfluous pixels of a mask."""
        if positive:
            return self._object & ~mask & self._counts
        return ~self._object & mask & self._counts

    def _farthest(self, region: BoolArray) -> tuple[float, int, int]:
        """Return (distance, y, x) of the region's pixel farthest from its border."""
        rows = np.flatnonzero(region.any(1))
        if not len(rows):
            return 0.0, 0, 0
        columns = np.flatnonzero(region.any(0))
        top, left = rows[0], columns[0]
        # Outside its bounding box the region has a border all round, as at the
        # image's edge, so the padded crop has the distances of the whole image.
        crop = region[top : rows[-1] + 1, left : columns[-1] + 1]
        distance = distance_transform_edt(np.pad(crop, 1))[1:-1, 1:-1]
        for y, x in self._clicked:
            if 0 <= y - top < crop.shape[0] and 0 <= x - left < crop.shape[1]:
                distance[y - top, x - left] = 0
        y, x = divmod(int(np.argmax(distance)), distance.shape[1])
        if not distance[y, x]:
            return 0.0, 0, 0
        return float(distance[y, x]), int(top + y), int(left + x)

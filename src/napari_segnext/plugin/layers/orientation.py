"""Which axes a view of a volume shows, and which way up: as radiologists look at it.

The patient's right is on the left of the screen. Anterior is up in axial slices, and
superior in all others; a sagittal slice faces left.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from napari_segnext.files import Geometry
from napari_segnext.plugin.layers.own_layers import image_space

if TYPE_CHECKING:
    from napari.layers import Image

# Where the axes of a NIfTI image lead to as it is displayed; see `io.nifti`.
_TO = {"z": "S", "y": "P", "x": "L"}
_OPPOSITE = dict(zip("SIPALR", "ISAPRL", strict=True))
_PAIRS = {"S": "S", "I": "S", "P": "P", "A": "P", "L": "L", "R": "L"}
# Across, down and along the screen, as anatomical axes, and where there are none as
# the third, second or first axis from the end.
_ANATOMICAL = {"Axial": "SPL", "Coronal": "PSL", "Sagittal": "LSP"}
_PLAIN = {"XY": (-3, -2, -1), "XZ": (-2, -3, -1), "YZ": (-1, -2, -3)}
_UP, _LEFT = frozenset("SA"), frozenset("RA")


@dataclass(frozen=True, slots=True)
class Directions:
    """Where the axes of the world lead to, seen from an image.

    Attributes
    ----------
    letters
        Per axis of the image: S, I, A, P, L, R, or nothing for time and the like.
        Empty if nobody knows.
    """

    letters: tuple[str, ...]

    @classmethod
    def of(cls, image: Image) -> Directions:
        """Return the directions around a layer, known if it came from a NIfTI file."""
        geometry = image.metadata.get("geometry")
        known = isinstance(geometry, Geometry) and geometry.on_grid
        if not known or len(geometry.shape) != image.ndim:
            return cls(())
        origin = np.asarray(image.data_to_world(np.zeros(image.ndim)))
        steps = [image.data_to_world(unit) - origin for unit in np.eye(image.ndim)]
        letters = [""] * image.ndim
        for name, step in zip(geometry.axis_labels, steps, strict=True):
            if name in _TO:
                axis = int(np.abs(step).argmax())
                letters[axis] = _TO[name] if step[axis] > 0 else _OPPOSITE[_TO[name]]
        return cls(tuple(letters) if len(set(letters) - {""}) == 3 else ())

    @property
    def views(self) -> dict[str, tuple[int, int, int]]:
        """Axes across, down and along the screen by the name of a view.

        They are counted from the end, as the image's and the viewer's last are the
        same.
        """
        if not self.letters:
            return dict(_PLAIN)
        pairs = [_PAIRS.get(letter, "") for letter in self.letters]
        at = {pair: place - len(pairs) for place, pair in enumerate(pairs)}
        return {
            name: (at[axes[0]], at[axes[1]], at[axes[2]])
            for name, axes in _ANATOMICAL.items()
        }

    def way_up(self, rows: int, columns: int) -> tuple[str, str]:
        """Return which way rows and columns grow on the screen, in napari's words.

        Parameters
        ----------
        rows, columns
            Axes, counted from the end.
        """
        down, along = (
            self.letters[axis] if -axis <= len(self.letters) else ""
            for axis in (rows, columns)
        )
        return "up" if down in _UP else "down", "left" if along in _LEFT else "right"


def has_views(image: Image | None) -> bool:
    """Tell whether an image can be looked at along three axes."""
    return image is not None and len(image_space(image).spatial) == 3

"""What repairs of an object take, and whether they do what the plain way does.

Two balls with a neck between them, holes in slices and specks around are one object
of a session. Each repair is computed, written, taken back, and compared voxel by voxel
with what scipy and scikit-image give for the whole volume at once. Times are of the
CPU, as the machine may do other things.

    python -m benchmarks.repair --shape 120,500,900 --json RESULT.json
"""

from __future__ import annotations

import json as json_format
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Annotated, TypeAlias

import numpy as np
import typer
from numpy.typing import NDArray
from rich.console import Console
from rich.table import Table
from scipy import ndimage
from skimage.segmentation import watershed

from napari_segnext.geometry.plane import Plane
from napari_segnext.geometry.shapes import depth
from napari_segnext.repair.between import interpolated
from napari_segnext.repair.box import ObjectBox
from napari_segnext.repair.cut import half
from napari_segnext.repair.rules import (
    SMOOTH_MARGIN,
    filled,
    grown,
    smoothed,
    without_specks,
)
from napari_segnext.session import ArrayLabels, Session

Mask: TypeAlias = NDArray[np.bool_]
NUMBER, BY, SLICES_BETWEEN = 1, 3, 4
EVEN = (1.0, 1.0, 1.0)


@dataclass(frozen=True)
class Row:
    """What a repair takes.

    Attributes
    ----------
    compute_s, write_s, undo_s
        Seconds of the CPU: beside the user, in the window, and to take it back.
    turn_s
        The longest part of the writing, in which the window does nothing else.
    changed
        Voxels.
    differ
        Voxels that the plain way gives another label.
    left
        Voxels that are not as before when it is taken back.
    """

    repair: str
    compute_s: float
    write_s: float
    turn_s: float
    undo_s: float
    changed: int
    differ: int
    left: int


def two_balls(shape: tuple[int, int, int]) -> Mask:
    """Return two uneven balls with a neck, with holes and specks."""
    rng = np.random.default_rng(0)
    places = np.ogrid[tuple(slice(-1, 1, n * 1j) for n in shape)]
    z, y, x = (place.astype(np.float32) for place in places)
    first, second = (
        (z / 0.8) ** 2 + (y / 0.7) ** 2 + ((x - at) / 0.42) ** 2 for at in (-0.4, 0.4)
    )
    mask = np.minimum(first, second) < 1
    mask |= (np.abs(x) < 0.2) & (np.hypot(y, z) < 0.25)
    # Some pixels wide, as bumps, holes and specks of real masks are.
    noise = ndimage.gaussian_filter(rng.normal(size=shape).astype(np.float32), 2)
    mask ^= np.abs(noise) > 3 * noise.std()
    return mask


class Repaired:
    """An object that is repaired, each time from what it was at first."""

    def __init__(self, mask: Mask) -> None:
        self.mask, self.array = mask, mask.astype(np.uint16)
        self.session = Session(ArrayLabels(self.array))
        self.middle = Plane(0, len(mask) // 2)

    def reshaped(
        self,
        name: str,
        shape: Callable[[ObjectBox], Mask],
        plain: Callable[[Mask], Mask],
        margin: int = 1,
    ) -> Row:
        """Give the object another shape, and take that back."""
        start = time.process_time()
        box = self._box(margin)
        change = box.change(shape(box))
        passed = time.process_time() - start
        return self._row(
            name,
            passed,
            lambda: self.session.reshape(NUMBER, name, *change),
            plain(self.mask),
        )

    def split(self) -> Row:
        """Split the object by a mark in each of its balls."""
        start, box = time.process_time(), self._box(1)
        first, second = np.zeros((2, *box.mask.shape), bool)
        at = len(box.mask) // 2, box.mask.shape[1] // 2
        first[at][: box.mask.shape[2] // 4] = True
        second[at][-box.mask.shape[2] // 4 :] = True
        first, second = first & box.mask, second & box.mask
        voxels = box.numbers(half(box, first, second))
        passed = time.process_time() - start
        height = np.stack([-depth(page) for page in box.mask])
        marks = first.astype(np.int32) + 2 * second
        plain = self.mask.copy()
        plain.ravel()[box.numbers(watershed(height, marks, mask=box.mask) == 2)] = False
        return self._row(
            "split", passed, lambda: self.session.split(NUMBER, voxels), plain
        )

    def interpolated(self) -> Row:
        """Find slices between others anew; the plain way is what they were."""
        decided = [*range(0, len(self.mask), SLICES_BETWEEN + 1), len(self.mask) - 1]
        thin = self.mask.copy()
        thin[np.setdiff1d(np.arange(len(thin)), decided)] = False
        few = Repaired(thin)
        start = time.process_time()
        planes = few.session.planes_of(NUMBER, self.middle)
        extent = few.session.extent(NUMBER, planes)
        found = dict(interpolated(few.session.labels, NUMBER, planes, extent))
        passed, turns = time.process_time() - start, [time.process_time()]

        def write() -> None:
            turns[0] = time.process_time()
            for _ in few.session.commit_planes_in_turns(NUMBER, found, "interpolate"):
                turns.append(time.process_time())
            turns.append(time.process_time())

        row = few._row("interpolate", passed, write, self.mask)
        return Row(**asdict(row) | {"turn_s": float(np.diff(turns).max())})

    def cleared(self) -> Row:
        """Take the object out of its middle slice."""
        plain = self.mask.copy()
        plain[self.middle.index] = False
        return self._row(
            "clear", 0.0, lambda: self.session.clear_plane(NUMBER, self.middle), plain
        )

    def _box(self, margin: int) -> ObjectBox:
        place = self.session.place(NUMBER, self.middle, whole=True)
        return ObjectBox.read(
            self.session.labels, NUMBER, place, 0, EVEN, {}, margin=margin
        )

    def _row(
        self, name: str, compute_s: float, write: Callable[[], object], plain: Mask
    ) -> Row:
        write_s, undo_s = cpu_s(write), 0.0
        now = self.array == NUMBER
        changed, differ = (np.count_nonzero(now != m) for m in (self.mask, plain))
        if self.session.can_undo:
            undo_s = cpu_s(self.session.undo)
        left = int(np.count_nonzero((self.array == NUMBER) != self.mask))
        return Row(
            name, compute_s, write_s, write_s, undo_s, int(changed), int(differ), left
        )


def cpu_s(act: Callable[[], object]) -> float:
    """Return how long something takes."""
    start = time.process_time()
    act()
    return time.process_time() - start


def plain_fill(mask: Mask) -> Mask:
    """Fill the holes of each slice."""
    return np.stack([ndimage.binary_fill_holes(page) for page in mask])


def plain_specks(mask: Mask) -> Mask:
    """Keep parts of at least a twentieth of the largest."""
    parts, _ = ndimage.label(mask, np.ones((3, 3, 3)))
    sizes = np.bincount(parts.ravel())
    sizes[0] = 0
    return np.asarray((sizes >= sizes.max() / 20)[parts])


def plain_smooth(mask: Mask) -> Mask:
    """Keep as many voxels as there are, those with most of the object around."""
    soft = ndimage.gaussian_filter(mask.astype(np.float32), 1.5, mode="nearest")
    last = soft.size - np.count_nonzero(mask)
    return np.asarray(soft >= np.partition(soft.ravel(), last)[last])


def plain_grown(mask: Mask) -> Mask:
    """Take what is near."""
    return np.asarray(ndimage.distance_transform_edt(~mask) - 0.5 < BY)


def plain_shrunk(mask: Mask) -> Mask:
    """Keep what is far from the border."""
    return np.asarray(ndimage.distance_transform_edt(mask) - 0.5 > BY)


def main(
    shape: Annotated[str, typer.Option(help="Z,Y,X of the volume.")] = "60,250,450",
    json: Annotated[Path | None, typer.Option(help="Where the numbers go.")] = None,
) -> None:
    depth_, height, width = map(int, shape.split(","))
    work = Repaired(two_balls((depth_, height, width)))
    wide = 2 * BY + 1
    rows = [
        work.reshaped("fill", filled, plain_fill),
        work.reshaped("specks", without_specks, plain_specks),
        work.reshaped("smooth", smoothed, plain_smooth, SMOOTH_MARGIN),
        work.reshaped("grow", lambda box: grown(box, BY), plain_grown, wide),
        work.reshaped("shrink", lambda box: grown(box, -BY), plain_shrunk, wide),
        work.split(),
        work.interpolated(),
        work.cleared(),
    ]
    voxels = int(np.count_nonzero(work.mask))
    table = Table(
        *("repair", "compute", "write", "longest turn", "undo"),
        *("changed", "differ", "left"),
        title=f"An object of {voxels:,} voxels; seconds of the CPU",
    )
    for row in rows:
        passed = (row.compute_s, row.write_s, row.turn_s, row.undo_s)
        counts = (row.changed, row.differ, row.left)
        table.add_row(
            row.repair, *(f"{s:.2f}" for s in passed), *(f"{n:,}" for n in counts)
        )
    Console(width=100).print(table)
    if json is not None:
        result = {"voxels": voxels, "rows": [asdict(row) for row in rows]}
        json.write_text(json_format.dumps(result, indent=2) + "\n")


if __name__ == "__main__":
    typer.run(main)

"""Label maps like those of MRI slices: heads as nested shells, and trunks."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np

from napari_segnext.training.generated.canvas import BoolArray, Grid, LabelArray
from napari_segnext.training.generated.cells import (
    CellStyle,
    partition,
    random_rotation,
)
from napari_segnext.training.generated.noise import FloatArray

# Paired and single parts of the brain in units of the head: centre and half axes
# (left-right, front-back, up), the first mirrored.
_PAIRED = {
    "thalamus": ((0.12, 0.10, -0.02), (0.09, 0.14, 0.12)),
    "putamen": ((0.28, -0.06, -0.02), (0.06, 0.17, 0.13)),
    "caudate": ((0.15, -0.25, 0.08), (0.05, 0.10, 0.14)),
    "hippocampus": ((0.30, 0.15, -0.25), (0.07, 0.18, 0.07)),
}
_SINGLE = {
    "brainstem": ((0.0, 0.12, -0.6), (0.13, 0.14, 0.5)),
    "cerebellum": ((0.0, 0.45, -0.5), (0.5, 0.3, 0.28)),
}


@dataclass
class Anatomy:
    """A label map under construction.

    Attributes
    ----------
    tissue
        Index into `names` for each pixel; 0 is air.
    structures
        Ids of compact structures, 0 elsewhere; `structure_kinds` names them.
    whole
        The brain, or the body.
    open_to_lesions, preferred
        Where lesions may grow, and where they spread more readily.
    radius
        Of the head or body, in pixels.
    """

    grid: Grid
    tissue: LabelArray
    structures: LabelArray
    whole: BoolArray
    open_to_lesions: BoolArray
    preferred: BoolArray
    radius: float
    names: list[str] = field(default_factory=lambda: ["air"])
    structure_kinds: dict[int, str] = field(default_factory=dict)

    def paint(self, name: str, mask: BoolArray) -> None:
        """Make pixels a tissue."""
        if name not in self.names:
            self.names.append(name)
        self.tissue[mask] = self.names.index(name)

    def add(self, name: str, mask: BoolArray, kind: str = "structure") -> None:
        """Make pixels a tissue and a structure of its own."""
        self.paint(name, mask)
        number = len(self.structure_kinds) + 1
        self.structures[mask] = number
        self.structure_kinds[number] = kind


def _empty(grid: Grid, radius: float) -> Anatomy:
    nothing = np.zeros(grid.shape, bool)
    return Anatomy(
        grid=grid,
        tissue=np.zeros(grid.shape, np.int32),
        structures=np.zeros(grid.shape, np.int32),
        whole=nothing,
        open_to_lesions=nothing,
        preferred=nothing,
        radius=radius,
    )


def _body_coordinates(
    rng: np.random.Generator, grid: Grid, radius: float
) -> list[FloatArray]:
    """Return left-right, front-back and up in units of the head's half axes.

    A slice lies at a random height of one of the three main orientations.
    """
    ndim = len(grid.shape)
    middle = grid.extent / 2 + rng.normal(0, 0.04, ndim) * grid.extent
    angle = rng.normal(0, 0.15)
    offset = [
        (axis - np.float32(m)) / np.float32(radius)
        for axis, m in zip(grid.coordinates, middle, strict=True)
    ]
    rows, columns = offset[-2:]
    c, s = np.float32(np.cos(angle)), np.float32(np.sin(angle))
    planes = [c * rows - s * columns, s * rows + c * columns]
    if ndim == 3:
        planes.insert(0, offset[0] * np.float32(rng.uniform(0.8, 1.2)))
    else:
        level = np.float32(np.clip(rng.normal(0.1, 0.35), -0.7, 0.75))
        planes.insert(0, np.full_like(rows, level))
    aspects = (1.0, rng.uniform(0.72, 0.9), rng.uniform(0.85, 1.05))
    up, front, side = planes
    orientation = rng.choice(3, p=[0.7, 0.15, 0.15])
    if orientation == 1:
        up, front = -front, up
    elif orientation == 2:
        up, front, side = -front, side, up
    if rng.random() < 0.1:
        front, side = side, front
    scaled = (side / np.float32(aspects[1]), front, up / np.float32(aspects[2]))
    feature = rng.uniform(0.4, 0.8) * radius
    return [
        np.asarray(axis + np.float32(0.03) * grid.noise(rng, feature), np.float32)
        for axis in scaled
    ]


def _ellipsoid(
    position: list[FloatArray],
    centre: tuple[float, ...],
    axes: tuple[float, ...],
) -> FloatArray:
    """Return the radius in units of the half axes: 1 on the surface."""
    total = np.zeros_like(position[0])
    for p, c, a in zip(position, centre, axes, strict=True):
        total += ((p - np.float32(c)) / np.float32(a)) ** 2
    return np.asarray(np.sqrt(total))


def head(rng: np.random.Generator, grid: Grid) -> Anatomy:
    """Draw a head: skin, fat, skull, fluid, folded cortex, white matter, nuclei."""
    plane = grid.extent[-2:]
    radius = float(plane.min() * rng.uniform(0.42, 0.56))
    head_ = _empty(grid, radius)
    position = _body_coordinates(rng, grid, radius)
    uneven = np.float32(0.012) * grid.noise(rng, 0.25 * radius, 2)
    r = _ellipsoid(position, (0, 0, 0), (1, 1, 1))
    shells = np.cumsum(rng.uniform((0.01, 0.01, 0.03, 0.005), (0.03, 0.06, 0.08, 0.04)))
    head_.paint("skin", r < 1)
    for name, depth in zip(("fat", "skull", "csf"), shells, strict=False):
        head_.paint(name, r + uneven < 1 - np.float32(depth))
    inner = np.float32(1 - shells[3])
    head_.whole = r + uneven < 1 - np.float32(shells[2])
    depth = np.asarray(inner - r - 2 * uneven, np.float32)
    _brain(rng, head_, position, depth)
    stripped = rng.random() < 0.5
    if stripped:
        head_.tissue[~head_.whole] = 0
    elif rng.random() < 0.6:
        _face(rng, head_, position, r)
    return head_


def _brain(
    rng: np.random.Generator,
    head_: Anatomy,
    position: list[FloatArray],
    depth: FloatArray,
) -> None:
    """Draw cortex with sulci, white matter, ventricles and deep nuclei."""
    grid, radius = head_.grid, head_.radius
    side, front, up = position
    fold = grid.noise(rng, rng.uniform(0.08, 0.2) * radius, 2)
    reach = np.float32(rng.uniform(0.2, 0.45))
    ribbon = np.float32(rng.uniform(0.2, 0.45))
    sulcus = np.float32(rng.uniform(0.03, 0.22)) * (1 - depth / reach)
    middle = np.abs(side + np.float32(0.4) * fold * np.float32(0.03))
    apart = (np.abs(front) > 0.35) | (up > 0.3)
    crease = np.abs(fold)
    brain = depth > 0
    grey = (depth < 0.25 * ribbon) | ((crease < sulcus + ribbon) & (depth < reach))
    grey |= (middle < 0.06) & apart
    fluid = (crease < sulcus) & (depth < reach)
    fluid |= (middle < rng.uniform(0.003, 0.02)) & apart
    head_.paint("white", brain & ~grey)
    head_.paint("grey", brain & grey & ~fluid)
    head_.paint("csf", brain & fluid)
    white = brain & ~grey
    mirrored = [np.abs(side), front, up]
    swelling = np.float32(0.12) * grid.noise(rng, 0.2 * radius)
    for name, (centre, axes) in _PAIRED.items():
        jittered = tuple(np.multiply(axes, rng.uniform(0.75, 1.3)))
        mask = _ellipsoid(mirrored, centre, jittered) + swelling < 1
        for half in (side < 0, side >= 0):
            if np.count_nonzero(mask & half) > 12:
                head_.add(name, mask & half & brain)
    for name, (centre, axes) in _SINGLE.items():
        mask = (_ellipsoid(position, centre, axes) + swelling < 1) & brain
        if np.count_nonzero(mask) > 30:
            head_.add(name, mask)
    size = rng.uniform(0.6, 1.9)
    bent = [mirrored[0] - np.float32(0.35) * front**2, front, up]
    ventricle = _ellipsoid(
        bent, (0.07, 0.0, 0.12), (0.05 * size, 0.36 * size**0.4, 0.14 * size)
    )
    third = _ellipsoid(position, (0, 0.03, -0.1), (0.02 * size, 0.14, 0.12))
    mask = (np.minimum(ventricle, third) + swelling < 1) & (depth > 0.1)
    if np.count_nonzero(mask) > 12:
        head_.add("ventricle", mask)
    head_.open_to_lesions = brain & ~fluid & ~mask
    head_.preferred = white


def _face(
    rng: np.random.Generator,
    head_: Anatomy,
    position: list[FloatArray],
    r: FloatArray,
) -> None:
    """Draw eyes, air in the sinuses and soft tissue below the brain."""
    grid = head_.grid
    _, front, up = position
    lumps = grid.noise(rng, 0.1 * head_.radius, 2)
    slope = up + np.float32(0.5) * front + np.float32(0.04) * lumps
    below = (slope < -0.55) & (front < 0.3) & (r < 0.97)
    if not below.any():
        return
    for name, where in (
        ("muscle", lumps > -0.6),
        ("fat", lumps > 0.4),
        ("air", lumps < -0.9),
    ):
        head_.paint(name, below & where)
    head_.open_to_lesions &= ~below
    head_.preferred &= ~below
    head_.structures[below] = 0
    head_.whole = head_.whole & ~below
    for centre in (-0.36, 0.36):
        eye = _ellipsoid(position, (centre, -0.72, -0.42), (0.14, 0.14, 0.14))
        if np.count_nonzero(eye < 1) > 12:
            head_.add("eye", eye < 1)
            lens = _ellipsoid(position, (centre, -0.83, -0.42), (0.06, 0.03, 0.06))
            head_.paint("lens", lens < 1)


def trunk(rng: np.random.Generator, grid: Grid) -> Anatomy:
    """Draw a trunk: fat, muscle, organs, spine, and sometimes a heart."""
    plane = grid.extent[-2:]
    radius = float(plane.max() * rng.uniform(0.35, 0.8))
    body = _empty(grid, radius)
    ndim = len(grid.shape)
    middle = grid.extent * rng.normal(0.5, 0.08, ndim)
    offset = [
        (axis - np.float32(m)) / np.float32(radius)
        for axis, m in zip(grid.coordinates, middle, strict=True)
    ]
    warp = grid.noise(rng, 0.5 * radius, 2)
    r = (
        np.sqrt(sum((o * np.float32(rng.uniform(0.9, 1.5))) ** 2 for o in offset[-2:]))
        + np.float32(0.05) * warp
    )
    body.whole = r < 1
    body.paint("fat", body.whole)
    wall = rng.uniform(0.02, 0.2)
    body.paint("muscle", r < 1 - wall)
    inside = r < 1 - wall - rng.uniform(0.02, 0.15)
    size = radius * rng.uniform(0.25, 0.7)
    organs = partition(
        rng, grid, CellStyle(size, 0.2, 2 * size, rng.uniform(1, 2), 0.2 * size, size)
    )
    between = grid.noise(rng, 0.3 * size, 2)
    for number in np.flatnonzero(np.bincount(organs[inside])):
        mask = inside & (organs == number) & (between > rng.uniform(-2.5, -0.5))
        if np.count_nonzero(mask) < 60:
            continue
        name = str(rng.choice(["organ a", "organ b", "organ c", "organ d", "bowel"]))
        body.add(name, mask, "organ")
        if name == "bowel":
            folds = np.abs(between) < rng.uniform(0.1, 0.4)
            body.paint("fat", mask & folds)
    body.open_to_lesions = inside.copy()
    body.preferred = inside.copy()
    for add, chance in ((_heart, 0.45), (_spine, 0.5), (_vessels, 0.6)):
        if rng.random() < chance:
            add(rng, body)
    return body


def _local(
    rng: np.random.Generator, body: Anatomy, stretch: float
) -> tuple[FloatArray, FloatArray]:
    """Return distance from and angle about a random axis within the body, warped."""
    grid = body.grid
    within = np.flatnonzero(body.whole)
    index = np.unravel_index(rng.choice(within), grid.shape)
    centre = grid.coordinates[(slice(None), *index)]
    rows, columns = (
        axis - c for axis, c in zip(grid.coordinates[-2:], centre[-2:], strict=True)
    )
    transform = random_rotation(rng, 2)
    a = transform[0, 0] * rows + transform[0, 1] * columns
    b = (transform[1, 0] * rows + transform[1, 1] * columns) / np.float32(stretch)
    uneven = 1 + np.float32(0.07) * grid.noise(rng, 0.3 * body.radius, 2)
    return np.asarray(np.hypot(a, b) * uneven), np.asarray(np.arctan2(a, b))


def _heart(rng: np.random.Generator, body: Anatomy) -> None:
    """Draw a ventricle in short axis: cavity, wall, the other ventricle, lung."""
    r, angle = _local(rng, body, rng.uniform(1, 1.4))
    cavity = body.radius * rng.uniform(0.08, 0.22)
    wall = cavity * rng.uniform(1.2, 1.8)
    body.paint("air", (r < wall * rng.uniform(1.3, 2.5)) & body.whole)
    right = (r < wall * rng.uniform(1.3, 1.7)) & (
        np.cos(angle) > rng.uniform(-0.3, 0.4)
    )
    body.add("blood", right & body.whole, "heart chamber")
    body.add("muscle", (r < wall) & body.whole, "heart wall")
    body.add("blood", (r < cavity) & body.whole, "heart chamber")
    if rng.random() < 0.5:
        knots = body.grid.noise(rng, 0.3 * cavity)
        papillary = (r < cavity) & (r > 0.5 * cavity) & (knots > 1.1)
        body.paint("muscle", papillary & body.whole)


def _spine(rng: np.random.Generator, body: Anatomy) -> None:
    """Draw a spinal canal with the cord in it, across or along."""
    r, _ = _local(rng, body, float(rng.choice([rng.uniform(1, 1.8), 30.0])))
    cord = body.radius * rng.uniform(0.04, 0.12)
    body.paint("bone", (r < cord * rng.uniform(2, 4)) & body.whole)
    body.add("csf", (r < cord * rng.uniform(1.2, 2)) & body.whole, "canal")
    body.add("white", (r < cord) & body.whole, "cord")
    body.paint("grey", (r < cord * rng.uniform(0.2, 0.5)) & body.whole)


def _vessels(rng: np.random.Generator, body: Anatomy) -> None:
    for _ in range(rng.integers(1, 6)):
        r, _angle = _local(rng, body, float(rng.uniform(1, 1.6)))
        mask = (r < max(2.5, body.radius * rng.uniform(0.015, 0.08))) & body.whole
        body.add("blood", mask, "vessel")

"""Organelles drawn into the cells of an EM-like image."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
from scipy import ndimage

from napari_segnext.training.generated.canvas import BoolArray, Grid, LabelArray
from napari_segnext.training.generated.noise import FloatArray, sigmoid

Box = tuple[slice, ...]

# Directions tried for the long axis of an organelle.
_DIRECTIONS = 16
# Organelles tried at most in a slice of 256 x 256, whatever their size.
_MOST = 45
# Organelles of fewer pixels are no objects.
_SMALLEST = 14


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

    def name(self, kind: str, box: Box, mask: BoolArray) -> None:
        """Enter an object into the organelles."""
        number = max(self.kinds, default=0) + 1
        self.kinds[number] = kind
        self.organelles[box][mask] = number


@dataclass(frozen=True, slots=True)
class BodyStyle:
    """How the organelles of one kind look; lengths in nanometres, grey 0..1.

    Attributes
    ----------
    radius
        Median; single ones vary by `spread` (standard deviation of the logarithm).
    length
        Mean of the straight part across the radius.
    cover
        Share of the area that they would cover if all found room.
    membrane
        Grey of the two membranes.
    matrix
        Grey inside, its variation from one to the next, and inside each.
    cristae
        Contrast (signed) and distance of the folds inside; 0 for none.
    tubular
        Folds cut across (dots) rather than along (stripes).
    """

    kind: str
    radius: float
    spread: float
    length: float
    cover: float
    membrane: float
    matrix: tuple[float, float, float]
    cristae: float = 0.0
    cristae_distance: float = 30.0
    tubular: bool = False


def add_bodies(rng: np.random.Generator, tissue: Tissue, style: BodyStyle) -> None:
    """Place membrane-bound bodies of one kind where cells have room for them."""
    grid = tissue.grid
    typical = max(style.radius / tissue.nm, 2.0)
    # A disk or ball, and a bar or cylinder for the straight part.
    straight = style.length * typical
    one = typical * (np.pi * typical + 2 * straight)
    if len(grid.shape) == 3:
        one *= 4 / 3 * typical
    most = _MOST * max(1.0, float(np.prod(grid.shape)) / 256**2)
    count = rng.poisson(min(style.cover * float(np.prod(grid.extent)) / one, most))
    room = np.flatnonzero(tissue.depth > max(0.5 * typical, 2.5))
    if not len(room):
        return
    for place in rng.choice(room, count):
        index = np.unravel_index(place, grid.shape)
        radius = typical * float(np.exp(style.spread * rng.standard_normal()))
        margin = max(1.0, 12 / tissue.nm)
        radius = min(radius, 0.9 * (float(tissue.depth[index]) - margin))
        if radius < 2.2 or tissue.organelles[index]:
            continue
        centre = grid.coordinates[(slice(None), *index)]
        half = radius * style.length * float(rng.exponential())
        half = min(half, 6 * radius)
        axis = _roomiest(rng, tissue, centre, half)
        _draw_body(rng, tissue, style, (centre, axis, radius, half))


def _roomiest(
    rng: np.random.Generator, tissue: Tissue, centre: FloatArray, half: float
) -> FloatArray:
    """Return the direction, of some tried, that stays deepest in the cell."""
    directions = rng.standard_normal((_DIRECTIONS, len(centre))).astype(np.float32)
    directions /= np.linalg.norm(directions, axis=1, keepdims=True)
    steps = np.array([-1, -0.5, 0.5, 1], np.float32) * half
    probes = centre + steps[:, None, None] * directions
    last = np.array(tissue.grid.shape) - 1
    index = np.rint(probes / tissue.grid.spacing).astype(int)
    depths = tissue.depth[tuple(np.moveaxis(np.clip(index, 0, last), -1, 0))]
    return np.asarray(directions[np.argmax(depths.min(axis=0))])


def _draw_body(
    rng: np.random.Generator,
    tissue: Tissue,
    style: BodyStyle,
    place: tuple[FloatArray, FloatArray, float, float],
) -> None:
    """Draw one body: a bent, wobbly capsule that keeps within its cell."""
    centre, axis, radius, half = place
    grid = tissue.grid
    box = grid.box(centre, half + 1.4 * radius + 2)
    offset = grid.coordinates[(slice(None), *box)] - centre.reshape(
        -1, *(1,) * len(centre)
    )
    along = np.tensordot(axis, offset, 1)
    reach = np.clip(along, -half, half)
    bend = rng.normal(0, 0.25) / max(half, radius)
    side = np.roll(axis, 1) * np.float32([-1] + [1] * (len(axis) - 1))
    across = np.zeros_like(along)
    for position, a, s in zip(offset, axis, side, strict=True):
        across += (position - reach * a - np.float32(bend) * reach**2 * s) ** 2
    distance = np.sqrt(across) - np.float32(radius)
    wobble, fine = tissue.wobble[box], tissue.fine[box]
    distance += np.float32(0.14 * radius) * wobble
    margin = np.float32(rng.uniform(6, 25) / tissue.nm)
    distance = np.maximum(distance, margin - tissue.depth[box])
    centre_cell = tissue.cells[_index(grid, centre)]
    own_cell = tissue.cells[box] == centre_cell
    inside = (distance < 0) & own_cell
    mask = inside & (tissue.organelles[box] == 0)
    size = np.count_nonzero(mask)
    if size < _SMALLEST or size < 0.97 * np.count_nonzero(inside):
        return
    grey = _body_grey(rng, tissue.nm, style, distance, along, (wobble, fine), offset)
    alpha = np.clip(0.5 - distance, 0, 1) * own_cell
    tissue.image[box] += alpha * (grey - tissue.image[box])
    tissue.name(style.kind, box, mask)


def _index(grid: Grid, position: FloatArray) -> tuple[int, ...]:
    return tuple(
        min(round(float(p) / s), n - 1)
        for p, s, n in zip(position, grid.spacing, grid.shape, strict=True)
    )


def _body_grey(
    rng: np.random.Generator,
    nm: float,
    style: BodyStyle,
    distance: FloatArray,
    along: FloatArray,
    noises: tuple[FloatArray, FloatArray],
    offset: FloatArray,
) -> FloatArray:
    """Return the grey values of one body: matrix, cristae and double membrane."""
    wobble, fine = noises
    grey, between, within = style.matrix
    matrix = grey + rng.normal(0, between) + np.float32(within) * fine
    if style.cristae:
        direction = rng.standard_normal(len(offset)).astype(np.float32)
        direction /= np.linalg.norm(direction)
        # Folds mostly run across the long axis.
        run = along if rng.random() < 0.6 else np.tensordot(direction, offset, 1)
        spacing = max(style.cristae_distance / nm, 2.6)
        phase = np.float32(2 * np.pi / spacing) * run + np.float32(1.6) * wobble
        folds = np.cos(phase + np.float32(rng.uniform(0, 6)))
        if style.tubular:
            folds *= np.cos(
                np.float32(2 * np.pi / spacing) * np.tensordot(direction, offset, 1)
                + fine
            )
        folds *= sigmoid(np.float32(2.5) * (fine + np.float32(0.6)))
        inside = np.clip((-distance - 20 / nm) * nm / 15, 0, 1)
        matrix = matrix + np.float32(style.cristae) * folds * inside
    thickness = np.float32(max(7 / nm, 0.8))
    outer = np.exp(-(((distance + thickness) / thickness) ** 2))
    inner = np.exp(-(((distance + 2.0 * thickness + 14 / nm) / thickness) ** 2))
    line = np.maximum(outer, np.float32(0.8) * inner)
    if nm > 9:
        line = outer
    return np.asarray(matrix + line * (np.float32(style.membrane) - matrix), np.float32)


def add_nuclei(rng: np.random.Generator, tissue: Tissue, share: float) -> None:
    """Give some of the large cells a nucleus: envelope and clotted chromatin."""
    grid = tissue.grid
    found = ndimage.find_objects(tissue.cells)
    smallest = max(18.0, 350 / tissue.nm)
    deepest = ndimage.maximum(tissue.depth, tissue.cells, np.arange(1, len(found) + 1))
    for number in np.flatnonzero(np.asarray(deepest) > smallest) + 1:
        box = found[number - 1]
        if rng.random() > share or box is None:
            continue
        depth = np.where(tissue.cells[box] == number, tissue.depth[box], 0)
        depth = ndimage.uniform_filter(depth, int(0.3 * smallest) + 1)
        limit = depth.max() * rng.uniform(0.2, 0.5)
        distance = limit - depth + np.float32(0.1 * limit) * tissue.wobble[box]
        parts, _ = ndimage.label(distance < 0)
        mask = (parts == parts[np.unravel_index(np.argmin(distance), parts.shape)]) & (
            distance < 0
        )
        mask &= tissue.cells[box] == number
        if np.count_nonzero(mask) < 200:
            continue
        clots = grid.noise(rng, rng.uniform(60, 400) / tissue.nm, 4, 0.75)[box]
        rim = np.exp(distance / np.float32(max(60 / tissue.nm, 2)))
        amount = sigmoid((clots + rim - np.float32(rng.uniform(0.2, 1.4))) * 4)
        ground, dark = rng.uniform(0.5, 0.85), rng.uniform(0.1, 0.5)
        grey = np.float32(ground) - np.float32(dark) * amount
        envelope = np.exp(-((distance / np.float32(max(14 / tissue.nm, 0.8))) ** 2))
        inside = sigmoid(-2 * distance) * (tissue.cells[box] == number)
        image = tissue.image[box]
        image += inside * mask * (grey - image)
        image -= np.float32(rng.uniform(0.2, 0.5)) * envelope * (mask | (distance > -3))
        tissue.name("nucleus", box, mask)


def strew_vesicles(rng: np.random.Generator, tissue: Tissue) -> None:
    """Strew clouds of small vesicles, too small to be objects of their own."""
    grid = tissue.grid
    radius = rng.uniform(15, 26) / tissue.nm
    room = np.flatnonzero((tissue.depth > radius + 1) & (tissue.organelles == 0))
    if radius < 1 or not len(room):
        return
    clouds = 1 + rng.poisson(1.5)
    spread = rng.uniform(80, 350) / tissue.nm
    middles = grid.coordinates.reshape(len(grid.shape), -1).T[rng.choice(room, clouds)]
    per_cloud = int(min(120, 0.3 * (2 * spread / radius) ** 2))
    points = np.repeat(middles, per_cloud, 0)
    points = points + spread * rng.standard_normal(points.shape)
    index = np.rint(points / grid.spacing).astype(int)
    reach = int(np.ceil(radius + 2))
    spans = [int(np.ceil(reach / s)) for s in grid.spacing]
    inside = np.all((index >= spans) & (index < np.array(grid.shape) - spans), axis=1)
    index = index[inside]
    at = tuple(index.T)
    index = index[(tissue.depth[at] > radius) & (tissue.organelles[at] == 0)]
    stamp = np.stack(
        np.meshgrid(*(np.arange(-s, s + 1) for s in spans), indexing="ij"), -1
    ).reshape(-1, len(spans))
    away = np.linalg.norm(stamp * np.array(grid.spacing), axis=1) - radius
    ring = np.exp(-((away / max(0.25 * radius, 0.7)) ** 2))
    filling = np.clip(0.5 - away, 0, 1) * rng.choice([-0.08, 0.0, 0.12, 0.4])
    change = np.zeros(grid.shape, np.float32)
    pixels = index[:, None] + stamp
    value = np.broadcast_to(
        (rng.uniform(0.15, 0.45) * ring + filling).astype(np.float32), pixels.shape[:2]
    )
    np.maximum.at(change, tuple(np.moveaxis(pixels, -1, 0)), value)
    tissue.image -= change


def add_reticulum(rng: np.random.Generator, tissue: Tissue) -> None:
    """Draw curved cisterns: level lines of noise in patches of the cytoplasm."""
    grid = tissue.grid
    feature = rng.uniform(120, 400) / tissue.nm
    field_ = grid.noise(rng, feature, 2)
    stacked = rng.random() < 0.3
    if stacked:
        # Several lines side by side, as in a Golgi apparatus.
        field_ = np.sin(np.float32(rng.uniform(3, 8)) * field_)
    width = np.float32(rng.uniform(10, 22) / max(feature * tissue.nm, 1) * 2)
    patches = grid.noise(rng, 2 * feature)
    where = sigmoid((patches - np.float32(rng.uniform(0.3, 1.3))) * 8)
    where *= (tissue.depth > 8 / tissue.nm + 1) & (tissue.organelles == 0)
    walls = np.exp(-(((np.abs(field_) - 1.6 * width) / width) ** 2))
    lumen = np.exp(-((field_ / width) ** 2))
    grey = np.float32(rng.uniform(0.1, 0.4)) * walls
    grey += np.float32(rng.uniform(-0.15, 0.2)) * lumen
    tissue.image -= where * grey

"""Membrane-bound bodies for EM-like images: mitochondria, lysosomes, vesicles."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np

from napari_segnext.training.generated.noise import FloatArray, sigmoid
from napari_segnext.training.generated.tissue import Tissue

# Directions tried for the long axis of a body.
_DIRECTIONS = 16
# Bodies tried at most in a slice of 256 x 256, whatever their size.
_MOST = 45
# Bodies of fewer pixels are no objects.
_SMALLEST = 14
# With pixels larger than this (nm) the two membranes are one line.
_ONE_LINE = 9.0


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
    disorder
        How far folds are from parallel, in radians of their period.
    """

    kind: Literal["mitochondrion", "vesicle"]
    radius: float
    spread: float
    length: float
    cover: float
    membrane: float
    matrix: tuple[float, float, float]
    cristae: float = 0.0
    cristae_distance: float = 30.0
    tubular: bool = False
    disorder: float = 0.0


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
    offset = grid.offset(centre, box)
    along = np.tensordot(axis, offset, 1)
    distance = _capsule(rng, offset, along, axis, (radius, half))
    distance += np.float32(0.14 * radius) * tissue.wobble[box]
    margin = np.float32(rng.uniform(6, 25) / tissue.nm)
    distance = np.maximum(distance, margin - tissue.depth[box])
    own_cell = tissue.cells[box] == tissue.cells[grid.index(centre)]
    inside = (distance < 0) & own_cell
    mask = inside & (tissue.organelles[box] == 0)
    size = np.count_nonzero(mask)
    if size < _SMALLEST or size < 0.97 * np.count_nonzero(inside):
        return
    noises = tissue.wobble[box], tissue.fine[box]
    grey = _body_grey(rng, tissue.nm, style, distance, along, noises, offset)
    alpha = np.clip(0.5 - distance, 0, 1) * own_cell
    tissue.image[box] += alpha * (grey - tissue.image[box])
    tissue.name(style.kind, box, mask)


def _capsule(
    rng: np.random.Generator,
    offset: FloatArray,
    along: FloatArray,
    axis: FloatArray,
    size: tuple[float, float],
) -> FloatArray:
    """Return the distance from the surface of a bent capsule, negative inside."""
    radius, half = size
    side = rng.standard_normal(len(axis)).astype(np.float32)
    side -= axis * np.dot(axis, side)
    side *= np.float32(rng.normal(0, 0.25) / max(half, radius) / np.linalg.norm(side))
    reach = np.clip(along, -half, half)
    across = np.zeros_like(along)
    for position, a, s in zip(offset, axis, side, strict=True):
        across += (position - reach * a - reach**2 * s) ** 2
    return np.asarray(np.sqrt(across) - np.float32(radius))


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
    grey, between, within = style.matrix
    matrix = grey + rng.normal(0, between) + np.float32(within) * noises[1]
    if style.cristae:
        inside = np.clip((-distance - 20 / nm) * nm / 15, 0, 1)
        folds = _cristae(rng, nm, style, along, noises, offset)
        matrix = matrix + np.float32(style.cristae) * folds * inside
    thickness = np.float32(max(7 / nm, 0.8))
    line = np.exp(-(((distance + thickness) / thickness) ** 2))
    if nm < _ONE_LINE:
        inner = np.exp(-(((distance + 2.0 * thickness + 14 / nm) / thickness) ** 2))
        line = np.maximum(line, np.float32(0.8) * inner)
    return np.asarray(matrix + line * (np.float32(style.membrane) - matrix), np.float32)


def _cristae(
    rng: np.random.Generator,
    nm: float,
    style: BodyStyle,
    along: FloatArray,
    noises: tuple[FloatArray, FloatArray],
    offset: FloatArray,
) -> FloatArray:
    """Return the pattern of the folds inside a mitochondrion, -1..1."""
    wobble, fine = noises
    direction = rng.standard_normal(len(offset)).astype(np.float32)
    direction /= np.linalg.norm(direction)
    oblique = np.tensordot(direction, offset, 1)
    wave = np.float32(2 * np.pi / max(style.cristae_distance / nm, 2.6))
    # Folds mostly run across the long axis.
    run = along if rng.random() < 0.6 else oblique
    bent = np.float32(rng.uniform(0.5, 3)) * wobble + np.float32(style.disorder) * fine
    folds = np.cos(wave * run + bent + np.float32(rng.uniform(0, 6)))
    if style.tubular:
        folds *= np.cos(wave * oblique + fine)
    return np.asarray(folds * sigmoid(np.float32(2.5) * (fine + np.float32(0.6))))

"""What else lies in the cells of an EM-like image: nuclei, vesicles, cisterns."""

from __future__ import annotations

import numpy as np
from scipy import ndimage

from napari_segnext.training.generated.noise import sigmoid
from napari_segnext.training.generated.tissue import Tissue


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

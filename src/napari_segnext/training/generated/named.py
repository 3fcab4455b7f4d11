"""Images of two objects that words tell apart: by shape, and by what fills them."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from napari_segnext.training.generated.canvas import BoolArray, LabelArray
from napari_segnext.training.generated.noise import FloatArray, smooth_noise

LOOKS = ("bright", "dark", "striped", "spotted")
SHAPES = ("disk", "ring", "square", "cross")
PHRASES = tuple(f"{look} {shape}" for look in LOOKS for shape in SHAPES)

# Share of images whose objects have one of the two words in common.
_ALIKE = 0.5
# Radius of an object, as a share of the image's side.
_RADIUS = (0.11, 0.18)
_GREY = 0.45


@dataclass(frozen=True, slots=True)
class NamedPair:
    """An image of two objects.

    Attributes
    ----------
    image
        (S, S) uint8.
    labels
        (S, S) int32: 1, 2 and 0 for the background.
    phrases
        Those of object 1 and of object 2, different ones.
    """

    image: NDArray[np.uint8]
    labels: LabelArray
    phrases: tuple[str, str]


def named_pair(rng: np.random.Generator, side: int = 128) -> NamedPair:
    """Draw two objects, of random sizes and places, on an uneven ground."""
    phrases = _two_phrases(rng)
    grey = np.float32(_GREY) + np.float32(0.05) * _field(rng, side, 24)
    labels = np.zeros((side, side), np.int32)
    for number, (phrase, centre, radius) in enumerate(
        zip(phrases, *_places(rng, side), strict=True), 1
    ):
        look, shape = phrase.split()
        inside = _shape(rng, shape, side, centre, radius)
        labels[inside] = number
        grey[inside] = _filling(rng, look, side)[inside]
    grey = ndimage.gaussian_filter(grey, rng.uniform(0.4, 0.9))
    grey = grey + rng.normal(0, rng.uniform(0.01, 0.04), grey.shape)
    image = np.clip(255 * grey, 0, 255).astype(np.uint8)
    return NamedPair(image, labels, phrases)


def _two_phrases(rng: np.random.Generator) -> tuple[str, str]:
    first, second = rng.permutation(LOOKS)[:2], rng.permutation(SHAPES)[:2]
    if rng.random() < _ALIKE:
        words = first if rng.random() < 0.5 else second
        words[1] = words[0]
    return f"{first[0]} {second[0]}", f"{first[1]} {second[1]}"


def _places(
    rng: np.random.Generator, side: int
) -> tuple[list[FloatArray], list[float]]:
    """Return centres and radii of two objects that do not touch."""
    radii = (side * rng.uniform(*_RADIUS, 2)).tolist()
    while True:
        centres = [
            rng.uniform(1.1 * r, side - 1.1 * r, 2).astype(np.float32) for r in radii
        ]
        if np.linalg.norm(centres[0] - centres[1]) > 1.2 * sum(radii):
            return centres, radii


def _shape(
    rng: np.random.Generator, shape: str, side: int, centre: FloatArray, radius: float
) -> BoolArray:
    """Return the pixels of a shape, turned by any angle."""
    at = np.indices((side, side), np.float32) - centre[:, None, None]
    angle = rng.uniform(0, np.pi)
    cos, sin = np.float32(np.cos(angle)), np.float32(np.sin(angle))
    along, across = cos * at[0] + sin * at[1], cos * at[1] - sin * at[0]
    distance, u, v = np.hypot(along, across), np.abs(along), np.abs(across)
    match shape:
        case "disk":
            inside = distance < 0.9 * radius
        case "ring":
            inside = (distance < radius) & (distance > 0.55 * radius)
        case "square":
            inside = np.maximum(u, v) < 0.75 * radius
        case _:
            inside = (np.maximum(u, v) < radius) & (np.minimum(u, v) < 0.33 * radius)
    return np.asarray(inside, bool)


def _filling(rng: np.random.Generator, look: str, side: int) -> FloatArray:
    """Return what fills an object, over the whole image: (S, S), about 0 to 1."""
    if look in ("bright", "dark"):
        step = rng.uniform(0.22, 0.35) * (1 if look == "bright" else -1)
        return np.asarray(_GREY + step + 0.03 * _field(rng, side, 12), np.float32)
    y, x = np.indices((side, side), np.float32)
    angle, period = rng.uniform(0, np.pi), rng.uniform(5, 7)
    along = 2 * np.pi / period * (np.cos(angle) * y + np.sin(angle) * x)
    across = 2 * np.pi / period * (np.cos(angle) * x - np.sin(angle) * y)
    wave = np.sin(along)
    if look == "spotted":
        wave = np.where((wave > 0) & (np.sin(across) > 0), 1.0, -0.6)
    return np.asarray(_GREY + rng.uniform(0.22, 0.32) * np.sign(wave), np.float32)


def _field(rng: np.random.Generator, side: int, feature: float) -> FloatArray:
    return smooth_noise(rng, (side, side), (feature, feature), 2)

"""Images like MRI: label maps with contrast, bias field, blur and noise at random.

The idea of training on label maps with random contrast is that of Billot et al.,
"SynthSeg" (2023); here the label maps are drawn too.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from napari_segnext.training.generated.anatomy import Anatomy, head, trunk
from napari_segnext.training.generated.canvas import GeneratedSlice, Grid, LabelArray
from napari_segnext.training.generated.labelled import head_of_labels
from napari_segnext.training.generated.lesions import Lesion, draw_lesions
from napari_segnext.training.generated.noise import FloatArray

# Brightness of tissues by weighting, 0..1; names not listed are drawn at random.
_WEIGHTINGS: dict[str, dict[str, float]] = {
    "t1": {
        "skin": 0.5, "fat": 0.95, "skull": 0.12, "bone": 0.3, "csf": 0.12,
        "ventricle": 0.1, "grey": 0.42, "white": 0.58, "thalamus": 0.5,
        "putamen": 0.46, "caudate": 0.44, "hippocampus": 0.42, "brainstem": 0.56,
        "cerebellum": 0.45, "muscle": 0.4, "blood": 0.25, "eye": 0.15,
        "oedema": 0.38, "core": 0.34, "enhancing": 0.4, "necrosis": 0.2,
    },
    "t1ce": {
        "skin": 0.6, "fat": 0.95, "skull": 0.15, "bone": 0.35, "csf": 0.12,
        "ventricle": 0.1, "grey": 0.42, "white": 0.5, "thalamus": 0.45,
        "putamen": 0.44, "caudate": 0.43, "hippocampus": 0.42, "brainstem": 0.5,
        "cerebellum": 0.45, "muscle": 0.45, "blood": 0.9, "eye": 0.15,
        "oedema": 0.36, "core": 0.4, "enhancing": 0.9, "necrosis": 0.2,
    },
    "t2": {
        "skin": 0.4, "fat": 0.6, "skull": 0.08, "bone": 0.25, "csf": 0.92,
        "ventricle": 0.95, "grey": 0.55, "white": 0.38, "thalamus": 0.42,
        "putamen": 0.42, "caudate": 0.48, "hippocampus": 0.55, "brainstem": 0.4,
        "cerebellum": 0.48, "muscle": 0.2, "blood": 0.15, "eye": 0.95,
        "oedema": 0.75, "core": 0.65, "enhancing": 0.65, "necrosis": 0.85,
    },
    "flair": {
        "skin": 0.5, "fat": 0.75, "skull": 0.08, "bone": 0.25, "csf": 0.12,
        "ventricle": 0.1, "grey": 0.48, "white": 0.38, "thalamus": 0.44,
        "putamen": 0.43, "caudate": 0.46, "hippocampus": 0.5, "brainstem": 0.4,
        "cerebellum": 0.45, "muscle": 0.3, "blood": 0.2, "eye": 0.15,
        "oedema": 0.8, "core": 0.7, "enhancing": 0.75, "necrosis": 0.4,
    },
}  # fmt: skip

# Objects with fewer pixels, or with less contrast (of 255) within so many pixels of
# their edge, are not objects that a user would ask for.
_SMALLEST = 12
_SEEN = 8.0
_REACH = 7


def mri_slice(
    rng: np.random.Generator, shape: tuple[int, int] = (256, 256), channels: int = 1
) -> GeneratedSlice:
    """Draw an MRI-like slice: a head or a trunk, mostly with lesions.

    Parameters
    ----------
    shape
        (H, W) of the image.
    channels
        1 to 3 contrasts of the same label map. With more than one, some may be
        missing (constant) or repeat another.

    Returns
    -------
    GeneratedSlice
        `image` (H, W) uint8, or (H, W, C) with several channels; `layers` as far as
        there are such objects: brain or body, tissues, structures, lesions, their
        cores, necroses.

    Raises
    ------
    ValueError
        If `channels` is not 1, 2 or 3.
    """
    return _draw(rng, Grid(shape), channels)


def mri_stack(
    rng: np.random.Generator, shape: tuple[int, int, int] = (24, 256, 256)
) -> GeneratedSlice:
    """Draw an MRI-like volume (Z, Y, X) uint8; see `mri_slice`."""
    through = 1.6 * min(shape[1:]) / shape[0] * 0.5
    return _draw(rng, Grid(shape, through=float(np.clip(through, 1, 8))), 1)


def labelled_head(rng: np.random.Generator, labels: LabelArray) -> GeneratedSlice:
    """Draw an MRI-like volume of a head whose label map is given.

    Parameters
    ----------
    labels
        (Z, Y, X) FreeSurfer's numbers; see `head_of_labels`.
    """
    return _image(rng, head_of_labels(rng, labels), 1)


def _draw(rng: np.random.Generator, grid: Grid, channels: int) -> GeneratedSlice:
    if channels not in (1, 2, 3):
        raise ValueError(f"an image has 1 to 3 channels, not {channels}")
    anatomy = head(rng, grid) if rng.random() < 0.7 else trunk(rng, grid)
    return _image(rng, anatomy, channels)


def _image(rng: np.random.Generator, anatomy: Anatomy, channels: int) -> GeneratedSlice:
    """Draw an image of a label map, mostly with lesions."""
    lesions = draw_lesions(rng, anatomy)
    images = _contrasts(rng, anatomy, lesions, channels)
    layers, kinds = _objects(anatomy, lesions, images)
    image = images[0] if channels == 1 else np.stack(images, -1)
    return GeneratedSlice.of(image, layers, kinds)


def _contrasts(
    rng: np.random.Generator, anatomy: Anatomy, lesions: list[Lesion], channels: int
) -> list[NDArray[np.uint8]]:
    """Return the channels; the first is always a real one."""
    images = [_acquire(rng, anatomy, lesions)]
    while len(images) < channels:
        fate = rng.random()
        if fate < 0.1:
            images.append(np.full_like(images[0], rng.choice([0, 0, 128])))
        elif fate < 0.2:
            images.append(images[0])
        else:
            images.append(_acquire(rng, anatomy, lesions))
    order = rng.permutation(channels)
    return [images[i] for i in order]


def _acquire(
    rng: np.random.Generator, anatomy: Anatomy, lesions: list[Lesion]
) -> NDArray[np.uint8]:
    """Make one image of a label map."""
    grid = anatomy.grid
    parts = {name for lesion in lesions for name, _ in lesion.parts}
    grey = _brightness(rng, anatomy.names + sorted(parts))
    values = np.array([grey[name] for name in anatomy.names], np.float32)
    image = values[anatomy.tissue]
    texture = grid.noise(rng, rng.uniform(4, 16), 3, 0.8)
    image *= 1 + np.float32(rng.uniform(0, 0.09)) * texture
    coarse = grid.noise(rng, 0.2 * anatomy.radius, 3, 0.7)
    for lesion in lesions:
        strength = np.float32(np.clip(rng.normal(0.9, 0.25), 0.3, 1.2))
        for name, weight in lesion.parts:
            own = grey[name] * (1 + np.float32(rng.uniform(0, 0.2)) * coarse)
            image += strength * weight * (own - image)
    image = _blur(rng, grid, image)
    bias = grid.noise(rng, rng.uniform(0.6, 1.5) * float(grid.extent[-2:].max()))
    image *= np.exp(np.float32(rng.uniform(0, 0.25)) * bias)
    return _digitise(rng, image, anatomy.tissue == 0)


def _brightness(rng: np.random.Generator, names: list[str]) -> dict[str, float]:
    """Return the brightness of each tissue: a known weighting, or anything."""
    choice = rng.choice([*_WEIGHTINGS, "any"], p=[0.13, 0.15, 0.13, 0.34, 0.25])
    known = _WEIGHTINGS.get(str(choice), {})
    spread = rng.uniform(0.02, 0.08)
    grey = {"air": float(rng.choice([0.0, 0.0, rng.uniform(0, 0.08)]))}
    # Evenly spaced in random order: no two tissues look the same.
    levels = rng.permutation(np.linspace(0.05, 1, len(names)))
    for name, level in zip(names[1:], levels, strict=False):
        centre = known.get(name, level)
        grey[name] = float(max(0.02, centre + rng.normal(0, spread)))
    return grey


def _blur(rng: np.random.Generator, grid: Grid, image: FloatArray) -> FloatArray:
    """Blur as a limited, often uneven, resolution does."""
    sigma = rng.uniform(0.3, 1.3)
    sigmas = [sigma, sigma * (rng.uniform(1, 2.5) if rng.random() < 0.2 else 1)]
    rng.shuffle(sigmas)
    through = [0.3] * (len(grid.shape) - 2)
    return np.asarray(ndimage.gaussian_filter(image, (*through, *sigmas), truncate=3))


def _digitise(
    rng: np.random.Generator, image: FloatArray, air: NDArray[np.bool_]
) -> NDArray[np.uint8]:
    """Add Rician noise and choose brightness and contrast."""
    noise = np.float32(np.exp(rng.uniform(np.log(0.004), np.log(0.08))))
    real, imaginary = noise * rng.standard_normal((2, *image.shape), np.float32)
    image = np.hypot(image + real, imaginary)
    if rng.random() < 0.4:
        # Background masked away, as in skull-stripped volumes.
        image[air] = 0
    top = float(np.percentile(image.reshape(-1)[::13], rng.uniform(97, 100)))
    image = image / np.float32(max(top, 0.05)) * np.float32(rng.uniform(0.5, 1.1))
    if rng.random() < 0.4:
        image = np.clip(image, 0, None) ** np.float32(np.exp(rng.normal(0, 0.25)))
    return np.asarray(np.clip(image * 255 + 0.5, 0, 255), np.uint8)


def _objects(
    anatomy: Anatomy, lesions: list[Lesion], images: list[NDArray[np.uint8]]
) -> tuple[list[LabelArray], dict[int, str]]:
    """Return label maps of all objects that can be seen, outermost first."""
    tissues = dict.fromkeys(range(1, len(anatomy.names)), "tissue")
    sources = [
        (anatomy.whole.astype(np.int32), {1: "whole"}),
        (anatomy.tissue, tissues),
        (anatomy.structures, anatomy.structure_kinds),
    ]
    for level in range(3):
        layer = np.zeros(anatomy.grid.shape, np.int32)
        names: dict[int, str] = {}
        for number, lesion in enumerate(lesions, 1):
            if level < len(lesion.masks):
                names[number], mask = lesion.masks[level]
                layer[mask] = number
        sources.append((layer, names))
    kinds: dict[int, str] = {}
    layers: list[LabelArray] = []
    for layer, names in sources:
        lookup = np.zeros(max(names, default=0) + 1, np.int32)
        for number, box in enumerate(ndimage.find_objects(layer), 1):
            if box is not None and _visible(layer, number, box, images):
                kinds[len(kinds) + 1] = names[number]
                lookup[number] = len(kinds)
        layers.append(lookup[layer])
    return layers, kinds


def _visible(
    layer: LabelArray,
    number: int,
    box: tuple[slice, ...],
    images: list[NDArray[np.uint8]],
) -> bool:
    """Tell whether most of an object's edge can be seen in some channel."""
    margin = _REACH // 2
    wide = tuple(
        slice(max(0, s.start - margin), min(n, s.stop + margin))
        for s, n in zip(box, layer.shape, strict=True)
    )
    mask = (layer[wide] == number).astype(np.float32)
    if np.count_nonzero(mask) < _SMALLEST:
        return False
    share = ndimage.uniform_filter(mask, _REACH)
    edge = (mask > 0) & (share < 0.9)
    if not edge.any():
        return False
    share = np.clip(share[edge], 0.02, 0.98)
    for image in images:
        grey = image[wide].astype(np.float32)
        inside = ndimage.uniform_filter(grey * mask, _REACH)[edge]
        outside = ndimage.uniform_filter(grey * (1 - mask), _REACH)[edge]
        contrast = np.abs(inside / share - outside / (1 - share))
        if np.mean(contrast > _SEEN) > 0.6:
            return True
    return False

"""What the follower learns on: volumes, generated stacks, planes made up of images."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import cache
from pathlib import Path

import numpy as np

from napari_segnext.training.generated import (
    GeneratedSlice,
    em_stack,
    labelled_head,
    mri_stack,
)
from napari_segnext.training.organelles import dark_organelles, planes_of
from napari_segnext.training.sources import Archive, archives_in
from napari_segnext.training.walks import Ways, made_up, walks_in

# Weights in the mixture: of generated stacks; of volumes, of which there are neurons
# and mitochondria in one; and of single images beside which planes are made up.
GENERATED = {"em": 0.12, "mri": 0.14}
NEURONS, MITOCHONDRIA, HEADS = (
    "fib25_medulla_stack",
    "fib25_mitochondria",
    "synthseg_label_maps",
)
VOLUMES = {NEURONS: 0.14, MITOCHONDRIA: 0.18, HEADS: 0.16}
PICTURES = {
    MITOCHONDRIA: 0.08,
    "fib25_medulla_neurons": 0.03,
    "axondeepseg_sem_rat": 0.02,
    "figshare_brain_tumour_t1ce": 0.03,
    "soop_stroke_flair": 0.02,
    "open_ms_lesions": 0.03,
    "brain_tumor_progression_t1ce": 0.03,
    "dsb2018_nuclei": 0.02,
}
# Planes of a step, at most.
_STEP = {"em": 3, "mri": 3, NEURONS: 8, MITOCHONDRIA: 8, HEADS: 6}
# Stacks of each kind that are drawn, and their planes, rows and columns.
_COUNT = 40
_EM, _MRI = (20, 224, 224), (16, 224, 224)
# Planes of a head that are drawn at once; its ends hold no brain.
_SLAB, _MIDDLE = 20, (0.2, 0.8)


def follower_mixture(folder: Path | None) -> dict[str, tuple[Ways, float]]:
    """Return the sources of the follower.

    Parameters
    ----------
    folder
        Holds the ``.npz`` files named in `VOLUMES` and `PICTURES`; None trains on
        generated stacks alone.

    Raises
    ------
    FileNotFoundError
        If one of the files is missing.
    """
    sources = {"em": _drawn_each(_em), "mri": _drawn_each(_mri)}
    weights = dict(GENERATED)
    if folder is not None:
        paths = archives_in(folder, (*VOLUMES, *PICTURES))
        sources[HEADS] = _drawn_each(lambda number: _head(paths[HEADS], number))
        sources[NEURONS] = _along_each_axis(lambda: _neurons(paths[NEURONS]))
        sources[MITOCHONDRIA] = _along_each_axis(
            lambda: _mitochondria(paths[NEURONS], paths[MITOCHONDRIA])
        )
        weights |= VOLUMES
        for name, weight in PICTURES.items():
            beside = f"beside {name}"
            sources[beside] = made_up(Archive(paths[name]))
            weights[beside] = weight
    return {name: (source, weights[name]) for name, source in sources.items()}


def _drawn_each(draw: Callable[[int], Ways]) -> Ways:
    """Walk in one of a few stacks, each made when it is first drawn."""
    kept = cache(draw)
    return lambda rng, size, objects: kept(int(rng.integers(_COUNT)))(
        rng, size, objects
    )


def _along_each_axis(read: Callable[[], Iterator[Ways]]) -> Ways:
    """Walk along any axis of a volume, which is read when it is first drawn."""
    kept = cache(lambda: list(read()))
    return lambda rng, size, objects: kept()[int(rng.integers(3))](rng, size, objects)


def _stack(drawn: GeneratedSlice, most: int) -> Ways:
    layers = [layer.astype(np.uint16) for layer in drawn.layers if layer.any()]
    return walks_in(drawn.image, layers, most)


def _em(number: int) -> Ways:
    return _stack(em_stack(np.random.default_rng([5, number]), _EM), _STEP["em"])


def _mri(number: int) -> Ways:
    return _stack(mri_stack(np.random.default_rng([5, number]), _MRI), _STEP["mri"])


def _head(path: Path, number: int) -> Ways:
    """Draw a slab of a head's label map, along one of its axes."""
    rng = np.random.default_rng([4, number])
    with np.load(path) as archive:
        labels = archive[archive.files[int(rng.integers(len(archive.files)))]]
    labels = np.moveaxis(labels, int(rng.integers(3)), 0)
    start = int(len(labels) * rng.uniform(*_MIDDLE)) - _SLAB // 2
    return _stack(labelled_head(rng, labels[start : start + _SLAB]), _STEP[HEADS])


def _neurons(path: Path) -> Iterator[Ways]:
    with np.load(path) as archive:
        image, labels = archive["image"], archive["labels"]
    for axis in range(3):
        layers = [np.moveaxis(labels, axis, 0)]
        yield walks_in(np.moveaxis(image, axis, 0), layers, _STEP[NEURONS])


def _mitochondria(volume: Path, pictures: Path) -> Iterator[Ways]:
    with np.load(volume) as archive:
        image = archive["image"]
    with np.load(pictures) as archive:
        names = [name for name in archive.files if name.startswith("image_")]
        labelled = [
            (archive[name], archive[name.replace("image_", "mask_")]) for name in names
        ]
    found = dark_organelles(image, *planes_of(image, labelled))
    for axis in range(3):
        layers = [np.moveaxis(found, axis, 0)]
        yield walks_in(np.moveaxis(image, axis, 0), layers, _STEP[MITOCHONDRIA])

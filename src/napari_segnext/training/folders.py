"""A user's own images and labels, as they lie in two folders."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from napari_segnext.evaluation import Sample
from napari_segnext.files import is_readable, read_image
from napari_segnext.geometry.plane import Plane
from napari_segnext.images.volume import Volume


def read_folders(folder: Path) -> list[Sample]:
    """List the labelled planes of the files in ``image/`` and ``annotation/``.

    Parameters
    ----------
    folder
        Holds both. Files are matched by their name before the first dot and may be
        of any kind that `napari_segnext.files` reads. Volumes give their planes along
        the first axis; a plane without labels is left out.

    Returns
    -------
    Samples in order of file and plane.

    Raises
    ------
    ValueError
        If an image has no labels of its name or they differ in shape, or nothing is
        labelled.
    OSError
        If a folder or a file cannot be read.
    """
    images, labels = _files(folder / "image"), _files(folder / "annotation")
    missing = sorted(images.keys() - labels.keys())
    if missing:
        raise ValueError(
            f"{folder / 'annotation'} has no labels for {', '.join(missing)}; each "
            "image needs a file of the same name there"
        )
    samples = [s for name in images for s in _planes(name, images[name], labels[name])]
    if not samples:
        raise ValueError(f"nothing is labelled in {folder / 'annotation'}")
    return samples


def _files(folder: Path) -> dict[str, Path]:
    if not folder.is_dir():
        raise FileNotFoundError(
            f"there is no folder {folder}; images belong into image/ and their labels, "
            "under the same names, into annotation/"
        )
    found = {p.name.split(".")[0]: p for p in sorted(folder.iterdir()) if _usable(p)}
    if not found:
        raise FileNotFoundError(f"{folder} holds no image")
    return found


def _usable(path: Path) -> bool:
    return not path.name.startswith(".") and is_readable(path)


def _planes(name: str, image_path: Path, labels_path: Path) -> Iterator[Sample]:
    file, drawn = read_image(image_path), read_image(labels_path)
    image = Volume(file.data, spatial=file.spatial, channel=file.channel)
    labels = _label_volume(drawn.data, drawn.rgb)
    if labels.shape != image.shape or image.fixed_shape:
        raise ValueError(
            f"{labels_path} has the shape {labels.shape} and {image_path} "
            f"{(*image.fixed_shape, *image.shape)}: they must be one and the same, "
            "without a time axis"
        )
    for index in range(1 if len(image.shape) == 2 else image.shape[0]):
        plane = Plane(0, index)
        ids = tuple(int(i) for i in np.unique(labels.read(plane)) if i > 0)
        if ids:
            yield Sample(
                f"{name} {index}",
                partial(image.read, plane),
                partial(_read_labels, labels, plane),
                ids,
            )


def _label_volume(data: Any, rgb: bool) -> Volume:
    if rgb:
        data = np.asarray(data)[..., 0]
    return Volume(data[0] if isinstance(data, list) else data)


def _read_labels(labels: Volume, plane: Plane) -> NDArray[np.int32]:
    return labels.read(plane).astype(np.int32)


def hold_out(samples: Sequence[Sample]) -> tuple[list[Sample], list[Sample]]:
    """Split off the last fifth, at least one, for validation.

    Neighbouring planes look alike: a fifth in one piece says more about new images
    than every fifth plane.

    Raises
    ------
    ValueError
        If there is only one sample.
    """
    if len(samples) < 2:
        raise ValueError(
            "one labelled plane is too little: label a second one, on which the result "
            "can be checked"
        )
    count = max(1, len(samples) // 5)
    return list(samples[:-count]), list(samples[-count:])

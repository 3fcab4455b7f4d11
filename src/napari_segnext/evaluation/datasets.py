"""Evaluation sets: folders and archives, as images and their objects.

What is an object follows the reference, set by set, so that numbers can be
compared with the published ones:

========= ============================ ============================================
name      layout below the data folder objects
========= ============================ ============================================
ssTEM     raw/*.tif,                   8-connected components of the nonzero
          mitochondria/*.png           pixels of the blue channel, all sizes
BraTS     image/*.png,                 one an image: nonzero blue
          annotation/*.png
DAVIS     img/*, gt/*                  one an image: nonzero in any channel
HQSeg44K  the folders of the data set  one an image: nonzero in any channel
COCOLVIS  val/ as packed by RITM       see `napari_segnext.evaluation.cocolvis`
pairs     image/*, annotation/*, or    one for each value of the labels but 0 (and
          an .npz of image_NNNN and    -1, which is ignored)
          mask_NNNN
========= ============================ ============================================

Images and masks are matched by their name before the first dot.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path
from typing import Any, Literal, TypeAlias

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from napari_segnext.evaluation.clicker import IGNORE
from napari_segnext.evaluation.cocolvis import load_cocolvis
from napari_segnext.evaluation.images import read_pixels
from napari_segnext.evaluation.sample import Sample

Array = NDArray[Any]
Split: TypeAlias = Literal["val", "train"]

TRAINABLE = ("HQSeg44K", "COCOLVIS", "pairs")
_THIN = "thin_object_detection"
HQSEG_FOLDERS = {
    "val": (
        ("DIS5K/DIS-VD/im", "DIS5K/DIS-VD/gt"),
        (f"{_THIN}/ThinObject5K/images_test", f"{_THIN}/ThinObject5K/masks_test"),
        (f"{_THIN}/COIFT/images", f"{_THIN}/COIFT/masks"),
        (f"{_THIN}/HRSOD/images", f"{_THIN}/HRSOD/masks_max255"),
    ),
    "train": (
        ("DIS5K/DIS-TR/im", "DIS5K/DIS-TR/gt"),
        (f"{_THIN}/ThinObject5K/images_train", f"{_THIN}/ThinObject5K/masks_train"),
        # In these, NAME.png is the mask of NAME.jpg.
        *(
            (f"cascade_psp/{name}", f"cascade_psp/{name}")
            for name in ("fss_all", "DUTS-TR", "DUTS-TE", "ecssd", "MSRA_10K")
        ),
    ),
}


def load_dataset(name: str, data: Path, split: Split = "val") -> list[Sample]:
    """List the images of a set, sorted by name.

    Parameters
    ----------
    name
        One of `DATASETS`.
    data
        Folder of the layout above, or the .npz of a "pairs" set.
    split
        ``"train"`` lists the training images of HQSeg44K or COCOLVIS; of the others
        only pairs, which have one list, may be trained on.

    Raises
    ------
    ValueError
        If the set is unknown, is for evaluation alone, or an image has no mask.
    OSError
        If nothing is found.
    """
    if name not in DATASETS:
        raise ValueError(f"unknown dataset {name!r}; known: {', '.join(DATASETS)}")
    if split == "train" and name not in TRAINABLE:
        raise ValueError(
            f"{name} is for evaluation alone; trained on can be {', '.join(TRAINABLE)}"
        )
    data = Path(data)
    if not data.exists():
        raise FileNotFoundError(f"{data} does not exist; give the data folder")
    samples = DATASETS[name](data, split)
    if not samples:
        raise FileNotFoundError(f"no images of the layout {name} in {data}")
    return samples


def _blue(mask: Array) -> Array:
    """Return channel 0 as OpenCV reads it: blue of a colour image, or the grey."""
    return mask if mask.ndim == 2 else mask[..., min(2, mask.shape[2] - 1)]


def _label_ids(mask: Array) -> Array:
    """Return integer labels; different colours are different labels."""
    if mask.ndim == 2:
        return mask.astype(np.int32)
    channels = mask[..., :3].astype(np.int32)
    if (channels == channels[..., :1]).all():
        return channels[..., 0]
    return channels @ (256 ** np.arange(channels.shape[2], dtype=np.int32))


def components(mask: Array) -> NDArray[np.int32]:
    """Label the 8-connected components of the nonzero pixels of a (H, W) mask."""
    labels, _ = ndimage.label(mask != 0, np.ones((3, 3)))
    return np.asarray(labels, np.int32)


def _ids(labels: Array) -> tuple[int, ...]:
    return tuple(int(i) for i in np.unique(labels) if i not in (0, IGNORE))


def _match(images: Path, masks: Path, pattern: str) -> list[tuple[Path, Path]]:
    known = {p.name.split(".")[0]: p for p in sorted(masks.glob("*.*"))}
    pairs = []
    for path in sorted(images.glob(pattern)):
        stem = path.name.split(".")[0]
        if stem not in known:
            raise ValueError(f"{path} has no mask of the same name in {masks}")
        pairs.append((path, known[stem]))
    return pairs


def _read(path: Path, convert: Callable[[Array], Array]) -> Array:
    return convert(read_pixels(path))


def _folders(
    root: Path,
    images: str,
    masks: str,
    convert: Callable[[Array], Array],
    *,
    pattern: str = "*.*",
    one_object: bool = False,
) -> list[Sample]:
    """List a folder of images and one of masks; `convert` makes labels of a mask."""
    samples = []
    for path, mask_path in _match(root / images, root / masks, pattern):
        labels = partial(_read, mask_path, convert)
        objects = (1,) if one_object else _ids(labels())
        samples.append(Sample(path.name, partial(read_pixels, path), labels, objects))
    return samples


def _sstem(data: Path, split: Split) -> list[Sample]:
    def convert(mask: Array) -> Array:
        return components(_blue(mask))

    return _folders(data, "raw", "mitochondria", convert, pattern="*.tif")


def _brats(data: Path, split: Split) -> list[Sample]:
    def convert(mask: Array) -> Array:
        return np.asarray(_blue(mask) != 0, np.int32)

    return _folders(
        data, "image", "annotation", convert, pattern="*.png", one_object=True
    )


def _one_object(mask: Array) -> Array:
    """Join all nonzero pixels, of any channel, in one object."""
    channels = mask if mask.ndim == 2 else mask[..., :3].max(2)
    return np.asarray(channels != 0, np.int32)


def _davis(data: Path, split: Split) -> list[Sample]:
    return _folders(data, "img", "gt", _one_object, one_object=True)


def _hqseg(data: Path, split: Split) -> list[Sample]:
    samples = []
    for images, masks in HQSEG_FOLDERS[split]:
        samples += _folders(
            data, images, masks, _one_object, pattern="*.jpg", one_object=True
        )
    return samples


def _pairs(data: Path, split: Split) -> list[Sample]:
    if data.is_dir():
        return _folders(data, "image", "annotation", _label_ids)
    archive = np.load(data, allow_pickle=False)
    samples = []
    for name in sorted(n for n in archive.files if n.startswith("image_")):
        mask = name.replace("image_", "mask_", 1)
        if mask not in archive.files:
            raise ValueError(f"{data} has {name} but no {mask}")
        labels = partial(_archived, archive, mask, _label_ids)
        image = partial(_archived, archive, name, np.asarray)
        samples.append(Sample(name, image, labels, _ids(labels())))
    return samples


def _archived(
    archive: Mapping[str, Array], name: str, convert: Callable[[Array], Array]
) -> Array:
    return convert(archive[name])


DATASETS: dict[str, Callable[[Path, Split], list[Sample]]] = {
    "ssTEM": _sstem,
    "BraTS": _brats,
    "DAVIS": _davis,
    "HQSeg44K": _hqseg,
    "COCOLVIS": load_cocolvis,
    "pairs": _pairs,
}

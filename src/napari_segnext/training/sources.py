"""Where labelled images come from: archives, data sets, generators, superpixels.

Generated slices, and superpixels of real images, keep the model from learning which
kinds of object exist.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from functools import cache
from pathlib import Path

import numpy as np
from skimage.segmentation import felzenszwalb, relabel_sequential

from napari_segnext import evaluation
from napari_segnext.images.intensity import WindowRule
from napari_segnext.training.data import LabelledImage, Source
from napari_segnext.training.generated import GeneratedSlice, em_slice, mri_slice


def archives_in(folder: Path, names: Iterable[str]) -> dict[str, Path]:
    """Return the ``.npz`` files of these names, by name.

    Raises
    ------
    FileNotFoundError
        If one of them is missing: the message names them all.
    """
    paths = {name: folder / f"{name}.npz" for name in names}
    for path in paths.values():
        if not path.is_file():
            raise FileNotFoundError(
                f"{path} is missing: give the folder that holds {', '.join(paths)}"
            )
    return paths


class Archive:
    """The images of an .npz (``image_NNNN``, ``mask_NNNN``), kept in memory."""

    def __init__(self, path: Path) -> None:
        self._images = []
        with np.load(path) as archive:
            for name in sorted(n for n in archive.files if n.startswith("image_")):
                labels = archive[name.replace("image_", "mask_")].astype(np.int32)
                if labels.any():
                    self._images.append(LabelledImage.of(archive[name], [labels]))
        if not self._images:
            raise ValueError(f"{path} holds no image_NNNN with a labelled mask_NNNN")

    def __call__(self, rng: np.random.Generator) -> LabelledImage:
        """Draw one image."""
        return self._images[rng.integers(len(self._images))]


class DataSet:
    """The images of a data set, read each time that one is drawn.

    Parameters
    ----------
    samples
        From `napari_segnext.evaluation.load_dataset`.
    window
        The model's rule for intensities.
    """

    def __init__(
        self, samples: Sequence[evaluation.Sample], window: WindowRule
    ) -> None:
        self._samples, self._window = samples, window

    def __call__(self, rng: np.random.Generator) -> LabelledImage:
        """Draw one image; what its labels mark as ignored is background."""
        sample = self._samples[int(rng.integers(len(self._samples)))]
        maps = np.moveaxis(np.atleast_3d(np.maximum(sample.labels(), 0)), 2, 0)
        # Colours that serve as labels are large numbers.
        labels = [relabel_sequential(m)[0].astype(np.int32) for m in maps if m.any()]
        return LabelledImage.of(sample.image(), labels, self._window)


def superpixels(source: Source) -> Source:
    """Replace a source's labels by superpixels of a random grain."""

    def draw(rng: np.random.Generator) -> LabelledImage:
        picture = source(rng)
        height, width = picture.image.shape[:2]
        side = min(height, width, int(rng.integers(160, 320)))
        top = int(rng.integers(height - side + 1))
        left = int(rng.integers(width - side + 1))
        cut = picture.image[top : top + side, left : left + side]
        segments = felzenszwalb(
            picture.window.apply(cut),
            scale=float(rng.uniform(30, 500)),
            sigma=0.8,
            min_size=40,
        )
        return LabelledImage.of(cut, [segments.astype(np.int32) + 1])

    return draw


def repeated(source: Source, count: int, seed: int) -> Source:
    """Draw from `count` fixed pictures of a source that is slow.

    Crops of them, turned and changed in intensity, still differ.
    """

    @cache
    def picture(number: int) -> LabelledImage:
        return source(np.random.default_rng([seed, number]))

    return lambda rng: picture(int(rng.integers(count)))


def generated_em(rng: np.random.Generator) -> LabelledImage:
    """Draw a generated EM-like slice."""
    return _generated(em_slice(rng, (320, 320)))


def generated_mri(rng: np.random.Generator) -> LabelledImage:
    """Draw a generated MRI-like slice with one to three contrasts."""
    return _generated(mri_slice(rng, (256, 256), channels=int(rng.choice([1, 1, 3]))))


def _generated(drawn: GeneratedSlice) -> LabelledImage:
    return LabelledImage.of(drawn.image, [m for m in drawn.layers if m.any()])

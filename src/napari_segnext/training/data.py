"""Training samples: one image crop and several of its objects.

Labelled images come from files; generated slices and superpixels of the real
images keep the model from learning which kinds of object exist. Sample number i
of a seed is always the same, which makes an interrupted training resumable.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cache
from itertools import count
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage
from skimage.segmentation import felzenszwalb
from torch.utils.data import IterableDataset, get_worker_info

from napari_segnext.prompts import BoolArray, FloatArray, Frame
from napari_segnext.training.augment import change_intensity, turn
from napari_segnext.training.generated import GeneratedSlice, em_slice, mri_slice
from napari_segnext.window import Window, robust_window

Labels = NDArray[np.int32]

# An object's long side over the crop's: small objects to crop-filling ones.
RELATIVE_SIZE = (0.1, 0.9)
# Model pixels per image pixel, at most, and the fewest pixels of a training object.
MAX_ZOOM = 3.0
MIN_PIXELS = 24
MAX_SHARE = 0.8


@dataclass(frozen=True, slots=True)
class LabelledImage:
    """An image and one or more label maps, each with instances of its own.

    Attributes
    ----------
    image
        (H, W) or (H, W, C), any real dtype.
    labels
        (H, W) int32 maps; 0 is background.
    window
        Intensities that become 0..1.
    boxes
        For each map, the bounding box of each of its instances.
    """

    image: NDArray[Any]
    labels: Sequence[Labels]
    window: Window
    boxes: Sequence[Mapping[int, tuple[slice, slice]]]

    @classmethod
    def of(cls, image: NDArray[Any], labels: Sequence[Labels]) -> LabelledImage:
        """Find the window of the image and the instances of the maps."""
        boxes = [
            {i + 1: box for i, box in enumerate(ndimage.find_objects(m)) if box}
            for m in labels
        ]
        return cls(image, labels, robust_window(image, "percentile"), boxes)


Source = Callable[[np.random.Generator], LabelledImage]


@dataclass(frozen=True, slots=True)
class Sample:
    """A crop and objects in it.

    Attributes
    ----------
    image
        (S, S, 3) float32 in 0..1.
    masks
        (K, S, S) bool.
    """

    image: FloatArray
    masks: BoolArray


class ImageFile:
    """The images of an .npz (``image_NNNN``, ``mask_NNNN``), as a source."""

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


def crop_around(
    picture: LabelledImage, rng: np.random.Generator, size: int, objects: int
) -> Sample | None:
    """Crop around a random object and gather others that lie in the crop.

    Returns
    -------
    Sample or None
        None if the object drawn is too small to be seen, or nothing is labelled.
    """
    if not picture.labels:
        return None
    layer = int(rng.integers(len(picture.labels)))
    labels, boxes = picture.labels[layer], picture.boxes[layer]
    chosen = int(rng.choice(list(boxes)))
    frame = _frame_around(boxes[chosen], labels.shape, rng, size)
    window = (
        slice(frame.top, frame.top + frame.height),
        slice(frame.left, frame.left + frame.width),
    )
    moved = replace(frame, top=0, left=0)
    image = moved.crop(picture.window.apply(picture.image[window]), antialias=True)
    small = _nearest(labels[window], frame)
    present, counts = np.unique(small, return_counts=True)
    enough = (counts >= MIN_PIXELS) & (counts <= MAX_SHARE * size**2) & (present > 0)
    usable = present[enough]
    if chosen not in usable:
        return None
    others = rng.permutation(usable[usable != chosen])[: objects - 1]
    wanted = [chosen, *others]
    wanted += [wanted[i % len(wanted)] for i in range(objects - len(wanted))]
    return Sample(image, np.stack([small == i for i in wanted]))


def _frame_around(
    box: tuple[slice, slice],
    shape: tuple[int, ...],
    rng: np.random.Generator,
    size: int,
) -> Frame:
    """Choose a crop in which the object has a random relative size and place."""
    extent = np.array([s.stop - s.start for s in box])
    relative = np.exp(rng.uniform(*np.log(RELATIVE_SIZE)))
    side = max(extent.max() / relative, size / MAX_ZOOM, 16)
    lengths = np.minimum(round(side), shape).astype(int)
    middle = np.array([(s.start + s.stop) / 2 for s in box])
    # The centre of the object may lie anywhere in the middle two thirds.
    start = middle - lengths * rng.uniform(0.17, 0.83, 2)
    top, left = np.clip(np.round(start), 0, np.array(shape) - lengths).astype(int)
    return Frame(
        int(top), int(left), int(lengths[0]), int(lengths[1]), size, resize="pad"
    )


def _nearest(labels: Labels, frame: Frame) -> Labels:
    rows, columns = frame.content
    y = ((np.arange(rows) + 0.5) * frame.height / rows).astype(int)
    x = ((np.arange(columns) + 0.5) * frame.width / columns).astype(int)
    padded = np.zeros((frame.size, frame.size), np.int32)
    padded[:rows, :columns] = labels[y[:, None], x]
    return padded


class Mixture(IterableDataset[Sample]):
    """Draw samples from weighted sources, forever.

    Parameters
    ----------
    sources
        Name -> (source, weight).
    size
        Side of a crop, in model pixels.
    objects
        Objects per crop.
    seed, start
        Sample `start`, `start` + 1, ... of the seed are drawn.
    share
        (r, n): of these, the r-th of n processes draws every n-th.
    """

    def __init__(
        self,
        sources: Mapping[str, tuple[Source, float]],
        size: int,
        objects: int,
        seed: int,
        start: int = 0,
        share: tuple[int, int] = (0, 1),
    ) -> None:
        self.sources = [source for source, _ in sources.values()]
        weights = np.array([weight for _, weight in sources.values()])
        self.weights = weights / weights.sum()
        self.size, self.objects, self.seed = size, objects, seed
        self.start, self.share = start, share

    def sample(self, number: int) -> Sample:
        """Return sample `number` of the seed."""
        rng = np.random.default_rng([self.seed, number])
        while True:
            picture = self.sources[rng.choice(len(self.sources), p=self.weights)](rng)
            for _ in range(4):
                drawn = crop_around(picture, rng, self.size, self.objects)
                if drawn is not None:
                    image = change_intensity(drawn.image, rng)
                    return Sample(*turn(image, drawn.masks, rng))

    def __iter__(self) -> Iterator[Sample]:
        worker = get_worker_info()
        first, step = (worker.id, worker.num_workers) if worker else (0, 1)
        rank, processes = self.share
        for number in count(self.start + rank + first * processes, step * processes):
            yield self.sample(number)

"""Training samples: one image crop and several of its objects.

Sample number i of a seed is always the same, which makes an interrupted training
resumable.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from itertools import count
from typing import Any, Generic, TypeAlias, TypeVar

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage
from torch.utils.data import IterableDataset, get_worker_info

from napari_segnext.geometry.frame import BoolArray
from napari_segnext.geometry.resample import FloatArray
from napari_segnext.images.intensity import Window, WindowRule, robust_window
from napari_segnext.training.augment import change_brightness, change_intensity, turn

Labels = NDArray[np.int32]


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
    phrases
        What is said of the first map: phrase -> the instances that it means together.
    """

    image: NDArray[Any]
    labels: Sequence[Labels]
    window: Window
    boxes: Sequence[Mapping[int, tuple[slice, slice]]]
    phrases: Mapping[str, frozenset[int]] = field(default_factory=dict)

    @classmethod
    def of(
        cls,
        image: NDArray[Any],
        labels: Sequence[Labels],
        window: WindowRule = "percentile",
    ) -> LabelledImage:
        """Find the window of the image and the instances of the maps."""
        boxes = [
            {i + 1: box for i, box in enumerate(ndimage.find_objects(m)) if box}
            for m in labels
        ]
        window_ = robust_window(image, window)
        return cls(image, labels, window_, boxes)


Source: TypeAlias = Callable[[np.random.Generator], LabelledImage]


@dataclass(frozen=True, slots=True)
class Sample:
    """A crop and objects in it.

    Attributes
    ----------
    image
        (S, S, 3) float32 in 0..1.
    masks
        (K, S, S) bool, none of them empty.
    phrases
        What each of them is called; empty where nothing is said.
    """

    image: FloatArray
    masks: BoolArray
    phrases: tuple[str, ...] = ()


# Cuts a picture to a side in model pixels, with so many objects; None if the object
# that it drew cannot be used.
Crop: TypeAlias = Callable[
    [LabelledImage, np.random.Generator, int, int], Sample | None
]


Drawer = TypeVar("Drawer")
Drawn = TypeVar("Drawn")


class Weighted(IterableDataset[Drawn], ABC, Generic[Drawer, Drawn]):
    """Draw samples from weighted sources, forever.

    Parameters
    ----------
    sources
        Name -> (source, weight).
    seed, start
        Sample `start`, `start` + 1, ... of the seed are drawn.
    share
        (r, n): of these, the r-th of n processes draws every n-th.
    """

    def __init__(
        self,
        sources: Mapping[str, tuple[Drawer, float]],
        seed: int,
        start: int = 0,
        share: tuple[int, int] = (0, 1),
    ) -> None:
        self.sources = [source for source, _ in sources.values()]
        weights = np.array([weight for _, weight in sources.values()])
        self.weights = weights / weights.sum()
        self.seed, self.start, self.share = seed, start, share

    @abstractmethod
    def draw(self, source: Drawer, rng: np.random.Generator) -> Drawn | None:
        """Draw from a source; None if what was drawn cannot be used."""

    def sample(self, number: int) -> Drawn:
        """Return sample `number` of the seed."""
        rng = np.random.default_rng([self.seed, number])
        while True:
            source = self.sources[rng.choice(len(self.sources), p=self.weights)]
            drawn = self.draw(source, rng)
            if drawn is not None:
                return drawn

    def __iter__(self) -> Iterator[Drawn]:
        worker = get_worker_info()
        first, step = (worker.id, worker.num_workers) if worker else (0, 1)
        rank, processes = self.share
        start = self.start + rank + first * processes
        return map(self.sample, count(start, step * processes))


class Mixture(Weighted[Source, Sample]):
    """Draw crops from weighted sources of images, forever.

    Parameters
    ----------
    sources, seed, start, share
        See `Weighted`.
    crop
        How samples are cut out of their images.
    size
        Side of a crop, in model pixels.
    objects
        Objects per crop.
    """

    def __init__(
        self,
        sources: Mapping[str, tuple[Source, float]],
        crop: Crop,
        size: int,
        objects: int,
        seed: int,
        start: int = 0,
        share: tuple[int, int] = (0, 1),
    ) -> None:
        super().__init__(sources, seed, start, share)
        self.crop, self.size, self.objects = crop, size, objects

    def draw(self, source: Source, rng: np.random.Generator) -> Sample | None:
        """Cut a sample out of one image, in a few attempts."""
        picture = source(rng)
        for _ in range(4):
            drawn = self.crop(picture, rng, self.size, self.objects)
            if drawn is not None and drawn.phrases:
                return replace(drawn, image=change_brightness(drawn.image, rng))
            if drawn is not None:
                image = change_intensity(drawn.image, rng)
                return Sample(*turn(image, drawn.masks, rng))
        return None

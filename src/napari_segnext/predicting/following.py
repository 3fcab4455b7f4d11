"""Where an object is in a plane, from where it is in others."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any

import torch
from torch import Tensor

from napari_segnext.engines.threads import adapt_threads
from napari_segnext.geometry.frame import Frame
from napari_segnext.geometry.plane import Plane
from napari_segnext.geometry.regions import Extent, Patch
from napari_segnext.geometry.resample import FloatArray
from napari_segnext.models import Cancelled
from napari_segnext.models.base import Features
from napari_segnext.models.follower import Follower, Seen
from napari_segnext.predicting.nearby import around, part_in_pixels
from napari_segnext.predicting.predictor import Predictor
from napari_segnext.predicting.tiles import Tile, bounds_of
from napari_segnext.predicting.volume_predictor import VolumePredictor

# Model pixels of an object that a glance has to show.
_ENOUGH = 32
# Parts that the model is shown at once: so long does a click wait for it.
_TOGETHER = 8


@dataclass(frozen=True, slots=True, eq=False)
class Sighting:
    """What a plane shows of an object that was looked for.

    Attributes
    ----------
    patch
        Its probability, 0 to 1.
    present
        0 to 1: how sure it is that the object is there.
    overlap
        0 to 1: the intersection over union that mask and object are judged to have, if
        it is.
    """

    patch: Patch
    present: float
    overlap: float


@dataclass(frozen=True, slots=True, eq=False)
class Look:
    """An object that is looked for in a plane.

    Attributes
    ----------
    plane
        Where to look.
    expected
        Its probability in the plane, as far as it is known; not all 0.
    seen
        Planes in which it is known, with its probability there: the one that was gone
        through last, then others; at least one.
    """

    plane: Plane
    expected: Patch
    seen: Sequence[tuple[Plane, Patch]]


@dataclass(frozen=True, slots=True, eq=False)
class _View:
    """What the model is shown of a look: a part of a tile, in model pixels.

    Attributes
    ----------
    features, known
        Of the part in the plane, and in those that are known.
    drawn
        (1, S, S) probabilities: what is expected, and what is known.
    """

    frame: Frame
    shape: tuple[int, int]
    step: int
    part: Extent
    features: Features
    known: tuple[Features, ...]
    drawn: tuple[Tensor, ...]

    @property
    def form(self) -> tuple[Any, ...]:
        """What views have in common that the model can be shown at once."""
        return self.part.shape, tuple(each is self.features for each in self.known)

    def in_plane(self, logits: FloatArray, shrunk: bool) -> Patch:
        """Return the probability in the plane that logits (h, w) stand for."""
        return part_in_pixels(logits, self.part, self.frame, self.shape, shrunk)


class Tracker:
    """Look for objects in the planes of a volume.

    Parameters
    ----------
    model
        Taught to follow.
    planes
        The planes to look in. Embeddings are kept where this one keeps its own, and
        shared with it if its model has the same encoder.
    """

    def __init__(self, model: Follower, planes: VolumePredictor) -> None:
        same = planes.model.config.window == model.config.window
        window = planes.window if same else None
        self._planes = VolumePredictor(model, planes.volume, planes.store, window)
        self._model = model

    def look(
        self, look: Look, cancelled: Callable[[], bool] = lambda: False
    ) -> Sighting:
        """Look for an object where it is expected.

        Parameters
        ----------
        cancelled
            Asked between blocks of the encoder.

        Raises
        ------
        napari_segnext.models.Cancelled
            If `cancelled` said so.
        """
        view = self._view(look, self._planes.apart, cancelled)
        return self._follow([view], view.step > 1)[0]

    def glance(
        self,
        looks: Sequence[Look],
        cancelled: Callable[[], bool] = lambda: False,
    ) -> Iterator[tuple[int, Sighting]]:
        """Look no closer than shows the objects, at parts of one shape together.

        It is for many objects.

        Parameters
        ----------
        cancelled
            Asked before the model is, and between blocks of the encoder.

        Yields
        ------
        Which of the looks, and what was seen; not in their order

        Raises
        ------
        napari_segnext.models.Cancelled
            If `cancelled` said so. What was yielded until then is good.
        """
        at = cache(self._planes.apart)
        groups: dict[tuple[Any, ...], list[tuple[int, _View]]] = {}
        for number, look in enumerate(looks):
            view = self._view(look, at, cancelled, glance=True)
            group = groups.setdefault(view.form, [])
            group.append((number, view))
            if len(group) == _TOGETHER:
                yield from self._seen(groups.pop(view.form), cancelled)
        for group in groups.values():
            yield from self._seen(group, cancelled)

    def _seen(
        self, group: Sequence[tuple[int, _View]], cancelled: Callable[[], bool]
    ) -> Iterator[tuple[int, Sighting]]:
        if cancelled():
            raise Cancelled
        numbers, views = zip(*group, strict=True)
        yield from zip(numbers, self._follow(views, shrunk=True), strict=True)

    def _view(
        self,
        look: Look,
        at: Callable[[Plane], Predictor],
        cancelled: Callable[[], bool],
        glance: bool = False,
    ) -> _View:
        """Choose a part of a tile, and have it embedded."""
        predictor = at(look.plane)
        enough = _ENOUGH if glance else None
        tile = _tile_for(predictor, look.expected.above(0.5), enough)
        frame = predictor.pyramid.frame(tile)
        patches = (look.expected, *(patch for _, patch in look.seen))
        drawn = [frame.crop_part(each.values, each.offset) for each in patches]
        part = around(drawn)
        features = {
            plane: self._features(at(plane), tile, part, cancelled)
            for plane in {look.plane, *(plane for plane, _ in look.seen)}
        }
        return _View(
            frame,
            predictor.shape,
            predictor.pyramid.step(tile.level),
            part,
            features[look.plane],
            tuple(features[plane] for plane, _ in look.seen),
            tuple(torch.from_numpy(each[part.slices])[None] for each in drawn),
        )

    def _follow(self, views: Sequence[_View], shrunk: bool) -> list[Sighting]:
        """Ask the model for views of one form at once."""
        features = _stacked([view.features for view in views])
        expected, *masks = (
            torch.stack(each).to(self._model.device)
            for each in zip(*(view.drawn for view in views), strict=True)
        )
        # What is the same need not be computed twice.
        known = (
            features if views[0].known[n] is views[0].features else _stacked(each)
            for n, each in enumerate(zip(*(view.known for view in views), strict=True))
        )
        seen = [Seen(each, mask) for each, mask in zip(known, masks, strict=True)]
        adapt_threads()
        with torch.inference_mode():
            found = self._model.follow(features, expected, seen)
        maps = found.logits[:, 0].float().cpu().numpy()
        present, overlap = (
            logits.sigmoid().tolist() for logits in (found.present, found.overlap)
        )
        return [
            Sighting(view.in_plane(logits, shrunk), *judged)
            for view, logits, *judged in zip(views, maps, present, overlap, strict=True)
        ]

    def _features(
        self,
        predictor: Predictor,
        tile: Tile,
        part: Extent,
        cancelled: Callable[[], bool],
    ) -> Features:
        """Return the features of a part of a tile, in model pixels."""
        embedding = predictor.embedding(tile, cancelled)
        return embedding.part(part, predictor.model.config.size)


def _stacked(features: Sequence[Features]) -> Features:
    return {name: torch.cat([each[name] for each in features]) for name in features[0]}


def _tile_for(predictor: Predictor, mask: Extent, enough: int | None = None) -> Tile:
    """Choose the tile for a mask that is not empty.

    Parameters
    ----------
    enough
        Model pixels along the longer side of the mask that are enough.
    """
    corners = [mask[:2], (mask.bottom - 1, mask.right - 1)]
    bounds = bounds_of(corners, predictor.shape)
    if enough is None:
        return predictor.pyramid.choose(bounds)
    return predictor.pyramid.coarsest(bounds, enough)

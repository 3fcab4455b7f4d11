"""A head for a kind of object, trained on what is known of it."""

from __future__ import annotations

from collections.abc import Callable, Generator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial

import numpy as np
import torch
from torch import Tensor
from torch.nn.functional import binary_cross_entropy_with_logits, interpolate

from napari_segnext.engines.threads import adapt_threads
from napari_segnext.finding.calibration import Calibration, trying
from napari_segnext.finding.examples import Example, sizes
from napari_segnext.finding.finder import Finder
from napari_segnext.finding.head import Head, readable, statistics
from napari_segnext.finding.turns import at_once, begun_anew
from napari_segnext.finding.views import (
    augmented,
    frame_near,
    level_for,
    view_of,
)
from napari_segnext.predicting.volume_predictor import VolumePredictor
from napari_segnext.weights.triton_guard import without_triton

# How often a head is corrected, by how many views, of so many that are embedded.
STEPS = 500
_TOGETHER, _VIEWS = 2, 160
_RATE, _DECAY, _WARMING = 4e-3, 1e-2, 0.2
# Views from which the statistics of the maps are taken.
_SAMPLED = 24

# Of what is learned, how long each half is learned from, and in how many planes at most
# proposals are tried.
_SHORTER, _TRIED = 0.3, 2


@dataclass(frozen=True, slots=True, eq=False)
class Lesson:
    """A view that was embedded: maps by name, and what is known, see `View`."""

    maps: dict[str, Tensor]
    targets: Tensor
    weights: Tensor
    beyond: Tensor

    def half(self, beyond: bool) -> Lesson:
        """Return it with what is known on one side alone."""
        there = self.beyond if beyond else ~self.beyond
        return replace(self, weights=torch.where(there, self.weights, 0.0))


def learning(
    predictor: VolumePredictor,
    examples: Sequence[Example],
    cancelled: Callable[[], bool] = lambda: False,
    steps: int = STEPS,
    seed: int = 0,
) -> Generator[float, None, Finder]:
    """Train piece by piece; each takes a fraction of a second.

    Parameters
    ----------
    predictor
        Of the image.
    examples
        Planes in which something is known, with an object at least in one of them.
    cancelled
        Asked between blocks of the encoder: what is being embedded is then begun anew
        with the next piece.
    steps
        How often the head is corrected; half as often where no plane is complete.

    Yields
    ------
    The share that is done, 0 to 1

    Returns
    -------
    What finds objects of the kind in other planes

    Raises
    ------
    ValueError
        If no example has an object, a plane lies outside the image, or the model makes
        no maps that can be learned from.
    """
    return (yield from _Course(predictor, examples, cancelled, steps, seed).taken())


def learn(
    predictor: VolumePredictor,
    examples: Sequence[Example],
    cancelled: Callable[[], bool] = lambda: False,
    progress: Callable[[float], None] = lambda share: None,
    steps: int = STEPS,
    seed: int = 0,
) -> Finder:
    """Train; parameters are those of `learning`.

    Parameters
    ----------
    cancelled
        Asked all the time.
    progress
        Told the share that is done.

    Raises
    ------
    ValueError
        As `learning`.
    napari_segnext.models.Cancelled
        If `cancelled` said so.
    """
    work = learning(predictor, examples, cancelled, steps, seed)
    return at_once(work, cancelled, progress)


class _Course:
    """All that is learned of a kind; parameters are those of `learning`."""

    def __init__(
        self,
        predictor: VolumePredictor,
        examples: Sequence[Example],
        cancelled: Callable[[], bool],
        steps: int,
        seed: int,
    ) -> None:
        self._usual = sizes(examples)
        self._predictor, self._cancelled = predictor, cancelled
        self._examples = [e for e in examples if e.objects or e.others or e.complete]
        first = predictor.at(self._examples[0].plane)
        self._level = level_for(self._examples, first.pyramid)
        self._whole = [e for e in self._examples if e.complete and e.objects][:_TRIED]
        self._seed, self._rng = seed, np.random.default_rng(seed)
        self._views = min(_VIEWS, steps)
        # Else it is learned by heart that what nobody has labelled yet is none.
        self._steps = steps if self._whole else max(1, steps // 2)
        self._shorter = max(1, round(_SHORTER * steps)) if self._whole else 0
        self._done, self._lessons = 0, list[Lesson]()

    def taken(self) -> Generator[float, None, Finder]:
        """Embed, try on either half what the other teaches, and learn from all."""
        for number in range(self._views):
            example = self._examples[number % len(self._examples)]
            lesson = yield from begun_anew(partial(self._lesson, example), self._share)
            self._lessons.append(lesson)
            yield self._share(1)
        tried = yield from self._tried()
        finder = yield from self._trained(self._lessons, self._steps)
        return finder.calibrated(Calibration.fitted(tried))

    def _share(self, more: int = 0) -> float:
        """Note more pieces of work that are done; return the share of all."""
        self._done += more
        return self._done / (self._views + 2 * self._shorter + self._steps)

    def _lesson(self, example: Example) -> Lesson:
        """Embed a view of an example at random."""
        at, model = self._predictor.at(example.plane), self._predictor.model
        scale, config = at.pyramid.scale(self._level), model.config
        frame = frame_near(example, at.shape, scale, config, self._rng)
        view = augmented(view_of(at.seen(frame), example, frame), self._rng)
        tensors = model.encode(view.pixels, self._cancelled).tensors
        # Those made in inference mode cannot be trained on.
        names = readable(tensors, config.size)
        if not names:
            raise ValueError(
                "the model makes no maps that others can be found by: choose another"
            )
        maps = {name: tensors[name].half().clone() for name in names}
        known = (view.targets, view.weights, view.beyond)
        return Lesson(maps, *map(torch.from_numpy, known))

    def _tried(self) -> Generator[float, None, list[tuple[float, bool]]]:
        """Return what `trying` tells of all planes that are complete."""
        tried: list[tuple[float, bool]] = []
        for beyond in (False, True) if self._whole else ():
            lessons = [lesson.half(beyond) for lesson in self._lessons]
            finder = yield from self._trained(lessons, self._shorter)
            for example in self._whole:
                for found in trying(finder, example, not beyond, self._cancelled):
                    tried += found
                    yield self._share()
        return tried

    def _trained(
        self, lessons: list[Lesson], steps: int
    ) -> Generator[float, None, Finder]:
        head = _fresh(lessons, self._predictor.model.device, self._seed)
        for _ in _corrections(head, lessons, steps, self._rng):
            yield self._share(1)
        return Finder(self._predictor, head.eval(), self._level, self._usual)


def _fresh(lessons: list[Lesson], device: torch.device, seed: int) -> Head:
    """Return a head that has learned nothing, for maps as those of lessons are."""
    found = statistics([each.maps for each in lessons[:_SAMPLED]])
    sides = {name: tensor.shape[-1] for name, tensor in lessons[0].maps.items()}
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        return Head(found, sides).to(device)


def _corrections(
    head: Head, lessons: list[Lesson], steps: int, rng: np.random.Generator
) -> Generator[int, None, None]:
    """Train a head; yield the number of the step after each."""
    head.train().to(memory_format=torch.channels_last)
    # It imports torch's compiler, and that triton.
    with without_triton():
        optimiser = torch.optim.AdamW(head.parameters(), _RATE, weight_decay=_DECAY)
    schedule = torch.optim.lr_scheduler.OneCycleLR(
        optimiser, _RATE, total_steps=steps, pct_start=_WARMING
    )
    order: list[int] = []
    for number in range(1, steps + 1):
        if len(order) < _TOGETHER:
            order = rng.permutation(len(lessons)).tolist()
        chosen = [lessons[order.pop()] for _ in range(_TOGETHER)]
        adapt_threads()
        with torch.inference_mode(False), torch.enable_grad():
            loss = _loss(head, chosen)
            optimiser.zero_grad()
            loss.backward()  # type: ignore[no-untyped-call]
            optimiser.step()
        schedule.step()
        yield number


def _loss(head: Head, lessons: Sequence[Lesson]) -> Tensor:
    """Return cross-entropy plus Dice (Milletari et al., 2016), both weighted."""
    device = next(head.parameters()).device
    maps = _stacked([each.maps for each in lessons], device)
    targets = torch.stack([each.targets for each in lessons]).to(device)
    weights = torch.stack([each.weights for each in lessons])[:, None].to(device)
    logits = interpolate(head(maps), size=targets.shape[-2:], mode="bilinear")
    entropy = binary_cross_entropy_with_logits(logits, targets, reduction="none")
    told = logits.sigmoid()

    def total(values: Tensor) -> Tensor:
        return (values * weights).sum((0, 2, 3))

    dice = (2 * total(told * targets) + 1) / (total(told) + total(targets) + 1)
    loss: Tensor = (total(entropy) / weights.sum().clamp(min=1)).sum() + (
        1 - dice
    ).mean()
    return loss


def _stacked(
    maps: Sequence[Mapping[str, Tensor]], device: torch.device
) -> dict[str, Tensor]:
    return {
        name: torch.stack([each[name] for each in maps])
        .to(device)
        .float()
        .contiguous(memory_format=torch.channels_last)
        for name in maps[0]
    }

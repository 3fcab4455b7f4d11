"""A head for a kind of object, trained on what is known of it."""

from __future__ import annotations

from collections.abc import Callable, Generator, Mapping, Sequence

import numpy as np
import torch
from torch import Tensor
from torch.nn.functional import binary_cross_entropy_with_logits, interpolate

from napari_segnext.engines.threads import adapt_threads
from napari_segnext.finding.examples import Example, sizes
from napari_segnext.finding.finder import Finder
from napari_segnext.finding.head import Head, readable, statistics
from napari_segnext.finding.views import View, augmented, frame_near, known, level_for
from napari_segnext.models import Cancelled
from napari_segnext.predicting.volume_predictor import VolumePredictor

# How often a head is corrected, by how many views, of so many that are embedded.
STEPS = 500
_TOGETHER, _VIEWS = 2, 160
_RATE, _DECAY, _WARMING = 4e-3, 1e-2, 0.2
# Views from which the statistics of the maps are taken.
_SAMPLED = 24

# Maps of an embedding, targets, weights.
Lesson = tuple[dict[str, Tensor], Tensor, Tensor]


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
        Asked between blocks of the encoder.
    steps
        How often the head is corrected.

    Yields
    ------
    The share that is done, 0 to 1

    Returns
    -------
    What finds objects of the kind in other planes

    Raises
    ------
    ValueError
        If no example has an object, or a plane lies outside the image.
    napari_segnext.models.Cancelled
        If `cancelled` said so.
    """
    usual = sizes(examples)
    useful = [e for e in examples if e.objects or e.others or e.complete]
    level = level_for(useful, predictor.at(useful[0].plane).pyramid)
    rng, lessons = np.random.default_rng(seed), list[Lesson]()
    views = min(_VIEWS, steps)
    work = views + steps
    for number in range(views):
        example = useful[number % len(useful)]
        lessons.append(_lesson(predictor, example, level, rng, cancelled))
        yield (number + 1) / work
    found = statistics([maps for maps, _, _ in lessons[:_SAMPLED]])
    sides = {name: tensor.shape[-1] for name, tensor in lessons[0][0].items()}
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        head = Head(found, sides).to(predictor.model.device)
    for number in _corrections(head, lessons, steps, rng):
        yield (views + number) / work
    return Finder(predictor, head.eval(), level, usual)


def learn(
    predictor: VolumePredictor,
    examples: Sequence[Example],
    cancelled: Callable[[], bool] = lambda: False,
    progress: Callable[[float], None] = lambda share: None,
    steps: int = STEPS,
    seed: int = 0,
) -> Finder:
    """Train; parameters and errors are those of `learning`.

    Parameters
    ----------
    cancelled
        Asked all the time.
    progress
        Told the share that is done.
    """
    work = learning(predictor, examples, cancelled, steps, seed)
    while True:
        if cancelled():
            raise Cancelled
        try:
            progress(next(work))
        except StopIteration as end:
            finder: Finder = end.value
            return finder


def _lesson(
    predictor: VolumePredictor,
    example: Example,
    level: int,
    rng: np.random.Generator,
    cancelled: Callable[[], bool],
) -> Lesson:
    """Embed a view of an example at random."""
    at, model = predictor.at(example.plane), predictor.model
    scale = at.pyramid.scale(level)
    frame = frame_near(example, at.shape, scale, model.config, rng)
    view = View(at.seen(frame), *known(example, frame))
    view = augmented(view, rng)
    tensors = model.encode(view.pixels, cancelled).tensors
    # Those made in inference mode cannot be trained on.
    maps = {n: tensors[n].half().clone() for n in readable(tensors, model.config.size)}
    return maps, torch.from_numpy(view.targets), torch.from_numpy(view.weights)


def _corrections(
    head: Head, lessons: list[Lesson], steps: int, rng: np.random.Generator
) -> Generator[int, None, None]:
    """Train a head; yield the number of the step after each."""
    head.train().to(memory_format=torch.channels_last)
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
    maps = _stacked([maps for maps, _, _ in lessons], device)
    targets = torch.stack([each for _, each, _ in lessons]).to(device)
    weights = torch.stack([each for _, _, each in lessons])[:, None].to(device)
    logits = interpolate(head(maps), size=targets.shape[-2:], mode="bilinear")
    entropy = binary_cross_entropy_with_logits(logits, targets, reduction="none")
    told = logits.sigmoid()

    def total(values: Tensor) -> Tensor:
        return (values * weights).sum((0, 2, 3))

    dice = (2 * total(told * targets) + 1) / (total(told) + total(targets) + 1)
    loss: Tensor = (total(entropy) / weights.sum()).sum() + (1 - dice).mean()
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

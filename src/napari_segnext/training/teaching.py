"""Teach a model the objects that a user has accepted, in a minute.

The encoder stays as it is, so what is embedded stays of use; the decoder learns on it.
Every fifth object is held out: what is learned from the others is worth keeping if
these get better with one prompt and with three.
"""

from __future__ import annotations

from collections.abc import Callable, Generator, Sequence
from dataclasses import dataclass, replace

import numpy as np
import torch
from torch import Tensor

from napari_segnext.engines import EngineModel
from napari_segnext.engines.threads import adapt_threads
from napari_segnext.evaluation.evaluate import run_course
from napari_segnext.evaluation.results import Settings
from napari_segnext.finding.turns import at_once
from napari_segnext.geometry.resample import FloatArray
from napari_segnext.models import SegmentationModel, build_model
from napari_segnext.models.fingerprint import model_fingerprint
from napari_segnext.models.follower import Follower
from napari_segnext.models.tiny import Tiny
from napari_segnext.predicting.volume_predictor import VolumePredictor
from napari_segnext.prompts import Prompts
from napari_segnext.session.accepted import EVERY, Accepted, check_enough
from napari_segnext.training.adam import Adam
from napari_segnext.training.lessons import Lesson, Lessons, Talk
from napari_segnext.training.losses import dice_loss, normalised_focal_loss

# How often the decoder is corrected, by how many conversations, of which every so
# manieth is the user's own.
STEPS = 80
_TOGETHER, _REPLAYED = 2, 3
_RATE, _WARMUP, _DECAY, _AVERAGED = 1e-3, 10, 0.6, 0.95
# Prompts with which an object that is held out is measured, and those that count.
_PROMPTS, _COUNTED = 3, (1, 3)
# From which intersection over union on an answer is as good as what was accepted: that
# was an answer of the model before, to which only this comes closer.
RIGHT = 0.9
# How often the simulated user prompts an object, with how unsteady a hand.
_ROBOTS, _JITTER = 3, 0.3
# What measuring, before or after, is of all the time.
_MEASURED = 0.05


@dataclass(frozen=True, slots=True, eq=False)
class Taught:
    """What teaching gave.

    Attributes
    ----------
    model
        The new model; embeddings of the one before serve it.
    before, after
        Mean IoU of the objects that were held out after 1, 2 and 3 prompts, of which
        each counts as `RIGHT` at most.
    learned, held_out
        How many objects were learned from, and held out.
    """

    model: Tiny
    before: tuple[float, ...]
    after: tuple[float, ...]
    learned: int
    held_out: int

    @property
    def better(self) -> bool:
        """Whether what was held out got better with one prompt and with three.

        What was right already need not get better.
        """
        gains = [self.after[n - 1] - self.before[n - 1] for n in _COUNTED]
        return min(gains) >= 0 and max(gains) > 0


def check_teachable(model: SegmentationModel, accepted: Sequence[Accepted]) -> Tiny:
    """Return the network that can learn.

    Raises
    ------
    ValueError
        If there are too few objects, or the model is not of the kind of `tiny`.
    """
    network = model.plain if isinstance(model, EngineModel) else model
    if not isinstance(network, Tiny) or isinstance(network, Follower):
        raise ValueError(
            "only tiny, and models trained from it, can be taught in a minute: choose "
            "tiny, or fine-tune this one on the command line"
        )
    check_enough(accepted)
    return network


def teaching(
    predictor: VolumePredictor,
    accepted: Sequence[Accepted],
    cancelled: Callable[[], bool] = lambda: False,
    steps: int = STEPS,
    seed: int = 0,
) -> Generator[float, None, Taught]:
    """Teach piece by piece; each takes a tenth of a second.

    Parameters
    ----------
    predictor
        Of the image, with the model to start from.
    accepted
        Objects of one kind, five at least.
    cancelled
        Asked between blocks of the encoder.
    steps
        How often the decoder is corrected.

    Yields
    ------
    The share that is done, 0 to 1

    Returns
    -------
    The new model, be it better or not

    Raises
    ------
    ValueError
        As `check_teachable`.
    napari_segnext.models.Cancelled
        If `cancelled` said so.
    """
    network = check_teachable(predictor.model, accepted)
    learned, held_out = _divided(accepted)
    base = predictor.model.embeds_as or model_fingerprint(predictor.model)
    pupil = _copy(network, base)
    before = yield from _measured(predictor, held_out, 0.0)
    yield from _corrected(pupil, predictor, learned, cancelled, steps, seed)
    after = yield from _measured(_with_model(predictor, pupil), held_out, 1 - _MEASURED)
    counts = (len({each.object_id for each in part}) for part in (learned, held_out))
    return Taught(pupil, before, after, *counts)


def teach(
    predictor: VolumePredictor,
    accepted: Sequence[Accepted],
    cancelled: Callable[[], bool] = lambda: False,
    progress: Callable[[float], object] = lambda share: None,
    steps: int = STEPS,
    seed: int = 0,
) -> Taught:
    """Teach; parameters and errors are those of `teaching`.

    Parameters
    ----------
    cancelled
        Asked all the time.
    progress
        Told the share that is done.
    """
    work = teaching(predictor, accepted, cancelled, steps, seed)
    return at_once(work, cancelled, progress)


def _divided(accepted: Sequence[Accepted]) -> tuple[list[Accepted], list[Accepted]]:
    """Return what is learned from, and what is held out: every fifth object."""
    ids = list(dict.fromkeys(each.object_id for each in accepted))
    held_out = set(ids[EVERY - 1 :: EVERY])
    learned = [each for each in accepted if each.object_id not in held_out]
    return learned, [each for each in accepted if each.object_id in held_out]


def _copy(network: Tiny, base: str) -> Tiny:
    """Return a model that can learn, and takes the embeddings of the one before."""
    arch = {**network.config.arch, "base": base}
    # One that was made in inference mode could not learn.
    with torch.inference_mode(False):
        pupil = build_model(replace(network.config, arch=arch))
        pupil.load_state_dict(network.state_dict())
    assert isinstance(pupil, Tiny)
    return pupil.eval().to(network.device)


def _with_model(predictor: VolumePredictor, model: Tiny) -> VolumePredictor:
    return VolumePredictor(model, predictor.volume, predictor.store, predictor.window)


def _measured(
    predictor: VolumePredictor, held_out: Sequence[Accepted], done: float
) -> Generator[float, None, tuple[float, ...]]:
    """Return the mean IoU after 1, 2 and 3 prompts, the user's and a robot's.

    Each counts as `RIGHT` at most.

    Parameters
    ----------
    done
        The share of all that is done; it grows by that of measuring.
    """
    settings, rows = Settings(_PROMPTS, jitter=_JITTER), []
    rng = np.random.default_rng(0)
    for number, each in enumerate(held_out, 1):
        at = predictor.at(each.plane)
        truth = each.mask.paste(at.shape).astype(np.int8)
        for given in (each.prompts, *(Prompts(),) * _ROBOTS):
            rows.append(run_course(at, truth, settings, rng, given).ious)
            yield done + _MEASURED * number / len(held_out)
    return tuple(map(float, np.minimum(rows, RIGHT).mean(0)))


def _corrected(
    pupil: Tiny,
    predictor: VolumePredictor,
    learned: Sequence[Accepted],
    cancelled: Callable[[], bool],
    steps: int,
    seed: int,
) -> Generator[float, None, None]:
    """Train the decoder; it ends up as the mean of what it was of late."""
    rng, config = np.random.default_rng(seed), pupil.config
    # Each look at a first click is learned from.
    pupil.config = replace(config, looks=1)
    lessons = Lessons(_with_model(predictor, pupil), config.looks, rng, cancelled)
    parameters = pupil.decoder_parameters()
    optimiser, average = Adam(parameters), [p.detach().clone() for p in parameters]
    order: list[int] = []
    for step in range(steps):
        optimiser.clear()
        for number in range(_TOGETHER):
            order = order or rng.permutation(len(learned)).tolist()
            each = learned[order.pop()]
            own = (_TOGETHER * step + number) % _REPLAYED == 0
            talk = lessons.replayed(each) if own else lessons.simulated(each)
            for _ in _learn(pupil, talk):
                yield _MEASURED + (1 - 2 * _MEASURED) * step / steps
        optimiser.step(_RATE * _share_of_rate(step, steps))
        _follow(average, parameters, _AVERAGED if step else 0.0)
    _follow(parameters, average, 0.0)
    pupil.config = config


@torch.no_grad()
def _follow(average: Sequence[Tensor], values: Sequence[Tensor], kept: float) -> None:
    """Move averages to values, all the way but for a share that is kept."""
    for mean, value in zip(average, values, strict=True):
        mean.lerp_(value, 1 - kept)


def _share_of_rate(step: int, steps: int) -> float:
    """Return the share of the learning rate: it rises, stays and falls."""
    return min(1.0, (step + 1) / _WARMUP, (steps - step) / (_DECAY * steps))


def _learn(pupil: Tiny, talk: Talk) -> Generator[None, None, None]:
    """Add the gradients of a conversation, lesson by lesson."""
    answer = None
    while (lesson := _next(talk, answer)) is not None:
        adapt_threads()
        with torch.inference_mode(False), torch.enable_grad():
            logits = pupil.mask_logits(lesson.features, lesson.dense).float()
            target = lesson.target
            loss = normalised_focal_loss(logits, target) + dice_loss(logits, target)
            loss.backward()  # type: ignore[no-untyped-call]
        answer = logits.detach()[0, 0].sigmoid().cpu().numpy()
        yield


def _next(talk: Talk, answer: FloatArray | None) -> Lesson | None:
    """Return what is asked after an answer; None when the conversation is over."""
    try:
        # To begin with, None is sent.
        return talk.send(answer)  # type: ignore[arg-type]
    except StopIteration:
        return None

"""Objects are followed through planes until they end, and not past what was decided."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import replace
from itertools import count
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

from napari_segnext.geometry.plane import Plane
from napari_segnext.images.volume import Volume
from napari_segnext.models import Cancelled
from napari_segnext.models.base import Features
from napari_segnext.models.follower import Followed
from napari_segnext.predicting.volume_predictor import VolumePredictor
from napari_segnext.propagation import (
    Annotated,
    PlaneResult,
    Propagation,
    Rules,
    propagate,
    search,
    to_check,
)
from tests.doubles import WHOLE, IntensityFollower

SHAPE = (24, 64, 56)
EMPTY = np.zeros((64, 56), bool)


PADDED = replace(WHOLE, resize="pad")


class Both(IntensityFollower):
    """Answers clicks, whatever was there before, and follows."""

    def mask_logits(self, features: Features, dense: Tensor) -> Tensor:
        dense = dense.clone()
        dense[:, 0] = 0
        return super().mask_logits(features, dense)


@pytest.fixture(autouse=True)
def model(monkeypatch: pytest.MonkeyPatch) -> Both:
    both = Both(PADDED)
    monkeypatch.setattr(search, "load_follower", lambda device: both)
    return both


def ellipsoid(centre=(12, 32, 28), radii=(7, 16, 12)) -> np.ndarray:
    distances = [
        ((n - c) / r) ** 2
        for n, c, r in zip(np.indices(SHAPE), centre, radii, strict=True)
    ]
    return sum(distances) <= 1


def tube() -> np.ndarray:
    """Wander through all sections and fork in the middle."""
    z, y, x = np.indices(SHAPE)
    spread = np.maximum(z - 10, 0)
    stem = 20 + 0.8 * z
    left = (y - stem) ** 2 + (x - 28 + 1.1 * spread) ** 2 <= 36
    right = (y - stem) ** 2 + (x - 28 - 1.1 * spread) ** 2 <= 36
    return left | right


def predictor(truth: np.ndarray) -> VolumePredictor:
    rng = np.random.default_rng(0)
    image = np.where(truth, 200, 40) + rng.integers(-8, 9, truth.shape)
    return VolumePredictor(search.load_follower("cpu"), Volume(image.astype(np.uint8)))


def decided(truth: np.ndarray, *indices: int, axis: int = 0) -> dict[Plane, Annotated]:
    return {Plane(axis, i): Annotated(truth.take(i, axis)) for i in indices}


def whole(results: list[PlaneResult], annotated, axis: int = 0) -> np.ndarray:
    found = np.zeros(SHAPE, bool)
    planes = np.moveaxis(found, axis, 0)
    for plane, each in annotated.items():
        planes[plane.index] = each.mask
    for result in results:
        assert result.plane not in annotated
        planes[result.plane.index] = result.mask
    return found


def confidence(results) -> dict[Plane, float]:
    return {result.plane: result.confidence for result in results}


def dice(first: np.ndarray, second: np.ndarray) -> float:
    return float(2 * (first & second).sum() / (first.sum() + second.sum()))


@pytest.mark.parametrize("axis", [0, 1, 2])
@pytest.mark.parametrize("places", [(0.5,), (0.35, 0.6), (0.3, 0.5, 0.7)])
def test_an_ellipsoid_is_found_along_any_axis(axis: int, places) -> None:
    truth = ellipsoid()
    first, *_, last = np.flatnonzero(truth.any(tuple({0, 1, 2} - {axis})))
    indices = [round(first + place * (last - first)) for place in places]
    annotated = decided(truth, *indices, axis=axis)
    results = list(propagate(predictor(truth), annotated, axis))
    assert len({r.plane for r in results}) == len(results)
    assert {r.plane.axis for r in results} == {axis}
    assert dice(whole(results, annotated, axis), truth) > 0.95


@pytest.mark.parametrize("start", [2, 10, 21])
def test_a_tube_is_followed_into_and_out_of_its_branches(start: int) -> None:
    truth = tube()
    annotated = decided(truth, start)
    results = list(propagate(predictor(truth), annotated))
    assert dice(whole(results, annotated), truth) > 0.97


def test_sections_far_apart_are_bridged_from_two_planes() -> None:
    truth = tube()[::4].repeat(4, 0)[:24]
    annotated = decided(truth, 1, 22)
    results = list(propagate(predictor(truth), annotated))
    assert dice(whole(results, annotated), truth) > 0.95


def test_an_object_ends_where_it_vanishes_and_is_not_sought_again() -> None:
    truth = tube()
    truth[15:18] = False
    annotated = decided(truth, 5)
    results = list(propagate(predictor(truth), annotated))
    assert {r.plane.index for r in results} == set(range(15)) - {5}


def test_an_object_ends_where_the_follower_says_so_or_it_is_small(
    model: Both, monkeypatch: pytest.MonkeyPatch
) -> None:
    truth = ellipsoid()

    def reached(rules: Rules) -> int:
        return len(list(propagate(predictor(truth), decided(truth, 12), rules=rules)))

    far = reached(Rules())
    assert reached(Rules(smallest=300)) < far
    follow = model.follow

    def doubting(*asked: Any) -> Followed:
        found = follow(*asked)
        return replace(found, present=torch.full_like(found.present, 0.5))

    monkeypatch.setattr(model, "follow", doubting)
    assert reached(Rules(sure=0.5)) == far
    assert reached(Rules(sure=0.9)) == 0


def test_an_object_between_two_planes_is_not_given_up() -> None:
    truth = tube()
    shown = truth.copy()
    shown[15:18] = False
    annotated = decided(truth, 10, 22)
    results = {r.plane.index: r for r in propagate(predictor(shown), annotated)}
    assert all(results[z].mask.any() for z in (15, 16, 17))
    assert max(results[z].confidence for z in (15, 16, 17)) == 0
    assert min(results[z].confidence for z in (12, 13, 20)) > 0.5
    assert {p.index for p in to_check(confidence(results.values()))[:3]} == {15, 16, 17}


def test_a_neighbour_that_looks_the_same_is_not_taken() -> None:
    truth = ellipsoid(radii=(7, 10, 10))
    other = ellipsoid((12, 32, 50), (9, 10, 5))
    assert not (truth & other).any()
    annotated = decided(truth, 12)
    results = list(propagate(predictor(truth | other), annotated))
    assert dice(whole(results, annotated), truth) > 0.95


def test_no_way_leads_past_a_plane_without_the_object() -> None:
    truth = tube()
    annotated = decided(truth, 5) | {Plane(0, 9): Annotated(EMPTY)}
    results = list(propagate(predictor(truth), annotated))
    assert {r.plane.index for r in results} == {0, 1, 2, 3, 4, 6, 7, 8}
    annotated |= decided(truth, 20)
    results = list(propagate(predictor(truth), annotated))
    assert {r.plane.index for r in results} == set(range(24)) - {5, 9, 20}


def test_planes_of_other_axes_are_left_alone() -> None:
    truth = ellipsoid()
    annotated = decided(truth, 12) | decided(truth, 32, axis=1)
    results = list(propagate(predictor(truth), annotated, 0))
    assert {r.plane.axis for r in results} == {0}


def test_a_correction_is_propagated_to_its_neighbours_alone(
    model: Both,
) -> None:
    truth = tube()
    annotated = decided(truth, 4, 12, 16, 20)
    results = list(propagate(predictor(truth), annotated, within={5, 15}))
    assert {r.plane.index for r in results} == {5, 6, 7, 8, 9, 10, 11, 13, 14, 15}
    # The planes that bound the gaps are looked at too.
    assert model.encoded == 10 + 3


def test_it_can_be_cancelled_in_the_middle_and_goes_on_at_no_cost(
    model: Both,
) -> None:
    truth = ellipsoid()
    follow, annotated = predictor(truth), decided(truth, 12)
    results: list[PlaneResult] = []
    with pytest.raises(Cancelled):
        for result in propagate(follow, annotated, cancelled=lambda: len(results) == 3):
            results.append(result)
    assert len(results) == model.encoded - 1 == 3
    again = list(propagate(follow, annotated))
    for before, after in zip(results, again, strict=False):
        assert before.plane == after.plane
        np.testing.assert_array_equal(before.probability, after.probability)
    # The last plane on either side shows that the object has ended.
    assert model.encoded == 1 + len(again) + 2


def test_it_goes_on_with_the_plane_at_which_it_was_interrupted(
    model: Both,
) -> None:
    truth = ellipsoid()
    annotated = decided(truth, 12)
    whole_way = list(propagate(predictor(truth), annotated))
    model.encoded = 0
    way = Propagation(predictor(truth), annotated)
    results: list[PlaneResult] = []
    asked = count()
    while not way.ended:
        with suppress(Cancelled):
            results += way.advance(lambda: next(asked) % 3 == 2)
    assert [r.plane for r in results] == [r.plane for r in whole_way]
    for first, second in zip(results, whole_way, strict=True):
        np.testing.assert_array_equal(first.mask, second.mask)
    assert way.done == way.total
    assert model.encoded == 1 + len(results) + 2


@pytest.mark.parametrize("indices", [(12,), (9, 14), (9, 12, 14)])
def test_progress_rises_to_its_total(indices, model: Both) -> None:
    truth = ellipsoid()
    told: list[tuple[int, int]] = []
    follow = predictor(truth)
    list(
        propagate(
            follow,
            decided(truth, *indices),
            progress=lambda done, total: told.append((done, total)),
        )
    )
    done, totals = zip(*told, strict=True)
    assert list(done) == sorted(done)
    assert all(d <= t for d, t in told)
    # Each plane bounds two gaps and is looked for from two wrong shapes for either.
    assert done[-1] == totals[-1] == (model.decoded - 4 * len(indices)) / 2


def test_what_differs_from_both_sides_is_less_certain() -> None:
    truth = ellipsoid()
    annotated = decided(truth, 9, 15)
    sure = {r.plane: r for r in propagate(predictor(truth), annotated)}
    odd = truth.copy()
    odd[12] &= np.indices(SHAPE)[2][12] < 24
    doubtful = {r.plane: r for r in propagate(predictor(odd), annotated)}
    plane = Plane(0, 12)
    assert doubtful[plane].confidence < sure[plane].confidence - 0.1
    assert to_check(confidence(doubtful.values()))[0] == plane


def test_planes_to_check_are_the_doubtful_ones_worst_first() -> None:
    values = [0.8, 0.4, 0.92, 0.1, 0.78, 0.7]
    known = {Plane(0, index): value for index, value in enumerate(values)}
    assert [plane.index for plane in to_check(known)] == [3, 1]
    assert to_check({}) == []


def test_it_says_what_is_missing() -> None:
    truth = ellipsoid()
    with pytest.raises(ValueError, match="along axis 1 shows the object"):
        next(propagate(predictor(truth), decided(truth, 12), 1))
    with pytest.raises(ValueError, match="along axis 0 shows the object"):
        next(propagate(predictor(truth), {Plane(0, 3): Annotated(EMPTY)}))
    mixed = decided(truth, 12) | {Plane(0, 13, (1,)): Annotated(truth[13])}
    with pytest.raises(ValueError, match="same time point"):
        next(propagate(predictor(truth), mixed))

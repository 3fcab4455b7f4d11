"""Sources are weighed by how right they were where the answer is known."""

import numpy as np
import pytest

from napari_segnext.propagation.weighing import Evidence, log_odds

rng = np.random.default_rng(0)
TRUTH = rng.random(4000) < 0.4
NOTHING = rng.normal(0, 2, 4000)


def right(spread: float) -> np.ndarray:
    return np.where(TRUTH, 2.0, -2.0) + rng.normal(0, spread, 4000)


def share_right(evidence: Evidence, features: np.ndarray) -> float:
    found = evidence.probability(features[None].astype(np.float32))[0] > 0.5
    return float((found == TRUTH).mean())


@pytest.mark.parametrize("source", [0, 1, 2])
def test_the_source_that_was_right_is_followed(source: int) -> None:
    features = np.stack([NOTHING, rng.permutation(NOTHING), -NOTHING], -1)
    features[:, source] = right(1.0)
    evidence = Evidence(features, TRUTH)
    assert evidence.weights.argmax() == source
    assert share_right(evidence, features) > 0.95


def test_sources_that_agree_are_added() -> None:
    features = np.stack([right(2.0), right(2.0), right(2.0)], -1)
    evidence = Evidence(features, TRUTH)
    alone = ((features[:, 0] > 0) == TRUTH).mean()
    assert share_right(evidence, features) > alone + 0.08


def test_what_is_always_too_much_is_corrected() -> None:
    features = np.stack([right(1.0) + 2, np.zeros(4000), np.zeros(4000)], -1)
    evidence = Evidence(features, TRUTH)
    assert evidence.weights[-1] < -0.5
    assert share_right(evidence, features) > 0.95


def test_nothing_is_trusted_beyond_measure_nor_turned_around() -> None:
    sure = np.where(TRUTH, 9.0, -9.0)
    evidence = Evidence(np.stack([sure, sure, -sure], -1), TRUTH)
    assert (evidence.weights[:3] >= 0).all()
    assert (evidence.weights <= 3).all()
    assert evidence.weights[2] < 0.8


def test_a_few_pixels_convince_of_little() -> None:
    features = np.stack([-right(1.0), right(1.0), right(1.0)], -1)
    few, many = Evidence(features[:4], TRUTH[:4]), Evidence(features, TRUTH)
    assert few.weights[0] > 0.3 > many.weights[0]


def test_log_odds_are_limited() -> None:
    odds = log_odds(np.array([0, 0.5, 1], np.float32))
    assert odds[0] == pytest.approx(-odds[2], abs=0.01)
    assert odds[0] < -9
    assert odds[1] == pytest.approx(0, abs=1e-6)

"""Generated pairs of objects that words tell apart."""

from __future__ import annotations

import numpy as np
import pytest

from napari_segnext.training.generated.named import PHRASES, named_pair

PAIRS = [named_pair(np.random.default_rng(seed), 96) for seed in range(80)]


def brightness(pair, number):
    ground = np.median(pair.image[pair.labels == 0])
    return pair.image[pair.labels == number].astype(float), ground


def test_every_phrase_occurs_and_no_pair_has_one_twice():
    assert len(PHRASES) == 16
    assert {p for pair in PAIRS for p in pair.phrases} == set(PHRASES)
    assert all(len(set(pair.phrases)) == 2 for pair in PAIRS)


def test_half_of_the_pairs_share_a_word():
    words = [[set(phrase.split()) for phrase in pair.phrases] for pair in PAIRS]
    shared = [bool(first & second) for first, second in words]
    assert 0.35 < np.mean(shared) < 0.65


@pytest.mark.parametrize("number", [1, 2])
def test_objects_look_as_their_phrases_say(number):
    for pair in PAIRS:
        look, shape = pair.phrases[number - 1].split()
        values, ground = brightness(pair, number)
        if look in ("bright", "dark"):
            assert (np.median(values) > ground + 20) == (look == "bright")
            assert (np.median(values) < ground - 20) == (look == "dark")
        else:
            assert values.std() > 22
        rows, columns = np.nonzero(pair.labels == number)
        middle = round(rows.mean()), round(columns.mean())
        assert (pair.labels[middle] == number) == (shape != "ring")


def test_the_same_seed_gives_the_same_pair():
    again = named_pair(np.random.default_rng(3), 96)
    assert np.array_equal(again.image, PAIRS[3].image)
    assert again.phrases == PAIRS[3].phrases

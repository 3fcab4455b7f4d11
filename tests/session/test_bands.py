"""Masks of large planes are written a band at a time."""

from __future__ import annotations

import tracemalloc

import numpy as np
import pytest

from napari_segnext.geometry import regions
from napari_segnext.geometry.plane import Plane
from napari_segnext.geometry.regions import Patch
from napari_segnext.labels.chunked import LabelStore
from napari_segnext.prompts import Prompts
from napari_segnext.session import Session
from tests.session.doubles import Picture, paint, started
from tests.session.random_player import Player


def played(seed: int) -> Picture:
    player = Player(seed, *started())
    session, rng = player.session, player.rng
    for _ in range(60):
        number, plane, draw = player.open_object(), player.plane(), rng.random()
        if draw < 0.6 and number:
            prompts = player.new_prompts(number, plane)
            request = session.set_prompts(plane, prompts, number)
            if request is not None:
                player.answer(request)
        elif draw < 0.8:
            paint(session, plane, player.pixels(plane, 12), session.current)
        else:
            player.operate()
    return Picture.of(session, player.labels)


@pytest.mark.parametrize("seed", range(4))
def test_masks_written_in_bands_are_those_written_at_once(seed, monkeypatch):
    known = played(seed)
    monkeypatch.setattr(regions, "_BAND", 20)
    assert played(seed) == known


def test_a_mask_over_a_large_plane_takes_few_bytes_a_pixel():
    side = 2500
    session = Session(LabelStore((side, side)), blank=True)
    request = session.set_prompts(Plane(), Prompts().click(5, 5))
    probability = Patch((side, side), (0, 0), np.full((side, side), 0.9, np.float32))
    tracemalloc.start()
    try:
        session.commit(request, probability)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert session.count(1).voxels == side**2
    assert peak < 40 * side**2

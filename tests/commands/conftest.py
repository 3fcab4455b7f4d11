"""What tests of several commands share."""

from __future__ import annotations

import pytest
from tests.doubles import WHOLE
from tests.propagation.test_propagate import Both

from napari_segnext.commands import embed, segment
from napari_segnext.engines import EngineModel
from napari_segnext.propagation import search


@pytest.fixture
def model(monkeypatch: pytest.MonkeyPatch):
    """Put a model that tests can reason about in place of all others."""
    embed._predictor.cache_clear()
    double = Both(WHOLE)
    monkeypatch.setattr(embed, "load_model", lambda name, device: double)
    monkeypatch.setattr(search, "load_follower", lambda device: double)
    on_engine = EngineModel(double)
    monkeypatch.setattr(segment, "load_on_engine", lambda *_, **__: on_engine)
    segment._network.cache_clear()
    yield double
    embed._predictor.cache_clear()

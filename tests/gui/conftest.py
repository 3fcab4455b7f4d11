"""Keep napari's own warnings out of the tests."""

import warnings

with warnings.catch_warnings():
    # What napari's dependencies say while they are imported is not about us.
    warnings.simplefilter("ignore")
    import napari.viewer  # noqa: F401

import numpy as np
import pytest
from tests.gui.driver import DiskEngine, User

SHAPE = (12, 60, 80)


class Desk:
    """A viewer with an image, the widget in it, a started session, and a user."""

    def __init__(self, viewer, image, widget, engine, user):
        self.viewer, self.image, self.widget = viewer, image, widget
        self.engine, self.user = engine, user

    @property
    def annotator(self):
        return self.widget.annotator

    @property
    def labels(self):
        return self.annotator.output.data

    @property
    def status(self):
        return self.widget.status

    def prompts(self, plane, number=None):
        """Return what the session knows of an object in a plane."""
        session = self.annotator.session
        known = session.objects[number or session.current].prompts
        return list(known.get(plane, ()))

    def mask(self, plane, number=1):
        """Return where the output layer shows an object in a plane."""
        return np.take(self.labels, plane.index, plane.axis) == number


@pytest.fixture
def engine(monkeypatch):
    """Put the disk engine in the place of a model."""
    engine = DiskEngine(SHAPE)
    monkeypatch.setattr(
        "napari_segnext.predicting.live.load_live_model", lambda *_: engine
    )
    yield engine
    engine.release()


@pytest.fixture
def desk(make_napari_viewer, qtbot, engine):
    """Start a session on an anisotropic, shifted volume."""
    viewer = make_napari_viewer()
    volume = np.random.default_rng(0).normal(size=SHAPE).astype(np.float32)
    image = viewer.add_image(
        volume, name="volume", scale=(3, 1, 1.5), translate=(20, -10, 5), units="um"
    )
    _, widget = viewer.window.add_plugin_dock_widget("napari-segnext", "SegNext")
    viewer.dims.set_current_step(0, 4)
    widget.start()
    qtbot.waitUntil(lambda: "Ready" in widget.status, timeout=10_000)
    yield Desk(viewer, image, widget, engine, User(viewer, qtbot))
    engine.release()

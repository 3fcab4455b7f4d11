"""A panel that leaves its viewer takes its session along, and loses nothing."""

import gc
import threading
import weakref

import numpy as np
import pytest
from napari.viewer import Viewer
from qtpy.QtWidgets import QApplication
from tests.gui.driver import DiskEngine

from napari_segnext.geometry.plane import Plane

SHAPE = (4, 30, 40)


@pytest.fixture(autouse=True)
def disks(monkeypatch):
    monkeypatch.setattr(
        "napari_segnext.predicting.live.load_live_model", lambda *_: DiskEngine(SHAPE)
    )


def begin(viewer, qtbot):
    """Open the panel and press Start; return it once it can be worked with."""
    _, widget = viewer.window.add_plugin_dock_widget("napari-segnext", "SegNext")
    widget.start()
    saving = widget.annotator.saving
    qtbot.waitUntil(lambda: bool(saving.earlier or saving.path), timeout=10_000)
    return widget


def work(viewer, qtbot):
    """Segment one object in an image."""
    image = np.random.default_rng(0).normal(size=SHAPE).astype(np.float32)
    viewer.add_image(image, name="scan")
    widget = begin(viewer, qtbot)
    widget.annotator.prompts.points.add((2, 15, 20))
    output = widget.annotator.output
    qtbot.waitUntil(lambda: bool(output.data.any()), timeout=10_000)
    saving = widget.annotator.saving
    qtbot.waitUntil(lambda: not (saving.mark or saving.problem), timeout=10_000)
    return widget


def threads():
    return [t.name for t in threading.enumerate() if "segnext" in t.name]


def dock_of(viewer):
    docks = viewer.window._wrapped_dock_widgets.values()
    return next(dock for dock in docks if "SegNext" in dock.name)


def press_x(viewer, widget):
    dock_of(viewer).title.close_button.click()


def remove(viewer, widget):
    viewer.window.remove_dock_widget(widget)


@pytest.mark.parametrize("leave", [press_x, remove])
def test_panel_taken_away_ends_its_session_and_the_next_offers_to_resume(
    make_napari_viewer, qtbot, leave
):
    viewer = make_napari_viewer()
    widget = work(viewer, qtbot)
    leave(viewer, widget)
    qtbot.waitUntil(lambda: not threads(), timeout=10_000)
    seen = [layer.name for layer in viewer.layers if layer.visible]
    assert seen == ["scan", "scan objects"]
    assert not viewer.keymap
    gone = weakref.ref(widget)
    del widget
    QApplication.processEvents()
    gc.collect()
    assert gone() is None
    again = begin(viewer, qtbot)
    assert len(again.annotator.saving.earlier) == 1
    assert not again.annotator.saving.apart


def test_closed_viewer_ends_its_session_and_another_offers_to_resume(
    make_napari_viewer, qtbot
):
    first = Viewer(show=False)
    work(first, qtbot)
    first.close()
    qtbot.waitUntil(lambda: not threads(), timeout=10_000)
    second = make_napari_viewer()
    image = np.random.default_rng(0).normal(size=SHAPE).astype(np.float32)
    second.add_image(image, name="scan")
    again = begin(second, qtbot)
    assert len(again.annotator.saving.earlier) == 1
    again.annotator.saving.resume(again.annotator.saving.earlier[0].path)
    qtbot.waitUntil(lambda: bool(again.annotator.output.data.any()), timeout=10_000)


def test_hidden_or_docked_elsewhere_the_session_goes_on(make_napari_viewer, qtbot):
    viewer = make_napari_viewer()
    widget = work(viewer, qtbot)
    dock = dock_of(viewer)
    dock.setVisible(False)
    dock.setVisible(True)
    viewer.window.remove_dock_widget(widget)
    viewer.window.add_dock_widget(widget, area="left")
    QApplication.processEvents()
    widget.annotator.prompts.points.add((1, 10, 10))
    qtbot.waitUntil(
        lambda: len(widget.annotator.session.objects[1].planes) == 2, timeout=10_000
    )
    assert Plane(0, 1) in widget.annotator.session.objects[1].planes

"""The demonstration in a window: the plugin at work on a real MRI."""

from __future__ import annotations

from collections.abc import Sequence

import napari

from napari_segnext.geometry.plane import Plane
from napari_segnext.plugin.panel.widget import SegNextWidget
from napari_segnext.plugin.sample_data import mri
from napari_segnext.prompts import Click


def open_window(
    model: str, plane: Plane, name: str, clicks: Sequence[Click]
) -> tuple[napari.Viewer, SegNextWidget]:
    """Open napari with the MRI, the plugin, and an object that has been clicked on.

    The clicks go through the plugin's own layers, as a user's do; the mask follows
    when the model is loaded.

    Parameters
    ----------
    plane
        Perpendicular to the first axis.
    name
        Of the object.
    """
    viewer = napari.Viewer(title="napari-segnext: demonstration, not for diagnosis")
    ((volume, about, _),) = mri()
    viewer.add_image(volume, **about)
    viewer.dims.set_current_step(0, plane.index)
    _, widget = viewer.window.add_plugin_dock_widget("napari-segnext", "SegNext")
    assert isinstance(widget, SegNextWidget)
    viewer.window.resize(1500, 900)
    widget.model_choice.show_model(model)
    widget.start()
    annotator = widget.annotator
    assert annotator is not None
    annotator.objects.rename(annotator.current, name)
    for click in clicks:
        annotator.positive = click.positive
        annotator.prompts.points.add((plane.index, *click.at))
    annotator.positive = True
    return viewer, widget


def wait() -> None:
    """Return when the user has closed the window."""
    napari.run()

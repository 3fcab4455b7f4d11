"""What the menu of napari has for a series."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import napari.viewer

    from napari_segnext.plugin.panel.series import SeriesPart


def open_folder(viewer: napari.viewer.Viewer) -> None:
    """Ask for a folder of cases, in the panel."""
    _series_of(viewer).ask()


def open_table(viewer: napari.viewer.Viewer) -> None:
    """Ask for a table of cases, in the panel."""
    _series_of(viewer).ask_table()


def _series_of(viewer: napari.viewer.Viewer) -> SeriesPart:
    _, panel = viewer.window.add_plugin_dock_widget("napari-segnext", "SegNext")
    series: SeriesPart = panel.show_series()
    return series

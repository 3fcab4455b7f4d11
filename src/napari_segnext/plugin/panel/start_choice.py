"""What a session starts from: nothing, or labels that there are already."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from napari.layers import Labels
from qtpy.QtWidgets import QComboBox, QFileDialog, QWidget

from napari_segnext.plugin.panel.controls import shape_combo

if TYPE_CHECKING:
    from napari.viewer import ViewerModel

_NOTHING, _FILE = "nothing", "a file …"
_FORMATS = (
    "Labels (*.nii *.nii.gz *.tif *.tiff *.zarr zarr.json .zgroup .zattrs *.npy *.png "
    "*.json *.dcm);;All files (*)"
)
# What lies in the folder of a zarr, which no dialogue for files lets one choose.
_IN_ZARR = ("zarr.json", ".zgroup", ".zattrs", ".zarray")


class StartChoice(QComboBox):
    """The Labels layers of a viewer, and files, that a session can start from."""

    def __init__(self, viewer: ViewerModel, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._viewer = viewer
        self._file: Path | None = None
        shape_combo(
            self,
            "Labels that become objects at Start, to be put right: a Labels layer, or "
            "NIfTI, TIFF, OME-Zarr or COCO annotations on the grid of the image",
        )
        self.activated.connect(self._chosen)
        for event in (viewer.layers.events.inserted, viewer.layers.events.removed):
            event.connect(self._list)
        self._list()

    @property
    def labels(self) -> Labels | Path | None:
        """What is chosen; None for nothing."""
        chosen = self.currentData()
        return chosen if isinstance(chosen, Labels | Path) else None

    def take(self) -> Labels | Path | None:
        """Return what is chosen, and choose nothing."""
        chosen = self.labels
        self.setCurrentIndex(0)
        return chosen

    def close_choice(self) -> None:
        """Follow the viewer no more."""
        events = self._viewer.layers.events
        for event in (events.inserted, events.removed):
            event.disconnect(self._list)

    def _list(self, event: Any = None) -> None:
        chosen = self.labels
        self.clear()
        self.addItem(_NOTHING, None)
        for layer in self._viewer.layers:
            if isinstance(layer, Labels):
                self.addItem(layer.name, layer)
        if self._file is not None:
            self.addItem(self._file.name, self._file)
        self.addItem(_FILE, _FILE)
        for index in range(self.count()):
            if chosen is not None and self.itemData(index) is chosen:
                self.setCurrentIndex(index)

    def _chosen(self, index: int) -> None:
        if self.itemData(index) != _FILE:
            return
        path = ask_labels(self, "" if self._file is None else str(self._file.parent))
        if path is None:
            self.setCurrentIndex(0)
            return
        self._file = path
        self._list()
        self.setCurrentIndex(self.count() - 2)


def ask_labels(parent: QWidget, folder: str) -> Path | None:
    """Ask for a file of labels, or for what lies in the folder of a zarr."""
    name, _ = QFileDialog.getOpenFileName(parent, "Labels", folder, _FORMATS)
    if not name:
        return None
    path = Path(name)
    return path.parent if path.name in _IN_ZARR else path

"""The part of the panel that saves labels and prompts, and loads prompts."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from qtpy.QtWidgets import QFileDialog, QGridLayout, QWidget

from napari_segnext.plugin.panel.controls import Do, make_button
from napari_segnext.plugin.work.exporting import label_formats

if TYPE_CHECKING:
    from napari_segnext.plugin.panel.state import FileState

_PROMPTS = "Prompts (*.json)"


class FilesPanel(QWidget):
    """Buttons that ask for a file and hand it on."""

    def __init__(self, do: Do) -> None:
        super().__init__()
        self._do = do
        self._name = "image"
        self._source: Path | None = None
        self._busy = False
        labels = make_button(
            "Save labels …",
            "NIfTI on the grid of the source, TIFF, OME-Zarr, or COCO annotations",
            narrow=True,
        )
        labels.clicked.connect(lambda _=False: self._save_labels())
        prompts = make_button(
            "Save prompts …",
            "All objects' prompts, for the command line or to load them again",
            narrow=True,
        )
        prompts.clicked.connect(lambda _=False: self._save_prompts())
        self.load = make_button("", "", narrow=True)
        self.load.clicked.connect(lambda _=False: self._load())
        grid = QGridLayout(self)
        grid.setContentsMargins(0, 0, 0, 0)
        grid.setSpacing(4)
        grid.addWidget(labels, 0, 0, 1, 2)
        grid.addWidget(prompts, 1, 0)
        grid.addWidget(self.load, 1, 1)
        self._show_load()

    def show_state(self, state: FileState) -> None:
        """Follow what is being loaded."""
        self._name, self._source, self._busy = state.name, state.source, state.loading
        self._show_load()

    def _show_load(self) -> None:
        if self._busy:
            self.load.setText("Stop loading")
            self.load.setToolTip("Take in nothing of the file")
        else:
            self.load.setText("Load prompts …")
            self.load.setToolTip(
                "Add the objects of a prompts file, with new masks; what is there stays"
            )

    def _beside(self, ending: str) -> str:
        """Return a name for a file beside the image's, if it has one."""
        name = f"{self._name}{ending}"
        return name if self._source is None else str(self._source.with_name(name))

    def _save_labels(self) -> None:
        ending, filters = label_formats(self._source)
        path, _ = QFileDialog.getSaveFileName(
            self, "Save labels", self._beside(f"_objects{ending}"), filters
        )
        if path:
            self._do(lambda to: to.exporting.save_labels(Path(path)))

    def _save_prompts(self) -> None:
        name = self._beside("_prompts.json")
        path, _ = QFileDialog.getSaveFileName(self, "Save prompts", name, _PROMPTS)
        if path:
            path += "" if path.endswith(".json") else ".json"
            self._do(lambda to: to.exporting.save_prompts(Path(path)))

    def _load(self) -> None:
        if self._busy:
            self._do(lambda to: to.importing.stop())
            return
        folder = "" if self._source is None else str(self._source.parent)
        path, _ = QFileDialog.getOpenFileName(self, "Load prompts", folder, _PROMPTS)
        if path:
            self._do(lambda to: to.importing.load(Path(path)))

"""The part of the panel that saves and loads labels and prompts."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

from qtpy.QtWidgets import (
    QApplication,
    QFileDialog,
    QGridLayout,
    QInputDialog,
    QMessageBox,
    QWidget,
)

from napari_segnext.files.image_group import labels_in
from napari_segnext.plugin.panel.controls import Do, make_button
from napari_segnext.plugin.panel.start_choice import ask_labels
from napari_segnext.plugin.work.exporting import in_format, label_formats
from napari_segnext.weights.catalogue import model_label

if TYPE_CHECKING:
    from napari_segnext.plugin.annotator import Annotator
    from napari_segnext.plugin.panel.state import FileState

_PROMPTS = "Prompts (*.json)"
_TABLES = "Tables (*.csv)"
_IN_IMAGE = "objects"


class FilesPanel(QWidget):
    """Buttons that ask for a file and hand it on.

    Parameters
    ----------
    model
        Tells which model answers: its name or file.
    """

    def __init__(self, do: Do, model: Callable[[], str]) -> None:
        super().__init__()
        self._do, self._model = do, model
        self._name = "image"
        self._source: Path | None = None
        self._group: Path | None = None
        self._busy = False
        labels = make_button(
            "Save labels …",
            "NIfTI on the grid of the source, TIFF, OME-Zarr, annotations of COCO or "
            "QuPath, ROIs of ImageJ",
            narrow=True,
        )
        labels.clicked.connect(lambda _=False: self._save_labels())
        self.in_image = make_button(
            "Save labels into the image …",
            "A pyramid among the labels of the OME-Zarr; the image stays as it is",
            narrow=True,
        )
        self.in_image.clicked.connect(lambda _=False: self._save_in_image())
        prompts = make_button(
            "Save prompts …",
            "All objects' prompts, for the command line or to load them again",
            narrow=True,
        )
        prompts.clicked.connect(lambda _=False: self._save_prompts())
        self.load = make_button("Load prompts …", "", narrow=True)
        self.load.setToolTip(
            "Add the objects of a prompts file, with new masks; what is there stays"
        )
        self.load.clicked.connect(lambda _=False: self._load())
        table = make_button(
            "Save table …",
            "Size, place, intensities, prompts and work of each object and class: CSV",
            narrow=True,
        )
        table.clicked.connect(lambda _=False: self._save_table())
        methods = make_button(
            "Copy methods",
            "Copy a paragraph for a Methods section: versions, model, how it was done",
            narrow=True,
        )
        methods.clicked.connect(lambda _=False: do(self._copy_methods))
        self.load_labels = make_button("", "", narrow=True)
        self.load_labels.clicked.connect(lambda _=False: self._load_labels())
        grid = QGridLayout(self)
        grid.setContentsMargins(0, 0, 0, 0)
        grid.setSpacing(4)
        grid.addWidget(labels, 0, 0)
        grid.addWidget(self.load_labels, 0, 1)
        grid.addWidget(prompts, 1, 0)
        grid.addWidget(self.load, 1, 1)
        grid.addWidget(table, 2, 0)
        grid.addWidget(methods, 2, 1)
        grid.addWidget(self.in_image, 3, 0, 1, 2)
        self.in_image.hide()
        self._show_load()

    def show_state(self, state: FileState) -> None:
        """Follow what is being loaded."""
        self._name, self._source, self._busy = state.name, state.source, state.loading
        self._group = state.group
        self.in_image.setHidden(state.group is None)
        self._show_load()

    def _show_load(self) -> None:
        self.load.setEnabled(not self._busy)
        if self._busy:
            self.load_labels.setText("Stop loading")
            self.load_labels.setToolTip("Take in nothing of the file")
        else:
            self.load_labels.setText("Load labels …")
            self.load_labels.setToolTip(
                "Make every label of a file an object, where no object is yet; undo "
                "takes them back"
            )

    @property
    def _folder(self) -> str:
        """Where to look for files first."""
        return "" if self._source is None else str(self._source.parent)

    def _beside(self, ending: str) -> str:
        """Return a name for a file beside the image's, if it has one."""
        name = f"{self._name}{ending}"
        return name if self._source is None else str(self._source.with_name(name))

    def _save_labels(self) -> None:
        ending, filters = label_formats(self._source)
        name, chosen = QFileDialog.getSaveFileName(
            self, "Save labels", self._beside(f"_objects{ending}"), filters
        )
        if name:
            path = in_format(Path(name), chosen)
            # Of that name the dialogue has asked.
            if path == Path(name) or self._may_replace(path):
                self._do(lambda to: to.exporting.save_labels(path))

    def _save_in_image(self) -> None:
        group = self._group
        if group is None:
            return
        name, given = QInputDialog.getText(
            self, "Save labels", "Name of the labels in the image", text=_IN_IMAGE
        )
        if given and name.strip():
            path = labels_in(group, name.strip())
            if self._may_replace(path):
                self._do(lambda to: to.exporting.save_labels(path))

    def _may_replace(self, path: Path) -> bool:
        """Ask whether what is at a path, if anything, may go."""
        if not path.exists():
            return True
        asked = f"{path.name} exists. Replace it?"
        answer = QMessageBox.question(self, "Save labels", asked)
        return bool(answer == QMessageBox.StandardButton.Yes)

    def _save_prompts(self) -> None:
        name = self._beside("_prompts.json")
        path, _ = QFileDialog.getSaveFileName(self, "Save prompts", name, _PROMPTS)
        if path:
            path += "" if path.endswith(".json") else ".json"
            self._do(lambda to: to.exporting.save_prompts(Path(path)))

    def _save_table(self) -> None:
        name = self._beside("_objects.csv")
        path, _ = QFileDialog.getSaveFileName(self, "Save table", name, _TABLES)
        if path:
            path += "" if path.endswith(".csv") else ".csv"
            self._do(lambda to: to.exporting.save_table(Path(path)))

    def _copy_methods(self, to: Annotator) -> None:
        clipboard = QApplication.clipboard()
        assert clipboard is not None
        clipboard.setText(to.exporting.methods(model_label(self._model())))
        to.said.emit("A paragraph for a Methods section is copied: paste it")

    def _load(self) -> None:
        path, _ = QFileDialog.getOpenFileName(
            self, "Load prompts", self._folder, _PROMPTS
        )
        if path:
            self._do(lambda to: to.importing.load(Path(path)))

    def _load_labels(self) -> None:
        if self._busy:
            self._do(lambda to: to.importing.stop())
            self._do(lambda to: to.adopting.stop())
            return
        path = ask_labels(self, self._folder)
        if path is not None:
            self._do(lambda to: to.adopting.load(path))

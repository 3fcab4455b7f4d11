"""Saving labels and prompts to files of the user's choice, on a thread of their own."""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Callable
from importlib.metadata import version
from pathlib import Path
from platform import python_version
from typing import TYPE_CHECKING

from qtpy.QtCore import QObject, Signal

from napari_segnext.files import (
    WRITABLE,
    check_output,
    check_writable,
    keeps_objects,
    write_labels,
    write_prompts,
)
from napari_segnext.files.image_group import group_of
from napari_segnext.plugin.layers.inputs import Inputs, file_of
from napari_segnext.plugin.layers.label_sources import image_place
from napari_segnext.session.exchange import exported, file_values, legend
from napari_segnext.session.methods import methods
from napari_segnext.session.numbered import Numbered, values_in_file
from napari_segnext.session.snapshot import Snapshot
from napari_segnext.session.table import Frozen, write_table

if TYPE_CHECKING:
    from napari.layers import Image

    from napari_segnext.plugin.layers.input_layers import InputLayers
    from napari_segnext.plugin.layers.labels_layer import LayerLabels
    from napari_segnext.plugin.work.inference import Inference
    from napari_segnext.session import Session

# As a file dialogue has them; of several endings the longer comes first.
_FORMATS = (
    ("NIfTI", (".nii.gz", ".nii")),
    ("TIFF", (".ome.tif", ".tif", ".tiff")),
    ("OME-Zarr", (".zarr",)),
    ("COCO annotations", (".json",)),
    ("Segmentation of DICOM", (".dcm",)),
    ("QuPath annotations", (".geojson",)),
    ("ImageJ ROIs", (".zip",)),
)


class Exporting(QObject):
    """Writes what a session holds when it is asked to; the user goes on meanwhile.

    What cannot be written is said, and changes nothing; the image's own file is never
    replaced. The signal `said` has what to tell the user.

    Attributes
    ----------
    source
        The image's file, if it has one.
    group
        Of the image in it, if that is an OME-Zarr.
    """

    said = Signal(str)
    _ended = Signal(object)

    def __init__(
        self,
        image: Image,
        session: Session,
        labels: LayerLabels,
        inputs: InputLayers,
        inference: Inference,
        parent: QObject | None = None,
    ) -> None:
        super().__init__(parent)
        self._image, self._session, self._labels = image, session, labels
        self._inputs, self._inference = inputs, inference
        source = file_of(image)
        self.source = None if source is None else source.path
        self.group = None if self.source is None else group_of(self.source)
        self._ended.connect(lambda end: end())

    def save_labels(self, path: Path) -> None:
        """Write the labels, or the classes where those are shown.

        Annotations and ROIs are of objects always, each with its class.

        Parameters
        ----------
        path
            Its end chooses the format, see `napari_segnext.files.write_labels`.
        """
        try:
            check_writable(path)
        except ValueError as error:
            self.said.emit(str(error))
            return
        by_class = self._session.semantic and not keeps_objects(path)
        place = image_place(self._image, tuple(self._session.labels.shape))
        self._session.settle()
        session, names = self._session, legend(self._session)
        try:
            ids = file_values(session)
            values, named = values_in_file(session, names, ids, by_class)
        except ValueError as error:
            self.said.emit(_not_saved(path, error))
            return
        snapshot = Snapshot(session, self._labels.stored)
        labels = Numbered(snapshot, values)
        self._start(
            path,
            lambda: write_labels(path, labels, place, named, self.source),
            snapshot.close,
        )

    def save_prompts(self, path: Path) -> None:
        """Write a prompts file with the objects that have prompts."""
        self._session.settle()
        objects = exported(self._session)
        source = self.source
        self._start(path, lambda: write_prompts(path, objects, source), lambda: None)

    def methods(self, model: str) -> str:
        """Return a paragraph for a Methods section.

        Parameters
        ----------
        model
            What the one in use is called.
        """
        self._session.settle()
        names = ("napari-segnext", "napari", "torch")
        used = {name: version(name) for name in names} | {"Python": python_version()}
        fingerprint = ""
        if self._inference.model is not None:
            # Here, because PyTorch comes with it.
            from napari_segnext.models.fingerprint import model_fingerprint

            fingerprint = model_fingerprint(self._inference.model.predictor.model)
        session = self._session
        known = [o for n, o in session.objects.items() if not session.is_empty(n)]
        return methods(known, used, model, fingerprint)

    def save_table(self, path: Path) -> None:
        """Write a table of objects and classes, with what the model's inputs show."""
        self._session.settle()
        shape = tuple(self._session.labels.shape)
        place, frozen = image_place(self._image, shape), Frozen.of(self._session)
        inputs = self._inputs.inputs or Inputs.of([self._image])
        names = [layer.name for layer in inputs.layers]
        if inputs.channel is not None:
            names = [f"{names[0]}_{colour}" for colour in ("red", "green", "blue")]
        snapshot = Snapshot(self._session, self._labels.stored)

        def write() -> None:
            values, _ = inputs.volume()
            write_table(path, frozen, snapshot, place, self.source, values, names)

        self._start(path, write, snapshot.close)

    def _start(
        self, path: Path, write: Callable[[], None], close: Callable[[], None]
    ) -> None:
        def run() -> None:
            try:
                check_output(path, [] if self.source is None else [self.source])
                write()
                text = f"Saved {path.name}"
            # Whatever it is: the user must not wait for a file that never comes.
            except Exception as error:
                text = _not_saved(path, error)

            def end() -> None:
                close()
                self.said.emit(text)

            # The widget may be gone; the file is there all the same.
            with contextlib.suppress(RuntimeError):
                self._ended.emit(end)

        self.said.emit(f"Saving {path.name} …")
        # Not a daemon: what is being written is finished before napari ends.
        threading.Thread(target=run, name="segnext-export").start()


def _not_saved(path: Path, error: Exception) -> str:
    why = " ".join(str(error).split()) or type(error).__name__
    return f"{path.name} was not saved: {why}. The objects are still here"


def in_format(path: Path, chosen: str) -> Path:
    """Return a file's name with an end of the format that was chosen in a dialogue.

    Parameters
    ----------
    chosen
        One of the formats of `label_formats`.
    """
    name = path.name.lower()
    endings = next((ends for label, ends in _FORMATS if chosen.startswith(label)), ())
    if not endings or name.endswith(endings):
        return path
    former = max((end for end in WRITABLE if name.endswith(end)), key=len, default="")
    return path.with_name(path.name[: len(name) - len(former)] + endings[0])


def label_formats(source: Path | None) -> tuple[str, str]:
    """Return how a file of labels should end, and the formats of a file dialogue.

    Parameters
    ----------
    source
        The image's file; the first format is the one that it has.
    """
    name = "" if source is None else source.name.lower()
    formats = sorted(_FORMATS, key=lambda each: not name.endswith(each[1]))
    endings = formats[0][1]
    ending = next((end for end in endings if name.endswith(end)), endings[0])
    filters = [
        f"{label} ({' '.join(f'*{e}' for e in ends)})" for label, ends in formats
    ]
    filters.append(f"All formats ({' '.join(f'*{end}' for end in WRITABLE)})")
    return ending, ";;".join(filters)

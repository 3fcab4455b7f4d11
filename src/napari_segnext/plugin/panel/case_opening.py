"""Opening a case in place of the one that is there, with what the user has chosen."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from napari.layers import Image, Layer
from napari.layers._source import layer_source
from qtpy.QtCore import QObject, QTimer
from superqt.utils import FunctionWorker, create_worker

from napari_segnext.plugin.layers.case_layers import CaseLayers, Key
from napari_segnext.plugin.layers.earlier import hide_earlier
from napari_segnext.plugin.work.series_work import read_case
from napari_segnext.series import Progress, State, read_progress

if TYPE_CHECKING:
    from napari_segnext.files.categories import Category
    from napari_segnext.plugin.annotator import Annotator
    from napari_segnext.plugin.layers.tools import Tool
    from napari_segnext.plugin.panel.series import SeriesPart
    from napari_segnext.plugin.panel.widget import SegNextWidget
    from napari_segnext.plugin.readers import LayerData
    from napari_segnext.plugin.work.saving import Saving
    from napari_segnext.plugin.work.series_work import Found
    from napari_segnext.series import Case

_AGAIN_MS = 100
# How long what is left to save may take before the user is told.
_SAVED_S = 10.0


@dataclass(frozen=True, slots=True)
class Kept:
    """What goes with the user from case to case.

    Attributes
    ----------
    image, others
        Which modalities the model sees; None and nothing for the first case.
    places
        How far along each axis the viewer is, from 0 to 1.
    ranges
        Of the viewer's axes.
    server
        Of nnInteractive, which follows objects; empty: the model does.
    """

    image: Key | None
    others: tuple[Key, ...]
    places: tuple[float, ...]
    ranges: tuple[Any, ...]
    tool: Tool | None = None
    server: str = ""
    semantic: bool = False
    categories: tuple[Category, ...] = ()


class CaseOpening(QObject):
    """Reads a case beside the window, closes the one that is there, and opens it."""

    def __init__(self, panel: SegNextWidget, series: SeriesPart) -> None:
        super().__init__(panel)
        self._panel, self._series = panel, series
        self._viewer = panel.viewer
        self._layers = CaseLayers(self._viewer)
        # What is being read: a newer wish takes its place.
        self._reading: FunctionWorker[Any] | None = None
        # Cases that were left, while what was done there is brought to disk.
        self._left: set[Saving] = set()
        series.wanted.connect(self.open)

    def close(self) -> None:
        """Open nothing any more."""
        self._reading = None
        self._left.clear()

    def follow(self, annotator: Annotator) -> None:
        """Serve a session that has begun."""
        annotator.cases.wanted.connect(self._series.step)

    def open(self, row: int, steps: int = 0) -> None:
        """Open a case once it is read.

        Parameters
        ----------
        steps
            Where to go on if it cannot be read; 0: nowhere.
        """
        if row == self._series.model.current and self._panel.annotator is not None:
            self._panel.say(f"{self._series.model.cases[row].name} is open")
            return
        case = self._series.model.cases[row]
        if case.problem:
            self._panel.say(f"{case.name}: {case.problem}")
        elif not self._hindered():
            self._panel.say(f"Opening {case.name} …")
            self._read(row, steps, case)

    def _read(self, row: int, steps: int, case: Case) -> None:
        left = tuple(self._left)

        def read() -> tuple[Progress, Found]:
            # It may be the one that was left a moment ago.
            for each in left:
                each.wait(_SAVED_S)
            return read_progress(case), read_case(case)

        worker = create_worker(
            read,
            _start_thread=False,
            # Whatever a reader raises: the other cases can be worked on.
            _ignore_errors=True,
        )
        assert isinstance(worker, FunctionWorker)
        self._reading = worker

        def failed(error: Exception) -> None:
            if self._reading is worker:
                self._refuse(row, steps, case, error)

        def arrived(outcome: tuple[Progress, Found]) -> None:
            self._swap_when_answered(worker, row, steps, case, *outcome)

        worker.errored.connect(failed)
        worker.returned.connect(arrived)
        worker.start()

    def _refuse(self, row: int, steps: int, case: Case, error: Exception) -> None:
        why = " ".join(str(error).split()) or type(error).__name__
        self._reading = None
        self._series.show_progress(row, Progress(State.UNREADABLE, told=why))
        self._panel.say(f"{case.name} cannot be opened: {why}")
        if steps:
            self._series.go_on(row, steps)

    def _hindered(self) -> bool:
        """Tell whether something would be lost, and say so."""
        annotator = self._panel.annotator
        obstacle = "" if annotator is None else annotator.cases.obstacle
        if obstacle:
            self._panel.say(obstacle)
        return bool(obstacle)

    def _swap_when_answered(
        self,
        worker: FunctionWorker[Any],
        row: int,
        steps: int,
        case: Case,
        progress: Progress,
        found: Found,
    ) -> None:
        """Swap cases once the masks of the last prompts are written."""
        if self._reading is not worker or case not in self._series.model.cases:
            return
        annotator, model = self._panel.annotator, self._panel.worker
        busy = model is not None and not model.idle
        if annotator is not None and busy and annotator.cases.awaits_masks:
            given = worker, row, steps, case, progress, found
            again = partial(self._swap_when_answered, *given)
            QTimer.singleShot(_AGAIN_MS, again)
            return
        self._reading = None
        try:
            made = dict(_layer(*each) for each in found)
        # Whatever napari does not take for an image.
        except Exception as error:
            self._refuse(row, steps, case, error)
            return
        if not self._hindered():
            self._swap(row, case, progress, made)

    def _swap(
        self, row: int, case: Case, progress: Progress, made: dict[Key, Image]
    ) -> None:
        # On top of each other only the first would not be seen.
        for layer in list(made.values())[1:]:
            layer.visible = False
        kept = self._kept()
        self._close()
        self._layers.show(made)
        self._series.mark(row)
        self._series.show_progress(row, progress)
        # Once the images are drawn: each half takes its time.
        QTimer.singleShot(0, lambda: self._start(case, progress, kept))

    def _start(self, case: Case, progress: Progress, kept: Kept) -> None:
        """Begin to segment the case that is shown."""
        image = self._choose(kept, progress)
        self._look(kept)
        # Labels that were chosen are of another case.
        self._panel.start_choice.take()
        self._panel.start(resume=True)
        annotator = self._panel.annotator
        if annotator is None:
            return
        self._hand_over(annotator, kept)
        missing = [
            key.modality for key in (kept.image, *kept.others) if key is not None
        ]
        missing = [each for each in missing if each in case.lacks]
        told = f", without {', '.join(missing)}" if missing else ""
        self._panel.say(f"{case.name}{told}: {image.name}")

    def _kept(self) -> Kept:
        """Return what is to be the same in the next case."""
        dims, choice = self._viewer.dims, self._panel.image_choice
        keys = [self._layers.key_of(each) for each in self._panel.inputs.others]
        ranges = tuple(tuple(each) for each in dims.range)
        pairs = zip(dims.point, ranges, strict=True)
        places = [(at - a) / (b - a) if b > a else 0.5 for at, (a, b, _) in pairs]
        kept = Kept(
            self._layers.key_of(choice.image),
            tuple(key for key in keys if key is not None),
            tuple(places),
            ranges,
        )
        annotator = self._panel.annotator
        if annotator is None:
            return kept
        classes, semantic = annotator.objects.categories, annotator.objects.semantic
        return replace(
            kept,
            tool=annotator.tool,
            server=annotator.propagation.address,
            semantic=semantic,
            categories=tuple(classes),
        )

    def _close(self) -> None:
        """End the session, and see that all of it comes to disk."""
        annotator, former = self._panel.annotator, self._series.model.current
        for layer in self._layers.shown.values():
            hide_earlier(self._viewer, layer)
        if annotator is None:
            return
        saving = annotator.saving
        annotator.close("Closed; all is saved")
        annotator.put_away()
        if former is not None:
            self._look_again(former, saving)

    def _look_again(self, row: int, saving: Saving) -> None:
        """Read how far a case that was left is, once all of it is on disk."""
        case = self._series.model.cases[row]
        self._left.add(saving)

        def read() -> tuple[bool, Progress]:
            return saving.wait(_SAVED_S), read_progress(case)

        def arrived(outcome: tuple[bool, Progress]) -> None:
            if saving not in self._left:
                return
            self._left.discard(saving)
            if case not in self._series.model.cases:
                return
            saved, progress = outcome
            self._series.show_progress(row, progress)
            if not saved:
                self._panel.say(f"{case.name}: {saving.problem or 'not saved yet'}")

        worker = create_worker(read, _start_thread=False)
        worker.returned.connect(arrived)
        worker.start()

    def _choose(self, kept: Kept, progress: Progress) -> Image:
        """Choose the modality that was worked on, else that of the case before."""
        shown = self._layers.shown
        begun = (
            each for each in shown.values() if _path(each) == progress.image is not None
        )
        first = next(iter(shown.values()))
        usual = first if kept.image is None else shown.get(kept.image, first)
        image = next(begun, usual)
        if image is not usual:
            usual.visible = False
        image.visible = True
        others = [shown[key] for key in kept.others if key in shown]
        self._panel.choose(image, [each for each in others if each is not image])
        return image

    def _look(self, kept: Kept) -> None:
        """Look at the same part of the next case."""
        dims = self._viewer.dims
        ranges = tuple(tuple(each) for each in dims.range)
        if len(ranges) == len(kept.places):
            pairs = zip(kept.places, ranges, strict=True)
            dims.point = tuple(a + place * (b - a) for place, (a, b, _) in pairs)
        if ranges != kept.ranges:
            self._viewer.reset_view()

    def _hand_over(self, annotator: Annotator, kept: Kept) -> None:
        """Give a session what the one before had."""
        self._panel.classes.remember(kept.categories)
        if kept.tool is not None:
            annotator.use(kept.tool)
        annotator.propagation.ask(kept.server)
        if kept.semantic:
            annotator.objects.view_by_class(True)
        annotator.changed.emit()


def _path(layer: Image) -> Path | None:
    path = layer.source.path
    return None if path is None else Path(path)


def _layer(modality: str, path: Path, found: LayerData) -> tuple[Key, Image]:
    """Return an image of a case as a layer that is in no viewer, and which it is."""
    data, options, kind = found
    with layer_source(path=str(path), reader_plugin="napari-segnext"):
        layer = Layer.create(data, options, kind)
    assert isinstance(layer, Image)
    channel = options["metadata"].get("channel")
    return Key(modality, channel), layer

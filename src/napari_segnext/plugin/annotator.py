"""One image being segmented: layers, session and worker joined."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from napari.layers import Image
from qtpy.QtCore import QObject, Qt, QTimer, Signal

from napari_segnext.geometry.plane import Plane
from napari_segnext.plugin.layers.displayed_plane import ShownPlane
from napari_segnext.plugin.layers.earlier import EarlierObjects, put_away
from napari_segnext.plugin.layers.input_layers import InputLayers
from napari_segnext.plugin.layers.inputs import Inputs
from napari_segnext.plugin.layers.large_labels import make_labels
from napari_segnext.plugin.layers.objects import Objects
from napari_segnext.plugin.layers.own_layers import image_space
from napari_segnext.plugin.layers.preview import Preview
from napari_segnext.plugin.layers.prompt_layers import PromptLayers
from napari_segnext.plugin.layers.proposal_outlines import ProposalOutlines
from napari_segnext.plugin.layers.tools import TOOLS, Tool
from napari_segnext.plugin.work.adopting import Adopting
from napari_segnext.plugin.work.case_steps import CaseSteps
from napari_segnext.plugin.work.committing import Committing
from napari_segnext.plugin.work.doubting import Doubting
from napari_segnext.plugin.work.embed_all import EmbedAll
from napari_segnext.plugin.work.exporting import Exporting
from napari_segnext.plugin.work.finding import Finding
from napari_segnext.plugin.work.importing import Importing
from napari_segnext.plugin.work.inference import Inference
from napari_segnext.plugin.work.loading import Loading
from napari_segnext.plugin.work.phrases import Phrases
from napari_segnext.plugin.work.prompting import Prompting
from napari_segnext.plugin.work.propagating import Propagating
from napari_segnext.plugin.work.repairing import Repairing
from napari_segnext.plugin.work.reviewing import Reviewing
from napari_segnext.plugin.work.saving import Saving
from napari_segnext.plugin.work.teaching import Teaching
from napari_segnext.plugin.work.worker import Worker
from napari_segnext.predicting.storage import StoragePolicy
from napari_segnext.prompts import Prompts
from napari_segnext.session import Session

if TYPE_CHECKING:
    from napari.viewer import ViewerModel

    from napari_segnext.predicting.prediction import Prediction
    from napari_segnext.session import PlaneDiff, Request, Undone


class Annotator(QObject):
    """A session in a viewer.

    Signals: `said` (news for the status line), `passing` (what goes on), `ready` (the
    same, to which no news give way), `changed` (something that the panel shows),
    `engine` (where the model runs), `model_kept` (another could not be loaded: names of
    the model and the engine that go on), `waiting` (see `Inference`), `ended` (why).

    Raises
    ------
    ValueError
        If the image is neither 2-D nor a volume.
    """

    said = Signal(str)
    passing = Signal(str)
    ready = Signal(str)
    changed = Signal()
    engine = Signal(str)
    model_kept = Signal(str, str)
    waiting = Signal(object)
    ended = Signal(str)
    _ending = Signal(str)

    def __init__(
        self,
        viewer: ViewerModel,
        image: Image,
        worker: Worker,
        parent: QObject | None = None,
    ) -> None:
        super().__init__(parent)
        self._viewer, self._image = viewer, image
        self._space = image_space(image)
        self._closed = False
        self._inputs = InputLayers(viewer, image, self._space, self)
        self._shown = ShownPlane(viewer, image, self._space, self)
        self._labels = make_labels(
            viewer, image, self._space, self._shown, self._stroke, self.said.emit
        )
        self.output = self._labels.layer
        self._earlier = EarlierObjects(viewer, image, self._labels)
        self.session = Session(self._labels, blank=True)
        self.session.new_object()
        self.prompts = PromptLayers(
            viewer, image, self._space, self._drawn, self.said.emit
        )
        self.session.settlers.append(self.prompts.settle)
        self._labels.carry(self.prompts.scribbles, self.prompts.canvas)
        self._preview = Preview(viewer, image, self._space, self._labels)
        self._outlines = ProposalOutlines(viewer, image, self._space, self._labels)
        self.objects = Objects(
            viewer, self.session, self._labels, self._shown, self._space, self
        )
        layers = (self.output, *self.prompts.layers)
        self.saving = Saving(image, self._space, self.session, layers, self)
        mirror, saving = self._labels.mirror, self.saving
        saving.changed.connect(lambda: mirror(saving.path, saving.problem))
        self.adopting = Adopting(image, self.session, self.saving, self)
        self._committing = Committing(image, self.session, self.objects, self)
        self._inference = Inference(worker, self)
        self.prompting = Prompting(
            self.session, self.saving, self._inference, self.objects, self
        )
        self.importing = Importing(self.session, self._inference, self)
        self._model = Loading(self._inference, self._inputs, self)
        self.embedding = EmbedAll(self._inference, self._shown.all_planes, self)
        inference, session, shown = self._inference, self.session, self._shown
        inputs, labels = self._inputs, self._labels
        self.exporting = Exporting(image, session, labels, inputs, inference, self)
        self.propagation = Propagating(inference, session, labels, shown, self)
        self.repairing = Repairing(viewer, image, session, labels, shown, self)
        self.doubting = Doubting(inference, session, self.objects, shown, self)
        self.finding = Finding(inference, session, labels, shown, self)
        outlines, prompting = self._outlines, self.prompting
        self.reviewing = Reviewing(session, shown, prompting, outlines, self)
        self.teaching = Teaching(inference, session, self.saving, self)
        self.phrases = Phrases(inference, session, shown, self._named, self)
        works = self.propagation, self.importing, self.adopting, self.repairing
        self.cases = CaseSteps(session, self.saving, *works, self)
        self.tool: Tool | None = TOOLS[0]
        self._listen()
        self._connect(True)
        self.use(TOOLS[0])
        self._object_changed()
        self._shown.look()

    # Life

    def load(
        self,
        model: str,
        inputs: Inputs,
        policy: StoragePolicy,
        engine: str = "auto",
        text: Path | None = None,
    ) -> None:
        """Load a model; see `Loading`."""
        self._inputs.see(inputs)
        self._model.load(model, policy, engine, text)

    def close(self, why: str = "Stopped; the objects stay in their layer") -> None:
        """End: prompt layers go, the output layer stays. Prompts end with it."""
        if self._closed:
            return
        self.session.settle()
        self._closed = True
        self.adopting.stop()
        self._connect(False)
        parts: list[Any] = [self.propagation, self.repairing, self._inputs, self._shown]
        parts += [self._inference, self._model, self._labels, self.saving]
        parts += [self.prompts, self._preview, self._outlines]
        for part in parts:
            part.close()
        self.ended.emit(why)

    def _listen(self) -> None:
        """Follow the parts; they live as long as this does."""
        speakers: list[Any] = [self.objects, self.saving, self.exporting, self.adopting]
        speakers += [self.importing, self.propagation, self.repairing, self.doubting]
        speakers += [self.prompting, self._model, self._committing]
        speakers += [self.finding, self.reviewing, self.teaching]
        for speaker in speakers:
            speaker.said.connect(self.said)
        tasks = self.importing, self.propagation, self.doubting, self.finding
        for task in (*tasks, self.teaching):
            task.ended.connect(self.said)
        self._inference.failed.connect(self.said)
        self.objects.turned.connect(self._object_changed)
        self.objects.changed.connect(self._objects_changed)
        tellers: list[Any] = [self.saving, self.phrases, self.doubting, self.prompting]
        tellers += [self.finding, self.reviewing, self._committing, self.teaching]
        for part in tellers:
            part.changed.connect(self.changed)
        self.saving.restored.connect(self._restored)
        self.saving.restored.connect(self._earlier.drop_equal)
        for source in (self.importing, self.adopting):
            source.changed.connect(self.changed)
            source.taken.connect(self._object_changed)
        self.saving.restored.connect(self.doubting.begin_anew)
        self.saving.restored.connect(self.reviewing.refresh)
        self.propagation.changed.connect(self._objects_changed)
        self.repairing.done.connect(self._object_changed)
        for turning in (self.prompting, self.reviewing):
            turning.turned.connect(self._object_changed)
        self.propagation.found.connect(self._preview.show)
        self.propagation.written.connect(lambda number: self._preview.clear())
        self.propagation.ended.connect(lambda why: self._preview.clear())
        self._committing.passing.connect(self.passing)
        self._committing.ready.connect(self.ready)
        self._inference.busy.connect(self.passing)
        self._inference.waiting.connect(self.waiting)
        self._model.ready.connect(self.ready)
        self._model.engine.connect(self.engine)
        self._model.kept.connect(self.model_kept)
        self._inference.shown.connect(self._embedded)
        self._inference.decoded.connect(self._decoded)
        self._inputs.moved.connect(self._moved)
        self._inputs.unfit.connect(self._end_later)
        self._shown.turned.connect(self._draw_prompts)
        self._shown.moved.connect(self._plane_moved)
        self._shown.lost.connect(self._plane_lost)
        # Queued, because napari is then done with what caused the end.
        self._ending.connect(self.close, Qt.ConnectionType.QueuedConnection)

    def _connect(self, on: bool) -> None:
        """Follow the viewer and the layers, or do no more."""
        viewer = self._viewer
        pairs = (
            (viewer.layers.events.removed, self._layer_removed),
            (viewer.layers.selection.events.active, self._layer_chosen),
            (self.output.events.selected_label, self.objects.label_chosen),
            *((layer.events.mode, self._layer_chosen) for layer in self.prompts.layers),
        )
        for event, callback in pairs:
            (event.connect if on else event.disconnect)(callback)

    def _layer_removed(self, event: Any) -> None:
        layer = event.value
        if layer is self.output:
            self._end_later("The objects' layer was removed: stopped")
        elif layer is self._image:
            self._end_later("The image was removed: stopped; the objects stay")
        elif layer in self.prompts.layers:
            self.said.emit(
                f"{layer.name} layer removed; its prompts stay. Its tools bring it back"
            )

    def _end_later(self, why: str) -> None:
        """End when napari is done with the removal that it is in the middle of."""
        self._inputs.close()
        self._shown.close()
        self._inference.close()
        self._ending.emit(why)

    def put_away(self) -> None:
        """Show the objects no more, once closed."""
        put_away(self._viewer, self._labels)

    # Prompts to masks

    def _drawn(self, changes: Mapping[Plane, Prompts]) -> None:
        if not self.reviewing.take(changes):
            self.prompting.give(changes)

    def _named(self, plane: Plane, prompts: Prompts) -> None:
        self.prompting.give({plane: prompts})
        self._draw_prompts()

    def _restored(self) -> None:
        """Show what was done earlier, where it was done."""
        planes = self.session.objects[self.current].planes
        if planes and self._shown.plane not in planes:
            self._shown.go_to(planes[-1])
        self._object_changed()
        self.prompting.answer(self.session.requests())

    def _decoded(self, request: Request, prediction: Prediction) -> None:
        if self._closed or self.output not in self._viewer.layers:
            return
        self._committing.commit(request, prediction)

    def _stroke(self, parts: Sequence[PlaneDiff]) -> None:
        self._committing.record(parts)

    def _embedded(self, plane: Plane, milliseconds: float) -> None:
        self._committing.say_embedded(plane, milliseconds, self._model.take_word())

    # What the viewer shows

    def _moved(self) -> None:
        """Follow the image to where it lies now; all stays on its voxels."""
        self.prompts.lie_on_image()
        self._preview.lie_on(self._image)
        self._outlines.lie_on(self._image)
        self._labels.lie_on(self._image)
        # The viewer hears of it after this.
        QTimer.singleShot(0, self._shown.look)
        self.changed.emit()

    def _plane_moved(self, plane: Plane) -> None:
        self.prompts.planar(True)
        shown = self._shown
        self._inference.show_plane(plane, shown.neighbours(), shown.middle)

    def _plane_lost(self, why: str) -> None:
        self.prompts.planar(False)
        self.said.emit(why)

    def _draw_prompts(self) -> None:
        if not self._closed:
            known = self.session.objects[self.current].prompts
            self.prompts.draw(known, self._shown.axis)

    def _object_changed(self) -> None:
        self._draw_prompts()
        self._objects_changed()

    def _objects_changed(self) -> None:
        self.objects.refresh()
        self.changed.emit()

    # Tools

    @property
    def positive(self) -> bool:
        """The sign of what is drawn next."""
        return self.prompts.positive

    @positive.setter
    def positive(self, positive: bool) -> None:
        self.prompts.positive = positive
        self.changed.emit()

    def toggle_sign(self) -> None:
        """Switch between object and background."""
        self.positive = not self.positive

    def use(self, tool: Tool) -> None:
        """Make a tool's layer active, in the tool's mode."""
        layer = self.prompts.present(tool.layer)
        self._viewer.layers.selection.active = layer
        layer.mode = tool.mode
        self._layer_chosen()

    def next_tool(self) -> None:
        """Go to the next tool, the first after the last."""
        at = TOOLS.index(self.tool) + 1 if self.tool in TOOLS else 0
        self.use(TOOLS[at % len(TOOLS)])

    def _layer_chosen(self, event: Any = None) -> None:
        """Follow what the user chose in napari's own controls."""
        active = self._viewer.layers.selection.active
        tools = (t for t in TOOLS if getattr(self.prompts, t.layer) is active)
        self.tool = next((t for t in tools if active.mode == t.mode), None)
        self.changed.emit()

    # Objects

    @property
    def current(self) -> int:
        """Id of the object that prompts are for."""
        return int(self.session.current)

    def accept(self) -> None:
        """Finish the object, once it is written if it is being propagated; go on."""
        if self.propagation.carries(self.current):
            self.objects.begin()
            self.propagation.accept()
        else:
            self.objects.accept()

    def clear_edits(self) -> None:
        """Let the prompts decide again where the displayed plane was painted."""
        if self._shown.plane is not None:
            request = self.session.clear_manual_edits(self.current, self._shown.plane)
            self.prompting.answer([] if request is None else [request])
            self.changed.emit()

    # Undo

    def undo(self) -> None:
        """Take back the last step: prompts and mask together."""
        shortened = self.session.undo_is_shortened
        none = "Earlier steps are no longer kept" if shortened else "Nothing to undo"
        self._turn(self.session.undo, none, "Undone")

    def redo(self) -> None:
        """Do again what was undone last."""
        self._turn(self.session.redo, "Nothing to redo", "Done again")

    def _turn(self, step: Callable[[], Undone | None], none: str, said: str) -> None:
        if self.prompts.settle():
            return
        done = step()
        if done is None:
            self.said.emit(none)
            return
        if done.plane is not None and self._shown.along(done.plane):
            self._shown.go_to(done.plane)
        self._object_changed()
        self.said.emit(f"{said}: {self.objects.told(done)}")
        self.prompting.answer(done.requests)

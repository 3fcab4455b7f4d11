"""Propagating an object to other planes while the user goes on."""

from __future__ import annotations

from functools import partial
from threading import Thread
from typing import TYPE_CHECKING

from qtpy.QtCore import QObject, Signal

from napari_segnext.plugin.work.background import Background
from napari_segnext.plugin.work.task import Dropped

if TYPE_CHECKING:
    from collections.abc import Callable

    from napari_segnext.geometry.plane import Plane
    from napari_segnext.plugin.layers.displayed_plane import ShownPlane
    from napari_segnext.plugin.layers.labels_layer import LayerLabels
    from napari_segnext.plugin.work.inference import Inference
    from napari_segnext.plugin.work.worker import Turn
    from napari_segnext.propagation import Annotated, PlaneResult, Propagation
    from napari_segnext.propagation.nninteractive import Inquiry, Server
    from napari_segnext.propagation.whole_object import WholeObject
    from napari_segnext.session import SegmentedObject, Session

    # Looks at results once more, unless it is interrupted.
    Better = Callable[[list[PlaneResult], Turn], list[PlaneResult]]


# Where the address of a server of nnInteractive is, for the choice to begin with.
SERVER_VARIABLE = "NAPARI_SEGNEXT_NNINTERACTIVE"


class Propagating(Background):
    """Propagation of one object, or of several in turn, along the displayed axis.

    What is found of an object is written at its end, as one step of undo; until then
    nothing of it is changed, and nothing is if it is cancelled. Afterwards only the
    planes are found anew that depend on what the user has changed. An object that is
    accepted meanwhile is finished when that is written. It belongs to the model that it
    began with.

    A server of nnInteractive may find them in the place of the models: that of
    `address`, if it is not empty.

    Signals: those of `Background`; `found` (which object, and results that are not
    written yet); `written` (which object, of several).
    """

    found = Signal(int, object)
    written = Signal(int)
    _final = Signal(int, object)

    def __init__(
        self,
        inference: Inference,
        session: Session,
        labels: LayerLabels,
        shown: ShownPlane,
        parent: QObject | None = None,
    ) -> None:
        super().__init__(inference, parent)
        self._session, self._labels, self._shown = session, labels, shown
        self._objects: dict[tuple[int, int, tuple[int, ...]], WholeObject] = {}
        self._object_id = 0
        self._left: list[int] = []
        self._done = 0
        self._accepted = False
        self._server: Server | None = None
        self.address = ""
        self._final.connect(self._tell)

    def ask(self, address: str) -> None:
        """Have a server of nnInteractive find objects from now on; empty: the model."""
        if address == self.address:
            return
        if self._server is not None:
            # It may have to wait for an answer.
            Thread(target=self._server.close, daemon=True).start()
        self.address, self._server = address, None
        # What was found by the other is not what this one finds.
        self._objects.clear()
        self.changed.emit()

    def close(self) -> None:
        """Give the place on a server back."""
        self.ask("")

    def start(self) -> None:
        """Propagate the current object along the displayed axis."""
        self._start([self._session.current])

    def start_all(self) -> None:
        """Propagate all objects along the displayed axis that are not finished."""
        plane = self._shown.plane
        self._start(
            [
                number
                for number, each in self._session.objects.items()
                if plane is not None and not each.finished and _begun(each, plane)
            ]
        )

    def _start(self, numbers: list[int]) -> None:
        model, plane = self._inference.model, self._shown.plane
        self._session.settle()
        if self.running:
            self.said.emit("A propagation is on its way: wait, or cancel it")
        elif len(self._labels.shape) < 3:
            self.said.emit("A 2-D image has no other slices to propagate to")
        elif plane is None:
            self.said.emit("Show a slice of the image to propagate from it")
        elif model is None:
            self.said.emit("The model is not loaded yet: propagate when it is ready")
        elif any(r.object_id in numbers for r in self._session.requests()):
            self.said.emit("The last prompt has no mask yet: propagate when it has")
        else:
            self._left, self._done = numbers, 0
            why = self._next(plane)
            if why is not None:
                self.said.emit(why)

    def _next(self, along: Plane) -> str | None:
        """Begin with the next object; return why there is nothing to do for any."""
        from napari_segnext.propagation.whole_object import WholeObject

        why = "There is no unfinished object here: click on one first"
        while self._left:
            key = (self._left.pop(0), along.axis, along.fixed)
            whole = self._objects.get(key) or WholeObject(self._session, *key)
            try:
                decided, within = whole.begin()
                way, better = self._way(decided, along.axis, within)
            except ValueError as error:
                why = str(error)
                continue
            self._objects[key] = whole
            self._object_id, self._accepted = key[0], False
            self._go(whole, way, better, along)
            return None
        return why

    def _way(
        self, decided: dict[Plane, Annotated], axis: int, within: set[int]
    ) -> tuple[Propagation | Inquiry, Better]:
        """Return what finds an object, and what looks at all of it once more."""
        # Torch comes with them, which the model has brought along by now.
        from napari_segnext.propagation import Propagation, reweighed
        from napari_segnext.propagation.nninteractive import Inquiry, Server

        assert self._inference.model is not None
        predictor = self._inference.model.predictor
        if self.address:
            self._server = self._server or Server(self.address)
            asked = Inquiry(self._server, predictor.volume, decided, axis, within)
            return asked, lambda results, turn: results
        way = Propagation(predictor, decided, axis, within)
        return way, partial(reweighed, predictor, decided)

    def carries(self, object_id: int) -> bool:
        """Tell whether an object is on its way."""
        return self.running and object_id == self._object_id

    def accept(self) -> None:
        """Finish the object on its way once it is written."""
        self._accepted = True
        self.said.emit(f"{self._name} is finished when its slices are written")

    def _go(
        self,
        whole: WholeObject,
        propagation: Propagation | Inquiry,
        better: Better,
        along: Plane,
    ) -> None:
        results: list[PlaneResult] = []
        number = self._object_id

        def run(turn: Turn) -> list[PlaneResult]:
            # After an interruption it is called again, and goes on.
            while not propagation.ended:
                final = propagation.advance(turn)
                results.extend(final)
                if final:
                    self._final.emit(number, final)
                self.progressed.emit(*propagation.slices)
            return better(results, turn)

        more = f"; {len(self._left)} more to come" if self._left else ""
        by = f" by {self.address}" if self.address else ""
        self.said.emit(f"Propagating {self._name}{by}{more}: you can go on meanwhile")
        self.progressed.emit(*propagation.slices)
        self._submit(
            lambda _, turn: run(turn),
            partial(self._found, whole, along),
            "The object could not be propagated",
        )

    def _tell(self, object_id: int, results: list[PlaneResult]) -> None:
        # They may arrive after a cancellation.
        if self.carries(object_id):
            self.found.emit(object_id, results)

    def _found(
        self, whole: WholeObject, along: Plane, results: list[PlaneResult]
    ) -> None:
        said = self._write(whole, results)
        self._accepted = False
        self.written.emit(self._object_id)
        # Without a model there is nothing to go on with.
        if self._inference.model is not None and self._next(along) is None:
            self.changed.emit()
            return
        if self._done > 1:
            said = f"Propagated {self._done} objects. {said}"
        self._end(said)

    def _write(self, whole: WholeObject, results: list[PlaneResult]) -> str:
        """Write what was found of an object, and say what that was."""
        try:
            whole.commit(results)
        except (ValueError, OSError, MemoryError) as error:
            why = str(error) or "there is no memory left"
            return f"Nothing was propagated: {why}"
        self._done += 1
        if self._accepted:
            self._session.accept(self._object_id)
        said = f"Found in {len(results)} more slice{'s' if len(results) != 1 else ''}"
        if whole.doubtful:
            said += f"; {len(whole.doubtful)} to check"
        if whole.kept:
            said += f"; {len(whole.kept)} keep their label, U again finds those anew"
        if self._accepted:
            said += f". {self._name} is finished"
        elif self._object_id != self._session.current:
            said += f". This is {self._name}"
        return said

    def _dropped(self, why: Dropped) -> None:
        by_model = why is Dropped.MODEL
        how = " by the change of the model" if by_model else ": nothing has changed"
        if self._done:
            how += f" of {self._name}; {self._done} are written"
        self._end(f"Propagation cancelled{how}")

    @property
    def _name(self) -> str:
        return self._session.objects[self._object_id].name

    def _end(self, why: str) -> None:
        if self._accepted and self._object_id in self._session.objects:
            why += f". {self._name} is not finished: accept it again"
        self._accepted, self._left = False, []
        super()._end(why)


def _begun(thing: SegmentedObject, along: Plane) -> bool:
    """Tell whether an object has prompts or edits in planes of an axis."""
    planes = (*thing.prompts, *thing.edits)
    return any((p.axis, p.fixed) == (along.axis, along.fixed) for p in planes)

"""What the worker does for one image: load the model, embed planes, decode prompts."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Sequence
from functools import partial
from typing import TYPE_CHECKING, Any

from qtpy.QtCore import QObject, QTimer, Signal

from napari_segnext.plugin.worker import Cancelled, Job, Priority, Worker
from napari_segnext.prompts import Plane

if TYPE_CHECKING:
    from napari_segnext.plugin.engine import Engine
    from napari_segnext.session import Request

AHEAD_AFTER_MS = 200


class Inference(QObject):
    """Requests of one session to the worker; answers come as signals.

    Signals are emitted on the GUI thread: `loaded` (the model is there), `shown`
    (the displayed plane is embedded: plane, milliseconds), `decoded` (request,
    prediction), `failed` (message) and `busy` (what is being done).
    """

    loaded = Signal(str)
    shown = Signal(object, float)
    decoded = Signal(object, object)
    failed = Signal(str)
    busy = Signal(str)

    def __init__(self, worker: Worker, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self._worker = worker
        self._engine: Engine | None = None
        self._plane: Plane | None = None
        self._neighbours: Sequence[Plane] = ()
        self._unanswered: dict[Hashable, Request] = {}
        self._closed = False
        self._ahead = QTimer(self)
        self._ahead.setSingleShot(True)
        self._ahead.setInterval(AHEAD_AFTER_MS)
        self._ahead.timeout.connect(self._embed_ahead)

    @property
    def ready(self) -> bool:
        """Whether a model is loaded."""
        return self._engine is not None

    def close(self) -> None:
        """Want nothing any more."""
        self._closed = True
        self._ahead.stop()
        self._worker.discard(lambda job: self._owns(job))

    def load(self, name: str, load: Callable[[], Engine]) -> None:
        """Load a model; the requests that wait for one are answered afterwards."""
        self._engine = None
        self._worker.discard(lambda job: self._owns(job))
        self.busy.emit(f"Loading {name} …")
        self._submit("load", Priority.CLICK, lambda _: load(), self._loaded)

    def show_plane(self, plane: Plane, neighbours: Sequence[Plane]) -> None:
        """Embed the displayed plane now, and its neighbours a little later."""
        self._plane, self._neighbours = plane, neighbours
        self._ahead.start()
        # What is under way for this very plane goes on; for others it is in the way.
        self._worker.discard(
            lambda job: (
                self._owns(job)
                and job.priority in (Priority.SHOWN, Priority.AHEAD)
                and job.subject != plane
            )
        )
        engine = self._engine
        if engine is None:
            return
        if engine.is_embedded(plane):
            self.shown.emit(plane, 0.0)
            return
        self.busy.emit("Embedding …")
        self._submit(
            "shown",
            Priority.SHOWN,
            partial(engine.embed, plane),
            lambda ms: self.shown.emit(plane, ms),
            plane,
        )

    def decode(self, request: Request) -> None:
        """Compute the mask for the prompts of a request."""
        key = (request.object_id, request.plane)
        self._unanswered[key] = request
        engine = self._engine
        if engine is None:
            return
        if not engine.is_embedded(request.plane):
            self.busy.emit("Embedding …")
        self._submit(
            key,
            Priority.CLICK,
            lambda cancelled: engine.predict(request, cancelled),
            lambda prediction: self._decoded(key, request, prediction),
            request.plane,
        )

    def _submit(
        self,
        key: Hashable,
        priority: Priority,
        run: Callable[[Cancelled], Any],
        done: Callable[[Any], None],
        subject: Hashable = None,
    ) -> None:
        def finished(result: Any) -> None:
            if not self._closed:
                done(result)

        def failed(error: Exception) -> None:
            if not self._closed:
                self.failed.emit(f"{what}: {error}" if str(error) else what)

        what = "The model could not be loaded" if key == "load" else "The model failed"
        self._worker.submit(
            Job((id(self), key), priority, run, finished, failed, subject)
        )

    def _loaded(self, engine: Engine) -> None:
        self._engine = engine
        self.loaded.emit(engine.description)
        for request in list(self._unanswered.values()):
            self.decode(request)
        if self._plane is not None:
            self.show_plane(self._plane, self._neighbours)

    def _decoded(self, key: Hashable, request: Request, prediction: Any) -> None:
        if self._unanswered.get(key) is request:
            del self._unanswered[key]
        self.decoded.emit(request, prediction)

    def _embed_ahead(self) -> None:
        engine = self._engine
        if engine is None:
            return
        for plane in self._neighbours:
            if not engine.is_embedded(plane):
                embed = partial(engine.embed, plane)
                key = ("ahead", plane)
                self._submit(key, Priority.AHEAD, embed, lambda _: None, plane)

    def _owns(self, job: Job) -> bool:
        return isinstance(job.key, tuple) and job.key[0] == id(self)

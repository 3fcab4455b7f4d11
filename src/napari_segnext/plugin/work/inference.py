"""What the worker does for one image: load the model, embed planes, decode prompts."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Sequence
from typing import TYPE_CHECKING, Any

from qtpy.QtCore import QObject, QTimer, Signal

from napari_segnext.geometry.frame import Point
from napari_segnext.geometry.plane import Plane
from napari_segnext.plugin.work.worker import Job, Priority, Turn, Worker

if TYPE_CHECKING:
    from napari_segnext.predicting.live import LiveImageModel
    from napari_segnext.session import Request

# The plane's picture is drawn first; planes that are only passed are not begun.
SHOWN_AFTER_MS = 20
AHEAD_AFTER_MS = 200
_NO_MODEL = "No model is loaded: choose one; the prompt is kept and waits for it"


class Inference(QObject):
    """Requests of one session to the worker; answers come as signals.

    Signals are emitted on the GUI thread: `loaded` (the model is there), `shown`
    (the displayed plane is embedded: plane, milliseconds), `decoded` (request,
    prediction), `failed` (message), `unloaded` (the model could not be loaded, and
    there is none), `kept` (it could not be loaded, and the one before goes on),
    `busy` (what is being done) and `waiting` (an embedding has to be waited for: the
    seconds that one took before, or 0; None when that is over).
    """

    loaded = Signal(str)
    unloaded = Signal()
    kept = Signal()
    shown = Signal(object, float)
    decoded = Signal(object, object)
    failed = Signal(str)
    busy = Signal(str)
    waiting = Signal(object)

    def __init__(self, worker: Worker, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self._worker = worker
        self._model: LiveImageModel | None = None
        self._former: LiveImageModel | None = None
        self.loading = False
        self._plane: Plane | None = None
        self._neighbours: Sequence[Plane] = ()
        self._near: Point | None = None
        self._takes_s = 0.0
        self._unanswered: dict[Hashable, Request] = {}
        self._embedded: set[Plane] = set()
        self._awaited: Plane | None = None
        self.failed.connect(self._no_longer_wait)
        self._told = False
        self._closed = False
        self._soon = self._timer(SHOWN_AFTER_MS, self._embed_shown)
        self._ahead = self._timer(AHEAD_AFTER_MS, self._embed_ahead)

    def _timer(self, milliseconds: int, run: Callable[[], None]) -> QTimer:
        timer = QTimer(self)
        timer.setSingleShot(True)
        timer.setInterval(milliseconds)
        timer.timeout.connect(run)
        return timer

    @property
    def model(self) -> LiveImageModel | None:
        """The loaded model."""
        return self._model

    def close(self) -> None:
        """Want nothing any more."""
        self._closed = True
        self._soon.stop()
        self._ahead.stop()
        self._worker.discard(lambda job: self._owns(job))

    def load(self, name: str, load: Callable[[], LiveImageModel]) -> None:
        """Load a model; the requests that wait for one are answered afterwards.

        If it cannot be loaded, the one that there was goes on.
        """
        self._former, self._model = self._model or self._former, None
        self.loading = True
        self._takes_s = 0.0
        self._embedded.clear()
        self._no_longer_wait()
        self._worker.discard(lambda job: self._owns(job))
        self.busy.emit(f"Loading {name} …")
        self.submit(
            "load",
            Priority.CLICK,
            lambda _: load(),
            self._loaded,
            failed=self._not_loaded,
            what="The model could not be loaded",
        )

    def show_plane(
        self, plane: Plane, neighbours: Sequence[Plane], near: Point | None = None
    ) -> None:
        """Embed the displayed plane once it is drawn, and its neighbours later.

        Parameters
        ----------
        near
            Where the user looks, (y, x): tiles there come first.
        """
        self._plane, self._neighbours, self._near = plane, neighbours, near
        if self._model is not None:
            self._model.doubt(plane)
        self._told = False
        self._soon.start()
        self._ahead.start()
        # What is under way for this very plane goes on; for others it is in the way.
        self._worker.discard(
            lambda job: (
                self._owns(job)
                and job.priority in (Priority.SHOWN, Priority.AHEAD)
                and job.key != (id(self), ("embed", plane))
            )
        )
        if self._model is not None:
            self._say_embedding(plane)

    def look_again(self) -> None:
        """Look at the displayed plane: its data may have been edited in place."""
        if self._model is not None:
            self._model.doubt()
            self._soon.start()

    def forget_embedded(self) -> None:
        """Say again when a plane has to be embedded: none is."""
        self._embedded.clear()

    def decode(self, request: Request) -> None:
        """Compute the mask for the prompts of a request."""
        key = (request.object_id, request.plane)
        self._unanswered[key] = request
        model = self._model
        if model is None:
            if self.loading:
                self.busy.emit("The model is being loaded: the mask comes when it is")
            else:
                self.failed.emit(_NO_MODEL)
            return
        self._say_embedding(request.plane)
        place = model.place(request)
        self.submit(
            key,
            Priority.CLICK,
            lambda turn: model.answer(request, turn),
            lambda prediction: self._decoded(key, request, prediction),
            needs=lambda making: making is not None and making == place,
        )

    def submit(
        self,
        key: Hashable,
        priority: Priority,
        run: Callable[[Turn], Any],
        done: Callable[[Any], None],
        *,
        needs: Callable[[Hashable], bool] = lambda making: False,
        failed: Callable[[str], None] | None = None,
        dropped: Callable[[], None] = lambda: None,
        what: str = "The model failed",
    ) -> None:
        """Queue work for this session; `done` gets the result on the GUI thread.

        It ends with one call of `done`, `failed` or `dropped`, unless this is closed.

        Parameters
        ----------
        failed
            Called on the GUI thread with what to say if it fails; default: the
            signal of that name.
        dropped
            Called there if the work was withdrawn, as by another model.
        what
            What is said then before the reason.
        """
        if self._closed:
            return
        fail = failed or self.failed.emit

        def finished(result: Any) -> None:
            if not self._closed:
                done(result)

        def explain(error: Exception) -> None:
            if not self._closed:
                fail(f"{what}: {error}" if str(error) else what)

        def end() -> None:
            if not self._closed:
                dropped()

        self._worker.submit(
            Job((id(self), key), priority, run, finished, explain, end, needs)
        )

    def withdraw(self, key: Hashable) -> None:
        """Drop work that was queued under a key, and stop it if it is under way."""
        self._worker.discard(lambda job: job.key == (id(self), key))

    def _embed(self, plane: Plane, priority: Priority) -> None:
        model, near = self._model, self._near
        assert model is not None
        self.submit(
            ("embed", plane),
            priority,
            lambda turn: model.embed(plane, turn, turn.make, near),
            lambda ms: self._done_embedding(plane, ms),
            needs=lambda making: isinstance(making, tuple) and making[0] == plane,
        )

    def _say_embedding(self, plane: Plane) -> None:
        """Say that a plane has to be embedded first, and how long one took before."""
        if plane != self._awaited:
            self._no_longer_wait()
        if plane in self._embedded:
            return
        about = f", about {self._takes_s:.0f} s" if self._takes_s >= 1 else ""
        self.busy.emit(f"Embedding{about} …")
        self._awaited = plane
        self.waiting.emit(self._takes_s)

    def _no_longer_wait(self, _: str = "") -> None:
        self._awaited = None
        self.waiting.emit(None)

    def _done_embedding(self, plane: Plane, milliseconds: float) -> None:
        self._now_embedded(plane)
        if milliseconds:
            self._takes_s = milliseconds / 1000
        # A mask has said it too, and more.
        if plane == self._plane and not self._told:
            self._told = True
            self.shown.emit(plane, milliseconds)

    def _now_embedded(self, plane: Plane) -> None:
        self._embedded.add(plane)
        if plane == self._awaited:
            self._no_longer_wait()

    def _not_loaded(self, why: str) -> None:
        former, self.loading = self._former, False
        if former is None:
            self.unloaded.emit()
            self.failed.emit(why)
        else:
            self.kept.emit()
            self._loaded(former)
            self.failed.emit(f"The model before goes on. {why}")

    def _loaded(self, model: LiveImageModel) -> None:
        self._model, self._former = model, None
        self.loading = False
        self.loaded.emit(model.description)
        for request in list(self._unanswered.values()):
            self.decode(request)
        if self._plane is not None:
            self.show_plane(self._plane, self._neighbours, self._near)

    def _decoded(self, key: Hashable, request: Request, prediction: Any) -> None:
        if self._unanswered.get(key) is request:
            del self._unanswered[key]
        self._now_embedded(request.plane)
        self._takes_s = prediction.embed_ms / 1000 or self._takes_s
        self._told = self._told or request.plane == self._plane
        self.decoded.emit(request, prediction)

    def _embed_shown(self) -> None:
        if self._model is not None and self._plane is not None:
            self._embed(self._plane, Priority.SHOWN)

    def _embed_ahead(self) -> None:
        if self._model is not None:
            for plane in self._neighbours:
                self._embed(plane, Priority.AHEAD)

    def _owns(self, job: Job) -> bool:
        return isinstance(job.key, tuple) and job.key[0] == id(self)

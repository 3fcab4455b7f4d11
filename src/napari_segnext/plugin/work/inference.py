"""What the worker does for one image: load the model, embed planes, decode prompts."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Sequence
from functools import partial
from typing import TYPE_CHECKING, Any

from qtpy.QtCore import QObject, QTimer, Signal

from napari_segnext.geometry.frame import Point
from napari_segnext.geometry.plane import Plane
from napari_segnext.plugin.work.task import Dropped, Priority, Task
from napari_segnext.plugin.work.worker import Turn, Worker

if TYPE_CHECKING:
    from napari_segnext.plugin.work.task import Place
    from napari_segnext.predicting.live import LiveImageModel
    from napari_segnext.session import Request

# The plane's picture is drawn first; planes that are only passed are not begun.
SHOWN_AFTER_MS = 20
AHEAD_AFTER_MS = 200
# What is done with a model, given that.
Work = Callable[["LiveImageModel", Turn], Any]
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
        self._loading: Task | None = None
        # What waits for the model that is being loaded.
        self._held: list[Task] = []
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

    @property
    def loading(self) -> bool:
        """Whether a model is being loaded."""
        return self._loading is not None

    def close(self) -> None:
        """Want nothing any more."""
        self._closed = True
        self._soon.stop()
        self._ahead.stop()
        self._worker.discard(self._owns, Dropped.CLOSED)
        self._drop_held(Dropped.CLOSED)

    def load(self, name: str, load: Callable[[], LiveImageModel]) -> None:
        """Load a model; the requests that wait for one are answered afterwards.

        If it cannot be loaded, the one that there was goes on. Other work that was
        handed in is dropped; what is handed in from now on waits.
        """
        if self._closed:
            return
        self._former, self._model = self._model or self._former, None
        self._takes_s = 0.0
        self._embedded.clear()
        self._no_longer_wait()
        self.busy.emit(f"Loading {name} …")
        task = Task(
            (id(self), "load"),
            Priority.CLICK,
            lambda _: load(),
            what="The model could not be loaded",
        )
        task.finished.connect(self._loaded)
        task.failed.connect(self._not_loaded)
        self._loading = task
        self._worker.discard(self._owns, Dropped.MODEL)
        self._worker.submit(task)

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
            lambda task: (
                self._owns(task)
                and task.priority in (Priority.SHOWN, Priority.AHEAD)
                and task.key != (id(self), ("embed", plane))
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
        task = self.submit(
            key,
            Priority.CLICK,
            lambda model, turn: model.answer(request, turn),
            needs=lambda making: making == place,
        )
        task.finished.connect(partial(self._decoded, key, request))
        task.failed.connect(self.failed)

    def submit(
        self,
        key: Hashable,
        priority: Priority,
        work: Work,
        *,
        needs: Callable[[Place], bool] = lambda making: False,
        what: str = "The model failed",
    ) -> Task:
        """Queue work of this session with the model; it waits for one being loaded.

        It is dropped if another model is loaded, as it belongs to the one before.

        Parameters
        ----------
        key, priority, needs, what
            As those of `Task`.
        """

        def run(turn: Turn) -> Any:
            # Work that runs is of the model in use: with that it would be dropped.
            assert self._model is not None
            return work(self._model, turn)

        task = Task((id(self), key), priority, run, needs, what)
        if self._closed:
            task.drop_soon(Dropped.CLOSED)
        elif self._model is not None:
            self._worker.submit(task)
        elif self.loading:
            self._held.append(task)
        else:
            task.drop_soon(Dropped.NO_MODEL)
        return task

    def drop(self, task: Task) -> None:
        """Drop work that is not wanted any more, and stop it if it is under way."""
        if task in self._held:
            self._held.remove(task)
            task.drop(Dropped.UNWANTED)
        else:
            self._worker.discard(lambda each: each is task)

    def _drop_held(self, why: Dropped) -> None:
        while self._held:
            self._held.pop(0).drop(why)

    def _embed(self, plane: Plane, priority: Priority) -> None:
        near = self._near
        task = self.submit(
            ("embed", plane),
            priority,
            lambda model, turn: model.embed(plane, turn, turn.make, near),
            needs=lambda making: making[0] == plane,
        )
        task.finished.connect(partial(self._done_embedding, plane))
        task.failed.connect(self.failed)

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
        former, self._loading = self._former, None
        if former is None:
            self._drop_held(Dropped.NO_MODEL)
            self.unloaded.emit()
            self.failed.emit(why)
        else:
            self.kept.emit()
            self._loaded(former)
            self.failed.emit(f"The model before goes on. {why}")

    def _loaded(self, model: LiveImageModel) -> None:
        self._model, self._former = model, None
        self._loading = None
        held, self._held = self._held, []
        for task in held:
            self._worker.submit(task)
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

    def _owns(self, task: Task) -> bool:
        return isinstance(task.key, tuple) and task.key[0] == id(self)

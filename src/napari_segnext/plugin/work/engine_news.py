"""What the engine of the model in use tells, brought to the GUI thread."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress

from qtpy.QtCore import QObject, Signal


class EngineNews(QObject):
    """Brings what an engine tells from its threads to the GUI thread.

    Parameters
    ----------
    say
        Called on the GUI thread with what answers now, and what went wrong or
        nothing.
    """

    _told = Signal(str, str)

    def __init__(
        self, say: Callable[[str, str], None], parent: QObject | None = None
    ) -> None:
        super().__init__(parent)
        self._say, self._closed = say, False
        self._told.connect(self._arrived)

    def __call__(self, description: str, message: str = "") -> None:
        """Tell; from any thread."""
        if not self._closed:
            # When the program ends Qt may be gone before the engine's thread.
            with suppress(RuntimeError):
                self._told.emit(description, message)

    def close(self) -> None:
        """Say nothing more: another model is loaded, or none."""
        self._closed = True

    def _arrived(self, description: str, message: str) -> None:
        if not self._closed:
            self._say(description, message)


class ModelInUse:
    """Which model and engine answer, and the news of that engine alone.

    One that cannot be loaded leaves the one before in its place.

    Parameters
    ----------
    say
        See `EngineNews`.
    """

    def __init__(self, say: Callable[[str, str], None], parent: QObject) -> None:
        self._say, self._parent = say, parent
        self._news = self._next = EngineNews(say, parent)
        self._names = self._asked = ("", "")

    def ask(self, model: str, engine: str) -> EngineNews:
        """Take note of what is being loaded; return what its engine tells news to."""
        if self._next is not self._news:
            self._next.close()
        self._asked = model, engine
        self._next = EngineNews(self._say, self._parent)
        return self._next

    def loaded(self) -> None:
        """Use what was asked for."""
        if self._next is not self._news:
            self._news.close()
        self._news, self._names = self._next, self._asked

    def kept(self) -> tuple[str, str]:
        """Go on with the one before; return the names of model and engine."""
        if self._next is not self._news:
            self._next.close()
        self._next, self._asked = self._news, self._names
        return self._names

    def close(self) -> None:
        """Bring no more news."""
        for news in (self._news, self._next):
            news.close()

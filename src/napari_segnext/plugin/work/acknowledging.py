"""What the user did counts once it is on disk; what waits for that."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Hashable
from time import monotonic

from qtpy.QtCore import QObject, QTimer, Signal

PATIENCE_MS = 200


class Acknowledgement(QObject):
    """Counts changes and those of them that are saved, from the GUI thread.

    Signals: `changed` (`late` is another).

    Attributes
    ----------
    late
        Whether a change is not saved although it was taken a while ago; the user is
        told so. What waits goes on then.
    """

    changed = Signal()

    def __init__(self, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self.late = False
        self.taken = 0
        self._saved = 0
        # The number of each unsaved change, and when it will be late.
        self._due: deque[tuple[int, float]] = deque()
        self._held: dict[Hashable, tuple[int, Callable[[], None]]] = {}
        self._timer = QTimer(self)
        self._timer.setSingleShot(True)
        self._timer.timeout.connect(self._look)

    def take(self) -> None:
        """Count a change."""
        self.taken += 1
        self._due.append((self.taken, monotonic() + PATIENCE_MS / 1000))
        if not self._timer.isActive():
            self._timer.start(PATIENCE_MS)

    def save(self, number: int) -> None:
        """Learn that all changes up to a number are saved."""
        self._saved = number
        self._look()

    def when_saved(self, key: Hashable, act: Callable[[], None]) -> None:
        """Do something once all that was taken so far is saved, or late.

        Parameters
        ----------
        key
            What waits under the same key is replaced.
        """
        if self.late or self._saved >= self.taken:
            act()
        else:
            self._held[key] = self.taken, act

    def close(self) -> None:
        """Do nothing of what waits."""
        self._held.clear()

    def _look(self) -> None:
        while self._due and self._due[0][0] <= self._saved:
            self._due.popleft()
        now = monotonic()
        late = bool(self._due) and self._due[0][1] <= now
        self._timer.stop()
        if self._due and not late:
            self._timer.start(round((self._due[0][1] - now) * 1000) + 1)
        if late != self.late:
            self.late = late
            self.changed.emit()
        for key, (number, act) in list(self._held.items()):
            if late or number <= self._saved:
                del self._held[key]
                act()

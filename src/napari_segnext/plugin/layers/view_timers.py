"""What layers of a large section do a little after the view or a label changed."""

from __future__ import annotations

from collections.abc import Callable

from qtpy.QtCore import QObject, QTimer, Signal

# The view has stopped moving after so long.
_STILL_MS = 150
# What the rest shows is read again so long after it has changed.
_REFRESH_MS = 50


class ViewTimers(QObject):
    """What happens a little later; messages of the mirror's thread arrive by `told`."""

    told = Signal(str)

    def __init__(self, follow: Callable[[], None], refresh: Callable[[], None]) -> None:
        super().__init__()
        self.still, self.refresh = QTimer(self), QTimer(self)
        for timer, delay, act in (
            (self.still, _STILL_MS, follow),
            (self.refresh, _REFRESH_MS, refresh),
        ):
            timer.setSingleShot(True)
            timer.setInterval(delay)
            timer.timeout.connect(act)

    def tell(self, problem: str | None) -> None:
        """Say something, from any thread."""
        try:
            self.told.emit(problem or "The labels' zarr store is up to date again")
        except RuntimeError:
            pass  # The viewer is gone.

    def close(self) -> None:
        """Do nothing of it any more."""
        self.still.stop()
        self.refresh.stop()

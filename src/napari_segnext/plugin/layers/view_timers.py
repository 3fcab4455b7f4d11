"""What layers of a large section do a little after the view or a label changed."""

from __future__ import annotations

from collections.abc import Callable

from qtpy.QtCore import QObject, QTimer, Signal

# What is drawn beside the user takes so long at a time.
TURN_S = 0.02
# The view has stopped moving after so long.
_STILL_MS = 150
# What the rest shows is read again so long after it has changed.
_REFRESH_MS = 50
# It goes on so long after that.
_DRAW_MS = 5
_SOMETIMES_MS = 1000


class ViewTimers(QObject):
    """What happens a little later; messages of the mirror's thread arrive by `told`."""

    told = Signal(str)

    def __init__(
        self,
        follow: Callable[[], None],
        refresh: Callable[[], None],
        draw: Callable[[], None],
    ) -> None:
        super().__init__()
        self.still, self.refresh = QTimer(self), QTimer(self)
        self.draw, self.sometimes = QTimer(self), QTimer(self)
        for timer, delay, act in (
            (self.still, _STILL_MS, follow),
            (self.refresh, _REFRESH_MS, refresh),
            (self.draw, _DRAW_MS, draw),
            (self.sometimes, _SOMETIMES_MS, refresh),
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

    def drawn(self, left: bool) -> None:
        """Go on drawing after a turn, and show now and then what there is."""
        if not left:
            self.refresh.start()
            return
        self.draw.start()
        if not self.sometimes.isActive():
            self.sometimes.start()

    def close(self) -> None:
        """Do nothing of it any more."""
        self.still.stop()
        self.refresh.stop()
        self.draw.stop()
        self.sometimes.stop()

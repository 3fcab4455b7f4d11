"""How much was done for an object."""

from __future__ import annotations

from dataclasses import dataclass
from time import monotonic

# A longer pause counts as one of so many seconds.
_PAUSE_S = 60.0


@dataclass(frozen=True, slots=True)
class Work:
    """Seconds, and clicks of any kind: what is a step, also if it was taken back."""

    seconds: float = 0.0
    clicks: int = 0

    def more(self, seconds: float) -> Work:
        """Add a click, and the time before it."""
        return Work(self.seconds + seconds, self.clicks + 1)


class Stopwatch:
    """Tells how long the user was at work before each click."""

    def __init__(self) -> None:
        self._last = monotonic()

    def lap(self) -> float:
        """Return the seconds since the last time, of a pause only some."""
        last, self._last = self._last, monotonic()
        return min(self._last - last, _PAUSE_S)

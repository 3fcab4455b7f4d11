"""Modules whose import takes seconds, for work that clicks may interrupt."""

from __future__ import annotations

import threading
from importlib import import_module
from typing import TYPE_CHECKING

from napari_segnext.weights.triton_guard import without_triton

if TYPE_CHECKING:
    from napari_segnext.plugin.work.worker import Turn

# How often it is looked whether a click waits.
_LOOK_S = 0.02


class Imported:
    """A module that is imported on a thread of its own, from now on.

    That it cannot be is found by who needs it.
    """

    def __init__(self, name: str) -> None:
        self._done = threading.Event()
        threading.Thread(
            target=self._run, args=(name,), name="segnext-importing", daemon=True
        ).start()

    def _run(self, name: str) -> None:
        try:
            # Some bring torch's compiler along, and that would bring triton.
            with without_triton():
                import_module(name)
        finally:
            self._done.set()

    def wait(self, turn: Turn) -> None:
        """Wait for it, or leave the worker to what is more urgent.

        Raises
        ------
        InterruptedError
            If `turn` says so; the next call goes on waiting.
        """
        while not self._done.wait(_LOOK_S):
            if turn():
                raise InterruptedError

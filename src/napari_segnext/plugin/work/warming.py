"""Importing what a session needs while the user still chooses an image."""

from __future__ import annotations

from importlib import import_module

from napari_segnext.plugin.work.task import Priority, Task
from napari_segnext.plugin.work.worker import Turn

# What napari imports with the first layers of labels and points; then PyTorch, which
# takes seconds; and what a first mask needs.
_NEEDED = ("pandas", "skimage.color", "napari_segnext.predicting.live", "scipy.sparse")


def warm_up() -> Task:
    """Return the task; that it failed is told to whoever then needs what is missing."""

    def run(turn: Turn) -> None:
        for name in _NEEDED:
            if turn():
                return
            import_module(name)

    return Task("warm up", Priority.REST, run)

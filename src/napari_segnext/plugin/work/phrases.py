"""Naming the selected object in the displayed plane, and what that needs."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from qtpy.QtCore import QObject, Signal

from napari_segnext.geometry.plane import Plane
from napari_segnext.prompts import Prompts

if TYPE_CHECKING:
    from napari_segnext.plugin.layers.displayed_plane import ShownPlane
    from napari_segnext.plugin.work.inference import Inference
    from napari_segnext.session import Session

_LOADING = "The model is being loaded"
_NO_MODEL = "No model is loaded"
_NO_PLANE = "No slice is shown"


class Phrases(QObject):
    """What the selected object is called in the displayed plane.

    `changed` is emitted when another plane is displayed or a model has been loaded.

    Parameters
    ----------
    give
        Called with a plane and the current object's new prompts in it.
    """

    changed = Signal()

    def __init__(
        self,
        inference: Inference,
        session: Session,
        shown: ShownPlane,
        give: Callable[[Plane, Prompts], None],
        parent: QObject | None = None,
    ) -> None:
        super().__init__(parent)
        self._inference, self._session, self._shown = inference, session, shown
        self._give = give
        inference.loaded.connect(lambda _: self.changed.emit())
        inference.unloaded.connect(self.changed)
        shown.moved.connect(lambda _: self.changed.emit())
        shown.lost.connect(lambda _: self.changed.emit())

    @property
    def obstacle(self) -> str:
        """Why nothing can be named now, as "in short: in full"; empty if it can."""
        model = self._inference.model
        if model is None:
            return _LOADING if self._inference.loading else _NO_MODEL
        return model.no_text or ("" if self._shown.plane else _NO_PLANE)

    @property
    def possible(self) -> bool:
        """Whether the model takes phrases, or would with a CLIP."""
        model = self._inference.model
        return model is not None and (not model.no_text or "CLIP" in model.no_text)

    @property
    def place(self) -> tuple[int, Plane | None]:
        """The object and the plane that a phrase is given in."""
        return self._session.current, self._shown.plane

    @property
    def phrase(self) -> str:
        """What is said there, or nothing."""
        return self._prompts().phrase or ""

    def say(self, phrase: str) -> None:
        """Name the object there; nothing takes the phrase away."""
        plane = self._shown.plane
        self._session.settle()
        if plane is not None:
            self._give(plane, self._prompts().text(phrase))

    def _prompts(self) -> Prompts:
        number, plane = self.place
        known = self._session.objects.get(number)
        if known is None or plane is None:
            return Prompts()
        return known.prompts.get(plane, Prompts())

"""What the user draws becomes a step of the session, and a question to the model."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from functools import partial
from typing import TYPE_CHECKING

from qtpy.QtCore import QObject, QTimer, Signal

from napari_segnext.prompts import Prompts

if TYPE_CHECKING:
    from napari_segnext.geometry.plane import Plane
    from napari_segnext.plugin.layers.objects import Objects
    from napari_segnext.plugin.work.inference import Inference
    from napari_segnext.plugin.work.saving import Saving
    from napari_segnext.session import Request, Session


class Prompting(QObject):
    """Gives prompts to the current object, or each new one to an object of its own.

    Signals: `said` (status line), `changed` (what there is), `turned` (the current
    object, or its prompts, are others than those that are drawn).

    Attributes
    ----------
    each_own
        Whether a positive prompt begins an object, unless the current one is empty.
    """

    said = Signal(str)
    changed = Signal()
    turned = Signal()

    def __init__(
        self,
        session: Session,
        saving: Saving,
        inference: Inference,
        objects: Objects,
        parent: QObject | None = None,
    ) -> None:
        super().__init__(parent)
        self._session, self._saving = session, saving
        self._inference, self._objects = inference, objects
        self.each_own = False

    def toggle_each_own(self) -> None:
        """Let each prompt begin an object of its own, or no more."""
        self.each_own = not self.each_own
        self.said.emit(
            "Each prompt begins an object; those of the other sign correct the last one"
            if self.each_own
            else "Prompts go to the current object"
        )
        self.changed.emit()

    def give(self, changes: Mapping[Plane, Prompts]) -> None:
        """Take what the user has drawn, moved or taken away: new prompts by plane."""
        begun = self._beginning(changes)
        try:
            if begun:
                requests = self._session.begin_with(begun)
            else:
                requests = self._session.change_prompts(changes)
        except ValueError as error:
            finished = self._session.objects[self._objects.current].finished
            self.said.emit(self._objects.finished_text if finished else str(error))
            # The layer is still in the middle of its own change.
            QTimer.singleShot(0, self.turned.emit)
            return
        if begun:
            QTimer.singleShot(0, self.turned.emit)
        self.answer(requests)
        self.changed.emit()

    def answer(self, requests: Iterable[Request]) -> None:
        """Have what is to be decoded answered, once it is saved."""
        for request in requests:
            key = (request.object_id, request.plane)
            self._saving.when_saved(key, partial(self._inference.decode, request))

    def _beginning(self, changes: Mapping[Plane, Prompts]) -> dict[Plane, Prompts]:
        """Return the prompts that begin an object of their own, if these do."""
        number = self._objects.current
        if not self.each_own or self._session.is_empty(number) or len(changes) > 1:
            return {}
        known = self._session.objects[number].prompts
        ((plane, prompts),) = changes.items()
        before = known.get(plane, Prompts()).items
        new = prompts.items[len(before) :]
        added = len(new) == 1 and new[0].positive and prompts.items[:-1] == before
        return {plane: Prompts(new)} if added else {}

"""Leaving a case for another one, and whether that may be now."""

from __future__ import annotations

from typing import TYPE_CHECKING

from qtpy.QtCore import QObject, Signal

if TYPE_CHECKING:
    from napari_segnext.plugin.work.adopting import Adopting
    from napari_segnext.plugin.work.importing import Importing
    from napari_segnext.plugin.work.propagating import Propagating
    from napari_segnext.plugin.work.repairing import Repairing
    from napari_segnext.plugin.work.saving import Saving
    from napari_segnext.session import Session


class CaseSteps(QObject):
    """What a session has to do with the series that its image is a case of.

    Signals: `wanted` (another case: how many steps on).
    """

    wanted = Signal(int)

    def __init__(
        self,
        session: Session,
        saving: Saving,
        propagation: Propagating,
        importing: Importing,
        adopting: Adopting,
        repairing: Repairing,
        parent: QObject | None = None,
    ) -> None:
        super().__init__(parent)
        self._session, self._saving = session, saving
        # Whose outcome would be lost.
        self._propagation, self._repairing = propagation, repairing
        self._importing, self._adopting = importing, adopting

    def next(self) -> None:
        """Ask for the next case."""
        self.wanted.emit(1)

    def previous(self) -> None:
        """Ask for the previous case."""
        self.wanted.emit(-1)

    @property
    def obstacle(self) -> str:
        """What would be lost if the session ended now, and what to do; or nothing."""
        if self._saving.choosing:
            return "Earlier work is being resumed: wait for it, or choose what to do"
        loading = self._importing.running or self._adopting.running
        under_way = {
            "An object is being propagated": self._propagation.running,
            "An object is being repaired": self._repairing.running,
            "A file is being loaded": loading,
        }
        what = next((each for each, running in under_way.items() if running), "")
        return f"{what}: wait for it, or cancel it" if what else ""

    @property
    def awaits_masks(self) -> bool:
        """Whether prompts are not answered yet that can be."""
        self._session.settle()
        return any(not request.vain for request in self._session.requests())

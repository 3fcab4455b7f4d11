"""What the model answers and what the user paints is written, and said."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from qtpy.QtCore import QObject, Signal

from napari_segnext.plugin.layers.own_layers import plane_name

if TYPE_CHECKING:
    from napari.layers import Image

    from napari_segnext.geometry.plane import Plane
    from napari_segnext.plugin.layers.objects import Objects
    from napari_segnext.predicting.prediction import Prediction
    from napari_segnext.session import PlaneDiff, Request, Session


class Committing(QObject):
    """Brings masks and strokes into a session.

    Signals: `said` (news for the status line), `passing` (what goes on), `ready` (the
    same, to which no news give way), `changed` (what there is).
    """

    said = Signal(str)
    passing = Signal(str)
    ready = Signal(str)
    changed = Signal()

    def __init__(
        self,
        image: Image,
        session: Session,
        objects: Objects,
        parent: QObject | None = None,
    ) -> None:
        super().__init__(parent)
        self._image, self._session, self._objects = image, session, objects

    def commit(self, request: Request, prediction: Prediction) -> None:
        """Write the mask that answers a request."""
        try:
            written = self._session.commit(request, prediction.patch)
        except (ValueError, OSError, MemoryError) as error:
            ours = prediction.patch.finite
            what = "No mask was written" if ours else "The model failed"
            self.said.emit(f"{what}: {str(error) or 'there is no memory left'}")
            return
        if written is None:
            return
        new = request.prompts.items[request.answered :]
        plane = request.plane
        protected = self._objects.finished_under(request.object_id, plane, new)
        took = f"Mask in {prediction.decode_ms:.0f} ms"
        if prediction.embed_ms >= 1:
            took += f", embedding {prediction.embed_ms:.0f} ms"
        self._say_at(plane, protected or took, self.said if protected else self.passing)
        self.changed.emit()

    def record(self, parts: Sequence[PlaneDiff]) -> None:
        """Take note of a brush stroke; what is protected comes back."""
        reverted = self._session.record_strokes(parts)
        text = "Finished objects are protected: their part is back"
        self._say_at(parts[0].plane, text if reverted else "Edit kept", self.said)
        self.changed.emit()

    def say_embedded(self, plane: Plane, milliseconds: float, news: str) -> None:
        """Say that a plane is embedded, and what else there is to say."""
        text = f"embedded in {milliseconds:.0f} ms" if milliseconds else "embedded"
        self._say_at(plane, f"Ready, {text}{news}", self.said if news else self.ready)

    def _say_at(self, plane: Plane, text: str, signal: Any) -> None:
        space, labels = self._session.space, self._image.axis_labels
        where = plane_name(plane, space, labels)
        signal.emit(f"{where}: {text}" if where else text)

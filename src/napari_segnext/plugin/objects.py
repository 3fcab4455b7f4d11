"""What the user does to objects in a viewer; the session does the work."""

from __future__ import annotations

from collections.abc import Collection
from typing import TYPE_CHECKING, Any

from qtpy.QtCore import QObject, Signal

from napari_segnext.plugin.colours import Colours
from napari_segnext.plugin.layers import plane_name
from napari_segnext.plugin.measure import Measure
from napari_segnext.plugin.object_table import ObjectRow

if TYPE_CHECKING:
    from napari.viewer import ViewerModel

    from napari_segnext.categories import Category
    from napari_segnext.plugin.label_bridge import LayerLabels
    from napari_segnext.plugin.planes import Axes
    from napari_segnext.plugin.shown import ShownPlane
    from napari_segnext.prompts import Plane
    from napari_segnext.session import Session
    from napari_segnext.session.state import Colour


class Objects(QObject):
    """The objects of a session, and going from one to another.

    Signals: `said` (status line), `turned` (the current object, or its prompts, may be
    others: draw them anew), `changed` (what is listed).
    """

    said = Signal(str)
    turned = Signal()
    changed = Signal()

    def __init__(
        self,
        viewer: ViewerModel,
        session: Session,
        labels: LayerLabels,
        shown: ShownPlane,
        axes: Axes,
        parent: QObject | None = None,
    ) -> None:
        super().__init__(parent)
        self._viewer, self._session, self._labels = viewer, session, labels
        self._shown, self._axes = shown, axes
        self._colours = Colours(labels.layer, session)

    # What is listed

    @property
    def current(self) -> int:
        """Id of the object that prompts are for."""
        return int(self._session.current)

    @property
    def ids(self) -> list[int]:
        """Ids of all objects, as they are listed."""
        return list(self._session.objects)

    @property
    def categories(self) -> list[Category]:
        """The classes there are."""
        return self._session.categories

    @property
    def measure(self) -> Measure:
        """What a voxel is."""
        return Measure.of(self._labels.layer, self._axes)

    def row(self, object_id: int, measure: Measure) -> ObjectRow:
        """Return what is listed of an object; nothing is counted for it."""
        each, counts = self._session.objects[object_id], self._session.count(object_id)
        return ObjectRow(
            object_id,
            each.name,
            self._colours.of(each),
            each.category.name if each.category else "",
            counts.prompts,
            counts.planes,
            measure.text(counts.voxels),
            each.finished,
        )

    def category_of(self, object_id: int) -> Category | None:
        """Return the class of an object."""
        return self._session.objects[object_id].category

    @property
    def semantic(self) -> bool:
        """Whether objects of a class are shown, and saved, as one."""
        return self._colours.semantic

    @semantic.setter
    def semantic(self, semantic: bool) -> None:
        self._colours.semantic = semantic
        self.changed.emit()

    def refresh(self) -> None:
        """Follow what has changed in the session."""
        self._colours.apply()
        if self._labels.layer.selected_label != self.current:
            self._labels.layer.selected_label = self.current

    # Going from one to another

    def select(self, object_id: int) -> None:
        """Go on with an object where its prompts are; they come back."""
        if object_id not in self._session.objects:
            return
        if object_id != self.current:
            self._session.select(object_id)
            self.turned.emit()
        self._go_to_prompts()

    def pick(self) -> None:
        """Go on with the object under the pointer; once more, go to its prompts."""
        value = self._labels.value_at(self._viewer.cursor.position)
        if not value or value not in self._session.objects:
            self.said.emit("No object under the pointer")
        elif value == self.current:
            self._go_to_prompts()
        else:
            self._session.select(value)
            self.turned.emit()
            self._tell_prompts()

    def label_chosen(self, event: Any = None) -> None:
        """Follow napari's picker and label spin box to another object."""
        label = int(self._labels.layer.selected_label)
        if label != self.current and label in self._session.objects:
            self._session.select(label)
            self.turned.emit()

    def next(self) -> None:
        """Go to the next object, or to a new one after the last."""
        self._step(1)

    def previous(self) -> None:
        """Go to the previous object."""
        self._step(-1)

    def _step(self, step: int) -> None:
        at = self.ids.index(self.current) + step
        if at < 0:
            self.said.emit("This is the first object")
        elif at < len(self.ids):
            self.select(self.ids[at])
        else:
            self.begin()

    def begin(self) -> None:
        """Go to a new object."""
        self._session.new_object()
        self.turned.emit()

    def _go_to_prompts(self) -> None:
        """Show the nearest plane with prompts of the object, unless one is shown."""
        each, shown = self._session.objects[self.current], self._shown.plane
        planes: Collection[Plane] = each.prompts or each.planes
        if not planes or shown in planes:
            return
        nearest = min(planes)
        if shown is not None:
            nearest = min(
                planes,
                key=lambda plane: (
                    plane.axis != shown.axis,
                    plane.fixed != shown.fixed,
                    abs(plane.index - shown.index),
                ),
            )
        self._shown.go_to(nearest)

    def _tell_prompts(self) -> None:
        each = self._session.objects[self.current]
        labels = self._labels.layer.axis_labels
        places = [plane_name(plane, self._axes, labels) for plane in each.prompts]
        where = f": prompts in {', '.join(places)}" if any(places) else ""
        self.said.emit(f"{each.name}{where}")

    # What is done to them

    def rename(self, object_id: int, name: str) -> None:
        """Give an object another name."""
        if name.strip() and name != self._session.objects[object_id].name:
            self._session.rename(object_id, name.strip())
        self.changed.emit()

    def recolour(self, object_id: int, colour: Colour) -> None:
        """Give an object another colour."""
        self._session.recolour(object_id, colour)
        self.changed.emit()

    def categorise(self, object_ids: Collection[int], category: Category) -> None:
        """Make objects members of a class."""
        try:
            self._session.categorise(object_ids, category)
        except ValueError as error:
            self.said.emit(str(error))
        self.changed.emit()

    def accept(self) -> None:
        """Finish the object and go to a new one; a finished one is opened again."""
        if self._session.objects[self.current].finished:
            self._session.reopen(self.current)
        else:
            self._session.accept_and_begin(self.current)
        self.turned.emit()

    def discard(self) -> None:
        """Remove the object's prompts and its mask."""
        self._session.discard(self.current)
        self.turned.emit()

    def merge(self, object_id: int) -> None:
        """Make another object a part of the current one."""
        name = self._session.objects[object_id].name
        self._session.merge(self.current, object_id)
        self.turned.emit()
        self.said.emit(
            f"{name} is now part of {self._session.objects[self.current].name}"
        )

    def delete(self, object_id: int) -> None:
        """Take an object away with all that belongs to it."""
        name = self._session.objects[object_id].name
        self._session.delete(object_id)
        self.turned.emit()
        self.said.emit(f"{name} deleted; undo brings it back")

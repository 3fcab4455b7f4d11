"""What the user does to objects in a viewer; the session does the work."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from qtpy.QtCore import QObject, Signal

from napari_segnext.geometry.regions import Extent
from napari_segnext.plugin.layers.colours import Colours
from napari_segnext.plugin.layers.measure import Measure
from napari_segnext.plugin.layers.own_layers import plane_name
from napari_segnext.prompts import middle

if TYPE_CHECKING:
    from napari.viewer import ViewerModel

    from napari_segnext.files.categories import Category
    from napari_segnext.geometry.plane import Plane
    from napari_segnext.geometry.space import Space
    from napari_segnext.plugin.layers.displayed_plane import ShownPlane
    from napari_segnext.plugin.layers.labels_layer import LayerLabels
    from napari_segnext.prompts import Prompt
    from napari_segnext.session import Session, Undone
    from napari_segnext.session.state import Colour

# What a user calls the steps of a session that have other names there.
_STEPS = {
    "prompts": "prompt",
    "stroke": "brush stroke",
    "clear edits": "clearing of edits",
    "clear slice": "clearing of a slice",
    "propagate": "propagation",
    "labels": "taking in of labels",
    "accept proposals": "acceptance of proposals",
    "reject proposals": "rejection of proposals",
    "nest": "placing of a class in another",
}


@dataclass(frozen=True, slots=True)
class ObjectRow:
    """One object as it is listed.

    Attributes
    ----------
    value
        In files of labels.
    colour
        Red, green, blue from 0 to 1.
    slices
        Number of slices that show it; see `Counts`.
    amount
        Volume, or area, as it is written.
    """

    object_id: int
    value: int
    name: str
    colour: tuple[float, float, float]
    category: str
    prompts: int
    slices: int
    amount: str
    finished: bool


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
        space: Space,
        parent: QObject | None = None,
    ) -> None:
        super().__init__(parent)
        self._viewer, self._session, self._labels = viewer, session, labels
        self._shown, self._space = shown, space
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
        return Measure.of(self._labels.layer, self._space)

    def row(self, object_id: int, measure: Measure) -> ObjectRow:
        """Return what is listed of an object; nothing is counted for it."""
        each, counts = self._session.objects[object_id], self._session.count(object_id)
        return ObjectRow(
            object_id,
            each.value,
            each.name,
            self._colours.of(each),
            each.category.name if each.category else "",
            counts.prompts,
            counts.slices,
            measure.text(self._size(object_id)),
            each.finished,
        )

    def _size(self, object_id: int) -> int:
        """Return the voxels of an object and of those inside it."""
        numbers = self._session.with_inner(object_id)
        return sum(self._session.count(number).voxels for number in numbers)

    def category_of(self, object_id: int) -> Category | None:
        """Return the class of an object."""
        return self._session.objects[object_id].category

    @property
    def semantic(self) -> bool:
        """Whether objects of a class are shown, and saved, as one."""
        return self._session.semantic

    def view_by_class(self, semantic: bool) -> None:
        """Show objects of a class as one, or each for itself."""
        self._session.view_by_class(semantic)
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
        if self._session.objects[object_id].finished:
            self.said.emit(self.finished_text)
        else:
            self._tell_prompts()

    def show(self, object_id: int, plane: Plane) -> None:
        """Go on with an object in a plane, and look at it there."""
        if object_id not in self._session.objects:
            return
        if object_id != self.current:
            self._session.select(object_id)
        section = self._session.section(object_id, plane)
        if not section.pixels.size:
            # It is missing there: look at where it is beside.
            beside = self._session.space.along(plane, 1)
            sections = (self._session.section(object_id, each) for each in beside)
            section = next((each for each in sections if each.pixels.size), section)
        self._shown.go_to(plane, section.corners)
        self.turned.emit()

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
        """Go to the next object that is not finished, or to a new one."""
        known = self._session.objects
        later = (n for n in self.ids if n > self.current and not known[n].finished)
        following = next(later, None)
        if following is None:
            self.begin()
        else:
            self.select(following)

    def previous(self) -> None:
        """Go to the previous object, finished or not."""
        earlier = [number for number in self.ids if number < self.current]
        if earlier:
            self.select(earlier[-1])
        else:
            self.said.emit("This is the first object")

    def begin(self) -> None:
        """Go to a new object, or to one that is still empty."""
        self._session.settle()
        if self._session.is_empty(self.current):
            self.said.emit(f"{self._name} is new: give it a prompt")
            return
        try:
            self._session.begin()
        except ValueError as error:
            self.said.emit(str(error))
            return
        self.turned.emit()
        self.said.emit(f"{self._name} is new: give it a prompt")

    @property
    def finished_text(self) -> str:
        """What to do where the current object is finished."""
        return f"{self._name} is finished: G to reopen it, N to go on to another"

    @property
    def _name(self) -> str:
        return self._session.objects[self.current].name

    def _go_to_prompts(self) -> None:
        """Show the nearest plane with prompts of the object, unless one is shown.

        The displayed axis stays, as long as there is anything of the object along it.
        """
        each, shown = self._session.objects[self.current], self._shown.plane
        planes: Collection[Plane] = each.prompts or each.planes
        if shown is None:
            if planes:
                self._shown.go_to(min(planes))
            return
        along = [plane for plane in planes if plane.axis == shown.axis]
        along = along or self._session.planes_of(self.current, shown)
        nearest = min(
            along or planes,
            key=lambda plane: (
                plane.fixed != shown.fixed,
                abs(plane.index - shown.index),
            ),
            default=shown,
        )
        if nearest != shown:
            self._shown.go_to(nearest)

    def finished_under(
        self, object_id: int, plane: Plane, prompts: Iterable[Prompt]
    ) -> str:
        """Tell of a finished object on which positive prompts of another one lie.

        Returns
        -------
        What to do about it; nothing where there is none.
        """
        for prompt in prompts:
            at = middle(prompt)
            if not prompt.positive or at is None:
                continue
            pixel = Extent.at(at, (1, 1))
            number = int(self._labels.read(plane, pixel).max(initial=0))
            other = self._session.objects.get(number)
            if other is not None and other.finished and number != object_id:
                return (
                    f"{other.name} here is finished and keeps its voxels: H, then G "
                    "to reopen it, or Classes > Inside to draw on it"
                )
        return ""

    def told(self, done: Undone) -> str:
        """Return what a step was, of which object and where."""
        each = self._session.objects.get(done.object_id)
        name = f"Object {done.object_id}" if each is None else each.name
        labels = self._labels.layer.axis_labels
        where = (
            "" if done.plane is None else plane_name(done.plane, self._space, labels)
        )
        parts = [
            _STEPS.get(done.name, done.name),
            name if done.object_id else "",
            where,
        ]
        return ", ".join(part for part in parts if part)

    def _tell_prompts(self) -> None:
        each = self._session.objects[self.current]
        labels = self._labels.layer.axis_labels
        places = [plane_name(plane, self._space, labels) for plane in each.prompts]
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

    def nest(self, category: Category, outer: Category | None) -> None:
        """Let the objects of a class lie inside those of another, or of none."""
        try:
            self._session.nest(category.value, outer.value if outer else 0)
        except ValueError as error:
            self.said.emit(str(error))
        else:
            where = f"inside {outer.name}, and on top of it" if outer else "in no other"
            self.said.emit(f"{category.name} lies {where}")
        self.changed.emit()

    def accept(self) -> None:
        """Finish the object and go to a new one; a finished one is opened again."""
        self._session.settle()
        name = self._name
        if self._session.objects[self.current].finished:
            self._session.reopen(self.current)
            said = f"{name} is open again"
        elif self._session.is_empty(self.current):
            said = f"{name} is still empty: there is nothing to finish"
        else:
            self._session.accept_and_begin(self.current)
            said = f"{name} is finished; {self._name} is next"
        self.turned.emit()
        self.said.emit(said)

    def discard(self) -> None:
        """Remove the object's prompts and its mask."""
        self._session.discard(self.current)
        self.turned.emit()
        self.said.emit(f"{self._name} is empty again; undo brings it back")

    def clear_slice(self) -> None:
        """Take the object out of the displayed plane, where it then ends."""
        plane = self._shown.plane
        if plane is None:
            return
        try:
            cleared = self._session.clear_plane(self.current, plane)
        except ValueError as error:
            self.said.emit(str(error))
            return
        if not cleared:
            self.said.emit(f"There is nothing of {self._name} in this slice")
            return
        self.turned.emit()
        self.said.emit(f"{self._name} ends here: U finds the others anew")

    def merge(self, object_id: int) -> None:
        """Make another object a part of the current one."""
        name = self._session.objects[object_id].name
        self._session.merge(self.current, object_id)
        self.turned.emit()
        self.said.emit(
            f"{name} is now part of {self._session.objects[self.current].name}"
        )

    def delete(self, object_ids: Collection[int]) -> None:
        """Take objects away with all that belongs to them."""
        names = ", ".join(self._session.objects[number].name for number in object_ids)
        self._session.delete(*object_ids)
        self.turned.emit()
        brings = "them" if len(object_ids) > 1 else "it"
        self.said.emit(f"{names} deleted; undo brings {brings} back")

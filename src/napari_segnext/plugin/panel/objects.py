"""The objects in the panel: the list, what is done to them, and their classes."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Sequence
from typing import TYPE_CHECKING, Any

from qtpy.QtWidgets import (
    QCheckBox,
    QComboBox,
    QFormLayout,
    QHBoxLayout,
    QLineEdit,
    QVBoxLayout,
    QWidget,
)

from napari_segnext.files.categories import Category
from napari_segnext.plugin.keys import ACCEPT, PICK
from napari_segnext.plugin.panel.controls import (
    Do,
    action_button,
    make_button,
    make_combo,
)
from napari_segnext.plugin.panel.object_list import ObjectList

if TYPE_CHECKING:
    from napari_segnext.plugin.layers.measure import Measure
    from napari_segnext.plugin.layers.objects import ObjectRow
    from napari_segnext.plugin.panel.state import ClassState, ListState

_CATEGORY = re.compile(r"\s*(?:(\d+)\b)?\s*(.*?)\s*$")


class ObjectPanel(QWidget):
    """The list of objects, and buttons for what needs a choice in it."""

    def __init__(self, do: Do, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.list = ObjectList()
        listed = self.list
        listed.chosen.connect(lambda n: do(lambda to: to.objects.select(n)))
        listed.renamed.connect(
            lambda n, name: do(lambda to: to.objects.rename(n, name))
        )
        listed.merged.connect(lambda n: do(lambda to: to.objects.merge(n)))
        listed.deleted.connect(lambda ids: do(lambda to: to.objects.delete(ids)))
        listed.accepted.connect(lambda: do(ACCEPT.run))
        listed.coloured.connect(
            lambda n, *rgb: do(lambda to: to.objects.recolour(n, rgb))
        )
        self.list.setToolTip(
            "Click to go on with an object, double-click to rename it; Ctrl+click a "
            "second one to merge the two; right-click for more"
        )
        row = QHBoxLayout()
        row.setSpacing(4)
        pick = action_button(PICK, do)
        self.merge = make_button(
            "Merge", "Make the second selected object a part of the current one (M)"
        )
        self.merge.clicked.connect(self.list.merge_selected)
        self.delete = make_button(
            "Delete", "Delete the selected objects; undo brings them back"
        )
        self.delete.clicked.connect(self.list.delete_selected)
        for button in (pick, self.merge, self.delete):
            row.addWidget(button)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.setSpacing(4)
        layout.addWidget(self.list, 1)
        layout.addLayout(row)
        self.list.selectionModel().selectionChanged.connect(self._selected)

    def show_state(
        self,
        state: ListState,
        former: ListState | None,
        row: Callable[[int, Measure], ObjectRow],
    ) -> None:
        """List the objects of a session.

        Parameters
        ----------
        former
            What was shown of it before, if anything was.
        row
            Is asked for what is listed of objects that are seen.
        """
        self.list.show_objects(
            state.ids,
            lambda number: row(number, state.measure),
            state.current,
            state.measure.unit,
            state.classes,
            state.changed_since(former),
        )
        self._selected()

    def _selected(self, *_: Any) -> None:
        self.merge.setEnabled(len(self.list.others) == 1)


class ClassPanel(QWidget):
    """Whether labels stand for objects or for classes, and the class of an object."""

    def __init__(self, do: Do, selected: Callable[[], list[int]]) -> None:
        super().__init__()
        self._do, self._selected = do, selected
        self._state: ClassState | None = None
        self._remembered: tuple[Category, ...] = ()
        self.semantic = QCheckBox("One value and colour per class")
        self.semantic.setToolTip(
            "Show the objects of a class alike, and save labels with the value of "
            "the class instead of that of the object. Prompts stay with the objects"
        )
        self.semantic.toggled.connect(self._turn)
        self.choice = make_combo(
            "Class of the selected objects. Type a new name, with the value before "
            "it if it matters: “4 enhancing”"
        )
        self.choice.setEditable(True)
        self.choice.setInsertPolicy(QComboBox.InsertPolicy.NoInsert)
        self._line = QLineEdit()
        self._line.setPlaceholderText("value and name")
        self._line.returnPressed.connect(self._chosen)
        self._line.editingFinished.connect(self._write)
        self.choice.setLineEdit(self._line)
        self.choice.activated.connect(lambda _: self._chosen())
        form = QFormLayout(self)
        form.setContentsMargins(0, 0, 0, 0)
        form.setFieldGrowthPolicy(QFormLayout.FieldGrowthPolicy.ExpandingFieldsGrow)
        form.addRow(self.semantic)
        form.addRow("Class", self.choice)
        self.outer = make_combo(
            "The class that this one lies inside of, as a core in a tumour. Its "
            "objects are drawn on top of those, finished or not, and count to their "
            "volume"
        )
        self.outer.activated.connect(lambda _: self._nest())
        form.addRow("Inside", self.outer)

    def remember(self, categories: Iterable[Category]) -> None:
        """Offer classes that objects of another image had, before those before."""
        self._remembered = _distinct([*categories, *self._remembered])
        self._write()

    @property
    def _offered(self) -> tuple[Category, ...]:
        """The classes of the session, and others that are not mistaken for them."""
        own = self._state.categories if self._state else ()
        return _distinct([*own, *self._remembered])

    def show_state(self, state: ClassState) -> None:
        """Show the classes of a session, and that of the current object."""
        self._state = state
        self.semantic.setChecked(state.semantic)
        self._write()
        inside = state.category.inside if state.category else 0
        self.outer.clear()
        self.outer.addItem("no other class", None)
        for each in state.categories:
            if state.category and each.value != state.category.value:
                self.outer.addItem(_text(each), each)
                if each.value == inside:
                    self.outer.setCurrentIndex(self.outer.count() - 1)
        self.outer.setEnabled(self.outer.count() > 1)

    def _write(self) -> None:
        """Write the classes, unless the user is typing one."""
        state = self._state
        if state is None or self.choice.hasFocus():
            return
        self.choice.clear()
        self.choice.addItems([_text(each) for each in self._offered])
        self.choice.setCurrentText(_text(state.category) if state.category else "")

    def _turn(self, semantic: bool) -> None:
        if self._state is not None and self._state.semantic != semantic:
            self._do(lambda to: to.objects.view_by_class(semantic))

    def _nest(self) -> None:
        if self._state is not None and self._state.category is not None:
            category, outer = self._state.category, self.outer.currentData()
            self._do(lambda to: to.objects.nest(category, outer))

    def _chosen(self) -> None:
        if self._state is None:
            return
        category = parse_category(self.choice.currentText(), self._offered)
        self.choice.clearFocus()
        if category is not None:
            selected = self._selected()
            self._do(lambda to: to.objects.categorise(selected, category))


def _distinct(categories: Iterable[Category]) -> tuple[Category, ...]:
    """Return classes without those that would be mistaken for one before them."""
    kept = list[Category]()
    for each in categories:
        if not any(each.value == k.value or each.name == k.name for k in kept):
            kept.append(each)
    return tuple(kept)


def parse_category(text: str, known: Sequence[Category]) -> Category | None:
    """Return the class that a user means: "4 enhancing", a known name, or a new one.

    Without a value a new class gets the next one. None if there is no name.
    """
    match = _CATEGORY.match(text)
    assert match is not None
    value, name = match.groups()
    if not name:
        return next((c for c in known if value and c.value == int(value)), None)
    if value is None:
        same = next((c for c in known if c.name == name), None)
        return same or Category(max((c.value for c in known), default=0) + 1, name)
    return Category(max(int(value), 1), name)


def _text(category: Category) -> str:
    return f"{category.value} {category.name}"

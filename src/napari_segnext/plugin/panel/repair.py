"""The part of the panel that repairs the shape of the current object."""

from __future__ import annotations

from functools import partial

from qtpy.QtCore import Qt
from qtpy.QtWidgets import (
    QGridLayout,
    QHBoxLayout,
    QLabel,
    QPushButton,
    QSlider,
    QVBoxLayout,
    QWidget,
)

from napari_segnext.plugin.keys import CLEAR_SLICE, REPAIRS
from napari_segnext.plugin.panel.controls import (
    Do,
    action_button,
    leave_wheel,
    make_button,
)
from napari_segnext.plugin.work.repairing import Repairing

# Pixels that a border is moved by at most.
_FARTHEST = 10
_SCOPES = {
    True: ("Whole object", "Repair the object in all slices, along and across"),
    False: ("This slice", "Repair the object in the displayed slice alone"),
}


class RepairPart(QWidget):
    """Where to repair, what to do, and a slider that moves the border."""

    def __init__(self, do: Do) -> None:
        super().__init__()
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.setSpacing(4)
        layout.addLayout(self._build_scopes(do))
        grid = QGridLayout()
        grid.setSpacing(4)
        self.buttons = [action_button(act, do, narrow=True) for act in REPAIRS]
        self.cancel = make_button("Cancel", "Stop; nothing changes", narrow=True)
        self.cancel.clicked.connect(lambda _=False: do(lambda to: to.repairing.stop()))
        clear = action_button(CLEAR_SLICE, do, narrow=True)
        for number, button in enumerate((*self.buttons, clear, self.cancel)):
            grid.addWidget(button, *divmod(number, 2))
        layout.addLayout(grid)
        self.border = BorderSlider()
        layout.addLayout(self._build_border(do))

    def follow(self, repairing: Repairing) -> None:
        """Serve a session that has begun."""
        repairing.changed.connect(partial(self._show, repairing))
        self._show(repairing)

    def _build_scopes(self, do: Do) -> QHBoxLayout:
        row = QHBoxLayout()
        row.setSpacing(2)
        self.scopes: dict[bool, QPushButton] = {}
        for whole, (text, tip) in _SCOPES.items():
            button = make_button(text, tip, checkable=True, narrow=True)
            button.clicked.connect(
                lambda _=False, w=whole: do(lambda to: to.repairing.choose(w))
            )
            row.addWidget(button)
            self.scopes[whole] = button
        return row

    def _build_border(self, do: Do) -> QHBoxLayout:
        row = QHBoxLayout()
        row.setSpacing(4)
        by = QLabel()
        by.setMinimumWidth(by.fontMetrics().horizontalAdvance("+10 px"))
        row.addWidget(QLabel("Shrink"))
        row.addWidget(self.border, 1)
        row.addWidget(QLabel("Grow"))
        row.addWidget(by)

        def tell(value: int) -> None:
            by.setText(f"{value:+d} px" if value else "")

        def move() -> None:
            value = self.border.value()
            self.border.setValue(0)
            if value:
                do(lambda to: to.repairing.grow(value))

        self.border.valueChanged.connect(tell)
        self.border.sliderReleased.connect(move)
        return row

    def _show(self, repairing: Repairing) -> None:
        """Show what is chosen, and whether something is on its way."""
        for whole, button in self.scopes.items():
            button.setChecked(whole == repairing.whole)
        at_work = repairing.running or repairing.splitting
        for control in (*self.buttons, self.border):
            control.setEnabled(not at_work)
        self.cancel.setEnabled(at_work)


class BorderSlider(QSlider):
    """A slider that is dragged from the middle, and is back there when let go of."""

    def __init__(self) -> None:
        super().__init__(Qt.Orientation.Horizontal)
        self.setRange(-_FARTHEST, _FARTHEST)
        self.setToolTip(
            "Drag to move the border by so many pixels when you let go: where the "
            "model has said how probable pixels are, the most probable first, else by "
            "distance"
        )
        self.setFocusPolicy(Qt.FocusPolicy.NoFocus)
        leave_wheel(self)

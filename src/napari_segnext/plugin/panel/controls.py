"""Buttons and choices as the panel has them."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from qtpy.QtCore import QEvent, QObject, Qt, QTimer
from qtpy.QtWidgets import QComboBox, QPushButton, QSizePolicy, QWidget
from superqt import QElidingLabel

from napari_segnext.plugin.keys import Action

if TYPE_CHECKING:
    from napari_segnext.plugin.annotator import Annotator

# Has something done by the session, if there is one.
Do = Callable[[Callable[["Annotator"], object]], None]


def make_button(
    text: str, tip: str, checkable: bool = False, narrow: bool = False
) -> QPushButton:
    """Make a button; a narrow one has room for others beside it."""
    button = QPushButton(text)
    button.setToolTip(tip)
    button.setCheckable(checkable)
    if narrow:
        button.setStyleSheet("QPushButton { padding: 4px 2px; }")
    return button


def action_button(action: Action, do: Do, narrow: bool = False) -> QPushButton:
    """Make a button that does an action."""
    button = make_button(action.button, action.text, narrow=narrow)
    button.clicked.connect(lambda _=False: do(action.run))
    return button


def make_line(text: str) -> QElidingLabel:
    """Make a line of a form, of which a long text does not widen the panel."""
    line = QElidingLabel(text)
    # A form gives only such a field more than it needed at first.
    line.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Preferred)
    return line


def make_timer(parent: QWidget, run: Callable[[], object], after_ms: int = 0) -> QTimer:
    """Make a timer that does something once, some time after it is started."""
    timer = QTimer(parent)
    timer.setSingleShot(True)
    timer.setInterval(after_ms)
    timer.timeout.connect(run)
    return timer


def keep_place(widget: QWidget) -> None:
    """Let a widget take its place while it is hidden too, so that nothing moves."""
    policy = widget.sizePolicy()
    policy.setRetainSizeWhenHidden(True)
    widget.setSizePolicy(policy)


def make_combo(tip: str) -> QComboBox:
    """Make a choice of which a long entry does not widen the panel."""
    combo = QComboBox()
    shape_combo(combo, tip)
    return combo


def shape_combo(combo: QComboBox, tip: str) -> None:
    """Give a choice its tip; no long entry widens the panel, no wheel changes it."""
    combo.setToolTip(tip)
    leave_wheel(combo)
    combo.setSizeAdjustPolicy(
        QComboBox.SizeAdjustPolicy.AdjustToMinimumContentsLengthWithIcon
    )
    combo.setMinimumContentsLength(8)
    combo.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Fixed)


def leave_wheel(widget: QWidget) -> None:
    """Leave the wheel over a widget to the panel, which scrolls."""
    if widget.focusPolicy() == Qt.FocusPolicy.WheelFocus:
        widget.setFocusPolicy(Qt.FocusPolicy.StrongFocus)
    widget.installEventFilter(_PassingWheel(widget))


class _PassingWheel(QObject):
    """Keeps the wheel from a widget, so that the one around it is turned to."""

    def eventFilter(self, watched: QObject | None, event: QEvent | None) -> bool:
        if event is None or event.type() != QEvent.Type.Wheel:
            return False
        event.ignore()
        return True

"""Who has the keyboard: the canvas, but while something is typed in the panel."""

from __future__ import annotations

from typing import TYPE_CHECKING

from qtpy.QtCore import QEvent, QObject, Qt, QTimer, Signal
from qtpy.QtGui import QKeyEvent
from qtpy.QtWidgets import (
    QAbstractSpinBox,
    QApplication,
    QComboBox,
    QLineEdit,
    QTableView,
    QWidget,
)

if TYPE_CHECKING:
    from napari.viewer import Viewer

_ENTER = (Qt.Key.Key_Return, Qt.Key.Key_Enter)


class Keyboard(QObject):
    """Lets the keys of the canvas work after any click in a panel.

    Only fields take the keyboard, when they are clicked, and the list of objects. It
    goes back to the canvas at Enter, at Escape, and when its owner clears its focus.

    Signals: `abandoned` (Escape: what was typed does not count).
    """

    abandoned = Signal()

    def __init__(self, panel: QWidget, viewer: Viewer) -> None:
        super().__init__(panel)
        self._panel, self._viewer = panel, viewer
        for child in panel.findChildren(QWidget):
            takes = _is_field(child) or isinstance(child, QTableView)
            policy = Qt.FocusPolicy.ClickFocus if takes else Qt.FocusPolicy.NoFocus
            child.setFocusPolicy(policy)
            if _is_field(child):
                child.installEventFilter(self)
        # What a click on a part that takes no keyboard ends with.
        panel.setFocusPolicy(Qt.FocusPolicy.ClickFocus)
        application = QApplication.instance()
        assert isinstance(application, QApplication)
        application.focusChanged.connect(self._moved)

    def give_back(self) -> None:
        """Let the canvas have the keyboard."""
        window = getattr(self._viewer, "window", None)
        if window is not None:
            window._qt_viewer.canvas.native.setFocus()

    def eventFilter(self, field: QObject, event: QEvent) -> bool:
        """End a field at Enter and Escape, after it has taken them."""
        if isinstance(event, QKeyEvent) and event.type() == QEvent.Type.KeyPress:
            if event.key() in _ENTER:
                QTimer.singleShot(0, self.give_back)
            elif event.key() == Qt.Key.Key_Escape:
                QTimer.singleShot(0, self._abandon)
        return False

    def _abandon(self) -> None:
        self.give_back()
        self.abandoned.emit()

    def _moved(self, old: QWidget | None, now: QWidget | None) -> None:
        panel = self._panel
        left = old is not None and now is None and panel.isAncestorOf(old)
        if now is panel or (left and panel.isActiveWindow()):
            self.give_back()


def _is_field(widget: QWidget) -> bool:
    """Tell whether one types into a widget."""
    if isinstance(widget, QComboBox):
        return bool(widget.isEditable())
    return isinstance(widget, QLineEdit | QAbstractSpinBox)

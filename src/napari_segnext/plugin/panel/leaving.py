"""Noticing that a panel leaves its viewer for good, which napari tells nobody."""

from __future__ import annotations

from qtpy.QtCore import QEvent, QObject, QTimer, Signal
from qtpy.QtWidgets import QApplication, QMainWindow, QWidget


class Leaving(QObject):
    """Watches a panel and the window that it is in.

    A panel that is only hidden, made to float or docked elsewhere stays.

    Signals: `left` (the dock was closed, or the viewer, or the program ends).
    """

    left = Signal()

    def __init__(self, panel: QWidget) -> None:
        super().__init__(panel)
        self._panel = panel
        panel.installEventFilter(self)
        application = QApplication.instance()
        if application is not None:
            # From signal to signal: a slot in Python would keep the panel alive.
            application.aboutToQuit.connect(self.left)

    def watch_window(self) -> None:
        """Watch the main window that the panel is in now."""
        above = self._panel.parentWidget()
        while above is not None and not isinstance(above, QMainWindow):
            above = above.parentWidget()
        if above is not None:
            above.installEventFilter(self)

    def eventFilter(self, watched: QObject, event: QEvent) -> bool:
        """Look at what happens to the panel and its window; hinder nothing."""
        kind = event.type()
        if kind == QEvent.Type.DeferredDelete:
            self.left.emit()
        elif kind == QEvent.Type.Close and watched is not self._panel:
            if event.spontaneous():
                # The user may still say no.
                QTimer.singleShot(0, self._look_at_window)
            else:
                self.left.emit()
        elif kind == QEvent.Type.ParentChange and watched is self._panel:
            QTimer.singleShot(0, self._look_at_panel)
        return False

    def _look_at_window(self) -> None:
        if not self._panel.window().isVisible():
            self.left.emit()

    def _look_at_panel(self) -> None:
        # Docked again meanwhile, it was only moved.
        if self._panel.parentWidget() is None:
            self.left.emit()
            self._panel.deleteLater()

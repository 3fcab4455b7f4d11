"""The slices to check, each of which can be clicked."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from qtpy.QtCore import QEvent, QPoint, Qt, Signal
from qtpy.QtWidgets import QLabel, QMenu, QSizePolicy, QWidget

from napari_segnext.geometry.plane import Plane

_MORE = "more"
_TITLE = "Least certain: "


class DoubtfulList(QLabel):
    """As many slices as there is room for, and a menu of all.

    Signals: `chosen` (a plane).
    """

    chosen = Signal(object)

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._planes: Sequence[Plane] = ()
        self.setTextFormat(Qt.TextFormat.RichText)
        self.setTextInteractionFlags(Qt.TextInteractionFlag.LinksAccessibleByMouse)
        # It makes nothing wider, and keeps its line when it is empty.
        self.setSizePolicy(QSizePolicy.Policy.Ignored, QSizePolicy.Policy.Fixed)
        self.setMinimumHeight(self.fontMetrics().height() + 6)
        self.linkActivated.connect(self._follow)

    def show_planes(self, planes: Sequence[Plane]) -> None:
        """List planes, the least certain first."""
        self._planes = planes
        slices = ", ".join(str(plane.index) for plane in planes)
        self.setToolTip(f"Slices {slices}: click one to see it" if planes else "")
        self._write()

    def resizeEvent(self, event: Any) -> None:
        """Show as many as fit."""
        super().resizeEvent(event)
        self._write()

    def changeEvent(self, event: Any) -> None:
        """Follow the theme."""
        super().changeEvent(event)
        if event.type() == QEvent.Type.PaletteChange:
            self._write()

    def _write(self) -> None:
        count = len(self._planes)
        while count and not self._fits(count):
            count -= 1
        links = [
            self._link(at, plane.index) for at, plane in enumerate(self._planes[:count])
        ]
        if count < len(self._planes):
            links.append(self._link(_MORE, "…"))
        self.setText(_TITLE + ", ".join(links) if links else "")

    def _link(self, to: object, text: object) -> str:
        # Qt's own blue of links cannot be read in napari's dark theme.
        colour = self.palette().color(self.foregroundRole()).name()
        return f'<a href="{to}" style="color: {colour}">{text}</a>'

    def _fits(self, count: int) -> bool:
        text = _TITLE + ", ".join(str(p.index) for p in self._planes[:count]) + ", … "
        return bool(self.fontMetrics().horizontalAdvance(text) <= self.width())

    def _follow(self, link: str) -> None:
        if link != _MORE:
            self.chosen.emit(self._planes[int(link)])
            return
        menu = QMenu(self)
        for plane in self._planes:
            action = menu.addAction(str(plane.index))
            action.triggered.connect(lambda _=False, p=plane: self.chosen.emit(p))
        menu.popup(self.mapToGlobal(QPoint(0, self.height())))

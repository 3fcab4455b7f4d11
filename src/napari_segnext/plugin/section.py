"""A part of the panel under a title that folds it away."""

from __future__ import annotations

from qtpy.QtCore import Qt
from qtpy.QtWidgets import QWidget
from superqt import QCollapsible


class Section(QCollapsible):
    """A titled part of the panel; folded, only its title is seen.

    Parameters
    ----------
    content
        What it holds.
    unfolded
        Whether the content is seen at first.
    """

    def __init__(self, title: str, content: QWidget, unfolded: bool = False) -> None:
        super().__init__(title, expandedIcon="▾", collapsedIcon="▸")
        # Keys go on reaching the canvas after a click on the title.
        self.toggleButton().setFocusPolicy(Qt.FocusPolicy.NoFocus)
        self.setDuration(0)
        layout = self.layout()
        assert layout is not None
        layout.setContentsMargins(0, 0, 0, 0)
        layout.setSpacing(2)
        self.addWidget(content)
        if unfolded:
            self.expand(animate=False)

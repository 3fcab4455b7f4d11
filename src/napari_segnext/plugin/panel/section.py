"""A part of the panel under a title that folds it away."""

from __future__ import annotations

from qtpy.QtWidgets import QPushButton, QSizePolicy, QVBoxLayout, QWidget

_MARKS = {True: "▾", False: "▸"}


class Section(QWidget):
    """A titled part of the panel; folded, only its title is seen.

    It is never squeezed below the height of what it shows, so that the panel scrolls
    instead.

    Parameters
    ----------
    content
        What it holds.
    tip
        What is in it.
    unfolded
        Whether the content is seen at first.
    """

    def __init__(
        self, title: str, content: QWidget, tip: str, unfolded: bool = False
    ) -> None:
        super().__init__()
        self._title, self._content = title, content
        self._button = QPushButton()
        self._button.setToolTip(tip)
        self._button.setStyleSheet("QPushButton { text-align: left; padding: 4px; }")
        self._button.clicked.connect(lambda _=False: self._fold(self.unfolded))
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.setSpacing(4)
        layout.addWidget(self._button)
        layout.addWidget(content)
        self.setSizePolicy(QSizePolicy.Policy.Preferred, QSizePolicy.Policy.Fixed)
        self._fold(not unfolded)

    @property
    def title(self) -> str:
        """What stands above the content."""
        return self._title

    @property
    def unfolded(self) -> bool:
        """Whether the content is seen."""
        return not self._content.isHidden()

    def expand(self) -> None:
        """Show the content."""
        self._fold(False)

    def collapse(self) -> None:
        """Show the title alone."""
        self._fold(True)

    def _fold(self, folded: bool) -> None:
        self._content.setHidden(folded)
        self._button.setText(f"{_MARKS[not folded]}  {self._title}")

"""What prompts are drawn with: tools, their sign, and the actions beside them."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING

from qtpy.QtWidgets import QGridLayout, QHBoxLayout, QLabel, QVBoxLayout, QWidget

from napari_segnext.plugin.keys import (
    ACCEPT,
    ACTIONS,
    BEGIN,
    CLEAR_EDITS,
    DISCARD,
    EACH_OWN,
    NEXT,
    NEXT_TOOL,
    PREVIOUS,
    REDO,
    TOGGLE_SIGN,
    UNDO,
)
from napari_segnext.plugin.layers.own_layers import COLOURS
from napari_segnext.plugin.layers.tools import TOOLS, Tool
from napari_segnext.plugin.panel.controls import Do, action_button, make_button

if TYPE_CHECKING:
    from napari_segnext.plugin.panel.state import ToolState

# The two in the hint, and those with a button among the others.
_HINT = (TOGGLE_SIGN, NEXT_TOOL)
_BUTTONS = (
    PREVIOUS,
    NEXT,
    BEGIN,
    ACCEPT,
    DISCARD,
    UNDO,
    REDO,
    CLEAR_EDITS,
)


class ToolPanel(QWidget):
    """A button for each tool, for each sign, and the keys that go with them.

    Parameters
    ----------
    do
        Has a tool chosen.
    sign
        Called with the sign that is chosen.
    """

    def __init__(
        self,
        do: Do,
        sign: Callable[[bool], None],
        parent: QWidget | None = None,
    ) -> None:
        super().__init__(parent)
        self._do, self._sign = do, sign
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.setSpacing(6)
        layout.addLayout(self._build_tools())
        layout.addLayout(self._build_signs())
        self.each_own = action_button(EACH_OWN, do, narrow=True)
        self.each_own.setCheckable(True)
        layout.addWidget(self.each_own)
        layout.addWidget(_hint())

    def show_state(self, state: ToolState) -> None:
        """Show which tool and which sign are chosen."""
        for tool, button in zip(TOOLS, self.tools, strict=True):
            button.setChecked(tool == state.tool)
        for positive, button in self.signs.items():
            button.setChecked(positive == state.positive)
        self.each_own.setChecked(state.each_own)

    def _build_tools(self) -> QHBoxLayout:
        row = QHBoxLayout()
        row.setSpacing(2)
        self.tools = []
        for tool in TOOLS:
            button = make_button(tool.name, tool.tip, checkable=True, narrow=True)
            button.clicked.connect(partial(self._use, tool))
            row.addWidget(button)
            self.tools.append(button)
        return row

    def _use(self, tool: Tool, checked: bool = False) -> None:
        self._do(lambda to: to.use(tool))

    def _build_signs(self) -> QHBoxLayout:
        row = QHBoxLayout()
        row.setSpacing(2)
        self.signs = {}
        for positive, text, colour in (
            (True, "+ Object", COLOURS[True]),
            (False, "− Background", COLOURS[False]),
        ):
            tip = "What prompts mean. W switches; Ctrl while drawing turns it once"
            button = make_button(text, tip, checkable=True)
            button.setStyleSheet(
                f"QPushButton:checked {{ background: {colour}; color: black; }}"
            )
            button.clicked.connect(lambda _=False, p=positive: self._sign(p))
            row.addWidget(button)
            self.signs[positive] = button
        return row


def make_actions(do: Do) -> QGridLayout:
    """Lay out a button for each action on objects and prompts."""
    grid = QGridLayout()
    grid.setSpacing(4)
    for number, action in enumerate(_BUTTONS):
        grid.addWidget(action_button(action, do, narrow=True), *divmod(number, 2))
    return grid


def _hint() -> QLabel:
    keys = [f"<b>{a.shown}</b> {a.label}" for a in _HINT]
    hint = QLabel(" &nbsp; ".join([*keys, "<b>Ctrl+click</b> other sign"]))
    hint.setToolTip("\n".join(f"{a.shown}: {a.text}" for a in ACTIONS))
    return hint

"""The canvas has the keyboard after whatever is clicked in the panel."""

import pytest
from qtpy.QtCore import QPoint, Qt
from qtpy.QtTest import QTest
from qtpy.QtWidgets import (
    QAbstractButton,
    QAbstractSpinBox,
    QApplication,
    QComboBox,
    QLabel,
    QLineEdit,
    QProgressBar,
    QWidget,
)
from tests.gui.driver import LEFT, NO

CORNER = QPoint(8, 8)


@pytest.fixture
def shown(desk, qtbot):
    """Show the window, active as under a user's hands, with all of the panel."""
    desk.viewer.window.show()
    window = desk.viewer.window._qt_window
    window.activateWindow()
    qtbot.waitUntil(window.isActiveWindow)
    for section in desk.widget._running.findChildren(type(desk.widget._choices)):
        section.expand()
    desk.widget._choices.expand()
    desk.user.canvas.setFocus()
    assert QApplication.focusWidget() is desk.user.canvas
    return desk


def clicks(widget, at=CORNER):
    QTest.mouseClick(widget, LEFT, NO, at)


def has_canvas(desk):
    desk.user.waits_until(lambda: QApplication.focusWidget() is desk.user.canvas)
    return True


def test_only_fields_can_keep_the_keyboard(shown):
    """Press each part of the panel, without what a full click would do."""
    kept = []
    for part in shown.widget.findChildren(QWidget):
        pressed = isinstance(part, QAbstractButton | QLabel | QProgressBar)
        if pressed and part.isEnabled() and part.visibleRegion().contains(CORNER):
            part.blockSignals(True)
            clicks(part)
            part.blockSignals(False)
            if QApplication.focusWidget() is not shown.user.canvas:
                kept.append(part)
                shown.user.canvas.setFocus()
        if isinstance(part, QComboBox) and not part.isEditable():
            assert part.focusPolicy() == Qt.FocusPolicy.NoFocus
        if isinstance(part, QLineEdit | QAbstractSpinBox):
            # Nobody comes to a field by Tab, nor because what had the keyboard went.
            assert part.focusPolicy() == Qt.FocusPolicy.ClickFocus
    assert kept == []


def test_tools_rows_and_boxes_leave_the_keyboard_with_the_canvas(shown):
    shown.annotator.session.new_object()
    table = shown.widget.objects.list
    for widget in (*shown.widget.tools.tools, shown.widget.classes.semantic):
        clicks(widget)
        assert has_canvas(shown)
    row = table.visualRect(table.model().index(0, 0)).center()
    clicks(table.viewport(), row)
    assert shown.annotator.current == 1
    assert has_canvas(shown)


@pytest.mark.parametrize("key", [Qt.Key.Key_Return, Qt.Key.Key_Escape])
def test_a_class_is_typed_and_then_letters_are_keys_again(shown, key):
    line = shown.widget.classes.choice
    clicks(line)
    assert QApplication.focusWidget() is line
    QTest.keyClicks(line, "4 nucleus")
    QTest.keyClick(line, key)
    assert has_canvas(shown)
    QTest.keyClick(QApplication.focusWidget(), Qt.Key.Key_N)
    names = [category.name for category in shown.annotator.objects.categories]
    assert names == (["nucleus"] if key == Qt.Key.Key_Return else [])
    assert "Object 1 is new" in shown.status
    assert "n" not in line.currentText().removeprefix("4 nucleus")


def test_a_class_that_is_typed_and_left_is_taken_back(shown):
    line = shown.widget.classes.choice
    clicks(line)
    QTest.keyClicks(line, "4 nucleus")
    shown.annotator.toggle_sign()
    assert line.currentText() == "4 nucleus"
    shown.user.canvas.setFocus()
    shown.user.waits_until(lambda: line.currentText() == "")
    assert shown.annotator.objects.categories == []


def test_a_name_is_typed_and_then_letters_are_keys_again(shown):
    table = shown.widget.objects.list
    row = table.visualRect(table.model().index(0, 0)).center()
    clicks(table.viewport(), row)
    QTest.mouseDClick(table.viewport(), LEFT, NO, row)
    editor = QApplication.focusWidget()
    assert isinstance(editor, QLineEdit)
    QTest.keyClicks(editor, "soma")
    QTest.keyClick(editor, Qt.Key.Key_Return)
    assert has_canvas(shown)
    assert shown.annotator.session.objects[1].name == "soma"


def test_a_number_is_typed_and_then_arrows_step_slices(shown):
    memory = shown.widget.embeddings.memory
    clicks(memory)
    memory.selectAll()
    QTest.keyClicks(memory, "3")
    QTest.keyClick(memory, Qt.Key.Key_Return)
    assert memory.value() == 3
    assert has_canvas(shown)
    QTest.keyClick(QApplication.focusWidget(), Qt.Key.Key_Right)
    assert shown.viewer.dims.current_step[0] == 5

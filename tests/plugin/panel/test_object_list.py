"""The list of objects: what it shows, and what it asks for."""

from __future__ import annotations

from dataclasses import replace

import pytest
from qtpy.QtCore import QItemSelectionModel, Qt
from qtpy.QtTest import QTest
from qtpy.QtWidgets import QLineEdit

from napari_segnext.plugin.layers.objects import ObjectRow
from napari_segnext.plugin.panel.object_list import ObjectList
from napari_segnext.plugin.panel.object_table import (
    AMOUNT,
    CATEGORY,
    DONE,
    NAME,
    PROMPTS,
    SLICES,
)


def row(number: int) -> ObjectRow:
    name, category = f"Object {number}", "cell"
    finished = number == 2
    return ObjectRow(number, number, name, (1, 0, 0), category, 3, 2, "1.5", finished)


@pytest.fixture
def listed(qtbot) -> ObjectList:
    objects = ObjectList()
    qtbot.addWidget(objects)
    objects.resize(284, 200)
    objects.show_objects([1, 2, 5], row, 2, "mm³")
    objects.show()
    return objects


def cell(objects: ObjectList, at: int, column: int):
    return objects.model().index(at, column).data()


def select(objects: ObjectList, *rows: int) -> None:
    flags = QItemSelectionModel.SelectionFlag
    for at in rows:
        objects.selectionModel().select(
            objects.model().index(at, NAME), flags.Select | flags.Rows
        )


def test_rows_show_counts_and_the_unit_is_in_the_header(listed):
    shown = [cell(listed, 1, column) for column in range(6)]
    assert shown == ["Object 2", "cell", "3", "2", "1.5", "✓"]
    tip = listed.model().index(1, SLICES).data(Qt.ItemDataRole.ToolTipRole)
    assert "3 prompts, found in 2 slices, 1.5 mm³" in tip
    header = listed.model().headerData(
        AMOUNT, Qt.Orientation.Horizontal, Qt.ItemDataRole.DisplayRole
    )
    assert header == "mm³"
    assert listed.selected == [2]


def test_the_current_object_is_seen_wherever_it_was_chosen(listed):
    for current in (70, 3):
        listed.show_objects(range(1, 81), row, current, "voxels")
        seen = listed.visualRect(listed.model().index(current - 1, NAME))
        assert listed.viewport().rect().contains(seen)


@pytest.mark.parametrize("classes", [False, True])
def test_names_can_be_read_in_a_narrow_panel_and_numbers_in_a_wide_one(listed, classes):
    names = {n: f"mitochondrion {n}" for n in range(1, 81)}
    rows = {n: replace(row(n), name=names[n], amount="123,456") for n in names}
    listed.show_objects(list(names), rows.__getitem__, 1, "voxels", classes)
    listed.verticalScrollBar().setVisible(True)
    metrics, swatch_and_margins = listed.fontMetrics(), 22
    for width, shown in ((282, {AMOUNT}), (450, {AMOUNT, SLICES, PROMPTS})):
        listed.resize(width, 200)
        shown = shown | ({SLICES} if not classes else set())
        columns = [c for c in range(6) if not listed.isColumnHidden(c)]
        assert set(columns) == shown | {NAME, DONE} | ({CATEGORY} if classes else set())
        needed = metrics.horizontalAdvance("mitochon") + swatch_and_margins
        assert listed.columnWidth(NAME) >= needed
        assert listed.columnWidth(AMOUNT) >= metrics.horizontalAdvance("123,456")
        used = sum(listed.columnWidth(column) for column in columns)
        assert used <= listed.viewport().width()


def test_only_rows_that_are_seen_are_looked_up(listed):
    asked = []

    def looked_up(number):
        asked.append(number)
        return row(number)

    listed.show_objects(range(1, 5001), looked_up, 1, "voxels")
    QTest.qWait(50)
    assert 0 < len(set(asked)) < 50


def test_only_a_row_that_has_changed_is_looked_up_again(listed):
    asked, name = [], "Object 2"

    def looked_up(number):
        asked.append(number)
        return replace(row(number), name=name if number == 2 else f"Object {number}")

    def shown(changed):
        asked.clear()
        listed.show_objects([1, 2, 5], looked_up, 2, "mm³", changed=changed)
        names = [cell(listed, at, NAME) for at in range(3)]
        return names, sorted(set(asked))

    everything = ["Object 1", "Object 2", "Object 5"], [1, 2, 5]
    assert shown(None) == everything
    assert shown([]) == (everything[0], [])
    name = "heart"
    assert shown([2, 3]) == (["Object 1", "heart", "Object 5"], [2])
    assert shown(None) == (["Object 1", "heart", "Object 5"], [1, 2, 5])


def test_a_chosen_row_is_told_and_a_shown_one_is_not(listed):
    chosen = []
    listed.chosen.connect(chosen.append)
    listed.choose(5)
    assert chosen == [5]
    listed.show_objects([1, 2, 5], row, 5, "mm³")
    listed.show_objects([1, 2, 5, 6], row, 6, "mm³")
    assert chosen == [5]
    assert listed.selected == [6]


def test_object_shown_while_ctrl_is_held_is_the_only_selected_one(listed):
    QTest.keyPress(listed, Qt.Key.Key_Z, Qt.KeyboardModifier.ControlModifier)
    listed.show_objects([1, 2, 5], row, 5, "mm³")
    assert listed.selected == [5]
    QTest.keyRelease(listed, Qt.Key.Key_Z, Qt.KeyboardModifier.NoModifier)


def test_second_selected_row_is_merged_into_the_current_one(listed):
    chosen, merged = [], []
    listed.chosen.connect(chosen.append)
    listed.merged.connect(merged.append)
    listed.merge_selected()
    select(listed, 2)
    listed.show_objects([1, 2, 5], row, 2, "mm³")
    assert listed.others == [5]
    QTest.keyClick(listed, Qt.Key.Key_M)
    assert (chosen, merged) == ([], [5])


def test_delete_key_deletes_what_is_selected(listed):
    deleted = []
    listed.deleted.connect(deleted.append)
    select(listed, 0)
    QTest.keyClick(listed, Qt.Key.Key_Delete)
    assert [sorted(ids) for ids in deleted] == [[1, 2]]


def test_name_is_edited_in_place_and_not_while_masks_arrive(listed):
    renamed = []
    listed.renamed.connect(lambda *given: renamed.append(given))
    listed.setFocus()
    QTest.keyClick(listed, Qt.Key.Key_F2)
    editor = listed.findChild(QLineEdit)
    QTest.keyClicks(editor, "left")
    listed.show_objects([1, 2, 5], row, 2, "mm³")
    QTest.keyClicks(editor, " lung")
    QTest.keyClick(editor, Qt.Key.Key_Return)
    QTest.qWait(20)
    assert renamed == [(2, "left lung")]


def test_letters_do_not_jump_to_other_objects(listed):
    chosen = []
    listed.chosen.connect(chosen.append)
    listed.setFocus()
    QTest.keyClick(listed, Qt.Key.Key_O)
    assert chosen == []


def test_colour_of_an_object_is_the_same_in_a_row_that_is_selected(listed):
    for at in range(2):
        corner = listed.visualRect(listed.model().index(at, NAME)).center()
        shown = listed.viewport().grab().toImage()
        seen = {
            shown.pixelColor(x, corner.y()).getRgb()[:3] for x in range(2, corner.x())
        }
        assert (255, 0, 0) in seen
    assert listed.selected == [2]

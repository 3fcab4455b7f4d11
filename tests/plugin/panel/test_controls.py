"""Parts of the panel: the models to choose from, the slices to check."""

from importlib.util import find_spec
from pathlib import Path
from typing import ClassVar

import pytest
from qtpy.QtCore import QObject, QPoint, QPointF, Qt, Signal
from qtpy.QtGui import QWheelEvent
from qtpy.QtTest import QTest
from qtpy.QtWidgets import (
    QApplication,
    QComboBox,
    QFileDialog,
    QVBoxLayout,
    QWidget,
)

from napari_segnext.geometry.plane import Plane
from napari_segnext.plugin.panel.controls import make_combo
from napari_segnext.plugin.panel.doubt_table import DoubtTable
from napari_segnext.plugin.panel.finding import ReachChoice, ScoreSlider
from napari_segnext.plugin.panel.follower_choice import FollowerChoice
from napari_segnext.plugin.panel.model_choice import ModelChoice, MoreModels
from napari_segnext.plugin.panel.propagation import PropagationPart
from napari_segnext.plugin.panel.repair import BorderSlider
from napari_segnext.plugin.panel.state import DoubtState, PropagationState
from napari_segnext.plugin.work.exporting import in_format, label_formats
from napari_segnext.session.doubt import Doubt
from napari_segnext.weights import obtain
from napari_segnext.weights.catalogue import CATALOGUE


def test_list_has_the_models_that_can_be_used_and_tells_how_to_get_others(
    qtbot, monkeypatch, tmp_path
):
    monkeypatch.setenv("NAPARI_SEGNEXT_CACHE", str(tmp_path))
    (tmp_path / CATALOGUE["tiny-ref"].file).touch()
    choice = ModelChoice()
    qtbot.addWidget(choice)
    shown = [choice.itemText(at) for at in range(choice.count())]
    assert shown[0] == "tiny" and {"vitb-sa2", "tiny-ref"} <= {*shown}
    assert shown[-2:] == ["File…", "More models…"]
    dialog = MoreModels()
    qtbot.addWidget(dialog)
    for name, entry in CATALOGUE.items():
        if name != "tiny-ref":
            lacking = entry.in_transformers and find_spec("transformers") is None
            assert (name in shown) != bool(entry.unpublished or lacking)
        assert (f"<b>{name}</b>" in dialog.lines.text()) != (name in shown)
    assert "napari-segnext train --model ois-tiny" in dialog.lines.text()


def test_models_of_a_library_that_is_missing_are_told_how_to_get(qtbot, monkeypatch):
    monkeypatch.setattr(obtain, "find_spec", lambda name: None)
    choice = ModelChoice()
    qtbot.addWidget(choice)
    assert choice.findText("sam-vitb") < 0 <= choice.findText("vitb-sa2")
    assert "[sam]" in obtain.how_to_get(CATALOGUE["sam-vitb"])


def test_choice_stays_where_it_was_when_nothing_was_chosen(qtbot, monkeypatch):
    paths = iter(["", "/data/tuned/model.safetensors", ""])
    monkeypatch.setattr(QFileDialog, "getOpenFileName", lambda *_: (next(paths), ""))
    choice, told = ModelChoice(), []
    qtbot.addWidget(choice)
    choice.chosen.connect(lambda: told.append(choice.currentData()))
    for text in ("vitb-sa2", "File…", "File…", "File…", "More models…"):
        choice.setCurrentIndex(choice.findText(text))
        choice.activated.emit(choice.currentIndex())
    assert told == ["vitb-sa2", "/data/tuned/model.safetensors"]
    assert choice.currentText() == "tuned/model.safetensors"
    choice.findChild(MoreModels).close()


@pytest.mark.parametrize(
    ("source", "ending", "first"),
    [
        (None, ".nii.gz", "NIfTI"),
        ("/a/brain.nii", ".nii", "NIfTI"),
        ("/a/brain.nii.gz", ".nii.gz", "NIfTI"),
        ("/a/stack.tif", ".tif", "TIFF"),
        ("/a/stack.OME.tif", ".ome.tif", "TIFF"),
        ("/a/image.zarr", ".zarr", "OME-Zarr"),
        ("/a/image.png", ".nii.gz", "NIfTI"),
        ("/a/IM1.dcm", ".dcm", "Segmentation of DICOM"),
    ],
)
def test_labels_are_proposed_in_the_format_of_the_image(source, ending, first):
    found, filters = label_formats(source and Path(source))
    assert found == ending
    assert filters.startswith(f"{first} (*")
    assert filters.count(";;") == 7


@pytest.mark.parametrize(
    ("name", "chosen", "saved"),
    [
        ("a.nii.gz", "ImageJ ROIs (*.zip)", "a.zip"),
        ("a.nii.gz", "NIfTI (*.nii.gz *.nii)", "a.nii.gz"),
        ("a.nii", "NIfTI (*.nii.gz *.nii)", "a.nii"),
        ("a.1", "QuPath annotations (*.geojson)", "a.1.geojson"),
        ("a.ome.tif", "OME-Zarr (*.zarr)", "a.zarr"),
        ("a.npy", "All formats (*.nii *.npy)", "a.npy"),
    ],
)
def test_a_name_gets_the_end_of_the_format_that_was_chosen(name, chosen, saved):
    assert in_format(Path("/a") / name, chosen) == Path("/a") / saved
    assert any(
        each.startswith(chosen[:6]) for each in label_formats(None)[1].split(";;")
    )


@pytest.fixture
def table(qtbot):
    """List three slices to check."""
    table = DoubtTable()
    qtbot.addWidget(table)
    table.name_by(lambda number: f"cell {number}")
    table.show_listed(
        [
            ((3, Plane(0, 74)), Doubt(0.93)),
            ((5, Plane(0, 8)), Doubt(0.8, like=3)),
            ((3, Plane(0, 9)), Doubt(0.6, parts=2)),
            ((4, Plane(0, 10)), Doubt(0.5, parts=0)),
        ]
    )
    table.resize(280, table.height())
    table.show()
    return table


def test_slices_to_check_are_listed_with_what_is_odd(table):
    rows = table.model()
    texts = [
        [rows.data(rows.index(row, column)) for column in range(4)] for row in range(4)
    ]
    assert texts == [
        ["cell 3", "74", "93%", ""],
        ["cell 5", "8", "80%", "merge: cell 3?"],
        ["cell 3", "9", "60%", "split?"],
        ["cell 4", "10", "50%", "missing?"],
    ]
    tip = rows.data(rows.index(1, 0), Qt.ItemDataRole.ToolTipRole)
    assert (
        tip
        == "cell 5 in slice 8, doubt 80%: the same answer as cell 3, which it touches"
    )


def test_a_click_on_a_row_leads_there_and_leaves_the_keyboard(qtbot, table):
    at = table.visualRect(table.model().index(1, 1)).center()
    with qtbot.waitSignal(table.chosen) as signal:
        QTest.mouseClick(table.viewport(), Qt.MouseButton.LeftButton, pos=at)
    assert signal.args == [(5, Plane(0, 8))]
    assert not table.hasFocus()


@pytest.mark.parametrize(
    "make",
    [
        lambda: FollowerChoice(lambda act: None),
        lambda: make_combo("Some choice"),
        lambda: ReachChoice(lambda act: None).first,
        ScoreSlider,
        BorderSlider,
    ],
)
def test_the_wheel_is_left_to_the_panel_and_changes_nothing(qtbot, make):
    choice = make()
    qtbot.addWidget(choice)
    if isinstance(choice, QComboBox):
        choice.addItems(["one", "two", "three"])
        choice.setCurrentIndex(1)
    value = choice.currentIndex if isinstance(choice, QComboBox) else choice.value
    before, where = value(), QPointF(choice.rect().center())
    turn = QWheelEvent(
        *(where, where, QPoint(), QPoint(0, -120)),
        Qt.MouseButton.NoButton,
        Qt.KeyboardModifier.NoModifier,
        Qt.ScrollPhase.NoScrollPhase,
        False,
    )
    QApplication.sendEvent(choice, turn)
    assert value() == before
    assert not turn.isAccepted(), "what is around it is turned to"
    assert choice.focusPolicy() != Qt.FocusPolicy.WheelFocus


class Running(QObject):
    progressed = Signal(int, int)


class Session:
    objects: ClassVar = {}


class Begun:
    def __init__(self):
        self.propagation, self.doubting = Running(), Running()
        self.session = Session()


def test_nothing_moves_when_something_begins_and_ends(qtbot):
    panel, part, below = QWidget(), PropagationPart(lambda act: None), QWidget()
    qtbot.addWidget(panel)
    layout = QVBoxLayout(panel)
    for widget in (part, below):
        layout.addWidget(widget)
    begun = Begun()
    part.follow(begun)
    panel.resize(300, 200)
    panel.show()
    qtbot.wait(20)
    places = set()
    for propagating, comparing in ((False, False), (True, False), (False, True)):
        part.show_state(PropagationState(propagating, "", DoubtState(comparing, ())))
        qtbot.wait(20)
        for running, each in ((propagating, part), (comparing, part.doubts)):
            assert each.bar.isVisible() == each.cancel.isVisible() == running
            assert each.button.isVisible() == (not running)
        places.add((below.y(), part.height()))
    assert len(places) == 1

"""Parts of the panel: the models to choose from, the slices to check."""

from pathlib import Path

import pytest
from qtpy.QtCore import QObject, Signal
from qtpy.QtWidgets import QFileDialog, QVBoxLayout, QWidget

from napari_segnext.geometry.plane import Plane
from napari_segnext.plugin.panel.doubtful_list import DoubtfulList
from napari_segnext.plugin.panel.model_choice import ModelChoice, MoreModels
from napari_segnext.plugin.panel.propagation import PropagationPart
from napari_segnext.plugin.panel.state import PropagationState
from napari_segnext.plugin.work.exporting import label_formats
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
            assert (name in shown) != bool(entry.unpublished)
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
    ],
)
def test_labels_are_proposed_in_the_format_of_the_image(source, ending, first):
    found, filters = label_formats(source and Path(source))
    assert found == ending
    assert filters.startswith(f"{first} (*")
    assert filters.count(";;") == 4


def test_slices_to_check_are_links_as_far_as_there_is_room(qtbot):
    shown = DoubtfulList()
    qtbot.addWidget(shown)
    planes = [Plane(0, 100 + at) for at in range(60)]
    shown.resize(250, 20)
    height = shown.minimumHeight()
    shown.show_planes(planes)
    links = shown.text().count("<a ")
    assert 3 < links < 20
    assert "102" in shown.text() and "…" in shown.text()
    with qtbot.waitSignal(shown.chosen) as signal:
        shown.linkActivated.emit("2")
    assert signal.args == [planes[2]]
    shown.resize(600, 20)
    shown.show_planes(planes[:2])
    assert "…" not in shown.text()
    shown.show_planes([])
    assert shown.text() == "" and shown.minimumHeight() == height


@pytest.mark.parametrize("colour", ["#f0f1f2", "#202122"])
def test_slices_to_check_are_read_in_the_colour_of_the_theme(qtbot, colour):
    shown = DoubtfulList()
    qtbot.addWidget(shown)
    shown.resize(250, 20)
    shown.show_planes([Plane(0, 7)])
    shown.setStyleSheet(f"color: {colour}")
    shown.show()
    qtbot.waitUntil(lambda: f'style="color: {colour}">7<' in shown.text())


class Propagating(QObject):
    progressed = Signal(int, int)


def test_nothing_moves_when_a_propagation_begins_and_ends(qtbot):
    panel, part, below = QWidget(), PropagationPart(lambda act: None), QWidget()
    qtbot.addWidget(panel)
    layout = QVBoxLayout(panel)
    for widget in (part, below):
        layout.addWidget(widget)
    part.follow(Propagating())
    panel.resize(300, 200)
    panel.show()
    qtbot.wait(20)
    places = set()
    for running, doubtful in ((False, ()), (True, ()), (False, (Plane(0, 3),))):
        part.show_state(PropagationState(running, doubtful))
        qtbot.wait(20)
        assert part.bar.isVisible() == part.cancel.isVisible() == running
        assert part.button.isVisible() == part.next.isVisible() == (not running)
        places.add((below.y(), part.height()))
    assert len(places) == 1

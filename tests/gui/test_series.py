"""A series worked through: from case to case, with nothing lost on the way."""

import csv
import shutil

import numpy as np
import pytest
from qtpy.QtCore import QPoint, Qt
from qtpy.QtTest import QTest
from tests.gui.conftest import SHAPE, Desk
from tests.gui.driver import LEFT, NO, User

from napari_segnext.files.categories import Category
from napari_segnext.geometry.plane import Plane
from napari_segnext.plugin.layers.tools import TOOLS
from napari_segnext.propagation import PlaneResult
from napari_segnext.series import State

PLANE = Plane(0, 4)
ALT = Qt.KeyboardModifier.AltModifier
NAMES = ("p1", "p2", "p10")


@pytest.fixture
def folder(tmp_path):
    """Make three cases of three modalities; the last lacks one, and has less slices."""
    rng = np.random.default_rng(0)
    for name in NAMES:
        (tmp_path / "cases" / name).mkdir(parents=True)
        for modality in ("flair", "t1", "t2"):
            if (name, modality) != ("p10", "t1"):
                shape = (6, *SHAPE[1:]) if name == "p10" else SHAPE
                voxels = rng.integers(0, 255, shape).astype(np.uint8)
                np.save(tmp_path / "cases" / name / f"{name}_{modality}.npy", voxels)
    return tmp_path / "cases"


class Reader(Desk):
    """A desk at which a series is read."""

    @property
    def series(self):
        return self.widget.series

    @property
    def image(self):
        return self.widget.image_choice.image

    @image.setter
    def image(self, image):
        pass

    @property
    def states(self):
        model = self.series.model
        return [model.known[row].state.value for row in range(len(model.cases))]

    def reads(self, path):
        self.series.open(path)
        model = self.series.model
        self.user.waits_until(lambda: self.series.path == path)
        self.user.waits_until(lambda: len(model.cases) == len(model.known))

    def comes_to(self, name):
        """Wait until a case is open, resumed if it was begun, and can be worked on."""
        row = [case.name for case in self.series.model.cases].index(name)
        self.user.waits_until(
            lambda: (
                self.series.model.current == row
                and self.annotator is not None
                and self.annotator.exporting.source in self.files(row)
            )
        )
        begun = self.series.model.known[row].objects > 0
        session = self.annotator.session
        self.user.waits_until(
            lambda: (
                self.annotator.saving.path is not None
                and self.widget.worker.idle
                and (not begun or any(not session.is_empty(n) for n in session.objects))
            )
        )

    def files(self, row):
        return [path for _, path in self.series.model.cases[row].images]

    def clicks(self, y, x):
        session = self.annotator.session
        index = self.viewer.dims.current_step[0]
        plane, number = Plane(0, index), session.current
        before = len(self.prompts(plane, number))
        self.user.click((index, y, x), self.image)
        self.user.waits_until(lambda: len(self.prompts(plane, number)) == before + 1)

    def masks_come(self):
        self.user.waits_until(lambda: not self.annotator.session.requests())


@pytest.fixture
def desk(make_napari_viewer, qtbot, engine):
    viewer = make_napari_viewer()
    _, widget = viewer.window.add_plugin_dock_widget("napari-segnext", "SegNext")
    widget.show_series()
    yield Reader(viewer, None, widget, engine, User(viewer, qtbot))
    engine.release()


def press(button):
    QTest.mouseClick(button, LEFT)


def test_a_series_is_worked_through_and_nothing_is_lost(desk, folder, tmp_path):
    desk.reads(folder)
    assert [case.name for case in desk.series.model.cases] == list(NAMES)
    assert desk.states == ["new"] * 3
    assert "3 cases: 3 new" in desk.series._summary.text()
    press(desk.series.next_button)
    desk.comes_to("p1")
    assert desk.image.name == "p1_flair"
    desk.viewer.dims.set_current_step(0, 4)
    desk.clicks(30, 40)
    desk.masks_come()
    desk.annotator.objects.categorise([1], Category(4, "enhancing"))
    mask = desk.mask(PLANE).copy()
    assert mask.any()
    desk.user.key(Qt.Key.Key_G)
    desk.user.key(Qt.Key.Key_Right, ALT)
    desk.comes_to("p2")
    assert desk.image.name == "p2_flair"
    assert not desk.labels.any()
    desk.user.waits_until(lambda: desk.states == ["done", "new", "new"])
    assert desk.viewer.dims.current_step[0] == 4
    assert desk.widget.classes.choice.findText("4 enhancing") >= 0
    desk.clicks(20, 20)
    desk.user.key(Qt.Key.Key_Left, ALT)
    desk.comes_to("p1")
    np.testing.assert_array_equal(desk.mask(PLANE), mask)
    assert desk.annotator.session.objects[1].finished
    # What is on disk now is what is there after kill -9 now.
    killed = tmp_path / "killed"
    shutil.copytree(folder, killed)
    desk.reads(killed)
    assert desk.states == ["done", "begun", "new"]
    press(desk.series.next_button)
    desk.comes_to("p1")
    np.testing.assert_array_equal(desk.mask(PLANE), mask)
    desk.user.key(Qt.Key.Key_Right, ALT)
    desk.comes_to("p2")
    (prompt,) = desk.prompts(PLANE)
    assert prompt.at == pytest.approx((20, 20), abs=0.6)
    desk.masks_come()
    assert desk.mask(PLANE)[20, 20]
    table = tmp_path / "all.csv"
    desk.series.save(table)
    desk.user.waits_until(table.exists)
    with table.open(newline="", encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    assert [(row["case"], row["kind"]) for row in rows] == [
        ("p1", "object"),
        ("p1", "class"),
        ("p2", "object"),
    ]
    assert rows[1]["voxels"] == str(mask.sum())


def test_modalities_contrast_tool_and_view_go_with_the_user(desk, folder):
    desk.reads(folder)
    desk.series.step(1)
    desk.comes_to("p1")
    layers = {layer.name: layer for layer in desk.viewer.layers}
    desk.widget.stop()
    desk.widget.choose(layers["p1_t2"], [layers["p1_t1"]])
    layers["p1_t2"].contrast_limits = (20, 120)
    layers["p1_t1"].colormap = "magenta"
    desk.widget.start()
    desk.annotator.use(TOOLS[2])
    desk.annotator.objects.view_by_class(True)
    desk.annotator.propagation.ask("http://gpu-box:1527")
    preview = desk.annotator._preview
    preview.show(1, [PlaneResult.of(PLANE, np.ones(SHAPE[1:], np.float32), None)])
    assert preview._layer.name == "p1_t2 found so far"
    desk.viewer.dims.order = (1, 0, 2)
    desk.viewer.dims.set_current_step(1, 33)
    desk.series.step(1)
    desk.comes_to("p2")
    assert desk.image.name == "p2_t2"
    assert [each.name for each in desk.widget.inputs.others] == ["p2_t1"]
    assert tuple(desk.image.contrast_limits) == (20, 120)
    assert desk.widget.inputs.others[0].colormap.name == "magenta"
    assert desk.annotator.tool == TOOLS[2]
    assert desk.annotator.objects.semantic
    assert desk.annotator.propagation.address == "http://gpu-box:1527"
    assert desk.widget.propagation.follower.currentText().endswith("gpu-box:1527")
    assert "p1_t2 found so far" not in [layer.name for layer in desk.viewer.layers]
    assert desk.viewer.dims.order == (1, 0, 2)
    assert desk.viewer.dims.current_step[1] == 33
    desk.series.step(1)
    desk.comes_to("p10")
    assert desk.image.name == "p10_t2"
    assert desk.widget.inputs.others == []
    assert "without t1" in desk.series.model.known[2].told
    desk.series.step(-1)
    desk.comes_to("p2")
    assert desk.image.name == "p2_t2"
    np.testing.assert_array_equal(desk.image.data, np.load(folder / "p2" / "p2_t2.npy"))


def test_layers_are_used_again_and_none_is_left_over(desk, folder):
    desk.reads(folder)
    desk.series.step(1)
    desk.comes_to("p1")
    layers = set(desk.viewer.layers)
    desk.viewer.dims.set_current_step(0, 4)
    for name in ("p2", "p10"):
        desk.series.step(1)
        desk.comes_to(name)
        assert set(desk.viewer.layers) == layers
    assert desk.widget.image_choice.count() == 2
    # Hidden layers of the case before take no room.
    assert desk.viewer.dims.range[0].stop == 5
    assert desk.viewer.dims.current_step[0] == 2
    names = {layer.name for layer in desk.viewer.layers if layer.visible}
    assert "p1_flair" not in names and "p10_flair" in names


def test_cases_that_cannot_be_read_are_told_and_skipped(desk, folder):
    (folder / "p2" / "p2_t1.npy").write_bytes(b"no array")
    (folder / "p3").mkdir()
    (folder / "p3" / "p3_flair.npy").touch()
    desk.reads(folder)
    assert desk.states == ["new", "new", "unreadable", "new"]
    desk.series.step(1)
    desk.comes_to("p1")
    said = []
    desk.series.said.connect(said.append)
    desk.series.step(1)
    desk.comes_to("p10")
    assert desk.states == ["new", "unreadable", "unreadable", "new"]
    assert "p2_t1.npy" in desk.series.model.known[1].told
    desk.series.table.chosen.emit(2)
    assert "p3_flair.npy is empty" in desk.status
    desk.series.step(1)
    assert said[-1] == "This is the last case"
    assert desk.series.model.current == 3


def test_a_mask_that_is_under_way_is_waited_for(desk, folder):
    desk.reads(folder)
    desk.series.step(1)
    desk.comes_to("p1")
    desk.engine.hold()
    desk.viewer.dims.set_current_step(0, 4)
    desk.clicks(30, 40)
    desk.series.step(1)
    QTest.qWait(400)
    assert desk.series.model.current == 0
    desk.engine.release()
    desk.comes_to("p2")
    desk.series.step(-1)
    desk.comes_to("p1")
    assert not desk.annotator.session.requests()
    assert desk.mask(PLANE).any()


def test_what_would_be_lost_keeps_a_case_open(desk, folder, monkeypatch):
    desk.reads(folder)
    desk.series.step(1)
    desk.comes_to("p1")
    monkeypatch.setattr(type(desk.annotator.propagation), "running", True)
    desk.series.step(1)
    assert "wait for it, or cancel it" in desk.status
    QTest.qWait(200)
    assert desk.series.model.current == 0


def test_a_double_click_opens_a_case(desk, folder):
    desk.reads(folder)
    desk.series.step(1)
    desk.comes_to("p1")
    desk.viewer.window.show()
    table = desk.series.table
    at = table.visualRect(table.model().index(1, 0)).center()
    QTest.mouseClick(table.viewport(), LEFT, NO, at)
    QTest.mouseDClick(table.viewport(), LEFT, NO, QPoint(at))
    desk.comes_to("p2")
    assert table.model().index(1, 0).data(Qt.ItemDataRole.FontRole).bold()


def test_what_is_no_series_is_said_and_the_work_goes_on(desk, folder, tmp_path):
    desk.reads(folder)
    desk.series.step(1)
    desk.comes_to("p1")
    table = tmp_path / "cases.csv"
    table.write_text("p1,a.nii\n")
    desk.series.open(table)
    desk.user.waits_until(lambda: "has no column name" in desk.status)
    desk.user.key(Qt.Key.Key_Right, ALT)
    desk.comes_to("p2")


def test_a_thousand_cases_are_listed_while_the_window_goes_on(desk, tmp_path):
    for number in range(1000):
        (tmp_path / f"p{number}.npy").write_bytes(b"something")
    beats = []
    desk.series.open(tmp_path)
    model = desk.series.model
    for _ in range(3000):
        QTest.qWait(5)
        beats.append(len(model.known))
        if len(model.known) == 1000:
            break
    assert beats[-1] == 1000
    assert len([each for each in set(beats) if 0 < each < 1000]) > 1
    assert set(desk.states) == {State.NEW.value}

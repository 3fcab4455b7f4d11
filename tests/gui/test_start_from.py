"""A session that starts from labels which are there already."""

import numpy as np
import pytest
import tifffile
from qtpy.QtCore import Qt
from tests.gui.conftest import SHAPE, Desk
from tests.gui.driver import CTRL, User, expected

from napari_segnext.files import write_labels
from napari_segnext.geometry.plane import Plane

PLANE, FAR = Plane(0, 4), 2**32 - 1


@pytest.fixture
def given():
    given = np.zeros(SHAPE, np.uint32)
    given[2:8, 10:30, 10:30], given[3:6, 35:50, 50:70] = FAR, 70_000
    return given


@pytest.fixture
def open_desk(make_napari_viewer, qtbot, engine, tmp_path, given):
    """Return a function that opens the image, starts from labels, and waits."""
    viewer = make_napari_viewer()
    path = tmp_path / "volume.tif"
    pixels = np.random.default_rng(0).integers(0, 255, SHAPE).astype(np.uint8)
    tifffile.imwrite(path, pixels, photometric="minisblack")
    (image,) = viewer.open(path, plugin="napari-segnext")
    _, widget = viewer.window.add_plugin_dock_widget("napari-segnext", "SegNext")
    viewer.dims.set_current_step(0, PLANE.index)

    viewer.add_labels(given, name="cells")

    def open_(start_from="nothing") -> Desk:
        choice = widget.start_choice
        choice.setCurrentIndex(choice.findText(start_from))
        widget.start()
        return Desk(viewer, image, widget, engine, User(viewer, qtbot))

    return open_


def saved(desk, path):
    """Return the labels as they are saved now."""
    desk.annotator.exporting.save_labels(path)
    desk.user.waits_until(lambda: desk.status == f"Saved {path.name}")
    return tifffile.imread(path)


def taken(desk):
    desk.user.waits_until(lambda: "objects taken in" in desk.status)


def test_labels_of_a_layer_are_put_right_saved_and_resumed(open_desk, given, tmp_path):
    desk = open_desk("cells")
    taken(desk)
    assert not desk.viewer.layers["cells"].visible
    np.testing.assert_array_equal(saved(desk, tmp_path / "as_it_was.tif"), given)

    desk.viewer.cursor.position = desk.image.data_to_world((4, 40, 60))
    desk.user.key(Qt.Key.Key_H)
    desk.user.click((4, 40, 60), desk.image)
    number = desk.annotator.current
    assert desk.annotator.session.objects[number].value == 70_000
    desk.user.waits_until(lambda: "Mask" in desk.status)
    disk = expected(desk.prompts(PLANE, number), SHAPE[1:])
    np.testing.assert_array_equal(desk.mask(PLANE, number), disk)
    right = given.copy()
    right[4][right[4] == 70_000], right[4][disk] = 0, 70_000
    np.testing.assert_array_equal(saved(desk, tmp_path / "put_right.tif"), right)

    desk.widget.stop()
    desk = open_desk("cells")
    desk.user.waits_until(lambda: not desk.widget.offer.isHidden())
    desk.widget.offer.resume_button.click()
    desk.user.waits_until(lambda: len(desk.annotator.session.objects) == 2)
    np.testing.assert_array_equal(saved(desk, tmp_path / "again.tif"), right)


def test_labels_of_a_file_are_one_step_of_undo(open_desk, given, tmp_path):
    write_labels(tmp_path / "cells.zarr", given)
    desk = open_desk()
    desk.user.waits_until(lambda: "Saved" in desk.widget._saving.text())
    desk.annotator.adopting.load(tmp_path / "cells.zarr")
    taken(desk)
    desk.user.key(Qt.Key.Key_Z, CTRL)
    assert "taking in of labels" in desk.status
    assert not desk.labels.any()
    assert len(desk.annotator.session.objects) == 1


def test_labels_of_another_grid_say_how_they_differ(open_desk, tmp_path):
    write_labels(tmp_path / "cells.tif", np.ones((3, 8, 8), np.uint8))
    desk = open_desk()
    desk.user.waits_until(lambda: "Saved" in desk.widget._saving.text())
    desk.annotator.adopting.load(tmp_path / "cells.tif")
    desk.user.waits_until(lambda: "the labels are 3 x 8 x 8 voxels" in desk.status)
    assert "and the image is 12 x 60 x 80" in desk.status
    assert len(desk.annotator.session.objects) == 1

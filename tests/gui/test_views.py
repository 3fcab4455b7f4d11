"""Prompts land where they are given, whichever way up a volume is shown."""

import nibabel as nib
import numpy as np
import pytest
from qtpy.QtTest import QTest
from tests.gui.conftest import SHAPE, Desk
from tests.gui.driver import LEFT, User

from napari_segnext.geometry.plane import Plane

# The bright spot lies right, anterior and superior; (z, y, x) as displayed.
SPOT = (9, 12, 16)
NAMES = ("Axial", "Coronal", "Sagittal")


@pytest.fixture
def head(tmp_path, make_napari_viewer, qtbot, engine):
    """Start a session on a scan that is stored the other way round."""
    data = np.zeros(SHAPE, np.uint8)
    data[7:12, 8:17, 12:21] = 200
    affine = np.array([[-2.0, 0, 0, 0], [0, -2, 0, 0], [0, 0, 2, 0], [0, 0, 0, 1]])
    image = nib.Nifti1Image(np.ascontiguousarray(data.T), affine)
    turn = nib.orientations.ornt_transform(
        nib.orientations.axcodes2ornt("LPS"), nib.orientations.axcodes2ornt("SAR")
    )
    nib.save(image.as_reoriented(turn), tmp_path / "head.nii.gz")
    viewer = make_napari_viewer(show=True)
    (layer,) = viewer.open(tmp_path / "head.nii.gz", plugin="napari-segnext")
    np.testing.assert_array_equal(layer.data, data)
    _, widget = viewer.window.add_plugin_dock_widget("napari-segnext", "SegNext")
    for axis, at in enumerate(layer.data_to_world(SPOT)):
        viewer.dims.set_point(axis, at)
    widget.start()
    qtbot.waitUntil(lambda: "Ready" in widget.status, timeout=10_000)
    return Desk(viewer, layer, widget, engine, User(viewer, qtbot))


@pytest.mark.parametrize("axis", range(3))
def test_spot_is_seen_on_its_side_and_a_click_on_it_stays_there(head, axis):
    button = head.widget.views.buttons[axis]
    assert button.text() == NAMES[axis]
    QTest.mouseClick(button, LEFT)
    plane = Plane(axis, SPOT[axis])
    head.user.waits_until(lambda: head.annotator._shown.plane == plane)
    seen = head.viewer.screenshot(flash=False)[..., 0] > 150
    rows, columns = np.nonzero(seen)
    assert rows.mean() < seen.shape[0] / 2 and columns.mean() < seen.shape[1] / 2
    head.user.click(SPOT, head.image)
    head.user.waits_until(lambda: len(head.prompts(plane)) == 1)
    (click,) = head.prompts(plane)
    wanted = [at for a, at in enumerate(SPOT) if a != axis]
    assert np.abs(np.subtract(click.at, wanted)).max() < 1
    head.user.waits_until(lambda: head.mask(plane).any())
    assert head.mask(plane)[tuple(wanted)]
    rolled = head.viewer.dims.order[-1]
    head.viewer.dims.roll()
    head.user.waits_until(lambda: head.annotator._shown.plane.axis == rolled)

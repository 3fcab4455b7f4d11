"""What is done to the image in the viewer while it is segmented."""

import numpy as np
import pytest
from tests.doubles import TILED, IntensityModel
from tests.gui.conftest import Desk
from tests.gui.driver import User

from napari_segnext.engines import EngineModel
from napari_segnext.files import read_image
from napari_segnext.geometry.plane import Plane
from napari_segnext.plugin.layers.inputs import Inputs

# What napari knows of where a layer lies, and another value of it.
MOVES = {
    "scale": (6, 2, 1),
    "translate": (-7, 30, 8),
    "rotate": 30,
    "shear": (0, 0, 0.5),
    "affine": np.array([[2, 0, 0, 5], [0, 0, 1, -3], [0, 1, 0, 4], [0, 0, 0, 1]]),
    "units": "nm",
    "axis_labels": ("depth", "row", "column"),
}
Z = Plane(0, 4)


def click(desk, position, plane):
    count = len(desk.prompts(plane))
    desk.user.click(position, desk.image)
    desk.user.waits_until(lambda: len(desk.prompts(plane)) == count + 1)
    desk.user.waits_until(lambda: not desk.annotator.session.requests())


def on_the_screen(desk):
    """Return the slice that napari shows of the image."""
    raw = desk.image._slice.image.raw
    return next(
        z for z, page in enumerate(desk.image.data) if np.array_equal(page, raw)
    )


@pytest.mark.parametrize("name", MOVES)
def test_all_layers_lie_on_the_image_wherever_it_is_moved(desk, qtbot, name):
    click(desk, (4, 30, 40), Z)
    before = desk.labels.copy()
    setattr(desk.image, name, MOVES[name])
    for layer in (desk.annotator.output, *desk.annotator.prompts.layers):
        corner = (3, 50, 70)
        np.testing.assert_allclose(
            layer.data_to_world(corner), desk.image.data_to_world(corner)
        )
        assert layer.units == desk.image.units
        assert layer.axis_labels == desk.image.axis_labels
    desk.viewer.dims.set_point(0, desk.image.data_to_world((2, 0, 0))[0])
    desk.viewer.reset_view()
    desk.user.waits_until(lambda: desk.annotator._shown.plane == Plane(0, 2))
    assert on_the_screen(desk) == 2
    click(desk, (2, 20, 30), Plane(0, 2))
    assert desk.mask(Plane(0, 2))[20, 30]
    assert len(desk.prompts(Z)) == 1
    np.testing.assert_array_equal(desk.labels[4], before[4])


def test_clicks_are_answered_while_the_objects_are_hidden(desk):
    desk.annotator.output.visible = False
    desk.viewer.dims.order = (1, 0, 2)
    desk.viewer.reset_view()
    plane = Plane(1, 30)
    desk.viewer.dims.set_point(1, desk.image.data_to_world((0, 30, 0))[1])
    desk.user.waits_until(lambda: desk.annotator._shown.plane == plane)
    click(desk, (3, 30, 40), plane)
    assert desk.mask(plane)[3, 40]


def test_image_moved_under_the_slider_is_followed_to_the_slice_shown(desk):
    assert on_the_screen(desk) == 4
    desk.image.scale = (12, 1, 1.5)
    shown = on_the_screen(desk)
    assert shown != 4
    desk.user.waits_until(lambda: desk.annotator._shown.plane == Plane(0, shown))
    desk.viewer.reset_view()
    click(desk, (shown, 30, 40), Plane(0, shown))


def test_image_turned_out_of_the_display_is_said_and_comes_back(desk):
    turned = np.eye(4)
    turned[:2, :2] = [[0.8, -0.6], [0.6, 0.8]]
    with pytest.warns(UserWarning, match="Non-orthogonal slicing"):
        desk.image.affine = turned
        desk.user.waits_until(lambda: "rotated out of the displayed" in desk.status)
        desk.annotator.prompts.points.add((4, 30, 40))
        desk.user.waits_until(lambda: not len(desk.annotator.prompts.points.data))
    desk.image.affine = np.eye(4)
    desk.user.waits_until(lambda: desk.annotator._shown.plane is not None)
    index = on_the_screen(desk)
    click(desk, (index, 30, 40), Plane(0, index))


def test_labels_are_saved_where_the_image_lies_by_then(desk, tmp_path):
    click(desk, (4, 30, 40), Z)
    desk.image.scale, desk.image.units = (9, 0.5, 0.25), "nm"
    desk.annotator.exporting.save_labels(tmp_path / "labels.zarr")
    desk.user.waits_until(lambda: "Saved" in desk.status)
    geometry = read_image(tmp_path / "labels.zarr").geometry
    assert geometry.scale == (9, 0.5, 0.25)
    assert geometry.units == ("nm",) * 3


def disk(y, x, shape=(4, 64, 80), dtype=np.float32):
    rows, columns = np.mgrid[: shape[1], : shape[2]]
    inside = (rows - y) ** 2 + (columns - x) ** 2 < 12**2
    return np.stack([np.where(inside, 200, 20)] * shape[0]).astype(dtype)


@pytest.fixture
def real(make_napari_viewer, qtbot, monkeypatch):
    """Start a session on a bright disk with a model that goes by intensities."""
    model = IntensityModel(TILED)
    monkeypatch.setattr(
        "napari_segnext.predicting.live.load_on_engine",
        lambda *_, **__: EngineModel(model),
    )
    viewer = make_napari_viewer()
    image = viewer.add_image(disk(20, 20), name="disk", contrast_limits=(0, 255))
    _, widget = viewer.window.add_plugin_dock_widget("napari-segnext", "SegNext")
    viewer.dims.set_current_step(0, 2)
    widget.start()
    qtbot.waitUntil(lambda: "embedded" in widget.status, timeout=10_000)
    return Desk(viewer, image, widget, model, User(viewer, qtbot))


def overlap(desk, truth, index=2):
    mask = desk.labels[index] > 0
    return (mask & truth[index]).sum() / max(1, (mask | truth[index]).sum())


def other(image):
    image.data = disk(44, 60)


def other_type(image):
    image.data = (disk(44, 60) * 10).astype(np.uint16)


def edited(image):
    image.data[:] = disk(44, 60)
    image.refresh()


def edited_where_it_is_shown(image):
    image.data[2] = disk(44, 60)[2]
    image.refresh()


@pytest.mark.parametrize(
    "change", [other, other_type, edited, edited_where_it_is_shown]
)
def test_data_that_are_replaced_or_edited_are_what_the_model_sees(real, change):
    real.user.click((2, 20, 20), real.image)
    real.user.waits_until(lambda: overlap(real, disk(20, 20) > 100) > 0.8)
    before = real.labels.copy()
    change(real.image)
    real.user.waits_until(lambda: "prompts and masks are kept" in real.status)
    np.testing.assert_array_equal(real.labels, before)
    assert len(real.prompts(Plane(0, 2))) == 1
    real.annotator.objects.begin()
    real.user.click((2, 44, 60), real.image)
    real.user.waits_until(lambda: real.mask(Plane(0, 2), 2).any())
    truth = disk(44, 60)[2] > 100
    mask = real.mask(Plane(0, 2), 2)
    assert (mask & truth).sum() / (mask | truth).sum() > 0.8


@pytest.mark.parametrize("change", [other, edited])
def test_a_click_that_comes_with_the_change_is_not_answered_from_before(real, change):
    change(real.image)
    real.annotator.prompts.points.add((2, 44, 60))
    real.user.waits_until(lambda: bool(real.labels.any()))
    assert overlap(real, disk(44, 60) > 100) > 0.8


def test_slice_that_was_edited_unseen_is_looked_at_when_it_is_shown(real):
    real.viewer.dims.set_current_step(0, 1)
    real.user.waits_until(lambda: "slice 1: Ready, embedded" in real.status)
    real.viewer.dims.set_current_step(0, 2)
    real.image.data[1] = disk(44, 60)[1]
    real.viewer.dims.set_current_step(0, 1)
    real.user.click((1, 44, 60), real.image)
    real.user.waits_until(lambda: bool(real.labels[1].any()))
    assert overlap(real, disk(44, 60) > 100, 1) > 0.8


def test_going_through_slices_and_back_embeds_nothing_anew(real):
    for index in (1, 2, 3, 2, 1, 2):
        real.viewer.dims.set_current_step(0, index)
        real.user.waits_until(lambda: real.widget.worker.idle)
    real.user.waits_until(lambda: real.engine.encoded == 4)
    real.image.refresh()
    real.user._qtbot.wait(100)
    real.user.waits_until(lambda: real.widget.worker.idle)
    assert real.engine.encoded == 4


@pytest.mark.parametrize("shape", [(5, 64, 80), (4, 60, 90), (64, 80)])
def test_data_of_another_shape_end_the_session_and_keep_the_objects(real, shape):
    real.user.click((2, 20, 20), real.image)
    real.user.waits_until(lambda: bool(real.labels.any()))
    before = real.labels.copy()
    real.image.data = np.zeros(shape, np.float32)
    real.user.waits_until(lambda: real.annotator is None)
    assert "no longer 4 x 64 x 80: stopped; the objects stay" in real.status
    image, kept = (layer for layer in real.viewer.layers if layer.visible)
    assert image is real.image
    np.testing.assert_array_equal(kept.data, before)


def test_another_input_of_another_shape_ends_it_too(real):
    real.widget.stop()
    second = real.viewer.add_image(disk(30, 30), name="t1ce")
    real.widget.image_choice.setCurrentIndex(0)
    real.widget.inputs.combos[0].setCurrentIndex(1)
    real.widget.inputs.combos[0].activated.emit(1)
    real.widget.start()
    real.user.waits_until(lambda: "Ready" in real.status)
    second.data = np.zeros((4, 64, 81))
    real.user.waits_until(lambda: real.annotator is None)
    assert "t1ce is 4 x 64 x 81, disk is 4 x 64 x 80" in real.status


@pytest.mark.parametrize("change", [other, edited])
def test_later_session_does_not_take_changed_data_for_the_file(real, tmp_path, change):
    np.save(tmp_path / "disk.npy", disk(20, 20))
    real.widget.stop()
    real.viewer.layers.clear()
    (image,) = real.viewer.open(tmp_path / "disk.npy", plugin="napari-segnext")
    image.data = np.array(image.data)
    known = Inputs.of([image])
    assert known.identity
    real.widget.start()
    real.user.waits_until(lambda: "embedded" in real.status)
    change(image)
    real.user.waits_until(lambda: "prompts and masks are kept" in real.status)
    real.widget.stop()
    assert Inputs.of([image]).identity is None

"""Images of all kinds go from a click to a mask through the real predictor."""

import threading

import dask.array as da
import numpy as np
import pytest
import zarr
from qtpy.QtWidgets import QApplication
from tests.doubles import TILED, IntensityModel
from tests.gui.driver import User

from napari_segnext.engines import EngineModel
from napari_segnext.geometry.plane import Plane
from napari_segnext.plugin.work.worker import Worker

LOAD = "napari_segnext.predicting.live.load_on_engine"


def bright_disk(shape=(64, 80), dtype=np.float32):
    rows, columns = np.mgrid[: shape[0], : shape[1]]
    disk = (rows - 30) ** 2 + (columns - 40) ** 2 < 12**2
    return np.where(disk, 200, 20).astype(dtype)


def volume(count=4, dtype=np.float32):
    return np.stack([bright_disk(dtype=dtype)] * count)


def with_nan():
    image = volume()
    image[:, :10] = np.nan
    image[:, -5:] = -np.inf
    return image


# Name -> data, layer options, the slice to go to, where to click.
IMAGES = {
    "2-D": (bright_disk(), {}, (), (30, 40)),
    "uint16 volume": (volume(dtype=np.uint16), {}, (2,), (2, 30, 40)),
    "not a number": (with_nan(), {}, (2,), (2, 30, 40)),
    "RGB": (
        np.stack([bright_disk(dtype=np.uint8)] * 3, -1),
        {"rgb": True},
        (),
        (30, 40),
    ),
    "RGB volume": (
        np.stack([volume(dtype=np.uint8)] * 3, -1),
        {"rgb": True},
        (2,),
        (2, 30, 40),
    ),
    "zarr": (zarr.array(volume()), {}, (2,), (2, 30, 40)),
    "time series": (np.stack([volume()] * 3), {}, (1, 2), (1, 2, 30, 40)),
    "dask": (da.from_array(volume(), chunks=(1, 64, 80)), {}, (2,), (2, 30, 40)),
    "pyramid": (
        [volume(), volume()[:, ::2, ::2]],
        {"multiscale": True},
        (2,),
        (2, 30, 40),
    ),
}


@pytest.fixture
def user(make_napari_viewer, qtbot):
    return User(make_napari_viewer(), qtbot)


@pytest.fixture
def widget(user, monkeypatch):
    monkeypatch.setattr(LOAD, lambda *_, **__: EngineModel(IntensityModel(TILED)))
    _, widget = user.viewer.window.add_plugin_dock_widget("napari-segnext", "SegNext")
    return widget


@pytest.mark.parametrize("kind", IMAGES)
def test_click_on_any_image_gives_the_mask_of_what_is_there(user, widget, kind):
    data, options, where, position = IMAGES[kind]
    image = user.viewer.add_image(data, **options)
    for axis, index in enumerate(where):
        user.viewer.dims.set_current_step(axis, index)
    widget.start()
    user.waits_until(lambda: "Ready" in widget.status)
    user.click(position, image)
    output = widget.annotator.output.data
    user.waits_until(lambda: output.any())
    truth = bright_disk() > 100
    mask = output[where] > 0
    assert (mask & truth).sum() / (mask | truth).sum() > 0.8
    assert np.count_nonzero(output) == mask.sum()


class Watched:
    """A memory-mapped volume, say, that notes how much of it is read at once."""

    def __init__(self, data):
        self.data, self.shape, self.dtype = data, data.shape, data.dtype
        self.ndim, self.size, self.nbytes = data.ndim, data.size, data.nbytes
        self.most = 0

    def __getitem__(self, index):
        part = self.data[index]
        self.most = max(self.most, part.size)
        return part

    def __array__(self, *_, **__):
        raise AssertionError("all of it is read")


@pytest.mark.parametrize("axis", [1, 2])
def test_lazy_anisotropic_volume_is_segmented_along_any_axis(user, widget, axis):
    shape = (24, 60, 70)
    grid = np.mgrid[: shape[0], : shape[1], : shape[2]]
    centre, radii = np.array([12, 30, 35]), np.array([9, 18, 18])
    inside = sum(
        ((g - c) / r) ** 2 for g, c, r in zip(grid, centre, radii, strict=True)
    )
    data = Watched(np.where(inside < 1, 200, 20).astype(np.float32))
    image = user.viewer.add_image(
        data, scale=(3, 1, 1), translate=(0, 7, -4), contrast_limits=(0, 255)
    )
    others = [a for a in range(3) if a != axis]
    user.viewer.dims.order = (axis, *others)
    user.viewer.dims.set_current_step(axis, centre[axis])
    user.viewer.reset_view()
    widget.start()
    user.waits_until(lambda: "Ready" in widget.status)
    user.click(centre, image)
    output = widget.annotator.output.data
    user.waits_until(lambda: output.any())
    truth = np.take(inside < 1, centre[axis], axis)
    mask = np.take(output, centre[axis], axis) > 0
    # The model sees at most 64 pixels a side.
    assert (mask & truth).sum() / (mask | truth).sum() > 0.8
    assert list(widget.annotator.session.objects[1].prompts) == [
        Plane(axis, int(centre[axis]))
    ]
    assert data.most <= max(shape[0] * shape[1], shape[1] * shape[2])


def test_model_that_does_not_load_is_reported_and_another_one_works(
    user, widget, monkeypatch
):
    def fail(name, **_):
        raise OSError(f"there is no file {name}")

    monkeypatch.setattr(LOAD, fail)
    image = user.viewer.add_image(bright_disk())
    widget.start()
    user.waits_until(lambda: "could not be loaded: there is no file" in widget.status)
    user.click((30, 40), image)
    monkeypatch.setattr(LOAD, lambda *_, **__: EngineModel(IntensityModel(TILED)))
    widget.model_choice.activated.emit(0)
    user.waits_until(lambda: widget.annotator.output.data.any())


def test_why_a_model_cannot_be_had_stays(user, widget, qtbot, monkeypatch):
    def fail(name, **_):
        raise OSError(f"there is no file {name}")

    user.viewer.add_image(bright_disk())
    widget.start()
    user.waits_until(lambda: "Ready, embedded" in widget.status)
    monkeypatch.setattr(LOAD, fail)
    widget.model_choice.activated.emit(0)
    user.waits_until(lambda: "there is no file" in widget.status)
    # The model before has the slice ready again within this time.
    qtbot.wait(600)
    assert "The model before goes on" in widget.status


def test_without_an_image_nothing_can_be_started(user, widget):
    assert not widget.start_button.isEnabled()
    widget.start()
    assert "Open an image" in widget.status
    user.viewer.add_image(bright_disk())
    assert widget.start_button.isEnabled()


def test_dock_closed_stops_the_thread(user, widget):
    user.viewer.add_image(bright_disk())
    widget.start()
    user.waits_until(lambda: "Ready" in widget.status)
    user.viewer.window.remove_dock_widget(widget)
    QApplication.processEvents()
    user.waits_until(
        lambda: all(t.name != Worker.THREAD for t in threading.enumerate())
    )
    assert sum(layer.visible for layer in user.viewer.layers) == 2

"""A large section at a real viewer: the editable window follows, nothing is lost."""

import numpy as np
import pytest
from tests.gui.driver import DiskEngine, User

from napari_segnext.files import read_image
from napari_segnext.geometry.plane import Plane
from napari_segnext.geometry.regions import Extent
from napari_segnext.labels import counted
from napari_segnext.labels.scan import Scanned, scan
from napari_segnext.plugin.layers import edit_window, own_layers
from napari_segnext.plugin.layers.planes import camera_of

SHAPE = (3, 1100, 1600)
WINDOW = 512
PLANE = Plane(0, 1)


@pytest.fixture
def large(make_napari_viewer, qtbot, monkeypatch):
    monkeypatch.setattr(own_layers, "LARGE_SIDE", 1200)
    monkeypatch.setattr(edit_window, "SIDE", WINDOW)
    engine = DiskEngine(SHAPE)
    monkeypatch.setattr(
        "napari_segnext.predicting.live.load_live_model", lambda *_: engine
    )
    viewer = make_napari_viewer()
    user = User(viewer, qtbot)
    image = viewer.add_image(
        np.zeros(SHAPE, np.uint8), name="section", scale=(40, 4, 4), translate=(5, 6, 7)
    )
    _, widget = viewer.window.add_plugin_dock_widget("napari-segnext", "SegNext")
    viewer.dims.set_current_step(0, 1)
    widget.start()
    user.waits_until(lambda: "Ready" in widget.status)
    desk = Desk(viewer, image, widget, user)
    return desk


class Desk:
    def __init__(self, viewer, image, widget, user):
        self.viewer, self.image, self.widget, self.user = viewer, image, widget, user

    @property
    def labels(self):
        return self.widget.annotator._labels

    def mask(self, plane=PLANE, number=1):
        return self.labels.store.read(plane) == number

    def look_at(self, row, column, zoom=0.25):
        """Move the camera, and wait until it has been seen."""
        camera = camera_of(self.viewer)
        camera.zoom = zoom
        world = self.image.data_to_world((1, row, column))
        camera.center = (0, world[1], world[2])

    def window_reaches(self, row, column):
        return self.labels.window.holds(Extent.at((row, column), (1, 1)))

    def shown(self):
        """Return what the two layers show of the displayed plane at full size."""
        z = self.viewer.dims.current_step[0]
        page = np.array(self.labels.overview.data[0][z])
        window = self.labels.window
        assert not page[window.slices].any()
        page[window.slices] = self.labels.layer.data[0]
        return page


def test_mask_outside_the_window_is_written_and_undone(large):
    large.look_at(200, 200)
    large.user.waits_until(lambda: large.window_reaches(200, 200))
    large.widget.annotator.use(large.widget.annotator.tool)
    large.widget.annotator.prompts.points.add((1, 1000, 1500))
    large.user.waits_until(lambda: large.mask().any())
    assert not large.window_reaches(1000, 1500)
    assert large.mask()[1000, 1500]
    assert np.array_equal(large.shown() == 1, large.mask())
    large.widget.annotator.undo()
    assert not large.mask().any()
    assert not large.shown().any()
    large.widget.annotator.redo()
    assert large.shown()[1000, 1500] == 1


def test_window_lies_where_it_belongs_and_follows_the_camera(large):
    for row, column in ((100, 1500), (1000, 100)):
        large.look_at(row, column)
        large.user.waits_until(lambda r=row, c=column: large.window_reaches(r, c))
        labels = large.labels
        origin = (1, *labels.window[:2])
        assert np.allclose(
            labels.layer.data_to_world((0, 0, 0)), large.image.data_to_world(origin)
        )
        assert max(labels.layer.data.shape) <= WINDOW
        assert np.array_equal(
            labels.layer.data_to_world((0, 0, 0)),
            large.widget.annotator.prompts.scribbles.data_to_world((0, 0, 0)),
        )


def test_brush_far_from_the_window_paints_there_and_undo_takes_it_back(large):
    large.look_at(550, 800, zoom=0.1)
    large.user.waits_until(lambda: max(large.labels._view().shape) > WINDOW)
    output = large.widget.annotator.output
    large.viewer.layers.selection.active = output
    output.mode = "paint"
    output.brush_size = 40
    for row, column in ((80, 80), (1000, 1450)):
        assert not large.window_reaches(row, column)
        large.user.drag([(1, row, column), (1, row, column + 60)], large.image)
        large.user.waits_until(lambda r=row, c=column: large.mask()[r, c])
    assert np.array_equal(large.shown() == 1, large.mask())
    assert [s.name for s in large.widget.annotator.session._history.done] == [
        "stroke"
    ] * 2
    large.widget.annotator.undo()
    large.widget.annotator.undo()
    assert not large.mask().any()
    assert not large.shown().any()


def test_picker_finds_an_object_outside_of_the_window(large):
    annotator = large.widget.annotator
    large.look_at(200, 200)
    large.user.waits_until(lambda: large.window_reaches(200, 200))
    annotator.prompts.points.add((1, 1000, 1500))
    large.user.waits_until(lambda: large.mask().any())
    annotator.objects.next()
    assert annotator.session.current == 2
    assert large.labels.value_at(large.image.data_to_world((1, 1000, 1500))) == 1
    assert large.labels.value_at(large.image.data_to_world((1, 1000, 1400))) == 0
    assert large.labels.value_at((0, -500, 1e6)) == 0
    large.look_at(550, 800, zoom=0.1)
    large.user.waits_until(lambda: max(large.labels._view().shape) > WINDOW)
    large.viewer.layers.selection.active = annotator.output
    annotator.output.mode = "pick"
    large.user.click((1, 1000, 1500), large.image)
    large.user.waits_until(lambda: annotator.session.current == 1)


def test_painted_scribble_far_from_the_window_is_a_prompt(large):
    annotator = large.widget.annotator
    large.look_at(550, 800, zoom=0.1)
    large.user.waits_until(lambda: max(large.labels._view().shape) > WINDOW)
    scribbles = annotator.prompts.scribbles
    large.viewer.layers.selection.active = scribbles
    scribbles.mode = "paint"
    large.user.drag([(1, 1000, 1500), (1, 1000, 1530)], large.image)
    large.user.waits_until(lambda: large.mask().any())
    (prompt,) = annotator.session.objects[1].prompts[PLANE]
    top, left = prompt.painted.offset
    assert abs(top - 1000) < 60
    assert abs(left - 1500) < 60
    annotator.undo()
    assert not large.mask().any()
    assert not np.asarray(scribbles.data).any()


def test_another_plane_has_its_own_labels_and_the_window_goes_there(large):
    annotator = large.widget.annotator
    large.look_at(200, 200)
    large.user.waits_until(lambda: large.window_reaches(200, 200))
    annotator.prompts.points.add((1, 210, 210))
    large.user.waits_until(lambda: large.labels.layer.data.any())
    large.viewer.dims.set_current_step(0, 2)
    assert not large.labels.layer.data.any()
    large.viewer.dims.set_current_step(0, 1)
    assert large.labels.layer.data.any()
    large.viewer.dims.order = (1, 0, 2)
    assert large.labels.layer.data.shape[1] == 1
    large.viewer.dims.order = (0, 1, 2)
    assert np.array_equal(large.shown() == 1, large.mask())


def test_labels_stay_when_the_session_ends_in_the_viewer_and_on_disk(large):
    annotator = large.widget.annotator
    large.user.waits_until(lambda: annotator.saving.path is not None)
    large.user.click((1, *map(int, _middle(large.labels.window))), large.image)
    large.user.waits_until(lambda: large.mask().any())
    labels, mask = large.labels, large.mask()
    annotator.close()
    assert labels.layer not in large.viewer.layers
    assert labels.overview in large.viewer.layers
    assert np.array_equal(np.asarray(labels.overview.data[0])[1] == 1, mask)
    assert labels._mirror.wait(30)
    assert labels._mirror.folder.parent == annotator.saving.path.parent
    written = read_image(labels._mirror.folder)
    assert np.array_equal(np.asarray(written.data[0][1]) == 1, mask)


def _middle(window):
    return (window.top + window.bottom) // 2, (window.left + window.right) // 2


def test_window_and_the_rest_stay_on_an_image_that_is_moved(large):
    labels = large.labels
    large.look_at(800, 1200)
    large.user.waits_until(lambda: large.window_reaches(800, 1200))
    large.image.scale, large.image.translate = (40, 8, 2), (-1, -2, -3)
    scribbles = large.widget.annotator.prompts.scribbles
    for layer in (labels.layer, scribbles):
        np.testing.assert_allclose(
            layer.data_to_world((0, 0, 0)),
            large.image.data_to_world((1, labels.window.top, labels.window.left)),
        )
    np.testing.assert_allclose(labels.overview.scale, (40, 8, 2))
    large.look_at(200, 200)
    large.user.waits_until(lambda: large.window_reaches(200, 200))
    large.user.click((1, 200, 200), large.image)
    large.user.waits_until(lambda: large.mask().any())
    assert large.mask()[200, 200]
    folder = labels.overview.metadata["zarr store"]
    large.widget.stop()
    assert labels._mirror.wait(30)
    assert read_image(folder).geometry.scale == (40, 8, 2)


def test_many_labels_are_taken_in_beside_the_user_who_may_draw_and_undo(
    large, monkeypatch
):
    monkeypatch.setattr(counted, "_MANY", 1000)
    large.look_at(200, 200)
    large.user.waits_until(lambda: large.window_reaches(200, 200))
    given = np.zeros(SHAPE, np.uint16)
    given[:, 100:300, 100:300], given[1, 900:1000, 1400:1500] = 70, 90
    annotator = large.widget.annotator
    found = Scanned.of((runs for runs, _ in scan(given)), {})
    annotator.session.adopt_labels(found)
    # Nothing is drawn yet, and all of it is there.
    assert large.labels.read(PLANE)[950, 1450] == 90
    output = annotator.output
    large.viewer.layers.selection.active = output
    output.mode, output.brush_size, output.selected_label = "paint", 4, 90
    large.user.drag([(1, 200, 200), (1, 200, 240)], large.image)
    large.user.waits_until(lambda: large.labels.read(PLANE)[200, 200] == 90)
    large.user.waits_until(
        lambda: np.array_equal(large.shown(), large.labels.read(PLANE))
    )
    assert (
        annotator.session.count(70).voxels
        == (given == 70).sum()
        - (large.labels.read(PLANE)[100:300, 100:300] == 90).sum()
    )
    annotator.undo()
    np.testing.assert_array_equal(large.labels.read(PLANE), given[1])
    annotator.undo()
    assert not large.labels.read(PLANE).any()
    annotator.redo()
    for z in range(3):
        np.testing.assert_array_equal(large.labels.read(Plane(0, z)), given[z])

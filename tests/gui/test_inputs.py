"""Several modalities shown to the model, chosen as a user would."""

import numpy as np
import pytest
from tests.doubles import TILED, IntensityModel
from tests.gui.driver import User

from napari_segnext.engines import EngineModel

SHAPE = (5, 40, 50)


class Seeing(IntensityModel):
    """Keeps what it was shown last."""

    def image_features(self, images, check=lambda: None):
        self.seen = images[0].numpy()
        return super().image_features(images, check)


@pytest.fixture
def model(monkeypatch):
    model = Seeing(TILED)
    monkeypatch.setattr(
        "napari_segnext.predicting.live.load_on_engine",
        lambda *_, **__: EngineModel(model),
    )
    return model


@pytest.fixture
def user(make_napari_viewer, qtbot):
    return User(make_napari_viewer(), qtbot)


@pytest.fixture
def widget(user, model):
    _, widget = user.viewer.window.add_plugin_dock_widget("napari-segnext", "SegNext")
    return widget


def ramp(axis, high=1.0):
    """Intensities that rise along one axis only."""
    along = np.linspace(0, high, SHAPE[axis], dtype=np.float32)
    return np.broadcast_to(
        along.reshape([-1 if a == axis else 1 for a in range(3)]), SHAPE
    )


def start(user, widget):
    widget.start()
    user.waits_until(lambda: "Ready" in widget.status)


def test_three_modalities_are_the_inputs_each_windowed_on_its_own(user, widget, model):
    viewer, choice = user.viewer, widget.inputs
    viewer.add_image(ramp(1), name="Brats18_2013_flair")
    assert choice.isHidden()
    viewer.add_image(ramp(2, 1000), name="Brats18_2013_t1ce")
    viewer.add_image(np.full(SHAPE, 7, np.uint8), name="Brats18_2013_t2")
    viewer.add_image(np.zeros((5, 40, 51)), name="large")
    widget.image_choice.setCurrentIndex(0)
    second, third = choice.combos
    offered = [second.itemText(i) for i in range(second.count())]
    assert offered == ["none", "…t1ce", "…t2"]
    assert "large is 5 x 40 x 51" in second.toolTip()
    assert choice.others == []
    second.setCurrentIndex(1)
    second.activated.emit(1)
    assert [layer.name for layer in choice.others] == ["Brats18_2013_t1ce"]
    assert [third.itemText(i) for i in range(third.count())] == ["none", "…t2"]
    start(user, widget)
    down, across, again = (
        model.seen[:, :40, :50] if model.seen.shape[1] > 40 else model.seen
    )
    assert np.ptp(down, axis=1).max() < 0.1 < np.ptp(down, axis=0).min()
    assert np.ptp(across, axis=0).max() < 0.1 < np.ptp(across, axis=1).min()
    np.testing.assert_array_equal(across, again)


def test_layers_that_no_longer_fit_are_refused_in_words(user, widget):
    viewer = user.viewer
    viewer.add_image(ramp(1), name="flair")
    other = viewer.add_image(ramp(2), name="t1ce")
    widget.image_choice.setCurrentIndex(0)
    widget.inputs.combos[0].setCurrentIndex(1)
    widget.inputs.combos[0].activated.emit(1)
    other.translate = (0, 20, 0)
    widget.start()
    assert widget.annotator is None
    assert "t1ce lies elsewhere in the viewer than flair" in widget.status


def test_named_channels_of_one_layer_are_split_and_the_first_three_are_the_inputs(
    user, widget, model
):
    data = np.stack([ramp(1), ramp(2), ramp(1)[:, ::-1], ramp(2)], 1)
    user.viewer.add_image(data, name="mri", axis_labels=("z", "c", "y", "x"))
    user.viewer.dims.set_current_step(0, 2)
    start(user, widget)
    assert [layer.name for layer in widget.inputs.others] == ["mri 2", "mri 3"]
    assert widget.annotator.output.data.shape == SHAPE
    first, _, third = model.seen
    assert first[0, 0] < first[45, 0] and third[0, 0] > third[45, 0]


def test_an_axis_without_a_name_is_split_when_the_user_says_so(user, widget):
    user.viewer.add_image(np.zeros((3, 40, 50)), name="em")
    assert not widget.inputs.split_button.isHidden()
    widget.inputs.split_button.click()
    assert [layer.name for layer in user.viewer.layers] == ["em 1", "em 2", "em 3"]
    assert widget.image_choice.currentText() == "em 1"
    assert [layer.name for layer in widget.inputs.others] == ["em 2", "em 3"]

"""Undo, objects, and what may happen while the model is at work."""

import numpy as np
import pytest
from qtpy.QtCore import Qt
from tests.gui.driver import CTRL, SHIFT

from napari_segnext.geometry.plane import Plane
from napari_segnext.geometry.regions import Patch
from napari_segnext.plugin.layers.tools import TOOLS
from napari_segnext.predicting.prediction import Prediction
from napari_segnext.prompts import Prompts
from napari_segnext.session import history

PLANE = Plane(0, 4)
CLICK, BOX, POLYGON, PATH, BRUSH = TOOLS


def undo(desk):
    desk.user.key(Qt.Key.Key_Z, CTRL)


def redo(desk):
    desk.user.key(Qt.Key.Key_Z, CTRL | SHIFT)


def click(desk, position, count=1, number=None):
    """Click and wait for the mask."""
    plane = Plane(0, position[0])
    before = desk.labels.copy()
    desk.user.click(position, desk.image)
    desk.user.waits_until(lambda: len(desk.prompts(plane, number)) == count)
    desk.user.waits_until(lambda: not np.array_equal(desk.labels, before))


def seen(desk):
    return [layer for layer in desk.viewer.layers if layer.visible]


def test_undo_and_redo_turn_prompts_and_mask_together(desk):
    states = [(0, desk.labels.copy())]
    for number, column in enumerate((20, 40, 60), 1):
        click(desk, (4, 30, column), number)
        states.append((number, desk.labels.copy()))

    def is_at(state):
        count, labels = states[state]
        assert len(desk.annotator.prompts.points.data) == count
        assert len(desk.prompts(PLANE)) == count
        assert np.array_equal(desk.labels, labels)

    for state in (2, 1, 0):
        undo(desk)
        is_at(state)
    undo(desk)
    assert "Nothing to undo" in desk.status
    for state in (1, 2, 3):
        redo(desk)
        is_at(state)
    undo(desk)
    click(desk, (4, 10, 10), 3)
    redo(desk)
    assert "Nothing to redo" in desk.status


def test_undo_that_ends_before_the_first_step_says_so(desk, monkeypatch):
    monkeypatch.setattr(history, "_BUDGET", 1)
    for number, column in enumerate((20, 40), 1):
        click(desk, (4, 30, column), number)
    undo(desk)
    assert len(desk.prompts(PLANE)) == 1
    undo(desk)
    assert len(desk.prompts(PLANE)) == 1
    assert "Earlier steps are no longer kept" in desk.status


def test_undo_works_on_every_layer_of_the_session(desk):
    annotator = desk.annotator
    for layer in (annotator.output, *annotator.prompts.layers):
        annotator.use(CLICK)
        click(desk, (4, 30, 40))
        desk.viewer.layers.selection.active = layer
        undo(desk)
        assert not desk.labels.any()
        assert desk.prompts(PLANE) == []


def test_undo_of_box_and_scribble_takes_them_off_their_layers(desk):
    annotator = desk.annotator
    annotator.use(BOX)
    desk.user.drag([(4, 20, 30), (4, 30, 40), (4, 40, 50)], desk.image)
    desk.user.waits_until(lambda: desk.mask(PLANE).any())
    annotator.use(BRUSH)
    desk.user.drag([(4, 50, 20), (4, 50, 40)], desk.image)
    desk.user.waits_until(lambda: len(desk.prompts(PLANE)) == 2)
    undo(desk)
    assert not annotator.prompts.scribbles.data.planes
    undo(desk)
    assert len(annotator.prompts.shapes.data) == 0
    redo(desk)
    redo(desk)
    assert len(annotator.prompts.shapes.data) == 1
    assert annotator.prompts.scribbles.data.planes == {PLANE}
    assert len(desk.prompts(PLANE)) == 2


def test_brush_stroke_on_the_objects_is_a_step_and_is_kept(desk):
    click(desk, (4, 30, 40))
    masked = desk.labels.copy()
    output = desk.annotator.output
    desk.viewer.layers.selection.active = output
    output.mode = "paint"
    output.brush_size = 4
    desk.user.drag([(4, 10, 10), (4, 10, 20)], desk.image)
    painted = desk.labels.copy()
    assert painted.sum() > masked.sum()
    desk.annotator.use(CLICK)
    click(desk, (4, 50, 60), 2)
    assert (desk.labels[painted > 0] == 1).all()
    undo(desk)
    assert np.array_equal(desk.labels, painted)
    undo(desk)
    assert np.array_equal(desk.labels, masked)
    redo(desk)
    assert np.array_equal(desk.labels, painted)


def test_next_and_previous_object_bring_their_prompts(desk):
    points = desk.annotator.prompts.points
    click(desk, (4, 30, 20))
    desk.user.key(Qt.Key.Key_N)
    assert desk.annotator.current == 2
    assert len(points.data) == 0
    click(desk, (4, 30, 60), number=2)
    assert desk.mask(PLANE, 1).any()
    assert desk.mask(PLANE, 2).any()
    desk.user.key(Qt.Key.Key_J)
    assert desk.annotator.current == 1
    np.testing.assert_allclose(points.data, [(4, 30, 20)], atol=0.6)
    desk.widget.objects.list.choose(2)
    assert desk.annotator.current == 2
    np.testing.assert_allclose(points.data, [(4, 30, 60)], atol=0.6)


def test_accepted_object_is_protected(desk):
    click(desk, (4, 30, 40))
    finished = desk.mask(PLANE, 1)
    desk.user.key(Qt.Key.Key_G)
    assert desk.annotator.session.objects[1].finished
    assert desk.annotator.current == 2
    click(desk, (4, 30, 43), number=2)
    assert np.array_equal(desk.mask(PLANE, 1), finished)
    assert desk.mask(PLANE, 2).any()


def test_discarded_object_goes_with_its_mask_and_comes_back_with_undo(desk):
    click(desk, (4, 30, 40))
    labels = desk.labels.copy()
    desk.user.key(Qt.Key.Key_Q)
    assert not desk.labels.any()
    undo(desk)
    assert np.array_equal(desk.labels, labels)
    assert len(desk.prompts(PLANE, 1)) == 1


def test_clicks_in_two_objects_in_quick_succession_are_both_answered(desk):
    desk.engine.hold()
    desk.user.click((4, 30, 20), desk.image)
    desk.user.waits_until(desk.engine.busy.is_set)
    desk.user.click((4, 15, 20), desk.image)
    desk.user.key(Qt.Key.Key_N)
    desk.user.click((4, 30, 60), desk.image)
    desk.user.click((4, 15, 60), desk.image)
    assert not desk.labels.any()
    desk.engine.release()
    desk.user.waits_until(lambda: desk.mask(PLANE, 1)[15, 20])
    desk.user.waits_until(lambda: desk.mask(PLANE, 2)[15, 60])
    assert desk.mask(PLANE, 1)[30, 20]
    assert desk.mask(PLANE, 2)[30, 60]


def test_answer_that_undo_made_outdated_is_not_written(desk, qtbot):
    desk.engine.hold()
    desk.user.click((4, 30, 20), desk.image)
    desk.user.waits_until(desk.engine.busy.is_set)
    undo(desk)
    desk.engine.release()
    desk.user.waits_until(lambda: desk.widget.worker.idle)
    qtbot.wait(20)
    assert not desk.labels.any()


def test_model_never_runs_on_the_gui_thread(desk):
    import threading

    click(desk, (4, 30, 40))
    assert desk.engine.threads
    assert threading.main_thread() not in desk.engine.threads


def test_displayed_slice_is_embedded_at_once_and_its_neighbours_later(desk):
    desk.user.waits_until(lambda: len(desk.engine.embedded) == 5)
    assert desk.engine.embedded[0] == PLANE
    assert {p.index for p in desk.engine.embedded} == {2, 3, 4, 5, 6}
    desk.viewer.dims.set_current_step(0, 11)
    desk.user.waits_until(lambda: len(desk.engine.embedded) == 8)
    assert desk.engine.embedded[5] == Plane(0, 11)


def test_click_does_not_wait_for_slices_embedded_ahead(desk):
    desk.user.waits_until(lambda: len(desk.engine.embedded) == 5)
    desk.engine.hold()
    desk.viewer.dims.set_current_step(0, 9)
    desk.user.waits_until(desk.engine.busy.is_set)
    desk.viewer.dims.set_current_step(0, 4)
    desk.user.click((4, 30, 40), desk.image)
    desk.engine.release()
    desk.user.waits_until(lambda: desk.mask(PLANE).any())


def test_output_layer_deleted_during_inference_ends_the_session(desk):
    desk.engine.hold()
    desk.user.click((4, 30, 40), desk.image)
    desk.user.waits_until(desk.engine.busy.is_set)
    desk.viewer.layers.remove(desk.annotator.output)
    desk.engine.release()
    desk.user.waits_until(lambda: desk.annotator is None)
    assert seen(desk) == [desk.image]
    assert "removed" in desk.status


def test_image_deleted_during_inference_leaves_the_objects(desk):
    click(desk, (4, 30, 40))
    output = desk.annotator.output
    desk.engine.hold()
    desk.user.click((4, 20, 20), desk.image)
    desk.user.waits_until(desk.engine.busy.is_set)
    desk.viewer.layers.remove(desk.image)
    desk.engine.release()
    desk.user.waits_until(lambda: desk.annotator is None)
    assert seen(desk) == [output]
    assert output.data.any()


def test_prompt_layer_deleted_during_inference_keeps_its_prompts(desk):
    desk.engine.hold()
    desk.user.click((4, 30, 40), desk.image)
    desk.user.waits_until(desk.engine.busy.is_set)
    desk.viewer.layers.remove(desk.annotator.prompts.points)
    desk.engine.release()
    desk.user.waits_until(lambda: desk.mask(PLANE).any())
    desk.annotator.use(CLICK)
    assert desk.annotator.prompts.points in desk.viewer.layers
    click(desk, (4, 10, 10), 2)


def test_viewer_closed_during_inference(desk):
    worker = desk.widget.worker
    desk.engine.hold()
    desk.user.click((4, 30, 40), desk.image)
    desk.user.waits_until(desk.engine.busy.is_set)
    desk.viewer.close()
    desk.user.waits_until(lambda: worker.closed)
    desk.engine.release()


def test_stop_hides_prompt_layers_frees_keys_and_keeps_the_objects(desk):
    click(desk, (4, 30, 40))
    output, prompts = desk.annotator.output, desk.annotator.prompts.layers
    points = desk.annotator.prompts.points
    desk.widget.stop()
    assert seen(desk) == [desk.image, output]
    assert len(points.data) == 0
    assert output.data.any()
    assert not desk.viewer.keymap
    assert not output.keymap
    desk.widget.start()
    assert desk.annotator.output is not output
    # They are used again, on top of the new objects.
    assert desk.annotator.prompts.layers == prompts
    assert list(desk.viewer.layers)[-3:] == [*prompts]
    desk.user.waits_until(lambda: not desk.widget.offer.isHidden())
    desk.widget.offer.resume_button.click()
    desk.user.waits_until(lambda: len(points.data) == 1)
    click(desk, (4, 10, 10), 2)
    # So is the layer of objects that is not seen any more.
    desk.widget.stop()
    desk.widget.start()
    assert desk.annotator.output is output
    assert not output.data.any()


def test_finished_object_is_opened_again_before_it_is_changed(desk):
    click(desk, (4, 30, 40))
    desk.user.key(Qt.Key.Key_G)
    desk.user.key(Qt.Key.Key_J)
    labels = desk.labels.copy()
    desk.user.click((4, 10, 10), desk.image)
    desk.user.waits_until(lambda: "reopen it" in desk.status)
    desk.user.waits_until(lambda: len(desk.annotator.prompts.points.data) == 1)
    assert np.array_equal(desk.labels, labels)
    desk.user.key(Qt.Key.Key_G)
    click(desk, (4, 10, 10), 2)


def test_cleared_manual_edits_let_the_prompts_decide_again(desk):
    click(desk, (4, 30, 40))
    masked = desk.labels.copy()
    output = desk.annotator.output
    desk.viewer.layers.selection.active = output
    output.mode = "erase"
    output.brush_size = 4
    desk.user.drag([(4, 28, 40), (4, 32, 40)], desk.image)
    desk.user.waits_until(lambda: not np.array_equal(desk.labels, masked))
    desk.annotator.clear_edits()
    desk.user.waits_until(lambda: np.array_equal(desk.labels, masked))


def test_what_answers_can_be_read_in_the_panel(desk):
    device = desk.widget._device
    device.setText("CPU, 2 threads: PyTorch")
    desk.viewer.window.show()
    desk.widget._choices.expand()
    text = device.fontMetrics().horizontalAdvance(device.text())
    desk.user.waits_until(lambda: device.isVisible() and device.width() >= text)


@pytest.mark.parametrize(
    ("error", "said"),
    [
        (
            ValueError("labels of this type end at 255"),
            "labels of this type end at 255",
        ),
        (OSError(28, "No space left on device"), "No space left on device"),
        (MemoryError(), "no memory left"),
    ],
)
def test_labels_that_cannot_be_written_are_not_told_as_a_fault_of_the_model(
    desk, monkeypatch, error, said
):
    def fail(*_):
        raise error

    monkeypatch.setattr(desk.annotator.session._painter.labels, "write", fail)
    desk.user.click((4, 30, 20), desk.image)
    desk.user.waits_until(lambda: said in desk.status)
    assert "No mask was written" in desk.status
    assert "model" not in desk.status
    monkeypatch.undo()
    click(desk, (4, 30, 40), 2)


def test_a_model_that_gives_no_numbers_is_told_as_such(desk):
    request = desk.annotator.session.set_prompts(PLANE, Prompts().click(1, 1))
    nothing = np.full(desk.labels.shape[1:], np.nan, np.float32)
    desk.annotator._decoded(request, Prediction(Patch.of(nothing)))
    assert "The model failed" in desk.status


def test_undo_and_redo_say_what_they_did(desk):
    click(desk, (4, 30, 40))
    undo(desk)
    assert "Undone: prompt, Object 1" in desk.status
    redo(desk)
    assert "Done again: prompt, Object 1" in desk.status


def test_start_and_stop_say_what_they_do(desk):
    button = desk.widget.start_button
    assert button.text() == "Stop" and "can be resumed" in button.toolTip()
    desk.widget.stop()
    assert button.text() == "Start" and "begin" in button.toolTip()

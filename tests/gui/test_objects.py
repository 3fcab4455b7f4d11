"""Objects in a real viewer: gone to, picked, merged, deleted, named, classified."""

import json

import numpy as np
from qtpy.QtCore import Qt
from tests.gui.driver import CTRL, SHIFT
from tests.gui.test_session import click, undo

from napari_segnext.files import read_image, read_prompts
from napari_segnext.files.categories import Category
from napari_segnext.geometry.plane import Plane
from napari_segnext.plugin.panel.object_table import AMOUNT

FIRST, SECOND = Plane(0, 4), Plane(0, 9)


def two_objects(desk):
    """Make object 1 in one slice and object 2 in another."""
    click(desk, (4, 30, 20))
    desk.user.key(Qt.Key.Key_N)
    desk.viewer.dims.set_current_step(0, 9)
    click(desk, (9, 30, 60), number=2)


def listed(desk, column):
    model = desk.widget.objects.list.model()
    return [model.index(row, column).data() for row in range(model.rowCount())]


def point_at(desk, position):
    desk.user.drag([position, position], desk.image)


def test_chosen_object_is_shown_where_its_prompts_are(desk):
    two_objects(desk)
    desk.widget.objects.list.choose(1)
    assert desk.viewer.dims.current_step[0] == 4
    np.testing.assert_allclose(
        desk.annotator.prompts.points.data, [(4, 30, 20)], atol=0.6
    )
    desk.user.key(Qt.Key.Key_N)
    assert desk.viewer.dims.current_step[0] == 9


def test_going_on_from_a_finished_object_tells_of_the_next_one(desk):
    two_objects(desk)
    desk.annotator.objects.select(1)
    desk.user.key(Qt.Key.Key_G)
    desk.annotator.objects.select(1)
    assert "Object 1 is finished" in desk.status
    desk.user.key(Qt.Key.Key_N)
    assert "Object 2: prompts in" in desk.status
    desk.user.key(Qt.Key.Key_Q)
    assert "Object 2 is empty again" in desk.status


def test_a_cleared_slice_holds_the_object_no_more_until_undone(desk):
    click(desk, (4, 30, 20))
    assert desk.mask(FIRST).any()
    desk.user.key(Qt.Key.Key_Q, SHIFT)
    assert not desk.mask(FIRST).any()
    assert desk.prompts(FIRST) == []
    assert "Object 1 ends here" in desk.status
    desk.user.key(Qt.Key.Key_Q, SHIFT)
    assert "nothing of Object 1 in this slice" in desk.status
    undo(desk)
    assert desk.mask(FIRST).any()
    assert len(desk.prompts(FIRST)) == 1
    assert "clearing of a slice" in desk.status
    desk.user.key(Qt.Key.Key_G)
    desk.user.key(Qt.Key.Key_J)
    desk.user.key(Qt.Key.Key_Q, SHIFT)
    assert desk.mask(FIRST).any()
    assert "finished" in desk.status


def test_object_under_the_pointer_is_picked_and_then_gone_to(desk):
    two_objects(desk)
    click(desk, (9, 10, 10), 2, number=2)
    desk.annotator.prompts.points.mode = "pan_zoom"
    desk.annotator.objects.select(1)
    desk.viewer.dims.set_current_step(0, 9)
    point_at(desk, (9, 10, 10))
    desk.user.key(Qt.Key.Key_H)
    assert desk.annotator.current == 2
    assert desk.viewer.dims.current_step[0] == 9
    assert len(desk.annotator.prompts.points.data) == 2
    assert "Object 2: prompts in" in desk.status
    desk.annotator.output.data[7] = desk.annotator.output.data[9]
    desk.viewer.dims.set_current_step(0, 7)
    desk.user.key(Qt.Key.Key_H)
    assert desk.viewer.dims.current_step[0] == 9
    point_at(desk, (9, 50, 40))
    desk.user.key(Qt.Key.Key_H)
    assert "No object" in desk.status


def test_list_shows_what_there_is_as_it_changes(desk):
    two_objects(desk)
    voxel = 3 * 1 * 1.5
    counts = [(desk.labels == number).sum() for number in (1, 2)]
    assert listed(desk, 2) == ["1", "1"]
    assert listed(desk, 3) == ["1", "1"]
    assert listed(desk, 4) == [f"{count * voxel:.0f}" for count in counts]
    undo(desk)
    assert listed(desk, 2) == ["1", "0"]
    assert listed(desk, 4)[1] == "0"


def test_merged_objects_have_both_prompts_and_one_undo_parts_them(desk):
    two_objects(desk)
    before = desk.labels.copy()
    desk.annotator.objects.merge(1)
    assert listed(desk, 0) == ["Object 2"]
    assert set(np.unique(desk.labels)) == {0, 2}
    assert len(desk.annotator.prompts.points.data) == 2
    undo(desk)
    assert np.array_equal(desk.labels, before)
    assert listed(desk, 0) == ["Object 1", "Object 2"]


def test_renaming_and_deleting_are_undone_one_by_one(desk):
    two_objects(desk)
    before = desk.labels.copy()
    desk.annotator.objects.rename(2, "lesion")
    desk.annotator.objects.delete([2])
    assert listed(desk, 0) == ["Object 1"]
    assert not desk.mask(SECOND, 2).any()
    undo(desk)
    assert listed(desk, 0) == ["Object 1", "lesion"]
    assert np.array_equal(desk.labels, before)
    undo(desk)
    assert listed(desk, 0) == ["Object 1", "Object 2"]


def test_accepting_is_undone_in_one_step(desk):
    click(desk, (4, 30, 20))
    desk.user.key(Qt.Key.Key_G)
    assert listed(desk, 5) == ["✓", ""]
    undo(desk)
    assert listed(desk, 5) == [""]
    assert desk.annotator.current == 1


def test_objects_of_a_class_look_alike_and_are_saved_as_one(desk, tmp_path):
    two_objects(desk)
    lesion = Category(4, "lesion")
    desk.annotator.objects.categorise([1, 2], lesion)
    desk.widget.classes.semantic.setChecked(True)
    output = desk.annotator.output
    assert np.array_equal(output.get_color(1), output.get_color(2))
    assert listed(desk, 1) == ["lesion", "lesion"]
    path = tmp_path / "classes.npy"
    desk.annotator.exporting.save_labels(path)
    desk.user.waits_until(lambda: "Saved" in desk.status)
    np.testing.assert_array_equal(np.load(path), 4 * (desk.labels > 0))
    desk.annotator.exporting.save_labels(tmp_path / "classes.json")
    desk.user.waits_until(lambda: "Saved classes.json" in desk.status)
    annotations = json.loads((tmp_path / "classes.json").read_text())["annotations"]
    assert {(a["instance_id"], a["category_id"]) for a in annotations} == {
        (1, 4),
        (2, 4),
    }
    desk.widget.classes.semantic.setChecked(False)
    assert not np.array_equal(output.get_color(1), output.get_color(2))


def test_saved_labels_lie_where_the_image_lies(desk, tmp_path):
    two_objects(desk)
    path = tmp_path / "labels.ome.tif"
    desk.annotator.exporting.save_labels(path)
    desk.user.waits_until(lambda: "Saved" in desk.status)
    image = read_image(path)
    np.testing.assert_array_equal(np.asarray(image.data), desk.labels)
    np.testing.assert_allclose(image.scale, (3, 1, 1.5))


def test_what_cannot_be_saved_is_told_and_nothing_is_lost(desk, tmp_path):
    two_objects(desk)
    before = desk.labels.copy()
    desk.annotator.exporting.save_labels(tmp_path / "labels.xyz")
    assert "choose one of" in desk.status
    desk.annotator.exporting.save_prompts(tmp_path / "missing" / "prompts.json")
    desk.user.waits_until(lambda: "was not saved" in desk.status)
    assert np.array_equal(desk.labels, before)


def test_saved_prompts_are_loaded_as_one_step(desk, tmp_path):
    two_objects(desk)
    path = tmp_path / "prompts.json"
    desk.annotator.exporting.save_prompts(path)
    desk.user.waits_until(lambda: "Saved" in desk.status)
    assert [o.id for o in read_prompts(path)] == [1, 2]
    before = desk.labels.copy()
    desk.widget.stop()
    desk.widget.start()
    desk.user.waits_until(lambda: "Ready" in desk.status)
    desk.annotator.importing.load(path)
    desk.user.waits_until(lambda: "Loaded 2 objects" in desk.status)
    np.testing.assert_array_equal(desk.labels, before)
    assert len(desk.prompts(FIRST, 1)) == len(desk.prompts(SECOND, 2)) == 1
    assert threads_of_model_only(desk)
    desk.user.key(Qt.Key.Key_Z, CTRL)
    assert not desk.labels.any()
    path.write_text(json.dumps({"version": 9}))
    desk.annotator.importing.load(path)
    desk.user.waits_until(lambda: "not a prompts file" in desk.status)


def threads_of_model_only(desk):
    import threading

    return threading.main_thread() not in desk.engine.threads


# New objects, finished ones, and the displayed axis


def test_empty_objects_do_not_pile_up(desk):
    for _ in range(3):
        desk.user.key(Qt.Key.Key_N)
    assert desk.annotator.objects.ids == [1]
    assert "Object 1 is new: give it a prompt" in desk.status
    desk.user.key(Qt.Key.Key_G)
    assert "nothing to finish" in desk.status
    click(desk, (4, 30, 20))
    desk.user.key(Qt.Key.Key_N, SHIFT)
    desk.user.key(Qt.Key.Key_J)
    desk.user.key(Qt.Key.Key_N, SHIFT)
    assert (desk.annotator.current, desk.annotator.objects.ids) == (2, [1, 2])
    desk.user.key(Qt.Key.Key_J)
    desk.user.key(Qt.Key.Key_G)
    assert (desk.annotator.current, desk.annotator.objects.ids) == (2, [1, 2])
    undo(desk)
    assert desk.annotator.current == 1
    assert not desk.annotator.session.objects[1].finished


def test_next_goes_past_what_is_finished(desk):
    click(desk, (4, 30, 20))
    desk.user.key(Qt.Key.Key_N)
    click(desk, (4, 30, 60), number=2)
    desk.user.key(Qt.Key.Key_G)
    desk.user.key(Qt.Key.Key_J)
    assert "Object 2 is finished: G to reopen it" in desk.status
    desk.user.key(Qt.Key.Key_J)
    assert desk.annotator.current == 1
    desk.user.key(Qt.Key.Key_N)
    assert desk.annotator.current == 3


def test_a_new_object_that_was_empty_gets_the_class_at_hand(desk):
    desk.annotator.session.new_object()
    desk.annotator.objects.select(1)
    click(desk, (4, 30, 20))
    lesion = Category(4, "lesion")
    desk.annotator.objects.categorise([1], lesion)
    desk.user.key(Qt.Key.Key_G)
    assert desk.annotator.objects.category_of(2) == lesion


def test_prompts_on_a_finished_object_say_which_one_it_is(desk):
    click(desk, (4, 30, 20))
    desk.user.key(Qt.Key.Key_G)
    desk.user.click((4, 30, 20), desk.image)
    desk.user.waits_until(lambda: "Object 1 here is finished" in desk.status)
    desk.user.click((4, 30, 60), desk.image)
    desk.user.waits_until(lambda: "Mask in" in desk.status)


def test_a_core_is_drawn_on_the_finished_whole_that_it_lies_inside_of(desk):
    click(desk, (4, 30, 20))
    desk.annotator.objects.categorise([1], Category(2, "whole"))
    desk.user.key(Qt.Key.Key_G)
    desk.annotator.objects.categorise([2], Category(1, "core"))
    outer = desk.widget.classes.outer
    assert [outer.itemText(n) for n in range(outer.count())] == [
        "no other class",
        "2 whole",
    ]
    whole = listed(desk, AMOUNT)[0]
    outer.setCurrentIndex(1)
    outer.activated.emit(1)
    assert desk.status == "core lies inside whole, and on top of it"
    desk.user.click((4, 32, 22), desk.image)
    desk.user.waits_until(lambda: "Mask in" in desk.status)
    assert desk.labels[4, 30, 20] == desk.labels[4, 32, 22] == 2
    assert desk.mask(FIRST).any()
    # What is outside of the whole counts to both.
    assert listed(desk, AMOUNT)[0] != whole
    both = np.count_nonzero(desk.labels) * 3 * 1.5
    assert listed(desk, AMOUNT)[0] == f"{both:.0f}"
    undo(desk)
    undo(desk)
    assert "placing of a class in another" in desk.status
    assert outer.currentIndex() == 0
    assert listed(desk, AMOUNT)[0] == whole


def test_the_displayed_axis_stays_where_the_object_is_seen_along_it(desk):
    click(desk, (4, 30, 20))
    desk.user.key(Qt.Key.Key_N)
    desk.viewer.dims.set_current_step(0, 9)
    click(desk, (9, 30, 60), number=2)
    desk.viewer.dims.order = (1, 0, 2)
    desk.viewer.dims.set_current_step(1, 30)
    point_at(desk, (9, 30, 60))
    for act in (
        lambda: desk.user.key(Qt.Key.Key_J),
        lambda: desk.user.key(Qt.Key.Key_N),
        lambda: desk.user.key(Qt.Key.Key_H),
        lambda: desk.widget.objects.list.choose(1),
    ):
        act()
        assert desk.viewer.dims.order == (1, 0, 2)
        assert desk.viewer.dims.current_step[1] == 30
    desk.viewer.dims.set_current_step(1, 3)
    desk.widget.objects.list.choose(2)
    assert desk.viewer.dims.order == (1, 0, 2)
    assert desk.mask(Plane(1, desk.viewer.dims.current_step[1]), 2).any()
    undo(desk)
    assert desk.viewer.dims.order == (1, 0, 2)


def test_a_mask_redraws_the_row_of_its_object_alone(desk, monkeypatch):
    two_objects(desk)
    before, amount, asked = listed(desk, AMOUNT), desk.annotator.objects.row, []

    def row(number, measure):
        asked.append(number)
        return amount(number, measure)

    monkeypatch.setattr(desk.annotator.objects, "row", row)
    desk.user.click((9, 10, 10), desk.image)
    desk.user.waits_until(lambda: listed(desk, AMOUNT)[1] != before[1])
    assert listed(desk, AMOUNT)[0] == before[0]
    assert set(asked) == {2}
    undo(desk)
    assert listed(desk, AMOUNT) == before
    asked.clear()
    desk.image.scale = [2 * step for step in desk.image.scale]
    desk.user.waits_until(
        lambda: not set(listed(desk, AMOUNT)).intersection(before),
    )
    assert set(asked) == {1, 2}

"""A phrase names the selected object in the displayed plane."""

import pytest
from qtpy.QtCore import Qt

from napari_segnext.geometry.plane import Plane
from napari_segnext.prompts import Click, Phrase

PLANE = Plane(0, 4)


@pytest.fixture
def told(desk, qtbot):
    """Let the model of the desk take phrases; return a way to type one."""
    desk.engine.no_text = ""
    desk.widget.text.refresh()

    def say(phrase):
        field = desk.widget.text.field
        field.clear()
        field.setFocus()
        qtbot.keyClicks(field, phrase)
        qtbot.keyClick(field, Qt.Key.Key_Return)

    return say


def test_without_a_model_for_phrases_the_field_says_why(desk, tmp_path, monkeypatch):
    field = desk.widget.text.field
    assert not field.isEnabled()
    assert field.placeholderText() == "Disks have no names"
    assert "choose a model that takes phrases" in field.toolTip()
    given = []

    def load(model, volume, window, policy, engine, news, text, former):
        given.append(text)
        return desk.engine

    monkeypatch.setattr("napari_segnext.predicting.live.load_live_model", load)
    desk.engine.no_text = ""
    desk.widget.text.use_folder(tmp_path)
    desk.user.waits_until(field.isEnabled)
    assert given == [tmp_path]


def test_phrase_becomes_a_mask_and_stays_with_the_clicks_that_follow(desk, told):
    # Letters that are keys on the canvas are among them.
    told("dark Wukj qh ring")
    assert desk.prompts(PLANE) == [Phrase("dark Wukj qh ring")]
    desk.user.waits_until(lambda: desk.mask(PLANE).any())
    assert not desk.widget.text.field.hasFocus()
    desk.user.click((4, 10, 20), desk.image)
    desk.user.waits_until(lambda: len(desk.prompts(PLANE)) == 2)
    phrase, click = desk.prompts(PLANE)
    assert phrase == Phrase("dark Wukj qh ring")
    assert isinstance(click, Click)


def test_field_follows_undo_plane_and_object(desk, told):
    field = desk.widget.text.field
    told("nucleus")
    told("vesicle")
    assert desk.prompts(PLANE) == [Phrase("vesicle")]
    desk.annotator.undo()
    assert field.text() == "nucleus"
    desk.viewer.dims.set_current_step(0, 5)
    assert field.text() == ""
    desk.viewer.dims.set_current_step(0, 4)
    assert field.text() == "nucleus"
    desk.annotator.objects.next()
    assert field.text() == ""
    desk.annotator.objects.previous()
    told("")
    assert desk.prompts(PLANE, 1) == []


def test_the_field_is_there_for_models_that_take_phrases_alone(desk):
    part = desk.widget.text
    assert part.isHidden()
    desk.engine.no_text = "Phrases need CLIP: give its folder"
    part.refresh()
    assert not part.isHidden() and not part.field.isEnabled()
    desk.engine.no_text = ""
    part.refresh()
    assert not part.isHidden() and part.field.isEnabled()

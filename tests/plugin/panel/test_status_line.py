"""The line that tells what was done, or why it was not."""

from qtpy.QtWidgets import QLabel, QVBoxLayout, QWidget

from napari_segnext.plugin.panel.resume import StatusLine

LONG = "The model could not be loaded: '/a/folder/of/many/words/none.safetensors' " * 3


def test_no_message_moves_what_is_above_or_makes_it_wider(qtbot):
    panel, above, line = QWidget(), QWidget(), StatusLine()
    qtbot.addWidget(panel)
    layout = QVBoxLayout(panel)
    layout.addWidget(above, 1)
    layout.addWidget(line)
    panel.resize(280, 400)
    panel.show()
    line.say("Ready")
    qtbot.wait(50)
    before = above.geometry(), line.height()
    for text in (LONG, "x" * 500, ""):
        line.say(text)
        qtbot.wait(20)
        assert (above.geometry(), line.height()) == before
        assert line.text() == line.toolTip() == text
        assert panel.minimumSizeHint().width() <= 280


def test_two_lines_of_a_message_are_seen_and_the_rest_is_elided(qtbot):
    line = StatusLine()
    qtbot.addWidget(line)
    line.resize(280, line.height())
    line.show()
    line.say(LONG)
    shown = QLabel.text(line)
    assert shown.endswith("…") and shown[:30] == LONG[:30]
    wide = line.fontMetrics().horizontalAdvance(shown)
    assert 280 < wide <= 2 * 280
    assert line.height() >= 2 * line.fontMetrics().height()


def test_a_slice_that_is_ready_takes_no_news_away(qtbot):
    line = StatusLine()
    qtbot.addWidget(line)
    line.say_ready("Ready")
    assert line.text() == "Ready"
    line.say("Loading …", passing=True)
    line.say_ready("z 3: Ready")
    assert line.text() == "z 3: Ready"
    line.say("The model before goes on")
    line.say_ready("z 3: Ready")
    assert line.text() == "The model before goes on"
    line.say("z 3: Mask in 20 ms", passing=True)
    line.say_ready("z 4: Ready")
    assert line.text() == "z 4: Ready"

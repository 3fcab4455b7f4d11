"""The line that tells what was done, or why it was not."""

from qtpy.QtWidgets import QVBoxLayout, QWidget

from napari_segnext.plugin.resume import StatusLine

LONG = "The model could not be loaded: '/a/folder/of/many/words/none.safetensors' " * 3


def test_a_long_message_is_shown_whole_and_makes_nothing_wider(qtbot):
    panel, line = QWidget(), StatusLine()
    qtbot.addWidget(panel)
    layout = QVBoxLayout(panel)
    layout.addWidget(QWidget(), 1)
    layout.addWidget(line)
    panel.resize(280, 400)
    panel.show()
    line.say("Ready")
    qtbot.waitUntil(lambda: line.height() > 0)
    short = line.height()
    line.say(LONG)
    qtbot.waitUntil(lambda: line.height() > 3 * short)
    assert line.text() == LONG
    assert line.height() >= line.heightForWidth(line.width())
    line.say("x" * 500)
    qtbot.waitUntil(lambda: line.height() < 3 * short)
    assert panel.minimumSizeHint().width() <= 280

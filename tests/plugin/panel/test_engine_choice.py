"""Choosing an engine, and hearing from it."""

import threading

import pytest
from qtpy.QtCore import QThread

from napari_segnext.engines import ENGINES
from napari_segnext.plugin.panel.engine_choice import make_engine_choice
from napari_segnext.plugin.work.engine_news import EngineNews


def test_choice_offers_all_engines_and_starts_with_the_automatic_one(qtbot):
    choice = make_engine_choice()
    qtbot.addWidget(choice)
    names = [choice.itemData(n) for n in range(choice.count())]
    assert sorted(names) == sorted(ENGINES)
    assert choice.currentData() == "auto"


@pytest.fixture
def heard():
    return []


@pytest.fixture
def news(qapp, heard):
    def say(description, message):
        heard.append((description, message, QThread.currentThread()))

    return EngineNews(say)


def test_news_of_another_thread_arrive_on_the_gui_thread(qtbot, qapp, news, heard):
    teller = threading.Thread(target=news, args=("OpenVINO", "late"))
    teller.start()
    teller.join()
    assert not heard
    qtbot.waitUntil(lambda: bool(heard))
    assert heard == [("OpenVINO", "late", qapp.thread())]


def test_news_of_a_model_that_was_replaced_are_not_heard(qapp, news, heard):
    teller = threading.Thread(target=news, args=("OpenVINO", ""))
    teller.start()
    teller.join()
    news.close()
    qapp.processEvents()
    assert not heard

from __future__ import annotations

import sys
import threading

import pytest

from napari_segnext.plugin.work import modules
from napari_segnext.plugin.work.modules import Imported


def test_waiting_for_a_module_gives_way_and_goes_on(monkeypatch) -> None:
    may, names = threading.Event(), list[str]()

    def import_module(name: str) -> None:
        assert sys.modules.get("triton", "not kept away") is None
        may.wait(10)
        names.append(name)

    for loaded in ("triton", "torch._dynamo"):
        monkeypatch.delitem(sys.modules, loaded, raising=False)
    monkeypatch.setattr(modules, "import_module", import_module)
    needed = Imported("slow")
    for _ in range(2):
        with pytest.raises(InterruptedError):
            needed.wait(lambda: True)
    assert not names
    may.set()
    needed.wait(lambda: False)
    assert names == ["slow"]


def test_a_module_that_cannot_be_imported_keeps_nobody_waiting(monkeypatch) -> None:
    monkeypatch.setattr(threading, "excepthook", lambda failed: None)
    Imported("napari_segnext.no_such_module").wait(lambda: False)

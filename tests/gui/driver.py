"""A user at a real viewer, and an engine whose answers are known and can be held."""

from __future__ import annotations

import threading
from dataclasses import dataclass

import numpy as np
from qtpy.QtCore import QEvent, QPoint, QPointF, Qt
from qtpy.QtGui import QMouseEvent
from qtpy.QtTest import QTest
from qtpy.QtWidgets import QApplication

from napari_segnext.geometry.regions import Patch
from napari_segnext.prompts import extent

NO, CTRL = Qt.KeyboardModifier.NoModifier, Qt.KeyboardModifier.ControlModifier
SHIFT = Qt.KeyboardModifier.ShiftModifier
LEFT, RIGHT = Qt.MouseButton.LeftButton, Qt.MouseButton.RightButton
REACH = 5


@dataclass
class Answer:
    """What the plugin needs of a prediction."""

    probability: np.ndarray
    embed_ms: float = 0.0
    decode_ms: float = 1.0

    @property
    def patch(self):
        return Patch.of(self.probability)


def expected(prompts, shape):
    """Return the disks' mask: positive prompts in order, then negative ones.

    The disk of a phrase lies in the middle.
    """
    rows, columns = np.mgrid[: shape[0], : shape[1]]
    mask = np.zeros(shape, bool)
    for positive in (True, False):
        for prompt in prompts:
            if prompt.positive == positive:
                points = np.array(list(extent(prompt)) or [(0, 0), shape])
                y, x = (points.min(0) + points.max(0)) / 2
                mask[(rows - y) ** 2 + (columns - x) ** 2 <= REACH**2] = positive
    return mask


class DiskEngine:
    """Draws a disk around each prompt's middle; `hold` keeps answers back."""

    description = "disks"
    no_text = "Disks have no names: choose a model that takes phrases"

    def __init__(self, volume_shape):
        self._shape = volume_shape
        self._free = threading.Event()
        self._free.set()
        self.busy = threading.Event()
        self.embedded = []
        self.threads = set()

    def hold(self):
        self.busy.clear()
        self._free.clear()

    def release(self):
        self._free.set()

    def place(self, request):
        return request.plane, None

    def embed(self, plane, turn, works_on, near=None):
        if plane in self.embedded:
            return 0.0
        works_on((plane, None))
        self._wait(turn)
        self.embedded.append(plane)
        return 3.0

    together = 1
    note = ""
    source = None

    def doubt(self, plane=None):
        pass

    def take(self, volume, window):
        return self

    def keep(self, policy, turn):
        self.kept = policy
        return ""

    def embed_all(self, planes, total, turn, works_on):
        for plane in planes:
            self.embed(plane, turn, works_on)
        return ""

    def answer(self, request, turn):
        self._wait(turn)
        shape = [n for a, n in enumerate(self._shape) if a != request.plane.axis]
        mask = expected(request.prompts, shape if len(shape) == 2 else self._shape)
        return Answer(mask.astype(np.float32))

    def _wait(self, cancelled):
        self.threads.add(threading.current_thread())
        self.busy.set()
        while not self._free.wait(0.005):
            if cancelled():
                raise RuntimeError("cancelled")


class User:
    """Mouse and keys on the canvas of a viewer."""

    def __init__(self, viewer, qtbot):
        self.viewer, self._qtbot = viewer, qtbot
        self.canvas = viewer.window._qt_viewer.canvas.native

    def at(self, position, layer):
        """Return the canvas pixel of a data position."""
        world = np.asarray(layer.data_to_world(position))[
            list(self.viewer.dims.displayed)
        ]
        view = self.viewer.window._qt_viewer.canvas.view
        mapped = (view.transform * view.scene.transform).map([world[1], world[0]])
        return QPoint(round(mapped[0] / mapped[3]), round(mapped[1] / mapped[3]))

    def click(self, position, layer, modifier=NO, button=LEFT):
        self._move(self.at(position, layer))
        QTest.mouseClick(self.canvas, button, modifier, self.at(position, layer))

    def double_click(self, position, layer):
        self.click(position, layer)
        QTest.mouseDClick(self.canvas, LEFT, NO, self.at(position, layer))

    def drag(self, positions, layer, modifier=NO):
        first, *others = (self.at(p, layer) for p in positions)
        self._move(first)
        QTest.mousePress(self.canvas, LEFT, modifier, first)
        for pixel in others:
            self._move(pixel, LEFT, modifier)
        QTest.mouseRelease(self.canvas, LEFT, modifier, others[-1])

    def _move(self, pixel, button=Qt.MouseButton.NoButton, modifier=NO):
        # QTest moves the real pointer, whose events come late on a busy machine; and
        # the canvas leaves out moves that follow each other within 10 ms.
        QTest.qWait(15)
        event = QMouseEvent(
            QEvent.Type.MouseMove,
            QPointF(pixel),
            QPointF(self.canvas.mapToGlobal(pixel)),
            Qt.MouseButton.NoButton,
            button,
            modifier,
        )
        QApplication.sendEvent(self.canvas, event)

    def key(self, key, modifier=NO):
        QTest.keyClick(self.canvas, key, modifier)

    def waits_until(self, condition, timeout=10_000):
        self._qtbot.waitUntil(condition, timeout=timeout)

"""Putting the shape of the current object right, beside the user, without the model."""

from __future__ import annotations

import contextlib
import threading
import time
from collections.abc import Callable, Generator, Sequence
from functools import partial
from typing import TYPE_CHECKING, Any, TypeAlias

import numpy as np
from qtpy.QtCore import QObject, QTimer, Signal

from napari_segnext.geometry.plane import Plane
from napari_segnext.plugin.layers.cut_layer import CutLayer
from napari_segnext.plugin.layers.measure import voxel_steps
from napari_segnext.plugin.layers.view_timers import TURN_S
from napari_segnext.repair.between import interpolated
from napari_segnext.repair.box import ObjectBox
from napari_segnext.repair.cut import drawn, half, sides
from napari_segnext.repair.progress import Tell, part_of
from napari_segnext.repair.rules import (
    SMOOTH_MARGIN,
    filled,
    grown,
    one_part,
    smoothed,
    without_specks,
)
from napari_segnext.session.snapshot import Snapshot

if TYPE_CHECKING:
    from napari.layers import Image
    from napari.viewer import ViewerModel

    from napari_segnext.geometry.frame import BoolArray, Point
    from napari_segnext.geometry.regions import Extent
    from napari_segnext.labels.labels import ReadableLabels
    from napari_segnext.plugin.layers.displayed_plane import ShownPlane
    from napari_segnext.plugin.layers.labels_layer import LayerLabels
    from napari_segnext.session import Session

# Writes a part with each turn, yields the share that is done, and returns what it was.
Writing: TypeAlias = Generator[float, None, str]

_NOTHING = "Nothing was repaired"
# Shares of the time that reading and working take; then voxels are gathered.
_READING, _WORKING = 0.15, 0.75


class Repairing(QObject):
    """Repairs of the current object, in the displayed slice or in all of it.

    Each is computed on a thread of its own, from the labels as they are when it is
    asked for, and written as one step of undo. Voxels that have changed meanwhile stay
    as they are.

    Signals: `said` (status line), `changed` (`running`, `whole`, `splitting`), `done`
    (objects have another shape).

    Attributes
    ----------
    whole
        Whether the whole object is repaired, or the displayed slice alone.
    """

    said = Signal(str)
    changed = Signal()
    done = Signal()
    _arrived = Signal(object)

    def __init__(
        self,
        viewer: ViewerModel,
        image: Image,
        session: Session,
        labels: LayerLabels,
        shown: ShownPlane,
        parent: QObject | None = None,
    ) -> None:
        super().__init__(parent)
        self._session, self._labels, self._shown = session, labels, shown
        self.whole = True
        self._space = session.space
        self._cut = CutLayer(viewer, image, session.space, self._drawn, self._left)
        # The object that the first of two lines is for, and the voxels on it.
        self._first: tuple[int, list[int]] | None = None
        # Of what is being computed; without it nothing of that is written.
        self._token: object | None = None
        self._arrived.connect(lambda finish: finish())

    @property
    def running(self) -> bool:
        """Whether a repair is being computed."""
        return self._token is not None

    @property
    def splitting(self) -> bool:
        """Whether a line is awaited that splits an object."""
        return self._cut.active

    def choose(self, whole: bool) -> None:
        """Choose whether the whole object is repaired, or the displayed slice."""
        self.whole = whole
        self.changed.emit()

    def stop(self) -> None:
        """Write nothing of what is being computed, and await no line."""
        if self.running:
            self._end(_NOTHING)
        if self._cut.active:
            self._cut.end()
            self._left()

    def close(self) -> None:
        """End."""
        self.stop()
        self._cut.close()

    # What can be done

    def fill_holes(self) -> None:
        """Fill the holes that slices show."""
        self._reshape("fill holes", filled)

    def remove_specks(self) -> None:
        """Take away parts that are small beside the largest."""
        self._reshape("remove specks", lambda box, _: without_specks(box))

    def keep_part(self) -> None:
        """Keep the parts with positive prompts, or the largest without any."""
        plane, marks = self._shown.plane, list[int]()
        if plane is not None:
            marks = self._session.marks(self._session.current, plane, self.whole)
        self._reshape("keep part", lambda box, _: one_part(box, box.marked(marks)))

    def smooth(self) -> None:
        """Smooth the border."""
        self._reshape("smooth", lambda box, _: smoothed(box), SMOOTH_MARGIN)

    def grow(self, by: int) -> None:
        """Move the border outwards by so many pixels, or inwards."""
        name = "grow" if by > 0 else "shrink"
        self._reshape(name, lambda box, tell: grown(box, by, tell), 2 * abs(by) + 1)

    def split(self) -> None:
        """Let the user draw the line along which the object is split, or leave it."""
        if self._cut.active:
            self.stop()
        elif self._may_begin():
            self._cut.begin()
            self.said.emit(
                f"Drag a line across {self._name}, or one inside each of its halves"
            )
            self.changed.emit()

    def interpolate(self) -> None:
        """Find the slices between those with prompts or edits, from these alone.

        Where there are less than two of them, those that the object leaves out.
        """
        shown, number = self._shown.plane, self._session.current
        if not self._may_begin() or shown is None:
            return
        known = self._session.objects[number]
        planes = [
            plane
            for plane in sorted({*known.prompts, *known.edits})
            if (plane.axis, plane.fixed) == (shown.axis, shown.fixed)
        ]
        if len(planes) < 2:
            planes = self._session.planes_of(number, shown)
        extent = self._session.extent(number, planes)

        def compute(labels: ReadableLabels, tell: Tell) -> Any:
            return dict(interpolated(labels, number, planes, extent, tell))

        def write(found: Any) -> Writing:
            if not found:
                return "there is no slice between two that show it"
            yield from self._session.commit_planes_in_turns(
                number, found, "interpolate"
            )
            return f"{len(found)} slice{'s' if len(found) != 1 else ''} between"

        self._begin("interpolate", compute, write)

    # How a line becomes a cut

    def _drawn(self, plane: Plane, path: Sequence[Point]) -> None:
        number = self._session.current
        # A large section is not read as a whole.
        part = self._session.extent(number, [plane])
        section = self._session.labels.read(plane, part) == number
        line = drawn(np.subtract(path, part[:2]).tolist(), section.shape)
        if not (line & section).any():
            self._again(f"The line does not touch {self._name}: draw it once more")
            return
        first = self._first
        halves = sides(section, line)
        if halves:
            marks = [self._numbers(plane, part, half) for half in halves]
        elif first is None or first[0] != number:
            self._first = number, self._numbers(plane, part, line & section)
            self._again(f"One half of {self._name} is marked: draw a line in the other")
            return
        else:
            marks = [first[1], self._numbers(plane, part, line & section)]
        self._cut.end()
        self._left()
        self._split(marks)

    def _again(self, why: str) -> None:
        self.said.emit(why)
        self._cut.begin()

    def _left(self) -> None:
        self._first = None
        self.changed.emit()

    def _numbers(self, plane: Plane, part: Extent, marked: BoolArray) -> list[int]:
        """Return the numbers of marked pixels in a part of a plane."""
        rows, columns = np.nonzero(marked)
        rows, columns = rows + part.top, columns + part.left
        numbers: list[int] = self._space.numbers(plane, rows, columns).tolist()
        return numbers

    def _split(self, marks: list[list[int]]) -> None:
        number = self._session.current

        def work(box: ObjectBox, tell: Tell) -> Any:
            first, second = map(box.marked, marks)
            return box.numbers(half(box, first, second, tell))

        def write(voxels: Any) -> Writing:
            yield 0.0
            new = self._session.split(number, voxels)
            return f"the other half is {self._session.objects[new].name}"

        self._compute("split", work, write)

    # How it is done

    def _reshape(
        self,
        name: str,
        shape: Callable[[ObjectBox, Tell], BoolArray],
        margin: int = 1,
    ) -> None:
        """Give the object another shape."""
        number = self._session.current
        within = None if self.whole else self._shown.plane

        def write(change: Any) -> Writing:
            yield 0.0
            gained, lost = change
            count = self._session.reshape(number, name, gained, lost, within)
            return f"{count:,} voxels" if count else "there is nothing to change"

        self._compute(
            name, lambda box, tell: box.change(shape(box, tell)), write, margin
        )

    def _compute(
        self,
        name: str,
        work: Callable[[ObjectBox, Tell], Any],
        write: Callable[[Any], Writing],
        margin: int = 1,
    ) -> None:
        """Have something computed of the object's box, and written."""
        shown, number = self._shown.plane, self._session.current
        if not self._may_begin() or shown is None:
            return
        place = self._session.place(number, shown, self.whole)
        results = dict(self._session.objects[number].results)
        steps = voxel_steps(self._labels.layer, self._session.space)

        def compute(labels: ReadableLabels, tell: Tell) -> Any:
            what = labels, number, place, shown.axis, steps, results, margin
            box = ObjectBox.read(*what, part_of(tell, 0, _READING))
            return work(box, part_of(tell, _READING, _READING + _WORKING))

        self._begin(name, compute, write)

    def _may_begin(self) -> bool:
        """Tell whether something can be done to the object, and say why not."""
        shown, why = self._shown.plane, ""
        if self.running:
            why = "A repair is on its way: wait, or cancel it"
        elif shown is None:
            why = "Show a slice of the image to repair the object"
        else:
            try:
                self._session.place(self._session.current, shown, False)
            except ValueError as error:
                why = str(error)
        if why:
            self.said.emit(why)
        return not why

    def _begin(
        self,
        name: str,
        compute: Callable[[ReadableLabels, Tell], Any],
        write: Callable[[Any], Writing],
    ) -> None:
        """Compute something of the labels as they are now on a thread, and write it."""
        token = self._token = object()
        told = f"{self._name}: {name}"
        snapshot = Snapshot(self._session, self._labels.stored)

        percent = 0

        def tell(share: float) -> None:
            nonlocal percent
            if token is not self._token:
                raise InterruptedError
            if int(100 * share) > percent:
                percent = int(100 * share)
                self._arrived.emit(partial(show, percent))

        def show(percent: int) -> None:
            if token is self._token:
                self.said.emit(f"{told} … {percent} %")

        def run() -> None:
            try:
                outcome = compute(snapshot, tell)
            # Whatever it is: the user must not wait for a repair that never comes.
            except Exception as error:
                outcome = error
            with contextlib.suppress(RuntimeError):  # The viewer is gone.
                self._arrived.emit(partial(finish, outcome))

        def finish(outcome: Any) -> None:
            snapshot.close()
            if token is not self._token:
                return
            if isinstance(outcome, Exception):
                self._fail(outcome)
            else:
                self._write(token, told, write(outcome))

        self.changed.emit()
        self.said.emit(f"{told} …")
        threading.Thread(target=run, name="segnext-repair", daemon=True).start()

    def _write(self, token: object, told: str, writing: Writing) -> None:
        """Write what was computed for a turn of the event loop, and then the rest."""
        if token is not self._token:
            writing.close()
            return
        until = time.perf_counter() + TURN_S
        try:
            while time.perf_counter() < until:
                next(writing)
        except StopIteration as end:
            self.done.emit()
            self._end(f"{told}, {end.value}")
        except Exception as error:
            self._fail(error)
        else:
            QTimer.singleShot(0, partial(self._write, token, told, writing))

    def _fail(self, error: Exception) -> None:
        why = " ".join(str(error).split()) or type(error).__name__
        self._end(f"{_NOTHING}: {why}")

    def _end(self, why: str) -> None:
        self._token = None
        self.changed.emit()
        self.said.emit(why)

    @property
    def _name(self) -> str:
        return self._session.objects[self._session.current].name

"""The three prompt layers of one object: what the user draws becomes `Prompts`.

They show the current object's prompts in all planes of the displayed axis. The
session is the truth: a layer is read when the user changes it, and drawn anew
when the session changes.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np
from napari.layers import Labels, Points, Shapes
from napari.layers.base import ActionType
from qtpy.QtCore import QTimer

from napari_segnext.geometry.plane import Plane
from napari_segnext.geometry.space import Space
from napari_segnext.plugin.layers.half_drawn import HalfDrawn, let_go
from napari_segnext.plugin.layers.kept_layers import keep_layer, layer_for, show_layer
from napari_segnext.plugin.layers.own_layers import (
    COLOURS,
    NEGATIVE_LABEL,
    POSITIVE_LABEL,
    clear_shapes,
    draws,
    lie_on,
    make_points,
    make_scribbles,
    make_shapes,
    sign_features,
    sign_layer,
    signs_of,
)
from napari_segnext.plugin.layers.planes import NoPlaneError, shown_axis
from napari_segnext.plugin.layers.reading import (
    Placed,
    is_slip,
    merge,
    on_layer,
    outline,
    read_clicks,
    read_scribbles,
    read_shapes,
    same,
    scribbled_part,
)
from napari_segnext.plugin.layers.scribble_canvas import SparsePlanes
from napari_segnext.plugin.layers.used_layers import UsedLayers
from napari_segnext.prompts import Box, Click, Polygon, Prompts, Scribble

if TYPE_CHECKING:
    from napari.layers import Image, Layer
    from napari.viewer import ViewerModel

Changed = Callable[[Mapping[Plane, Prompts]], None]
_FINAL = (ActionType.ADDED, ActionType.REMOVED, ActionType.CHANGED)


class PromptLayers:
    """Clicks, shapes and painted scribbles of the current object.

    Parameters
    ----------
    changed
        Called with the planes that the user changed, and their new prompts: one action.
    say
        Called with a message for the user.
    """

    def __init__(
        self,
        viewer: ViewerModel,
        image: Image,
        space: Space,
        changed: Changed,
        say: Callable[[str], None],
    ) -> None:
        self._viewer, self._image, self._space = viewer, image, space
        self._changed, self._say = changed, say
        self._known: dict[Plane, Prompts] = {}
        self._axis, self._positive = 0, True
        self._drawing_anew = self.closed = False
        self.points = layer_for(viewer, image, make_points(image, space))
        self.shapes = layer_for(viewer, image, make_shapes(image, space))
        self._half_drawn = HalfDrawn(self.shapes)
        canvas = self.canvas = SparsePlanes(space)
        self.scribbles = layer_for(viewer, image, make_scribbles(image, space, canvas))
        self.points.events.data.connect(self._on_points)
        self.shapes.events.data.connect(self._on_shapes)
        self.shapes.events.mode.connect(self._on_left)
        self.scribbles.events.paint.connect(self._on_paint)
        viewer.layers.selection.events.active.connect(self._on_left)
        for layer in self.layers:
            layer.mouse_drag_callbacks.append(self._on_press)
            show_layer(viewer, layer)
        self._used = UsedLayers(self.layers, viewer.layers.selection, self._holds)

    @property
    def layers(self) -> tuple[Labels, Shapes, Points]:
        """The three layers, from the lowest."""
        return self.scribbles, self.shapes, self.points

    @property
    def positive(self) -> bool:
        """The sign of what is drawn next."""
        return self._positive

    @positive.setter
    def positive(self, positive: bool) -> None:
        self._positive = positive
        for layer in self.layers:
            sign_layer(layer, positive)

    @property
    def unfinished(self) -> bool:
        """Whether a shape is being drawn."""
        return self._half_drawn.begun

    def settle(self, turning: bool = False) -> bool:
        """End what is being drawn, for the object and the plane it was begun in.

        The user turns to something else; what is drawn until then counts.

        Parameters
        ----------
        turning
            Whether the viewer is on its way to another slice or tool. napari's layer
            does not bear to be emptied then.

        Returns
        -------
        Whether there was a shape of too few corners, which is taken away.
        """
        if self.closed or self._drawing_anew:
            return False
        if let_go(self.scribbles):
            self._take_scribbles()
        if not self._half_drawn.held:
            return False
        data, kinds = self._half_drawn.end()
        dropped = len(data) < len(self.shapes.data)
        self._take("shapes", partial(self._read, data, kinds), "Shape", self._axis)
        self._restore_sign()
        if dropped:
            self._say("The shape had too few corners: taken away")
        if turning:
            QTimer.singleShot(0, self.redraw)
        else:
            self.redraw()
        return dropped

    def close(self) -> None:
        """Stop listening; the layers are hidden for the next session."""
        self.closed = True
        self._used.close()
        self.points.events.data.disconnect(self._on_points)
        self.shapes.events.data.disconnect(self._on_shapes)
        self.shapes.events.mode.disconnect(self._on_left)
        self._viewer.layers.selection.events.active.disconnect(self._on_left)
        self.scribbles.events.paint.disconnect(self._on_paint)
        for layer in self.layers:
            layer.mouse_drag_callbacks.remove(self._on_press)
            keep_layer(self._viewer, layer)

    def present(self, name: str) -> Points | Shapes | Labels:
        """Return a layer by attribute name, back in the viewer if it was removed."""
        layer: Points | Shapes | Labels = getattr(self, name)
        if layer not in self._viewer.layers:
            self._viewer.add_layer(layer)
        return layer

    def draw(self, prompts: Mapping[Plane, Prompts], axis: int) -> None:
        """Show these prompts, those of the planes perpendicular to `axis`."""
        self.settle()
        self._axis = axis
        self._known = {p: q for p, q in prompts.items() if p.axis == axis and len(q)}
        with self._quietly():
            self._draw_points()
            self._draw_shapes()
            self._draw_scribbles()
        self.positive = self._positive
        self._used.update()

    def planar(self, planar: bool) -> None:
        """Say whether the plane now shown is one: 3-D never reads all scribbles."""
        self._on_left()
        self._used.bar(self.scribbles, not planar)

    def lie_on_image(self) -> None:
        """Lie where the image lies now; prompts stay on their pixels."""
        for layer in self.layers:
            lie_on(layer, self._image)

    def redraw(self) -> None:
        """Show again what was known, undoing what could not be taken."""
        if not self.closed:
            self.draw(self._known, self._axis)

    def _on_press(self, layer: Points | Shapes | Labels, event: Any) -> None:
        """Let Ctrl, or the right button, turn the sign of what is drawn."""
        if draws(layer) and not self.unfinished:
            turned = "Control" in event.modifiers or event.button == 2
            sign_layer(layer, self._positive != turned)

    def _restore_sign(self) -> None:
        """Give the layers their sign back after a prompt drawn with Ctrl held."""
        if not self.closed and not self.unfinished:
            for layer in self.layers:
                if draws(layer):
                    sign_layer(layer, self._positive)

    def _on_points(self, event: Any) -> None:
        if self._drawing_anew or event.action not in _FINAL:
            return
        self._take("clicks", self._read_clicks, "Click")
        QTimer.singleShot(0, self._restore_sign)

    def _on_shapes(self, event: Any) -> None:
        self._half_drawn.heard(event)
        if self._drawing_anew or event.action not in _FINAL:
            return
        self._take("shapes", self._read_shapes, "Shape")
        QTimer.singleShot(0, self._restore_sign)

    def _on_left(self, event: Any = None) -> None:
        self.settle(turning=True)

    def _on_paint(self, event: Any) -> None:
        # napari announces some edits before it makes them.
        if not self._drawing_anew:
            QTimer.singleShot(0, self._take_scribbles)

    def _read_clicks(self, axis: int) -> tuple[Placed, int]:
        return read_clicks(self.points.data, signs_of(self.points), self._space, axis)

    def _read_shapes(self, axis: int) -> tuple[Placed, int]:
        return self._read(self.shapes.data, self.shapes.shape_type, axis)

    def _read(
        self, data: Sequence[Any], kinds: Sequence[str], axis: int
    ) -> tuple[Placed, int]:
        """Read shapes of which the first N are the layer's."""
        own = slice(len(data))
        signs, widths = signs_of(self.shapes)[own], self.shapes.edge_width[own]
        return read_shapes(data, kinds, signs, widths, self._space, axis)

    def _take(
        self,
        layer: str,
        read: Callable[[int], tuple[Placed, int]],
        what: str,
        axis: int | None = None,
    ) -> None:
        """Read one layer, tell what changed, and take away what does not count.

        Parameters
        ----------
        axis
            That it is drawn along; by default the displayed one.
        """
        try:
            placed, outside = read(self._shown_axis() if axis is None else axis)
        except NoPlaneError as error:
            self._refuse(str(error))
            return
        now: dict[Plane, list[Any]] = {plane: [] for plane in self._known}
        slips = 0
        for plane, prompt in placed:
            known = self._known.get(plane, Prompts())
            if is_slip(prompt) and not any(same(prompt, each) for each in known):
                slips += 1
            else:
                now.setdefault(plane, []).append(prompt)
        self._tell(
            {
                plane: merge(self._known.get(plane, Prompts()), layer, prompts)
                for plane, prompts in now.items()
            }
        )
        if outside:
            self._refuse(f"{what} outside the image: taken away")
        elif slips:
            self._refuse("Drag a box of 2 pixels or more: this one is taken away")

    def _take_scribbles(self) -> None:
        if self.closed:
            return
        try:
            self._shown_axis()
        except NoPlaneError as error:
            self._refuse(str(error))
            return
        now: dict[Plane, Prompts] = {}
        for plane, touched in self.canvas.take_touched().items():
            before = self._known.get(plane, Prompts())
            part = scribbled_part(before, touched)
            found = read_scribbles(self.canvas.read(plane, part), before, part)
            now[plane] = merge(before, "scribbles", found)
        self._tell(now)

    def _tell(self, now: Mapping[Plane, Prompts]) -> None:
        changes = {
            plane: prompts
            for plane, prompts in now.items()
            if prompts != self._known.get(plane, Prompts())
        }
        if changes:
            self._known.update(changes)
            self._used.update()
            self._changed(changes)

    def _shown_axis(self) -> int:
        return shown_axis(self._viewer, self._image, self._space)

    def _refuse(self, why: str) -> None:
        self._say(why)
        # The layer is still in the middle of its own change.
        QTimer.singleShot(0, self.redraw)

    @contextmanager
    def _quietly(self) -> Iterator[None]:
        self._drawing_anew = True
        try:
            yield
        finally:
            self._drawing_anew = False

    def _holds(self, layer: Layer) -> bool:
        """Tell whether there are prompts on a layer, or one that is being drawn."""
        name = {self.points: "clicks", self.shapes: "shapes"}.get(layer, "scribbles")
        return bool(self._placed(name)) or (layer is self.shapes and self.unfinished)

    def _placed(self, layer: str) -> list[tuple[Plane, Any]]:
        return [
            (plane, prompt)
            for plane, prompts in self._known.items()
            for prompt in prompts
            if on_layer(prompt) == layer
        ]

    def _draw_points(self) -> None:
        clicks: list[tuple[Plane, Click]] = self._placed("clicks")
        at = [self._space.from_plane(plane, click.at)[0] for plane, click in clicks]
        data = np.array(at).reshape(-1, self._space.ndim)
        if np.array_equal(data, self.points.data) and signs_of(self.points) == [
            c.positive for _, c in clicks
        ]:
            return
        self.points.selected_data = set()
        self.points.data = data
        self.points.features = sign_features(c for _, c in clicks)
        if clicks:
            self.points.face_color = [COLOURS[c.positive] for _, c in clicks]

    def _draw_shapes(self) -> None:
        shown: list[tuple[Plane, Box | Polygon | Scribble]] = self._placed("shapes")
        layer = self.shapes
        present, outside = self._read_shapes(self._axis)
        if (
            not outside
            and len(present) == len(shown)
            and all(
                p == q and same(one, other)
                for (p, one), (q, other) in zip(present, shown, strict=True)
            )
        ):
            return
        clear_shapes(layer)
        if shown:
            outlines = [outline(shape) for _, shape in shown]
            layer.add(
                [
                    self._space.from_plane(plane, vertices)
                    for (plane, _), (vertices, _) in zip(shown, outlines, strict=True)
                ],
                shape_type=[kind for _, kind in outlines],
                edge_color=[COLOURS[s.positive] for _, s in shown],
                edge_width=[
                    s.width if isinstance(s, Scribble) else layer.current_edge_width
                    for _, s in shown
                ],
                face_color="transparent",
            )
        layer.features = sign_features(s for _, s in shown)
        layer.selected_data = set()

    def _draw_scribbles(self) -> None:
        scribbles: list[tuple[Plane, Scribble]] = self._placed("scribbles")
        changes = bool(scribbles or self.canvas.planes)
        self.canvas.reset(self._axis)
        for plane, scribble in scribbles:
            assert scribble.painted is not None
            value = POSITIVE_LABEL if scribble.positive else NEGATIVE_LABEL
            self.canvas.paint(plane, scribble.painted, value)
        if changes:
            self.scribbles.refresh()

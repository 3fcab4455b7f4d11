"""Key bindings: letters that napari leaves free, on the viewer and on own layers."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from operator import attrgetter
from typing import Any, Protocol


class Bindable(Protocol):
    """A viewer or a layer."""

    keymap: Any

    def bind_key(self, key: str, func: Any, *, overwrite: bool = ...) -> Any:
        """Bind, or with None unbind, a key."""


@dataclass(frozen=True, slots=True)
class Action:
    """Something a key does.

    Attributes
    ----------
    name
        Method of the annotator, or of a part of it: "objects.next".
    key
        napari's name of the key.
    shown
        How the widget writes it.
    label
        What a button for it says.
    text
        What it does, in full.
    """

    name: str
    key: str
    shown: str
    label: str
    text: str


ACTIONS = (
    Action("toggle_sign", "W", "W", "sign", "Switch between object and background"),
    Action("next_tool", "K", "K", "tool", "Go to the next tool"),
    Action("objects.pick", "H", "H", "Pick", "Go on with the object under the pointer"),
    Action("objects.previous", "J", "J", "Previous", "Go to the previous object"),
    Action(
        "objects.next",
        "N",
        "N",
        "Next",
        "Go to the next object that is not finished, or to a new one",
    ),
    Action(
        "objects.begin",
        "Shift-N",
        "Shift+N",
        "New",
        "Go to a new object, or to one that is still empty",
    ),
    Action(
        "accept",
        "G",
        "G",
        "Accept",
        "Finish the object, which protects it, and go to a new one; a finished one is "
        "opened again",
    ),
    Action("objects.discard", "Q", "Q", "Discard", "Remove the prompts and the mask"),
    Action(
        "objects.clear_slice",
        "Shift-Q",
        "Shift+Q",
        "Clear slice",
        "Take the object out of the displayed slice: Propagate goes no further",
    ),
    Action("propagation.start", "U", "U", "Propagate", "Find it in the other slices"),
    Action(
        "propagation.next_doubtful",
        "Shift-U",
        "Shift+U",
        "To check",
        "Show the next slice of low confidence",
    ),
    Action("undo", "Control-Z", "Ctrl+Z", "Undo", "Undo the last step"),
    Action("redo", "Control-Shift-Z", "Ctrl+Shift+Z", "Redo", "Do it again"),
)


class Keys:
    """The bindings of one session.

    A layer's own bindings hide the viewer's, and napari's Labels layers bind
    Ctrl+Z themselves, so all keys are bound on the session's layers too.
    """

    def __init__(self, target: object, places: Iterable[Bindable]) -> None:
        self._places = list(places)
        self._before: list[tuple[Bindable, str, Any]] = []
        for place in self._places:
            for action in ACTIONS:
                run = _caller(attrgetter(action.name)(target))
                before = place.bind_key(action.key, run, overwrite=True)
                self._before.append((place, action.key, before))

    def close(self) -> None:
        """Unbind, and bring back what was bound before."""
        for place, key, before in self._before:
            place.bind_key(key, before, overwrite=True)
        self._before.clear()


def _caller(method: Callable[[], object]) -> Callable[[Any], None]:
    def run(_: Any) -> None:
        method()

    return run

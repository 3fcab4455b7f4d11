"""What the user does by keys: letters that napari leaves free, and what they do."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol

if TYPE_CHECKING:
    from napari_segnext.plugin.annotator import Annotator


class Bindable(Protocol):
    """A viewer or a layer."""

    keymap: Any

    def bind_key(self, key: str, func: Any, *, overwrite: bool = ...) -> Any:
        """Bind, or with None unbind, a key."""


@dataclass(frozen=True, slots=True)
class Action:
    """Something that the user does by a key or a button.

    Attributes
    ----------
    label
        What a button for it says.
    key
        napari's name of the key; empty if it has none.
    text
        What it does, in full.
    run
        Does it, given the session.
    """

    label: str
    key: str
    text: str
    run: Callable[[Annotator], object]

    @property
    def shown(self) -> str:
        """The key as the panel writes it."""
        return self.key.replace("Control", "Ctrl").replace("-", "+")

    @property
    def button(self) -> str:
        """What a button for it says, with its key."""
        return f"{self.label}   {self.shown}".rstrip()


TOGGLE_SIGN = Action(
    "sign", "W", "Switch between object and background", lambda to: to.toggle_sign()
)
NEXT_TOOL = Action("tool", "K", "Go to the next tool", lambda to: to.next_tool())
PICK = Action(
    "Pick", "H", "Go on with the object under the pointer", lambda to: to.objects.pick()
)
PREVIOUS = Action(
    "Previous", "J", "Go to the previous object", lambda to: to.objects.previous()
)
NEXT = Action(
    "Next",
    "N",
    "Go to the next object that is not finished, or to a new one",
    lambda to: to.objects.next(),
)
BEGIN = Action(
    "New",
    "Shift-N",
    "Go to a new object, or to one that is still empty",
    lambda to: to.objects.begin(),
)
EACH_OWN = Action(
    "Each prompt its own object",
    "Alt-N",
    (
        "Let each positive prompt begin an object, as for a field of small things; one "
        "of the other sign corrects the last"
    ),
    lambda to: to.prompting.toggle_each_own(),
)
ACCEPT = Action(
    "Accept",
    "G",
    (
        "Finish the object, which protects it, and go to a new one; a finished one is "
        "opened again"
    ),
    lambda to: to.accept(),
)
DISCARD = Action(
    "Discard", "Q", "Remove the prompts and the mask", lambda to: to.objects.discard()
)
CLEAR_SLICE = Action(
    "Clear slice",
    "Shift-Q",
    "Take the object out of the displayed slice: Propagate goes no further",
    lambda to: to.objects.clear_slice(),
)
PROPAGATE = Action(
    "Propagate", "U", "Find it in the other slices", lambda to: to.propagation.start()
)
PROPAGATE_ALL = Action(
    "All",
    "Alt-U",
    "Propagate all objects that are not finished, one after the other",
    lambda to: to.propagation.start_all(),
)
TO_CHECK = Action(
    "To check",
    "Shift-U",
    "Show what is to be checked next, of all objects",
    lambda to: to.doubting.next(),
)
COMPARE = Action(
    "Compare all",
    "",
    (
        "Compare every object that is not finished with the image and with the slices "
        "beside, along the displayed axis: what does not fit is listed below"
    ),
    lambda to: to.doubting.start(),
)
FIND = Action(
    "Find more",
    "Shift-F",
    (
        "Find others like the accepted objects of the current one's class, and propose "
        "them; again, it learns from what was accepted and rejected too"
    ),
    lambda to: to.finding.start(),
)
NEXT_PROPOSAL = Action(
    "Next", "Shift-S", "Show the next proposal", lambda to: to.reviewing.next()
)
ACCEPT_PROPOSAL = Action(
    "Right",
    "Shift-G",
    "Make the proposal that is shown an object, and show the next",
    lambda to: to.reviewing.accept(),
)
REJECT_PROPOSAL = Action(
    "Wrong",
    "Shift-R",
    "Take the proposal that is shown away as wrong, and show the next",
    lambda to: to.reviewing.reject(),
)
COMPLETE = Action(
    "All known here",
    "Shift-C",
    (
        "Say that every object of this class in the displayed slice is known by now: "
        "what else it shows is none, which teaches Find more most"
    ),
    lambda to: to.reviewing.toggle_complete(),
)
TEACH = Action(
    "Teach",
    "",
    (
        "Teach the model the accepted objects of this class, in a minute, while you go "
        "on. Every fifth is kept back: what is learned is used if these get better"
    ),
    lambda to: to.teaching.start(),
)
UNDO = Action("Undo", "Control-Z", "Undo the last step", lambda to: to.undo())
REDO = Action("Redo", "Control-Shift-Z", "Do it again", lambda to: to.redo())
CLEAR_EDITS = Action(
    "Clear edits here",
    "",
    (
        "Let the prompts decide again where this object was painted or erased by hand "
        "in the displayed slice"
    ),
    lambda to: to.clear_edits(),
)
NEXT_CASE = Action(
    "Next",
    "Alt-Right",
    "Go to the next case of the series; what is done here is saved",
    lambda to: to.cases.next(),
)
PREVIOUS_CASE = Action(
    "Previous",
    "Alt-Left",
    "Go to the previous case of the series; what is done here is saved",
    lambda to: to.cases.previous(),
)
# What is done to the shape of the object, in the displayed slice or in all of it.
REPAIRS = (
    Action(
        "Fill holes",
        "",
        "Fill the holes that slices show; another object in one stays",
        lambda to: to.repairing.fill_holes(),
    ),
    Action(
        "Remove specks",
        "",
        "Take away parts smaller than a twentieth of the largest",
        lambda to: to.repairing.remove_specks(),
    ),
    Action(
        "Keep part",
        "",
        (
            "Keep the parts that have positive prompts or were painted by hand, "
            "or the largest if none has"
        ),
        lambda to: to.repairing.keep_part(),
    ),
    Action(
        "Smooth",
        "",
        "Smooth the border; the size stays",
        lambda to: to.repairing.smooth(),
    ),
    Action(
        "Split",
        "",
        (
            "Make two objects of one: drag a line across it, or one line inside each "
            "half"
        ),
        lambda to: to.repairing.split(),
    ),
    Action(
        "Interpolate",
        "",
        (
            "Find the slices between those with prompts or edits from their shapes "
            "alone, or those that the object leaves out"
        ),
        lambda to: to.repairing.interpolate(),
    ),
)
# Those with keys.
ACTIONS = (
    TOGGLE_SIGN,
    NEXT_TOOL,
    PICK,
    PREVIOUS,
    NEXT,
    BEGIN,
    EACH_OWN,
    ACCEPT,
    DISCARD,
    CLEAR_SLICE,
    PROPAGATE,
    PROPAGATE_ALL,
    TO_CHECK,
    FIND,
    NEXT_PROPOSAL,
    ACCEPT_PROPOSAL,
    REJECT_PROPOSAL,
    COMPLETE,
    UNDO,
    REDO,
    NEXT_CASE,
    PREVIOUS_CASE,
)


class Keys:
    """The bindings of one session.

    A layer's own bindings hide the viewer's, and napari's Labels layers bind
    Ctrl+Z themselves, so all keys are bound on the session's layers too.
    """

    def __init__(self, session: Annotator, places: Iterable[Bindable]) -> None:
        self._places = list(places)
        self._before: list[tuple[Bindable, str, Any]] = []
        for place in self._places:
            for action in ACTIONS:
                run = _caller(action, session)
                before = place.bind_key(action.key, run, overwrite=True)
                self._before.append((place, action.key, before))

    def close(self) -> None:
        """Unbind, and bring back what was bound before."""
        for place, key, before in self._before:
            place.bind_key(key, before, overwrite=True)
        self._before.clear()


def _caller(action: Action, session: Annotator) -> Callable[[Any], None]:
    def run(_: Any) -> None:
        action.run(session)

    return run

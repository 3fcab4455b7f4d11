import pytest
from napari.components import ViewerModel
from napari.layers import Labels, Points, Shapes
from napari.utils.key_bindings import coerce_keybinding
from napari.utils.shortcuts import default_shortcuts

from napari_segnext.plugin.keys import ACTIONS, Keys


class Target:
    """Remembers which actions were called, by their whole name."""

    def __init__(self, name="", called=None):
        self._name, self.called = name, [] if called is None else called

    def __getattr__(self, name):
        return Target(f"{self._name}.{name}".lstrip("."), self.called)

    def __call__(self):
        self.called.append(self._name)


DOES = {
    "W": "toggle_sign",
    "K": "next_tool",
    "H": "objects.pick",
    "J": "objects.previous",
    "N": "objects.next",
    "Shift-N": "objects.begin",
    "Alt-N": "prompting.toggle_each_own",
    "G": "accept",
    "Q": "objects.discard",
    "Shift-Q": "objects.clear_slice",
    "U": "propagation.start",
    "Alt-U": "propagation.start_all",
    "Shift-U": "doubting.next",
    "Alt-Right": "cases.next",
    "Alt-Left": "cases.previous",
    "Shift-F": "finding.start",
    "Shift-S": "reviewing.next",
    "Shift-G": "reviewing.accept",
    "Shift-R": "reviewing.reject",
    "Shift-C": "reviewing.toggle_complete",
    "Control-Z": "undo",
    "Control-Shift-Z": "redo",
}
LETTERS = [a for a in ACTIONS if len(a.key) == 1]


@pytest.mark.parametrize("action", LETTERS, ids=lambda a: a.key)
def test_letter_is_free_in_napari(action):
    key = coerce_keybinding(action.key)
    assert key not in [k for keys in default_shortcuts.values() for k in keys]
    for kind in (Points, Shapes, Labels, ViewerModel):
        assert key not in kind.class_keymap


@pytest.mark.parametrize("action", ACTIONS, ids=lambda a: a.key)
def test_key_runs_its_action(action):
    target, viewer = Target(), ViewerModel()
    Keys(target, [viewer])
    viewer.keymap[coerce_keybinding(action.key)](viewer)
    assert target.called == [DOES[action.key]]


def test_keys_are_given_back():
    viewer = ViewerModel()

    def mine(viewer):
        """Do what the user bound."""

    viewer.bind_key("W", mine)
    keys = Keys(Target(), [viewer])
    assert viewer.keymap[coerce_keybinding("W")] is not mine
    keys.close()
    assert viewer.keymap == {coerce_keybinding("W"): mine}

"""Colours of objects and classes are seen on images, and told from each other."""

from itertools import combinations, pairwise

import numpy as np
import pytest
from napari.layers import Image
from skimage.color import deltaE_ciede2000, rgb2lab

from napari_segnext.files.categories import Category
from napari_segnext.plugin.layers.colours import PALETTE, Colours
from napari_segnext.plugin.layers.own_layers import image_space, make_output
from napari_segnext.session import ArrayLabels, Session

GREYS = {"black": 0.0, "dark": 0.25, "mid grey": 0.5, "light": 0.75, "white": 1.0}
# A difference of 2 can just be seen.
SEEN, TOLD = 15, 20


@pytest.fixture
def output(qapp):
    image = Image(np.zeros((4, 8, 9)), name="brain")
    return make_output(image, image_space(image))


def through(layer, value, grey):
    """Return the colour (L, a, b) of a label over a grey, as the layer shows it."""
    colour = np.asarray(layer.get_color(value))[:3]
    return rgb2lab(layer.opacity * colour + (1 - layer.opacity) * grey)


@pytest.mark.parametrize("grey", GREYS.values(), ids=GREYS)
def test_every_object_stands_out_from_the_image(output, grey):
    background = rgb2lab(np.full(3, grey))
    contrast = [
        deltaE_ciede2000(through(output, value, grey), background)
        for value in range(1, 2 * len(PALETTE))
    ]
    assert min(contrast) > SEEN


def test_objects_that_follow_each_other_differ(output):
    shown = [through(output, value, 0.5) for value in range(1, len(PALETTE) + 2)]
    differences = [deltaE_ciede2000(*pair) for pair in pairwise(shown)]
    assert min(differences) > TOLD
    apart = [
        deltaE_ciede2000(one, other)
        for at, one in enumerate(shown[:-1])
        for other in shown[at + 1 : -1]
    ]
    assert min(apart) > SEEN


def test_fourteen_objects_have_colours_of_their_own(output):
    shown = [through(output, value, 0.5) for value in range(1, 15)]
    apart = [deltaE_ciede2000(*pair) for pair in combinations(shown, 2)]
    assert min(apart) > SEEN


def test_where_classes_are_shown_an_object_without_one_has_the_colour_of_none(output):
    session = Session(ArrayLabels(np.zeros((4, 8, 9), np.uint16)), blank=True)
    for _ in range(3):
        session.new_object()
    session.categorise([1], Category(2, "edema"))
    session.recolour(3, (0.0, 0.5, 1.0))
    colours = Colours(output, session)
    own = {number: colours.of(each) for number, each in session.objects.items()}
    session.semantic = True
    one, two, three = (colours.of(each) for each in session.objects.values())
    assert one == own[2] != own[1]
    values = range(1, len(PALETTE) + 1)
    assert two not in [tuple(output.get_color(value)[:3]) for value in values]
    assert three == (0.0, 0.5, 1.0)


def test_nothing_is_drawn_where_there_is_no_object(output):
    assert output.get_color(0) is None or output.get_color(0)[3] == 0

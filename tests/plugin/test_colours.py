"""Colours of objects and classes are seen on images, and told from each other."""

from itertools import pairwise

import numpy as np
import pytest
from napari.layers import Image
from skimage.color import deltaE_ciede2000, rgb2lab

from napari_segnext.plugin.colours import PALETTE
from napari_segnext.plugin.layers import image_axes, make_output

GREYS = {"black": 0.0, "dark": 0.25, "mid grey": 0.5, "light": 0.75, "white": 1.0}
# A difference of 2 can just be seen.
SEEN, TOLD = 15, 20


@pytest.fixture
def output(qapp):
    image = Image(np.zeros((4, 8, 9)), name="brain")
    return make_output(image, image_axes(image))


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


def test_nothing_is_drawn_where_there_is_no_object(output):
    assert output.get_color(0) is None or output.get_color(0)[3] == 0

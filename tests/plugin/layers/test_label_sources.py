"""Labels layers of the user's, where they lie on the image."""

import numpy as np
import pytest
from napari.layers import Image, Labels

from napari_segnext.plugin.layers.label_sources import layer_labels

SHAPE = (4, 8, 10)


@pytest.fixture
def given():
    given = np.zeros(SHAPE, np.uint32)
    given[1:3, 2:6, 3:7] = 2**32 - 1
    return given


def on_image(data, image=None, **place):
    source = layer_labels(
        Labels(data, name="cells", **place),
        Image(np.zeros(SHAPE, np.uint8), name="em", **(image or {})),
        SHAPE,
    )
    return np.asarray(source.data[tuple(slice(0, n) for n in SHAPE)])


def test_a_part_of_the_image_lies_where_it_is_shown(given):
    image = {"scale": (2, 0.5, 0.5), "translate": (5, 1, 1)}
    place = {"scale": (2, 0.5, 0.5), "translate": (7, 1, 1)}
    np.testing.assert_array_equal(on_image(given[1:], image, **place), given)


def test_nanometres_lie_on_micrometres(given):
    image = {"scale": (2, 0.5, 0.5), "units": ("um",) * 3}
    place = {"scale": (2000, 500, 500), "units": ("nm",) * 3}
    np.testing.assert_array_equal(on_image(given, image, **place), given)


def test_a_layer_that_is_turned_is_told(given):
    with pytest.raises(ValueError, match="cells is turned against em"):
        on_image(given, rotate=(0, 0, 30))

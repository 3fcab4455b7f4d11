import numpy as np
import pytest

from napari_segnext.geometry.regions import Extent
from napari_segnext.labels.chunked import CHUNK
from napari_segnext.plugin.layers import edit_window

PLANE = (30_000, 21_000)


def views():
    generator = np.random.default_rng(0)
    for _ in range(300):
        height, width = (int(n) for n in generator.integers(1, 9000, 2))
        top = int(generator.integers(0, PLANE[0] - height))
        left = int(generator.integers(0, PLANE[1] - width))
        yield Extent.at((top, left), (height, width))


def test_window_lies_in_the_plane_on_chunks_and_is_not_too_large():
    for view in views():
        window = edit_window.around(view, PLANE)
        assert Extent(0, 0, *PLANE).holds(window)
        assert max(window.shape) <= edit_window.SIDE
        assert window.top % CHUNK == window.left % CHUNK == 0
        assert all(
            stop % CHUNK == 0 or stop == length
            for stop, length in zip(window[2:], PLANE, strict=True)
        )


def test_window_holds_a_view_with_room_around_it():
    for view in views():
        if max(view.shape) < edit_window.SIDE - CHUNK:
            assert edit_window.around(view, PLANE).holds(view)


def test_window_that_serves_a_view_stays_and_another_one_is_where_it_stays():
    window = edit_window.around(Extent(0, 0, 900, 1400), PLANE)
    assert edit_window.follow(window, Extent(100, 100, 1000, 1500), PLANE) == window
    for view in views():
        window = edit_window.follow(window, view, PLANE)
        assert edit_window.follow(window, view, PLANE) == window


@pytest.mark.parametrize("shape", [(600, 9000), (9000, 600), (100, 100)])
def test_narrow_planes_have_windows(shape):
    window = edit_window.around(Extent(0, 0, *shape), shape)
    assert not window.empty
    assert Extent(0, 0, *shape).holds(window)

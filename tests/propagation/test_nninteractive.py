from __future__ import annotations

import threading
from collections.abc import Iterator

import numpy as np
import pytest

from napari_segnext.files.addresses import check_address
from napari_segnext.geometry.plane import Plane
from napari_segnext.images.volume import Volume
from napari_segnext.models import Cancelled
from napari_segnext.prompts import Prompts
from napari_segnext.propagation import Annotated
from napari_segnext.propagation.nninteractive import (
    Inquiry,
    Server,
    ServerError,
)

pytest.importorskip("nnInteractive", reason="needs the extra nninteractive")
from tests.propagation.nninteractive_double import Double, serving

SHAPE = (12, 20, 30)


def ball(at: tuple[int, int, int], radius: float) -> np.ndarray:
    grid = np.moveaxis(np.indices(SHAPE), 0, -1)
    return ((grid - at) ** 2).sum(-1) <= radius**2


# Two balls that a bridge joins.
LEFT, RIGHT = ball((6, 10, 7), 4.5), ball((6, 10, 22), 4.5)
IMAGE = (LEFT | RIGHT).astype(np.float32)
IMAGE[6, 10, 7:22] = 1


@pytest.fixture
def double() -> Iterator[Double]:
    with serving(Double()) as double:
        yield double


@pytest.fixture
def server(double: Double) -> Iterator[Server]:
    server = Server(double.address)
    yield server
    server.close()
    assert not double.leases


def decided(axis: int, index: int, prompts: Prompts | None = None) -> Annotated:
    return Annotated(np.take(LEFT, index, axis), prompts or Prompts())


@pytest.mark.parametrize(("axis", "index"), [(0, 6), (1, 10), (2, 7)])
def test_the_whole_object_is_found_along_any_axis(server, double, axis, index) -> None:
    plane = Plane(axis, index)
    other = Prompts().click(10, 22, positive=False)
    known = {plane: decided(axis, index)}
    if axis == 0:
        known = {plane: decided(0, 6, other.click(10, 15, positive=False))}
    inquiry = Inquiry(server, Volume(IMAGE), known, axis)
    results = inquiry.advance()
    assert inquiry.ended and inquiry.slices == (SHAPE[axis] - 1, SHAPE[axis] - 1)
    found = {result.plane.index: result.mask for result in results}
    wanted = double.answer()
    if axis == 0:
        assert (wanted & ~LEFT).sum() <= 7, "the bridge as far as the click"
    assert index not in found
    for at in range(SHAPE[axis]):
        if at != index:
            section = np.take(wanted, at, axis)
            assert np.array_equal(found.get(at, np.zeros_like(section)), section)
    assert all(result.confidence is None for result in results)


def test_what_it_is_not_is_told_after_what_it_is(server, double) -> None:
    prompts = (
        Prompts()
        .click(10, 7)
        .click(2.4, 21.6, positive=False)
        .scribble([(3, 25), (5, 25)], 2, positive=False)
        .box((15, 20), (18, 28), positive=False)
        .mask(RIGHT[6], positive=False)
    )
    server.find(Volume(IMAGE), {Plane(0, 6): decided(0, 6, prompts)})
    kinds = [(kind, include) for kind, _, include in double.told]
    assert kinds == [
        ("lasso", True),
        ("points", False),
        ("scribble", False),
        ("lasso", False),
        ("lasso", False),
    ]
    where = [where for _, where, _ in double.told]
    assert where[1] == [6, 2, 22]
    assert where[0] == [[6, 7], [6, 15], [3, 12]]
    assert where[3] == [[6, 7], [15, 19], [20, 29]]


def test_a_slice_where_it_has_ended_is_not_passed(server) -> None:
    known = {
        Plane(0, 6): decided(0, 6),
        Plane(0, 8): Annotated(np.zeros(SHAPE[1:], bool)),
    }
    found = {r.plane.index for r in Inquiry(server, Volume(IMAGE), known).advance()}
    assert 7 in found and max(found) == 7 and min(found) == 2
    inquiry = Inquiry(server, Volume(IMAGE), known, within={7})
    assert {r.plane.index for r in inquiry.advance()} == {7}


def test_a_volume_is_sent_once_and_the_first_channel_of_a_time_point(
    server, double
) -> None:
    movie = np.zeros((2, *SHAPE, 2), np.uint16)
    movie[1, ..., 1] = IMAGE
    volume = Volume(movie, spatial=(1, 2, 3), channel=4, channels=[1, 0])
    for _ in range(2):
        mask = server.find(volume, {Plane(0, 6, (1,)): decided(0, 6)})
        assert mask[6, 10, 22]
    assert [image.shape for image in double.images] == [(1, *SHAPE)]
    assert double.images[0].dtype == np.float32
    assert np.array_equal(double.images[0][0], IMAGE)
    volume.rename()
    server.find(volume, {Plane(0, 6, (1,)): decided(0, 6)})
    assert len(double.images) == 2


def test_an_expired_place_is_taken_anew(server, double) -> None:
    known = {Plane(0, 6): decided(0, 6)}
    first = server.find(Volume(IMAGE), known)
    double.leases.clear()
    assert np.array_equal(server.find(Volume(IMAGE), known), first)
    assert len(double.images) == 2


def test_waiting_is_interrupted_and_goes_on(server, double) -> None:
    double.may_answer.clear()
    inquiry = Inquiry(server, Volume(IMAGE), {Plane(0, 6): decided(0, 6)})
    for _ in range(2):
        with pytest.raises(Cancelled):
            inquiry.advance(lambda: True)
    assert not inquiry.ended and inquiry.slices == (0, 11)
    threading.Timer(0.1, double.may_answer.set).start()
    assert inquiry.advance()
    assert len(double.told) == 1


def test_what_goes_wrong_is_said_in_a_line(server, double, monkeypatch) -> None:
    known, volume = {Plane(0, 6): decided(0, 6)}, Volume(IMAGE)

    def why(asked: Server = server) -> str:
        with pytest.raises(ServerError) as caught:
            asked.find(volume, known)
        assert "\n" not in str(caught.value)
        return str(caught.value)

    assert "start it, or correct the address" in why(Server("http://127.0.0.1:9"))
    double.key = "secret"
    assert "NN_INTERACTIVE_API_KEY" in why()
    monkeypatch.setenv("NN_INTERACTIVE_API_KEY", "secret")
    double.places = 0
    assert "try again later" in why()
    double.places = 1
    double.failing = "Input image is entirely zero"
    assert "entirely zero" in why()
    double.failing = ""
    double.capabilities["supported_interactions"] = {"points": True}
    assert "takes no lasso prompts" in why()
    server.close()
    double.capabilities["supported_interactions"] = {"points": True, "lasso": True}
    assert server.find(volume, known).any()


def test_one_object_leaves_nothing_to_the_next(server) -> None:
    volume = Volume((LEFT | RIGHT).astype(np.float32))
    left = server.find(volume, {Plane(0, 6): decided(0, 6)})
    right = server.find(volume, {Plane(0, 6): Annotated(RIGHT[6])})
    assert np.array_equal(left, LEFT) and np.array_equal(right, RIGHT)


def test_a_server_that_dies_while_it_answers_is_asked_anew(server, double) -> None:
    known, volume = {Plane(0, 6): decided(0, 6)}, Volume(IMAGE)
    whole = server.find(volume, known)
    double.dying = True
    with pytest.raises(ServerError, match="cannot be reached: start it"):
        server.find(volume, known)
    double.dying = False
    double.leases.clear()
    assert np.array_equal(server.find(volume, known), whole)


def test_an_answer_of_another_shape_is_no_answer(server, double) -> None:
    known, volume = {Plane(0, 6): decided(0, 6)}, Volume(IMAGE)
    double.answers = lambda mask: mask[:-1]
    with pytest.raises(ServerError, match="gave no answer that can be read"):
        server.find(volume, known)
    double.answers = np.asarray
    assert server.find(volume, known).any()


def test_a_server_that_finds_nothing_adds_nothing(server, double) -> None:
    double.answer = lambda: np.zeros(SHAPE, bool)
    inquiry = Inquiry(server, Volume(IMAGE), {Plane(0, 6): decided(0, 6)})
    assert inquiry.advance() == [] and inquiry.ended


def test_a_section_and_an_object_nowhere_are_refused(server) -> None:
    with pytest.raises(ValueError, match="needs a volume"):
        Inquiry(server, Volume(IMAGE[6]), {Plane(0, 0): decided(0, 6)})
    with pytest.raises(ValueError, match="give a prompt in one first"):
        Inquiry(server, Volume(IMAGE), {Plane(1, 10): decided(1, 10)})


@pytest.mark.parametrize(
    ("given", "address"),
    [
        (" gpu-box:1527/ ", "http://gpu-box:1527"),
        ("https://example.org/nn", "https://example.org/nn"),
        ("", None),
        ("http://", None),
        ("http://box:port", None),
        ("ftp://box", None),
    ],
)
def test_an_address_is_made_complete_or_refused(given, address) -> None:
    if address is None:
        with pytest.raises(ValueError, match="give one such as"):
            check_address(given)
    else:
        assert check_address(given) == address

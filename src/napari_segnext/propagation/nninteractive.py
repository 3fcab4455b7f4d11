"""A whole object at once, from a server of nnInteractive (Isensee et al., 2025).

What the user has decided about an object goes to the server: its masks as lassos, and
what it is not as points, scribbles and lassos. The server's model looks at the volume
in three dimensions, and its answer is the object's mask in all other planes.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Collection, Mapping
from concurrent.futures import Future, wait
from typing import Any

import numpy as np
from numpy.typing import NDArray

from napari_segnext.files.addresses import check_address
from napari_segnext.geometry.frame import BoolArray, Frame, Region
from napari_segnext.geometry.plane import Plane
from napari_segnext.images.volume import Volume
from napari_segnext.models import Cancelled
from napari_segnext.prompts import Prompts, PromptStyle
from napari_segnext.prompts.kinds import Click, Mask, Prompt, Scribble
from napari_segnext.propagation.gaps import gaps_to_fill
from napari_segnext.propagation.results import Annotated, PlaneResult

KEY_VARIABLE = "NN_INTERACTIVE_API_KEY"
# Voxels that are sent at most: the server keeps some twenty bytes of each.
_MOST_VOXELS = 1 << 30
# What the server's PyTorch reads as it is.
_SENT_AS_THEY_ARE = ("uint8", "int16", "int32", "float32")
# How often it is asked whether somebody else needs the thread that waits.
_EVERY_S = 0.01


class ServerError(RuntimeError):
    """The server cannot be asked, or cannot answer; the message says what to do."""


class Server:
    """An nnInteractive server, and the volume that it has been shown last.

    It is asked for one object at a time, from whichever thread. A place on it is taken
    with the first question; it is given back by `close`, and by the server when nothing
    has been asked for some minutes.

    Parameters
    ----------
    address
        Such as ``http://gpu-box:1527``; the key of a server that wants one is in the
        environment variable ``NN_INTERACTIVE_API_KEY``.

    Raises
    ------
    ValueError
        If that is no address.
    """

    def __init__(self, address: str) -> None:
        self.address = check_address(address)
        self._lock = threading.Lock()
        self._session: Any = None
        self._shown = ""
        self._mask: NDArray[np.uint8] = np.zeros((0, 0, 0), np.uint8)

    def find(self, volume: Volume, decided: Mapping[Plane, Annotated]) -> BoolArray:
        """Return an object's mask, (Z, Y, X) bool, as the server sees it.

        Of a volume of several channels it is shown the first.

        Parameters
        ----------
        decided
            What the user has decided, in planes of one time point; at least one shows
            the object.

        Raises
        ------
        ServerError
            If the client is not installed, the server does not answer, refuses, or does
            not take what it is given.
        """
        with self._lock:
            expired = _client().SessionExpiredError
            try:
                try:
                    return self._asked(volume, decided)
                except expired:
                    # So it is after some minutes without a question.
                    self._forget()
                    return self._asked(volume, decided)
            except Exception as error:
                raise self._told(error) from error

    def close(self) -> None:
        """Give the place on the server back."""
        with self._lock:
            session = self._session
            self._forget()
            if session is not None:
                session.close()

    def _forget(self) -> None:
        self._session, self._shown = None, ""

    def _asked(self, volume: Volume, decided: Mapping[Plane, Annotated]) -> BoolArray:
        if self._session is None:
            self._session = _client().nnInteractiveRemoteInferenceSession(self.address)
        self._show(volume, next(iter(decided)).fixed)
        self._session.reset_interactions()
        self._tell(decided)
        found: BoolArray = self._mask != 0
        return found

    def _show(self, volume: Volume, fixed: tuple[int, ...]) -> None:
        """Have the server look at a volume, unless it is the one that it has."""
        key = f"{volume.plane_key(Plane(0, 0, fixed))} {volume.channels[:1]}"
        if key == self._shown:
            return
        if volume.space.size > _MOST_VOXELS:
            raise ServerError(
                f"The volume has {volume.space.size:,} voxels and nnInteractive takes "
                f"{_MOST_VOXELS:,}: crop it first"
            )
        self._shown = ""
        image = _first_channel(volume, fixed)
        self._session.set_image(image[None])
        self._mask = np.zeros(image.shape, np.uint8)
        self._session.set_target_buffer(self._mask)
        self._shown = key

    def _tell(self, decided: Mapping[Plane, Annotated]) -> None:
        """Give the server what is decided: what the object is, then what it is not."""
        shows = [plane for plane, each in decided.items() if each.mask.any()]
        for plane in shows:
            region = Region.of(decided[plane].mask)
            # The last answers all: each answer takes seconds.
            self._give("lasso", plane, region, True, plane == shows[-1])
        told = [
            (plane, prompt)
            for plane, each in decided.items()
            for prompt in each.prompts
            if not prompt.positive
        ]
        for number, (plane, prompt) in enumerate(told, 1):
            last = number == len(told)
            if isinstance(prompt, Click):
                self._check("points")
                at = _in_space(plane, *(int(np.floor(x + 0.5)) for x in prompt.at))
                self._session.add_point_interaction(at, False, run_prediction=last)
                continue
            kind = "scribble" if isinstance(prompt, Scribble) else "lasso"
            drawn = _drawn(prompt, decided[plane].mask.shape)
            self._give(kind, plane, drawn, False, last)

    def _give(
        self, kind: str, plane: Plane, region: Region, positive: bool, last: bool
    ) -> None:
        self._check(kind)
        add = getattr(self._session, f"add_{kind}_interaction")
        top, left, bottom, right = region.extent
        ends = zip(
            _in_space(plane, top, left),
            _in_space(plane, bottom, right, 1),
            strict=True,
        )
        drawn = np.expand_dims(region.pixels.astype(np.uint8), plane.axis)
        add(
            drawn,
            positive,
            run_prediction=last,
            interaction_bbox=[list(each) for each in ends],
        )

    def _check(self, kind: str) -> None:
        if not self._session.supported_interactions.get(kind):
            raise ServerError(
                f"The model of the server at {self.address} takes no {kind} prompts: "
                "start the server with one that does"
            )

    def _told(self, error: Exception) -> ServerError:
        """Begin anew the next time, for the server may not have what was sent."""
        if isinstance(error, ServerError):
            return error
        session = self._session
        self._forget()
        if session is not None:
            session.close()
        where = f"The nnInteractive server at {self.address}"
        return ServerError(f"{where} {_reason(error)}")


class Inquiry:
    """An object that a server is asked for; it stands in for a `Propagation`.

    Parameters
    ----------
    server, volume
        Who is asked, and about what.
    annotated, axis, within
        See `Propagation`; errors are the same.
    """

    def __init__(
        self,
        server: Server,
        volume: Volume,
        annotated: Mapping[Plane, Annotated],
        axis: int = 0,
        within: Collection[int] | None = None,
    ) -> None:
        if len(volume.shape) != 3:
            raise ValueError("nnInteractive needs a volume: this is a single section")
        self._gaps = gaps_to_fill(volume.space, annotated, axis, within)
        known = {p: each for p, each in annotated.items() if p.axis == axis}
        self._ask = lambda: server.find(volume, known)
        self._answer: Future[BoolArray] | None = None
        self.ended = False

    @property
    def slices(self) -> tuple[int, int]:
        """How many of the planes to find are found, and how many there are."""
        planes = sum(len(gap.indices) for gap in self._gaps)
        return planes if self.ended else 0, planes

    def advance(
        self, cancelled: Callable[[], bool] = lambda: False
    ) -> list[PlaneResult]:
        """Wait for the answer; return the object in all planes that show it.

        Parameters
        ----------
        cancelled
            Asked while the server works.

        Raises
        ------
        napari_segnext.models.Cancelled
            If `cancelled` said so. The next call goes on waiting.
        ServerError
            See `Server.find`.
        """
        if self._answer is None:
            self._answer = _apart(self._ask)
        while not wait([self._answer], _EVERY_S).done:
            if cancelled():
                raise Cancelled
        mask = self._answer.result()
        self.ended = True
        sections = (
            (plane, np.take(mask, plane.index, plane.axis))
            for gap in self._gaps
            for plane in map(gap.at, gap.indices)
        )
        return [
            PlaneResult.of(plane, section.astype(np.float32), None)
            for plane, section in sections
            if section.any()
        ]


def _apart(ask: Callable[[], BoolArray]) -> Future[BoolArray]:
    """Ask on a thread of its own, which does not keep the program from ending."""
    answer: Future[BoolArray] = Future()

    def run() -> None:
        try:
            answer.set_result(ask())
        except Exception as error:
            answer.set_exception(error)

    threading.Thread(target=run, name="nnInteractive", daemon=True).start()
    return answer


def _reason(error: Exception) -> str:
    """Say what a server did wrong, and what to do."""
    import httpx

    if isinstance(error, httpx.HTTPStatusError):
        code = error.response.status_code
        if code in {401, 403}:
            return f"wants a key: set {KEY_VARIABLE}"
        said = " ".join(error.response.text.split())[:200]
        return f"refused what it was sent ({code}): {said}"
    if isinstance(error, httpx.ReadTimeout):
        return "took too long to answer: see what it is doing"
    if isinstance(error, httpx.TransportError):
        return "cannot be reached: start it, or correct the address"
    if isinstance(error, _client().ServerAtCapacityError):
        return "has no place left: try again later"
    return f"gave no answer that can be read: {error}"


def _client() -> Any:
    try:
        from nnInteractive.inference import remote
    except ImportError as error:
        raise ServerError(
            "nnInteractive needs its client: pip install "
            "'napari-segnext[nninteractive]'"
        ) from error
    return remote


def _first_channel(volume: Volume, fixed: tuple[int, ...]) -> NDArray[Any]:
    """Return (Z, Y, X) values as a server reads them."""
    several = len(volume.channels) > 1
    planes = (volume.read(plane) for plane in volume.space.along(Plane(0, 0, fixed)))
    image = np.stack([plane[..., 0] if several else plane for plane in planes])
    if image.dtype.name not in _SENT_AS_THEY_ARE:
        image = image.astype(np.float32)
    finite: NDArray[Any] = np.nan_to_num(image, copy=False, posinf=0, neginf=0)
    return finite


def _in_space(plane: Plane, row: int, column: int, beyond: int = 0) -> list[int]:
    """Return where a pixel of a plane is in the volume; `beyond` planes further on."""
    place = [row, column]
    place.insert(plane.axis, plane.index + beyond)
    return place


def _drawn(prompt: Prompt, shape: tuple[int, ...]) -> Region:
    """Return the pixels of a prompt that is no click."""
    if isinstance(prompt, Mask):
        return prompt.region
    height, width = shape
    frame = Frame(0, 0, height, width, max(height, width), "pad")
    style = PromptStyle(radius=1, region="positive")
    _, _, drawn = Prompts((prompt,)).to_dense(frame, style)
    return Region.of(drawn[:height, :width] > 0)

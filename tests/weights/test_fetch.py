from __future__ import annotations

import resource
import threading
from collections.abc import Callable
from pathlib import Path

import pytest
import requests

from napari_segnext.weights import DownloadCancelled, DownloadError
from napari_segnext.weights.fetch import ATTEMPTS, fetch

from .unreliable_server import Server

FILE = "/data"
SIZE = 4 * 1024 * 1024
BODY = bytes(range(256)) * (SIZE // 256)


@pytest.fixture
def target(server: Server, tmp_path: Path) -> Path:
    server.files[FILE] = BODY
    return tmp_path / "data"


@pytest.fixture
def get(server: Server, target: Path) -> Callable[[], list[tuple[int, int | None]]]:
    """Return a function that fetches to `target` and returns the progress."""

    def run() -> list[tuple[int, int | None]]:
        seen: list[tuple[int, int | None]] = []
        fetch(
            server.url + FILE,
            target,
            lambda done, total: seen.append((done, total)),
            threading.Event(),
        )
        return seen

    return run


def parts(target: Path) -> list[Path]:
    return [p for p in target.parent.iterdir() if p.name.endswith(".part")]


def test_progress_counts_up_to_the_size(get, target):
    seen = get()
    assert target.read_bytes() == BODY
    assert seen == sorted(seen)
    assert {total for _, total in seen} == {SIZE}
    assert seen[-1][0] == SIZE
    assert parts(target) == []


@pytest.mark.parametrize("fault", ["truncate", "stall", "long", "500", "503", "429"])
def test_a_passing_fault_is_overcome(get, server, target, fault):
    server.faults = [fault]
    get()
    assert target.read_bytes() == BODY


def test_a_retry_asks_for_the_rest_alone(get, server, target):
    server.faults = ["truncate"]
    get()
    assert server.ranges == [None, None, f"bytes={SIZE // 2}-"]


def test_a_later_call_goes_on_where_the_first_stopped(get, server, target):
    server.faults, server.always = ["truncate"], "500"
    with pytest.raises(DownloadError):
        get()
    (part,) = parts(target)
    assert part.stat().st_size == SIZE // 2
    server.always, server.served = "", 0
    seen = get()
    assert target.read_bytes() == BODY
    assert seen[0][0] > SIZE // 2
    assert server.ranges[-1] == f"bytes={SIZE // 2}-"
    # The rest, and what was on its way when the request for the whole was dropped.
    assert SIZE // 2 <= server.served < SIZE * 0.9


def test_what_has_arrived_survives_breaks_without_progress(get, server, target):
    server.faults, server.always = ["truncate"], "500"
    with pytest.raises(DownloadError):
        get()
    server.always = "stall"
    server.files[FILE] = BODY[: SIZE // 2 + 1000]
    with pytest.raises(DownloadError):
        get()
    (part,) = parts(target)
    assert part.stat().st_size == SIZE // 2


def test_starts_over_when_the_server_ignores_the_range(get, server, target):
    server.faults, server.ignores_range = ["truncate"], True
    get()
    assert target.read_bytes() == BODY


def test_starts_over_when_the_file_became_shorter(get, server, target):
    server.faults, server.always = ["truncate"], "500"
    with pytest.raises(DownloadError):
        get()
    server.always, server.files[FILE] = "", b"new"
    get()
    assert target.read_bytes() == b"new"


@pytest.mark.parametrize(
    ("fault", "said"),
    [
        ("stall", "no connection, or it breaks|does not answer"),
        ("500", "the server answers 500"),
        ("truncate", "incomplete"),
    ],
)
def test_a_lasting_fault_ends_in_one_sentence(get, server, target, fault, said):
    server.always = fault
    with pytest.raises(DownloadError, match=said) as caught:
        get()
    assert "\n" not in str(caught.value)
    assert not target.exists()


def test_a_missing_file_is_not_asked_for_again(get, server):
    server.always = "404"
    with pytest.raises(DownloadError, match="404 Not Found"):
        get()
    assert len(server.ranges) == 1


def test_a_failing_server_is_asked_a_few_times(get, server):
    server.always = "503"
    with pytest.raises(DownloadError):
        get()
    assert len(server.ranges) == ATTEMPTS


def test_no_network(server, tmp_path):
    server.released.set()
    with pytest.raises(DownloadError, match="no connection"):
        fetch("http://127.0.0.1:9/x", tmp_path / "x", None, threading.Event())


@pytest.mark.parametrize("fault", ["", "stall"])
def test_cancelling_keeps_what_has_arrived(server, target, fault):
    server.faults = [fault]
    cancel = threading.Event()

    def progress(done: int, total: int | None) -> None:
        if done >= SIZE // 2 - 64 * 1024 and not fault:
            cancel.set()

    if fault:
        threading.Thread(target=lambda: server.stalled.wait(5) and cancel.set()).start()
    with pytest.raises(DownloadCancelled):
        fetch(server.url + FILE, target, progress, cancel)
    assert not target.exists()
    (part,) = parts(target)
    assert BODY.startswith(part.read_bytes())
    assert part.stat().st_size > SIZE // 4


def test_cancelled_while_waiting_for_the_next_attempt(get, server, target, monkeypatch):
    monkeypatch.setattr("napari_segnext.weights.fetch.DELAY", 60.0)
    server.always = "500"
    cancel = threading.Event()
    threading.Timer(0.3, cancel.set).start()
    with pytest.raises(DownloadCancelled):
        fetch(server.url + FILE, target, None, cancel)


def test_a_full_disk_is_said_and_gone_on_from(get, server, target):
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (SIZE // 2, limits[1]))
    try:
        with pytest.raises(DownloadError, match="no space is left"):
            get()
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
    assert not target.exists()
    get()
    assert server.ranges[-1] is not None
    assert target.read_bytes() == BODY


class TestGoogleDrive:
    """The real client against pages as Drive sends them."""

    PAGE_URL = "https://drive.google.com/file/d/1G_m9_sVYVD2MBDf5ulrAUz/view"

    @pytest.fixture(autouse=True)
    def drive(self, server: Server, target: Path, monkeypatch: pytest.MonkeyPatch):
        real = requests.Session.get

        def get(session: requests.Session, url: str, **options: object):
            for host in ("drive.google.com", "drive.usercontent.google.com"):
                url = url.replace(f"https://{host}", server.url)
            return real(session, url, **options)

        monkeypatch.setattr(requests.Session, "get", get)
        server.files["/uc"] = (
            b'<html><form id="download-form" '
            b'action="https://drive.usercontent.google.com/data">'
            b'<input type="hidden" name="confirm" value="t"></form></html>'
        )

    def test_the_confirmation_page_is_passed(self, target):
        fetch(self.PAGE_URL, target, None, threading.Event())
        assert target.read_bytes() == BODY

    def test_resumes_behind_the_confirmation_page(self, server, target):
        server.faults = ["", "truncate"]
        fetch(self.PAGE_URL, target, None, threading.Event())
        assert target.read_bytes() == BODY
        assert server.ranges[-1] == f"bytes={SIZE // 2}-"

    def test_too_many_requests(self, server, target):
        server.files["/uc"] = (
            b'<html><p class="uc-error-subcaption">Too many users</p></html>'
        )
        with pytest.raises(DownloadError, match="Google Drive does not hand"):
            fetch(self.PAGE_URL, target, None, threading.Event())
        assert len(server.ranges) == 1

from __future__ import annotations

import copy
import os
import subprocess
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

import pytest
import torch

from napari_segnext.models.reference import config_from_reference
from napari_segnext.weights import (
    CATALOGUE,
    DownloadCancelled,
    DownloadError,
    Entry,
    WeightsError,
    download,
    load_model,
    path_of,
    verify,
)
from napari_segnext.weights.cache import record_digest, sha256_of

from .conftest import DESCRIPTION


def beside(path: Path) -> Path:
    return path.with_name(path.name + ".sha256")


def test_a_model_is_fetched_once(small, server, published):
    seen: list[tuple[int, int | None]] = []
    path = download("small", progress=lambda *counts: seen.append(counts))
    assert path.read_bytes() == published.read_bytes()
    assert seen[-1] == (small.size, small.size)
    assert beside(path).read_text() == f"{sha256_of(published)}  small.pth\n"
    assert download("small") == path
    assert len(server.ranges) == 1


def test_loading_by_name_fetches(small):
    assert load_model("small", "cpu").config.size == 448


@pytest.mark.parametrize(
    ("fault", "said"),
    [("html", "is a web page"), ("short", "cut short"), ("unannounced", "cut short")],
)
def test_what_a_lying_server_sends_is_refused_and_deleted(small, server, fault, said):
    server.always = fault
    with pytest.raises(WeightsError, match=f"refused and deleted.*{said}"):
        download("small")
    kept = {p.name for p in path_of(small).parent.iterdir()}
    assert kept <= {"small.pth.lock"}
    server.always = ""
    assert download("small").is_file()


def test_a_valid_file_of_another_model_is_refused(small, monkeypatch):
    other = copy.deepcopy(DESCRIPTION)
    other["params"]["fusion_params"]["value"] = {"type": "naive"}
    monkeypatch.setattr(
        "napari_segnext.models.reference.reference_config",
        lambda name: config_from_reference(other),
    )
    with pytest.raises(WeightsError, match=r"12 unknown \(fusion_blocks"):
        download("small")
    assert not path_of(small).exists()


def test_a_file_other_than_published_is_refused(small, monkeypatch):
    monkeypatch.setitem(CATALOGUE, "small", replace(small, sha256="0" * 64))
    with pytest.raises(WeightsError, match="sha256"):
        download("small")
    assert not path_of(small).exists()


def test_a_published_sha256_is_accepted(small, published, monkeypatch):
    known = replace(small, sha256=sha256_of(published))
    monkeypatch.setitem(CATALOGUE, "small", known)
    assert download("small").is_file()


def test_never_under_its_final_name_before_it_is_accepted(small, server, monkeypatch):
    there: list[bool] = []
    from napari_segnext.weights import obtain

    inspect = obtain._inspect

    def spy(entry: Entry, path: Path):
        there.append(path_of(small).exists())
        return inspect(entry, path)

    monkeypatch.setattr(obtain, "_inspect", spy)
    download("small", progress=lambda *_: there.append(path_of(small).exists()))
    assert len(there) > 1
    assert not any(there)


@pytest.mark.parametrize("fault", ["404", "500", "truncate"])
def test_the_message_says_what_to_put_where(small, server, fault):
    server.always = fault
    with pytest.raises(DownloadError) as caught:
        download("small")
    message = str(caught.value)
    for part in (small.file, "1 MB", small.url, str(path_of(small)), "'small'"):
        assert part in message


def test_without_network_the_message_names_the_drive_page(cache, monkeypatch):
    monkeypatch.setattr("napari_segnext.weights.fetch.DELAY", 0.0)
    for variable in ("http_proxy", "https_proxy", "HTTP_PROXY", "HTTPS_PROXY"):
        monkeypatch.delenv(variable, raising=False)

    def unreachable(*_: object, **__: object) -> None:
        raise OSError("network is unreachable")

    monkeypatch.setattr("socket.getaddrinfo", unreachable)
    with pytest.raises(DownloadError) as caught:
        load_model("vitb-sa2-hq", "cpu")
    entry = CATALOGUE["vitb-sa2-hq"]
    for part in (entry.file, "455 MB", entry.url, str(cache / entry.file)):
        assert part in str(caught.value)


def test_a_file_put_there_by_hand_is_inspected_and_recorded(small, server, published):
    path = path_of(small)
    path.parent.mkdir()
    path.write_bytes(published.read_bytes())
    assert download("small") == path
    assert beside(path).is_file()
    assert server.ranges == []


def test_a_wrong_file_put_there_by_hand_is_kept_and_refused(small, content):
    path = path_of(small)
    path.parent.mkdir()
    content["state_dict"].pop("backbone.pos_embed")
    torch.save(content, path)
    with pytest.raises(WeightsError, match=r"1 missing \(backbone\.pos_embed\)"):
        download("small")
    assert path.is_file()
    assert not beside(path).exists()


@pytest.mark.parametrize("ask", [download, verify, load_model])
def test_a_file_changed_later_is_noticed(small, ask):
    path = download("small")
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 1
    path.write_bytes(data)
    with pytest.raises(WeightsError, match="has changed or is damaged"):
        ask("small")


def test_a_cache_that_cannot_be_written_is_enough_for_a_known_file(small, monkeypatch):
    path = download("small")
    monkeypatch.setattr(
        "napari_segnext.weights.obtain.make_cache_folder", lambda: pytest.fail()
    )
    assert download("small") == path


def test_a_cache_that_cannot_be_made_is_said(small, monkeypatch, tmp_path):
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("NAPARI_SEGNEXT_CACHE", str(tmp_path / "file" / "cache"))
    with pytest.raises(DownloadError, match="NAPARI_SEGNEXT_CACHE"):
        download("small")


def test_a_disk_too_small_is_said_before_fetching(small, server, monkeypatch):
    monkeypatch.setitem(CATALOGUE, "small", replace(small, size=10**15))
    with pytest.raises(DownloadError, match="1000000000 MB"):
        download("small")
    assert server.ranges == []


def test_a_cancelled_download_goes_on_next_time(small, server):
    server.always = "stall"
    cancel = threading.Event()
    threading.Thread(target=lambda: server.stalled.wait(5) and cancel.set()).start()
    with pytest.raises(DownloadCancelled):
        download("small", cancel=cancel)
    assert not path_of(small).exists()
    server.always = ""
    download("small")
    assert server.ranges[-1] is not None


def test_waiting_for_another_download_can_be_cancelled(small, server):
    server.faults = ["stall"]
    cancel = threading.Event()
    with ThreadPoolExecutor() as pool:
        first = pool.submit(download, "small", None, cancel)
        assert server.stalled.wait(5)
        second_cancel = threading.Event()
        second = pool.submit(download, "small", None, second_cancel)
        time.sleep(0.2)
        second_cancel.set()
        with pytest.raises(DownloadCancelled):
            second.result(5)
        cancel.set()
        with pytest.raises(DownloadCancelled):
            first.result(5)


def test_threads_that_ask_at_once_fetch_once(small, server):
    with ThreadPoolExecutor(4) as pool:
        paths = set(pool.map(download, ["small"] * 4))
    assert paths == {path_of(small)}
    assert len(server.ranges) == 1


PROCESS = """
import sys
from dataclasses import replace
from napari_segnext.weights import CATALOGUE, Entry, download
CATALOGUE["small"] = Entry("small", "", "small.pth", 1000, "", url=sys.argv[1])
print(download("small"))
"""


def test_processes_that_ask_at_once_fetch_once(small, server):
    command = [sys.executable, "-c", PROCESS, small.url]
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    asked = [
        subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=environment)
        for _ in range(2)
    ]
    answers = [process.communicate(timeout=60)[0].strip() for process in asked]
    assert answers == [str(path_of(small))] * 2
    assert len(server.ranges) == 1


class TestVerify:
    def test_says_what_the_file_holds(self, small, published, published_content):
        path = download("small")
        found = verify("small")
        state = published_content["state_dict"]
        assert found.path == path
        assert found.sha256 == sha256_of(published)
        assert found.tensors == len(state)
        assert found.values == sum(tensor.numel() for tensor in state.values())

    def test_a_missing_file_says_where_to_get_it(self, small):
        with pytest.raises(FileNotFoundError, match=r"is missing.*fetch small\.pth"):
            verify("small")

    def test_an_unknown_name(self):
        with pytest.raises(ValueError, match="known: tiny"):
            verify("large")

    def test_a_recorded_file_of_the_wrong_model(self, small, content):
        path = download("small")
        content["state_dict"].pop("backbone.pos_embed")
        torch.save(content, path)
        record_digest(path)
        with pytest.raises(WeightsError, match="does not fit its model"):
            verify("small")

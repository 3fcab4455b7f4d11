"""Many images on a dask cluster: a task for each, whatever becomes of a worker."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from typer.testing import CliRunner

from napari_segnext.commands.cli import app
from napari_segnext.commands.cluster import on_cluster

distributed = pytest.importorskip("distributed", reason="needs the extra `cluster`")

COUNT = 6
HERE = {"processes": False, "dashboard_address": None, "threads_per_worker": 1}


@pytest.fixture
def cluster() -> Iterator[str]:
    """Start a cluster in this process; return its address."""
    with distributed.LocalCluster(n_workers=1, **HERE) as local:
        yield local.scheduler_address


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Write volumes, each with a block elsewhere, and a click on it."""
    for name in ("scans", "prompts", "near", "far"):
        (tmp_path / name).mkdir()
    for n in range(COUNT):
        voxels = np.random.default_rng(n).normal(40, 5, (5, 48, 64))
        voxels[1:4, 10:20, n : n + 12] += 160
        np.save(tmp_path / "scans" / f"p{n}.npy", voxels.astype(np.float32))
        prompt = {"type": "click", "at": [15, n + 6]}
        objects = [{"id": 7, "planes": [{"index": 2, "prompts": [prompt]}]}]
        text = json.dumps({"version": 1, "objects": objects})
        (tmp_path / "prompts" / f"p{n}.json").write_text(text)
    return tmp_path


def words(folder: Path, out: str, *more: str) -> list[str]:
    given = ["propagate", str(folder / "scans"), "--prompts", str(folder / "prompts")]
    return [*given, "--out", f"{folder / out}/{{name}}.npy", *more]


def first_output(folder: Path, running: subprocess.Popen) -> None:
    end = time.monotonic() + 120
    while not any(folder.iterdir()) and running.poll() is None:
        assert time.monotonic() < end
        time.sleep(0.05)


def test_a_worker_that_is_killed_costs_nothing(folder: Path) -> None:
    """The model of every day, in processes, against the same without a cluster."""
    command = [sys.executable, "-m", "napari_segnext"]
    near = subprocess.run(
        [*command, *words(folder, "near")], capture_output=True, text=True, timeout=200
    )
    assert near.returncode == 0, near.stderr
    options = {"n_workers": 2, "threads_per_worker": 1, "dashboard_address": None}
    with distributed.LocalCluster(**options) as local:
        given = words(folder, "far", "--scheduler", local.scheduler_address)
        running = subprocess.Popen(
            [*command, *given],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        try:
            first_output(folder / "far", running)
            before = len(list((folder / "far").iterdir()))
            os.kill(local.workers[0].pid, signal.SIGKILL)
            told, wrong = running.communicate(timeout=200)
        finally:
            running.kill()
    assert 0 < before < COUNT
    assert running.returncode == 0, wrong
    assert told.rstrip().endswith(f"{COUNT} images: {COUNT} done")
    for path in (folder / "near").iterdir():
        found = np.load(folder / "far" / path.name)
        np.testing.assert_array_equal(found, np.load(path))
        assert found.any()
    names = {path.name for path in (folder / "far").iterdir()}
    assert {name for name in names if name[0] != "."} == {
        path.name for path in (folder / "near").iterdir()
    }


def test_failures_of_workers_are_told_by_image(model, folder, cluster) -> None:
    for n in range(3, COUNT):
        (folder / "scans" / f"p{n}.npy").unlink()
    (folder / "scans" / "p1.npy").write_bytes(b"no array")
    (folder / "far" / "p2.npy").write_bytes(b"of before")
    answer = CliRunner().invoke(app, words(folder, "far", "--scheduler", cluster))
    assert answer.exit_code == 1
    assert answer.output.rstrip().endswith(
        "3 images: 1 done, 1 there already, 1 failed"
    )
    assert "p1.npy is damaged" in answer.stderr
    assert (folder / "far" / "p2.npy").read_bytes() == b"of before"
    assert np.load(folder / "far" / "p0.npy").any()


@pytest.mark.parametrize("address", ["tcp://127.0.0.1:1", "nowhere", "127.0.0.1:1"])
def test_a_scheduler_that_is_not_there_is_told_at_once(folder, address) -> None:
    began = time.monotonic()
    answer = CliRunner().invoke(app, words(folder, "far", "--scheduler", address))
    assert isinstance(answer.exception, OSError)
    assert f"no scheduler answers at {address}" in str(answer.exception)
    assert time.monotonic() - began < 20
    assert not any((folder / "far").iterdir())


def test_a_scheduler_that_goes_away_is_told() -> None:
    with distributed.LocalCluster(n_workers=0, **HERE) as local:
        done = on_cluster(local.scheduler_address, str, [1, 2])
        threading.Timer(1, local.close).start()
        with (
            pytest.warns(UserWarning, match="has no workers yet"),
            pytest.raises(OSError, match="is gone; what is written stays"),
        ):
            next(done)


def test_an_item_that_kills_its_workers_is_told() -> None:
    dask = pytest.importorskip("dask")
    options = {"n_workers": 1, "threads_per_worker": 1, "dashboard_address": None}
    with (
        dask.config.set({"distributed.scheduler.allowed-failures": 0}),
        distributed.LocalCluster(**options) as local,
    ):

        def die(code: int) -> int:
            if code:
                # What was done before has arrived by then.
                time.sleep(3)
                os._exit(code)
            return code

        done = dict(on_cluster(local.scheduler_address, die, [0, 1]))
    assert done[0] == 0
    assert isinstance(done[1], OSError) and "want of memory" in str(done[1])


def test_workers_are_given_paths_that_hold_everywhere(
    model, folder, cluster, monkeypatch
) -> None:
    monkeypatch.chdir(folder)
    given = ["segment", "scans/p0.npy", "--prompts", "prompts", "--out", "far/l.tif"]
    answer = CliRunner().invoke(app, [*given, "--scheduler", cluster])
    assert answer.exit_code == 0, answer.output
    assert (folder / "far" / "l.tif").is_file()
    given[3] = "-"
    answer = CliRunner().invoke(app, [*given, "--scheduler", cluster], input="{}")
    assert "workers have no standard input" in str(answer.exception)

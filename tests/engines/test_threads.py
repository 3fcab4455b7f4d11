"""PyTorch's threads: how many there are, and that they sleep while they wait."""

from __future__ import annotations

import math
import os
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from napari_segnext import Predictor, Prompts, load_model
from napari_segnext.engines.threads import Threads, Use, quota

FOUR = 4
SET_BY_USERS = (
    "OMP_NUM_THREADS",
    "MKL_NUM_THREADS",
    "OMP_WAIT_POLICY",
    "GOMP_SPINCOUNT",
    "KMP_BLOCKTIME",
)
A_MASK = """
import napari_segnext
from tests.engines.test_threads import pixels_of_a_mask
pixels = pixels_of_a_mask()
import torch
print(torch.get_num_threads(), pixels)
"""


def pixels_of_a_mask() -> int:
    """Click on a disk with `tiny`."""
    rows, columns = np.ogrid[:96, :96]
    disk = (rows - 48) ** 2 + (columns - 40) ** 2 < 400
    predictor = Predictor(load_model("tiny", device="cpu"))
    predictor.set_image(np.where(disk, 180, 60).astype(np.uint8))
    return int(predictor.predict(Prompts().click(48, 40)).mask.sum())


def uses(*free: float) -> Callable[[], Use]:
    """Return counters of four cores of which others leave some free, long ago."""
    found = [Use(-1e6, 0.0, 0.0, FOUR)]
    for cores in free:
        last = found[-1]
        found.append(replace(last, at=last.at + 10, idle=last.idle + 10 * cores))
    return iter(found).__next__


@pytest.fixture
def four() -> Iterator[None]:
    """Let this thread compute with four threads."""
    before = torch.get_num_threads()
    torch.set_num_threads(FOUR)
    yield
    torch.set_num_threads(before)


def test_what_this_process_computes_counts_as_free() -> None:
    before = Use(at=0.0, idle=0.0, own=0.0, cores=4)
    assert Use(10.0, idle=5.0, own=20.0, cores=4).free_since(before) == 2.5
    assert Use(10.0, idle=30.0, own=20.0, cores=4).free_since(before) == 4
    assert Use(10.0, idle=0.0, own=0.0, cores=4).free_since(before) == 0


def test_counters_of_this_machine_go_on() -> None:
    before = Use.now()
    sum(range(10**6))
    after = Use.now()
    assert after.at > before.at
    assert after.own >= before.own
    assert 1 <= after.cores <= (os.cpu_count() or 1)


def test_threads_follow_the_cores_that_are_free(four: None) -> None:
    threads = Threads(uses(4, 2.4, 2, 0, 0.6, 3.9, 3.4))
    found = []
    for _ in range(7):
        threads.adapt()
        found.append(torch.get_num_threads())
    # By less than a core they do not change.
    assert found == [4, 2, 2, 1, 1, 4, 4]


def test_a_second_look_within_a_moment_is_spared(four: None) -> None:
    reads = []

    def read() -> Use:
        reads.append(Use.now())
        return reads[-1]

    threads = Threads(read)
    for _ in range(10):
        threads.adapt()
    assert len(reads) == 1
    assert torch.get_num_threads() == FOUR


def test_a_container_has_no_more_than_it_may_use(four: None) -> None:
    Threads(uses(4), allowed=2.5).adapt()
    assert torch.get_num_threads() == 2


def test_threads_that_spin_leave_a_core_free(four: None) -> None:
    Threads(uses(4), spinning=True).adapt()
    assert torch.get_num_threads() == FOUR - 1


def test_a_number_that_the_user_has_set_stays(four: None) -> None:
    threads = Threads(uses(2, 2, 2))
    threads.adapt()
    assert torch.get_num_threads() == 2
    torch.set_num_threads(3)
    threads.adapt()
    assert torch.get_num_threads() == 3


def test_another_thread_gets_the_same_number(four: None) -> None:
    threads, found = Threads(uses(2, 2, 1, 1)), []

    def work() -> None:
        threads.adapt()
        found.append(torch.get_num_threads())

    for _ in range(3):
        another = threading.Thread(target=work)
        another.start()
        another.join()
    assert found == [2, 2, 1]
    work()
    assert found[-1] == 1


@pytest.mark.parametrize(
    ("files", "cores"),
    [
        ({}, math.inf),
        ({"cpu.max": "max 100000\n"}, math.inf),
        ({"cpu.max": "250000 100000\n"}, 2.5),
        ({"cpu/cpu.cfs_quota_us": "-1\n"}, math.inf),
        (
            {"cpu/cpu.cfs_quota_us": "-1\n", "cpu/cpu.cfs_period_us": "100000\n"},
            math.inf,
        ),
        (
            {"cpu/cpu.cfs_quota_us": "50000\n", "cpu/cpu.cfs_period_us": "100000\n"},
            0.5,
        ),
    ],
)
def test_the_quota_of_a_container_is_read(
    files: dict[str, str], cores: float, tmp_path: Path
) -> None:
    for name, text in files.items():
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text(text)
    assert quota(tmp_path) == cores


def run_as_users_do(code: str, **given: str) -> subprocess.CompletedProcess[str]:
    """Run code in a process in which nothing is said of threads but what is given."""
    kept = {k: v for k, v in os.environ.items() if k not in SET_BY_USERS}
    return subprocess.run(
        [sys.executable, "-c", code],
        env=kept | given,
        cwd=Path(__file__).parents[2],
        capture_output=True,
        text=True,
        check=True,
    )


def test_a_mask_as_users_get_it() -> None:
    # Libraries of threads tell their settings when they are loaded.
    done = run_as_users_do(A_MASK, OMP_DISPLAY_ENV="true")
    number, pixels = map(int, done.stdout.split())
    told = [line for line in done.stderr.splitlines() if "OMP_WAIT_POLICY" in line]
    assert told and all("PASSIVE" in line for line in told)
    assert 1 <= number <= (os.cpu_count() or 1)
    assert pixels == pixels_of_a_mask()


def test_a_mask_where_pytorch_was_loaded_before() -> None:
    done = run_as_users_do(
        f"import torch; before = torch.get_num_threads(){A_MASK}print(before)"
    )
    number, _, before = map(int, done.stdout.split())
    assert number <= max(1, before - 1)
    assert "Import napari_segnext first" in done.stderr

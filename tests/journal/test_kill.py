"""A process that is killed while it annotates loses nothing that it knew was saved."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from napari_segnext.journal import read_journal
from napari_segnext.session import ArrayLabels
from tests.journal.annotator import PLACES, digest
from tests.session.doubles import SHAPE

pytestmark = pytest.mark.skipif(os.name != "posix", reason="no signals here")

ROOT = Path(__file__).parents[2]
# More of them on demand.
RANDOM_KILLS = int(os.environ.get("NAPARI_SEGNEXT_KILLS", "50"))


@pytest.fixture(scope="module")
def annotators():
    """Start the process that starts those that are killed."""
    command = [sys.executable, "-m", "tests.journal.annotator"]
    pipe = subprocess.PIPE
    with subprocess.Popen(
        command, stdin=pipe, stdout=pipe, text=True, cwd=ROOT
    ) as server:
        yield server
        server.stdin.close()


@pytest.fixture
def annotate_and_kill(annotators, tmp_path):
    """Return a function that does so, and returns the words that were said."""

    def run(path: Path, seed: int, count: int = 1, where: str = "-") -> list[list[str]]:
        said = tmp_path / "said"
        said.unlink(missing_ok=True)
        print(path, seed, count, where, said, file=annotators.stdin, flush=True)
        assert int(annotators.stdout.readline()) == signal.SIGKILL
        # The last line may be cut.
        lines = said.read_text().splitlines(keepends=True)
        return [line.split() for line in lines if line[-1] == "\n"]

    return run


def header(path: Path) -> bytes:
    """Return the first line, which tells from which change on it was rewritten."""
    if not path.exists():
        return b""
    with path.open("rb") as file:
        return file.readline()


def check(path: Path, said: list[list[str]]) -> int:
    """Compare what is in the journal with what the process had done and knew saved.

    Returns
    -------
    How many changes it had made.
    """
    did = {int(number): seen for verb, number, *seen in said if verb == "did"}
    acknowledged = [int(number) for verb, number, *_ in said if verb == "saved"]
    saved = read_journal(path)
    assert saved.number >= max(acknowledged, default=0)
    labels = np.zeros(SHAPE, np.uint16)
    session = saved.resume(ArrayLabels(labels))
    if saved.number in did:
        assert [digest(session, labels)] == did[saved.number]
    return len(did)


def test_nothing_acknowledged_is_lost_to_kill(tmp_path, annotate_and_kill):
    path, rng = tmp_path / "image.tif.segnext-journal", np.random.default_rng(7)
    rewritten = changes = 0
    for kill in range(RANDOM_KILLS):
        before = header(path)
        said = annotate_and_kill(path, kill, int(rng.integers(1, 1500)))
        changes += check(path, said)
        rewritten += header(path) != before
    assert changes > 10 * RANDOM_KILLS
    assert rewritten > RANDOM_KILLS / 10


@pytest.mark.parametrize("where", PLACES)
def test_nothing_acknowledged_is_lost_wherever_it_ends(
    tmp_path, annotate_and_kill, where
):
    path = tmp_path / "image.tif.segnext-journal"
    for seed in range(3):
        assert check(path, annotate_and_kill(path, seed, where=where)) > 5


@pytest.mark.parametrize("left", ["", "half"])
def test_half_written_new_journal_is_no_danger(tmp_path, annotate_and_kill, left):
    path = tmp_path / "image.tif.segnext-journal"
    annotate_and_kill(path, 1, 4, "sync")
    before = read_journal(path)
    path.with_name(path.name + ".new").write_text(left)
    annotate_and_kill(path, 2, where="renamed")
    assert read_journal(path).number > before.number

"""A process that is killed while it annotates loses nothing that it knew was saved."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest

from napari_segnext.journal import read_journal
from napari_segnext.session import ArrayLabels
from tests.journal.annotator import PLACES, digest
from tests.session.doubles import SHAPE

pytestmark = pytest.mark.skipif(os.name != "posix", reason="no signals here")

ROOT = Path(__file__).parents[2]
# More of them on demand; each takes about a second.
KILLS = int(os.environ.get("NAPARI_SEGNEXT_KILLS", "10"))


def annotate_and_kill(
    path: Path, seed: int, seconds: float = 0, where: str = ""
) -> list[list[str]]:
    """Return the words that the process said until it was killed, or killed itself."""
    command = [sys.executable, "-m", "tests.journal.annotator", str(path), str(seed)]
    command += [where] if where else []
    with subprocess.Popen(
        command, stdout=subprocess.PIPE, text=True, cwd=ROOT
    ) as child:
        if where:
            said, _ = child.communicate(timeout=60)
            assert child.returncode == -signal.SIGKILL
        else:
            said = child.stdout.readline()
            time.sleep(seconds)
            child.kill()
            said += child.stdout.read()
    # The last line may be cut.
    return [line.split() for line in said.splitlines(keepends=True) if line[-1] == "\n"]


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


def test_nothing_acknowledged_is_lost_to_kill(tmp_path):
    path, rng = tmp_path / "image.tif.segnext-journal", np.random.default_rng(7)
    rewritten = changes = 0
    for kill in range(KILLS):
        before = header(path)
        said = annotate_and_kill(path, kill, float(rng.uniform(0, 0.6)))
        changes += check(path, said)
        rewritten += header(path) != before
    assert changes > 20 * KILLS
    assert rewritten > 1


@pytest.mark.parametrize("where", PLACES)
def test_nothing_acknowledged_is_lost_wherever_it_ends(tmp_path, where):
    path = tmp_path / "image.tif.segnext-journal"
    for seed in range(2):
        assert check(path, annotate_and_kill(path, seed, where=where)) > 5


@pytest.mark.parametrize("left", ["", "half"])
def test_half_written_new_journal_is_no_danger(tmp_path, left):
    path = tmp_path / "image.tif.segnext-journal"
    annotate_and_kill(path, 1, 0.3)
    before = read_journal(path)
    path.with_name(path.name + ".new").write_text(left)
    annotate_and_kill(path, 2, 0.6)
    assert read_journal(path).number > before.number

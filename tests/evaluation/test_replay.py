"""A model measured on the prompts of a journal."""

from __future__ import annotations

import io
import json
from pathlib import Path

import numpy as np
import pytest
import tifffile
from rich.console import Console
from typer.testing import CliRunner

from napari_segnext import Plane, Prompts
from napari_segnext.commands.cli import app
from napari_segnext.evaluation import Settings, run_replay
from napari_segnext.evaluation.replay import read_work
from napari_segnext.journal import Journal, Subject
from napari_segnext.session import ArrayLabels, Session

SHAPE = (2, 96, 96)
BOXES = {0: (20, 50, 20, 52), 1: (44, 70, 30, 74)}
CLICKS = {0: (35, 36), 1: (57, 52)}


@pytest.fixture
def image(tmp_path: Path) -> Path:
    """Write two bright rectangles, one in each slice."""
    rng = np.random.default_rng(0)
    pixels = rng.integers(0, 30, SHAPE).astype(np.uint8)
    for z, (top, bottom, left, right) in BOXES.items():
        pixels[z, top:bottom, left:right] += 150
    path = tmp_path / "boxes.tif"
    tifffile.imwrite(path, pixels, photometric="minisblack")
    return path


def write_journal(image: Path, place: Path | None = None, finish: bool = True) -> Path:
    """Segment each rectangle with a click in vain and one in its middle."""
    session = Session(ArrayLabels(np.zeros(SHAPE, np.uint8)), blank=True)
    journal = Journal(place or Subject(image, "", SHAPE).places()[0], SHAPE)
    journal.follow(session)
    for z, (top, bottom, left, right) in BOXES.items():
        number = session.new_object()
        prompts = Prompts().click(*CLICKS[z]).click(top + 2, left + 2)
        request = session.set_prompts(Plane(0, z), prompts)
        assert request is not None
        probability = np.zeros(SHAPE[1:], np.float32)
        probability[top:bottom, left:right] = 1
        session.commit(request, probability)
        if finish:
            session.accept(number)
    assert journal.close()
    return journal.path


def run(*words: object) -> tuple[int, str]:
    done = CliRunner().invoke(app, [str(word) for word in words])
    return done.exit_code, " ".join((done.output + str(done.exception or "")).split())


def test_the_users_prompts_come_first_and_then_the_robots(image: Path) -> None:
    journal, out = write_journal(image), io.StringIO()
    console = Console(file=out, width=200)
    found = run_replay("tiny", [journal], settings=Settings(4), console=console)
    assert [o.sample for o in found.objects] == ["boxes.tif 0 0", "boxes.tif 0 1"]
    for z, each in enumerate(found.objects):
        top, _, left, _ = BOXES[z]
        assert each.clicks[:2] == ((1, *CLICKS[z]), (1, top + 2, left + 2))
        assert len(each.ious) == len(each.clicks) == 4
        assert each.given == 2
        assert each.ious[-1] > 0.8
    given = np.mean([each.ious[1] for each in found.objects])
    assert found.summary()["given"] == pytest.approx({"prompts": 2, "miou": given})
    assert f"{100 * given:.2f} after the 2.0 prompts that were given" in out.getvalue()


def test_the_command_writes_the_numbers_of_several_journals(
    image: Path, tmp_path: Path
) -> None:
    beside = write_journal(image)
    apart = write_journal(image, tmp_path / "apart" / "work.segnext-journal")
    out = tmp_path / "numbers.json"
    words = ("evaluate", "--max-clicks", 2, "--json", out)
    pair = ("--journal", beside, "--journal", apart)
    code, said = run(*words, *pair)
    assert code != 0
    assert "does not lie beside its image: name that with --image" in said
    code, said = run(*words, *pair, "--image", image, "--image", image)
    assert code == 0, said
    numbers = json.loads(out.read_text())
    assert numbers["objects"] == 4
    assert numbers["model"] == "tiny"
    assert set(numbers["miou"]) == {"1", "2"}
    assert numbers["given"]["prompts"] == 2


def test_what_cannot_be_measured_is_told_in_a_line(image: Path, tmp_path: Path) -> None:
    journal = write_journal(image, finish=False)
    with pytest.raises(ValueError, match="accept some with G first"):
        read_work(journal)
    other = tmp_path / "other.tif"
    tifffile.imwrite(other, np.zeros((3, 8, 8), np.uint8), photometric="minisblack")
    with pytest.raises(ValueError, match=r"of shape \(2, 96, 96\), not \(3, 8, 8\)"):
        read_work(journal, other)
    with pytest.raises(ValueError, match="is not a journal"):
        read_work(image)
    code, said = run("evaluate", "--journal", journal, "--limit", 3)
    assert code != 0
    assert "with --journal there are --model, --image" in said
    code, said = run("evaluate", "--journal", tmp_path / "none")
    assert code != 0
    assert "none does not exist" in said
    code, said = run("evaluate", "--model", "tiny")
    assert "--dataset and --data, or --journal" in said
    code, said = run("evaluate", "--model", "flood-fill", "--journal", journal)
    assert "flood-fill is measured on data sets" in said

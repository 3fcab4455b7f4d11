"""Labels taken in, repaired, nested, followed, undone and resumed, in any order."""

from __future__ import annotations

import contextlib

import numpy as np
import pytest

from napari_segnext.files.categories import Category, Named
from napari_segnext.journal import Journal, read_journal
from napari_segnext.labels.scan import Scanned, scan
from napari_segnext.repair.box import ObjectBox
from napari_segnext.repair.cut import half
from napari_segnext.repair.rules import filled, grown, smoothed, without_specks
from napari_segnext.session import ArrayLabels, Session
from napari_segnext.session.exchange import file_values
from tests.session.doubles import SHAPE, Z0, Z1, Z2, Picture, paint
from tests.session.random_player import Player

RULES = [
    filled,
    without_specks,
    smoothed,
    lambda box: grown(box, 1),
    lambda box: grown(box, -1),
]


def labels_of_others(rng: np.random.Generator) -> Scanned:
    """Return some boxes with values far apart, the first two of classes that nest."""
    given = np.zeros(SHAPE, np.uint32)
    values = rng.choice(2**32 - 1, 3, replace=False) + 1
    for value in values.tolist():
        z, y, x = (int(rng.integers(0, n - 1)) for n in SHAPE)
        given[z : z + 3, y : y + 4, x : x + 5] = value
    found = np.unique(given[given > 0]).tolist()
    legend = {found[0]: Named("from a file", Category(1, "class 1"))}
    return Scanned.of((runs for runs, _ in scan(given)), legend)


class Chain:
    """A session with a journal, in which things are done at random."""

    def __init__(self, path, seed: int) -> None:
        self.path, self.rng = path, np.random.default_rng(seed)
        self.array = np.zeros(SHAPE, np.uint16)
        self.session = Session(ArrayLabels(self.array), blank=True)
        self.session.new_object()
        self._follow(Journal(path, SHAPE))

    def _follow(self, journal: Journal) -> None:
        self.journal = journal
        journal.follow(self.session)
        self.player = Player(0, self.session, self.array)
        self.player.rng = self.rng

    def resume(self) -> None:
        """End, and go on from the journal with the same picture."""
        before, waiting = Picture.of(self.session, self.array), self.session.requests()
        values = file_values(self.session)
        assert self.journal.close()
        saved = read_journal(self.path)
        self.array = np.zeros(SHAPE, np.uint16)
        self.session = saved.resume(ArrayLabels(self.array))
        assert Picture.of(self.session, self.array) == before
        assert file_values(self.session) == values
        assert [(r.plane, r.prompts) for r in self.session.requests()] == [
            (r.plane, r.prompts) for r in waiting
        ]
        self._follow(Journal(self.path, SHAPE, saved))

    def repair(self, number: int) -> None:
        """Repair an object as a button does."""
        session, rng = self.session, self.rng
        whole = bool(rng.random() < 0.7)
        place = session.place(number, Z1, whole)
        box = ObjectBox.read(
            session.labels,
            number,
            place,
            0,
            (1, 1, 1),
            session.objects[number].results,
            margin=5,
        )
        if rng.random() < 0.2:
            marks = rng.random((2, *box.mask.shape)) < 0.2
            first, second = marks & box.mask
            session.split(number, box.numbers(half(box, first, second & ~first)))
        else:
            rule = RULES[rng.integers(len(RULES))]
            within = None if whole else Z1
            session.reshape(number, "repair", *box.change(rule(box)), within)

    def step(self) -> None:
        """Do one thing, and answer what it asks for, or not."""
        session, rng, player = self.session, self.rng, self.player
        draw, number, plane = rng.random(), player.open_object(), player.plane()
        others_kept = {n for n, each in session.objects.items() if each.finished}
        kept = {n: self.array == n for n in others_kept}
        if draw < 0.06:
            with contextlib.suppress(ValueError):  # No voxel was free.
                session.adopt_labels(labels_of_others(rng))
        elif draw < 0.36 and number:
            with contextlib.suppress(ValueError):  # There is nothing to repair.
                self.repair(number)
                self._check_kept(number, kept)
        elif draw < 0.5 and number:
            session.set_prompts(plane, player.new_prompts(number, plane), number)
        elif draw < 0.56:
            new = int(rng.choice([0, *session.objects]))
            paint(session, plane, player.pixels(plane, 8), new)
        elif draw < 0.62 and number:
            session.clear_plane(number, (Z0, Z1, Z2)[rng.integers(3)])
        elif draw < 0.7:
            player.operate()
        elif draw < 0.75 and number:
            player.follow(number)
        elif draw < 0.82:
            player.nest()
        else:
            for _ in range(rng.integers(1, 5)):
                _ = session.undo() if rng.random() < 0.6 else session.redo()
        for request in session.requests():
            if rng.random() < 0.7:
                player.answer(request)

    def _check_kept(self, number: int, kept: dict[int, np.ndarray]) -> None:
        """Compare finished objects, but those around the repaired one, with before."""
        for other, mask in kept.items():
            if other not in self.session.nesting.outer(number):
                np.testing.assert_array_equal(self.array == other, mask)

    def check_counts(self) -> None:
        """Compare what is counted with the labels, and with what there is."""
        ids, counts = np.unique(self.array[self.array > 0], return_counts=True)
        assert {*ids.tolist()} <= {*self.session.objects}
        for number, count in zip(ids.tolist(), counts.tolist(), strict=True):
            assert self.session.count(number).voxels == count


@pytest.mark.parametrize("seed", range(6))
def test_any_chain_is_undone_redone_and_resumed(seed, tmp_path):
    chain = Chain(tmp_path / "journal", seed)
    for at in range(60):
        chain.step()
        chain.check_counts()
        if at % 15 == 14:
            chain.resume()
    session = chain.session
    while session.redo():
        pass
    end = Picture.of(session, chain.array)
    while session.undo():
        pass
    while session.redo():
        pass
    assert Picture.of(session, chain.array) == end
    chain.resume()
    chain.journal.close()

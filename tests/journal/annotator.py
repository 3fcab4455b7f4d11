"""Processes that annotate until they are killed, and say what they have done.

Run as ``python -m tests.journal.annotator``. Each line of its input, ``JOURNAL SEED
BYTES WHERE SAID``, starts a process that is killed when it has said so many bytes or,
with WHERE, kills itself in the middle of one of `PLACES`; the answer is the signal that
ended it. For each change it writes ``did NUMBER DIGEST`` to the file SAID, DIGEST being
that of all that a user can see then; and ``saved NUMBER`` when it has learnt that a
change is saved. The processes are forked, because importing numpy takes longer than
they live.
"""

from __future__ import annotations

import hashlib
import io
import os
import signal
import sys
import time
from pathlib import Path

import numpy as np

from napari_segnext.journal import Journal, read_journal, writing
from napari_segnext.session import ArrayLabels, Session
from tests.session.doubles import SHAPE, Picture, paint
from tests.session.random_player import Player


def digest(session: Session, labels: np.ndarray) -> str:
    picture = Picture.of(session, labels)
    content = hashlib.blake2b(labels.astype("<i8").tobytes(), digest_size=12)
    for number, (info, prompts, edits, results) in picture.objects.items():
        content.update(repr((number, info, sorted(prompts.items()))).encode())
        for plane, sparse in sorted(edits.items()):
            content.update(repr((plane, sparse.voxels.tolist())).encode())
            content.update(repr(sparse.values.astype(int).tolist()).encode())
        for plane, (answered, section, base, *levels) in sorted(results.items()):
            content.update(repr((plane, answered, section.offset, levels)).encode())
            content.update(section.pixels.tobytes())
            content.update(repr((base.voxels.tolist(), base.values.tolist())).encode())
    content.update(repr((picture.current, picture.semantic)).encode())
    return content.hexdigest()


PLACES = ("line", "sync", "rewriting", "renaming", "renamed", "labels")


class Fuse:
    """Ends the process, without farewell, when it is asked for the nth time."""

    def __init__(self, where: str, count: int) -> None:
        self.where, self.left = where, count

    def at(self, where: str) -> bool:
        self.left -= where == self.where
        return where == self.where and self.left <= 0

    def burn(self) -> None:
        os.kill(os.getpid(), signal.SIGKILL)

    def half(self, where: str, count: int) -> int:
        """Return how much of something to do before `check`."""
        return count // 2 if self.at(where) else count

    def open(self, path: Path, mode: str):
        return FusedFile(self, path, mode)

    def sync(self, handle: int) -> None:
        if self.at("sync"):
            self.burn()
        SYNC(handle)

    def replace(self, part: Path, path: Path) -> None:
        if self.at("renaming"):
            self.burn()
        REPLACE(part, path)
        if self.at("renamed"):
            self.burn()


SYNC, REPLACE = os.fsync, os.replace


class FusedFile(io.FileIO):
    def __init__(self, fuse: Fuse, path: Path, mode: str) -> None:
        super().__init__(path, mode)
        self.fuse = fuse
        self.what = "rewriting" if path.suffix == ".new" else "line"

    def write(self, content) -> int:
        count = self.fuse.half(self.what, len(content))
        written = super().write(content[:count])
        if count < len(content):
            self.fuse.burn()
        return written


class FusedLabels(ArrayLabels):
    def __init__(self, array: np.ndarray, fuse: Fuse) -> None:
        super().__init__(array)
        self.fuse = fuse

    def write(self, plane, rows, columns, values) -> None:
        count = self.fuse.half("labels", len(rows))
        super().write(plane, rows[:count], columns[:count], values[:count])
        if count < len(rows):
            self.fuse.burn()


def resume(path: Path, fuse: Fuse) -> tuple[Journal, Session, np.ndarray]:
    labels = np.zeros(SHAPE, np.uint16)
    saved = read_journal(path) if path.exists() else None
    if saved is None:
        session = Session(FusedLabels(labels, fuse), blank=True)
        session.new_object()
    else:
        session = saved.resume(FusedLabels(labels, fuse))
    journal = Journal(path, SHAPE, saved, compact_at=500, opener=fuse.open)
    journal.follow(session)
    return journal, session, labels


class Annotator(Player):
    """Does a thing at a time, and answers most of what is asked."""

    def act(self) -> None:
        session, rng = self.session, self.rng
        draw, number, plane = rng.random(), self.open_object(), self.plane()
        if draw < 0.6 and number:
            session.set_prompts(plane, self.new_prompts(number, plane), number)
        elif draw < 0.75:
            new = int(rng.choice([0, *session.objects]))
            paint(session, plane, self.pixels(plane, 12), new)
        elif draw < 0.82:
            self.operate()
        elif draw < 0.85 and number:
            self.follow(number)
        elif draw < 0.88:
            self.look_at_it()
        else:
            (session.undo if rng.random() < 0.7 else session.redo)()
        for request in session.requests():
            if rng.random() < 0.8:
                self.answer(request)


def annotate(path: Path, seed: int, where: str, said: Path) -> None:
    """Annotate and never return."""
    fuse = Fuse(where, 15 + seed if where.startswith("re") else 30 + seed)
    # It is written anew all the time.
    writing._GROWTH = 1.1
    os.fsync, os.replace = fuse.sync, fuse.replace
    output = os.open(said, os.O_WRONLY | os.O_CREAT)
    journal, session, labels = resume(path, fuse)

    def tell(text: str) -> None:
        # In one go, so that threads do not mix theirs.
        os.write(output, f"{text}\n".encode())

    tell(f"did {journal.number} {digest(session, labels)}")
    session.recorders.append(
        lambda _: tell(f"did {journal.number} {digest(session, labels)}")
    )
    journal.watchers.append(lambda: tell(f"saved {journal.saved}"))
    player = Annotator(seed, session, labels)
    while True:
        player.act()


def run(path: str, seed: str, count: str, where: str, said: str) -> int:
    """Fork a process and see it killed; return the signal."""
    child = os.fork()
    if child == 0:
        try:
            annotate(Path(path), int(seed), "" if where == "-" else where, Path(said))
        finally:
            os._exit(1)
    if where == "-":
        while not os.path.exists(said) or os.path.getsize(said) < int(count):
            time.sleep(0.001)
        os.kill(child, signal.SIGKILL)
    _, status = os.waitpid(child, 0)
    return os.WTERMSIG(status)


def main() -> None:
    for line in sys.stdin:
        print(run(*line.split()), flush=True)


if __name__ == "__main__":
    main()

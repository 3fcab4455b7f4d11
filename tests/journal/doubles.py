"""Sessions with something in them, and disks that fail."""

from __future__ import annotations

import errno
from pathlib import Path

import numpy as np

from napari_segnext.journal import Journal
from napari_segnext.prompts import Prompts
from napari_segnext.session import ArrayLabels, Session
from tests.session.doubles import (
    SHAPE,
    X6,
    Y5,
    Z0,
    Z1,
    Z2,
    Picture,
    ask,
    click,
    paint,
    started,
)


def annotated() -> tuple[Session, np.ndarray]:
    """A session in which each kind of thing has happened."""
    session, labels = started()
    annotate(session)
    return session, labels


def annotate(session: Session) -> None:
    click(session, Z1, (3, 3), (7, 8), (3, 4, False))
    session.new_object("näme")
    click(session, Y5, (1, 6))
    session.recolour(2, (1.0, 0.5, 0.0))
    prompts = Prompts().box((1, 1), (3, 4)).polygon([(0, 0), (3, 0), (0, 3)])
    mask = np.zeros(SHAPE[:2], bool)
    mask[1:3, 4:6] = True
    prompts = prompts.mask(mask).scribble(mask, positive=False).scribble([(1, 1.5)])
    request = session.set_prompts(X6, prompts)
    session.commit(request, np.full(SHAPE[:2], 0.6, np.float32))
    paint(session, Z1, [(9, 9), (9, 10)], 2)
    paint(session, Z1, [(3, 5)], 0)
    session.accept(2)
    session.undo()
    session.undo()
    maps = dict.fromkeys((Z0, Z2), np.full(SHAPE[1:], 0.7, np.float32))
    session.commit_planes(2, maps, "propagate", {Z0: 0.25, Z2: 0.75})
    session.check(2, Z0)
    session.undo()
    session.redo()
    session.view_by_class(True)
    session.select(1)
    ask(session, Z1, (0, 11))


def resumed(saved) -> Picture:
    labels = np.zeros(SHAPE, np.uint16)
    return Picture.of(saved.resume(ArrayLabels(labels)), labels)


def journalled(path: Path, **options) -> tuple[Journal, Session, np.ndarray]:
    session, labels = started()
    journal = Journal(path, SHAPE, **options)
    journal.follow(session)
    return journal, session, labels


class Disk:
    """Opens files that fail when the disk is full or gone."""

    def __init__(self, room: float = float("inf")) -> None:
        self.room = room
        self.gone = False

    def open(self, path: Path, mode: str):
        self.check()
        return File(self, path, mode)

    def check(self) -> None:
        if self.gone:
            raise OSError(errno.EIO, "Input/output error")


class File:
    def __init__(self, disk: Disk, path: Path, mode: str) -> None:
        self.disk, self.file = disk, path.open(mode, buffering=0)

    def write(self, content) -> int:
        self.disk.check()
        written = int(min(len(content), self.disk.room))
        if not written:
            raise OSError(errno.ENOSPC, "No space left on device")
        self.disk.room -= written
        return self.file.write(content[:written])

    def close(self) -> None:
        self.file.close()
        self.disk.check()

    def __getattr__(self, name: str):
        self.disk.check()
        return getattr(self.file, name)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.file.close()

"""Earlier work on an image is found, gone on with, or set aside; never lost."""

import os
from pathlib import Path

import dask.array as da
import numpy as np
import pytest

from napari_segnext.journal import (
    Journal,
    Subject,
    describe,
    find_earlier,
    read_journal,
    resume,
    sample_key,
    start,
)
from napari_segnext.session import ArrayLabels, Session
from tests.journal.doubles import Disk, annotate, resumed
from tests.session.doubles import SHAPE, Z1, Picture, click


@pytest.fixture
def subject(tmp_path):
    return Subject(tmp_path / "brain.nii.gz", "brain", SHAPE)


def blank() -> tuple[Session, np.ndarray]:
    labels = np.zeros(SHAPE, np.uint16)
    session = Session(ArrayLabels(labels), blank=True)
    session.new_object()
    return session, labels


def work(journal: Journal) -> tuple[Session, np.ndarray]:
    """Annotate with a journal that was just opened."""
    session, labels = blank()
    journal.follow(session)
    annotate(session)
    return session, labels


def worked(subject: Subject) -> Picture:
    """Annotate, close, and return what there was."""
    journal = start(subject)
    picture = Picture.of(*work(journal))
    assert journal.close()
    return picture


def restored(saved) -> tuple[Session, np.ndarray]:
    """Restore into a session that has been begun, as a viewer does."""
    session, labels = blank()
    saved.restore(session)
    return session, labels


def test_journal_lies_beside_the_image_and_is_found_again(subject, tmp_path):
    assert find_earlier(subject) == []
    assert list(tmp_path.iterdir()) == []
    picture = worked(subject)
    (path,) = find_earlier(subject)
    assert path == tmp_path / "brain.nii.gz.segnext-journal"
    assert [p.name for p in tmp_path.iterdir()] == [path.name]
    journal, saved = resume(subject, path)
    session, labels = restored(saved)
    assert Picture.of(session, labels) == picture
    journal.follow(session)
    click(session, Z1, (5, 5))
    journal.close()
    assert journal.path == path
    assert resumed(read_journal(path)) == Picture.of(session, labels)


def test_what_can_be_resumed_is_told(subject):
    worked(subject)
    (path,) = find_earlier(subject)
    earlier = describe(path)
    session, _ = restored(read_journal(path))
    prompts = [p for each in session.objects.values() for p in each.prompts.values()]
    assert earlier.objects == 2
    assert earlier.prompts == sum(map(len, prompts))
    assert earlier.planes == len(
        {p for o in session.objects.values() for p in o.planes}
    )
    assert abs(earlier.time.timestamp() - path.stat().st_mtime) < 1e-3


def test_starting_new_keeps_earlier_work_under_another_name(subject):
    picture = worked(subject)
    journal = start(subject)
    assert journal.aside is not None
    assert resumed(read_journal(journal.aside)) == picture
    click(*[work(journal)[0], Z1, (5, 5)])
    journal.close()
    assert set(find_earlier(subject)) == {journal.path, journal.aside}
    again, saved = resume(subject, journal.aside)
    assert Picture.of(*restored(saved)) == picture
    again.close()


def test_journal_in_which_nothing_was_done_is_not_offered_nor_kept(subject):
    journal = start(subject)
    journal.follow(blank()[0])
    journal.wait()
    crashed = journal.path.read_bytes()
    journal.close()
    journal.path.write_bytes(crashed)
    assert describe(journal.path) is None
    journal = start(subject)
    assert journal.aside is None
    journal.close()


def test_journal_about_another_shape_is_not_offered_but_kept(subject):
    picture = worked(subject)
    other = Subject(subject.file, "brain", (7, *SHAPE[1:]))
    assert find_earlier(other) == []
    journal = start(other)
    assert resumed(read_journal(journal.aside)) == picture
    journal.close()


def test_second_viewer_works_apart_and_harms_nothing(subject):
    first = start(subject)
    session, labels = work(first)
    assert first.wait(timeout=20)
    assert find_earlier(subject) == []
    second = start(subject)
    assert second.path != first.path
    other, other_labels = work(second)
    click(session, Z1, (8, 8))
    click(other, Z1, (1, 1))
    assert first.close()
    assert second.close()
    assert set(find_earlier(subject)) == {first.path, second.path}
    assert resumed(read_journal(first.path)) == Picture.of(session, labels)
    assert resumed(read_journal(second.path)) == Picture.of(other, other_labels)


def test_journal_that_another_viewer_took_meanwhile_is_copied(subject):
    picture = worked(subject)
    (path,) = find_earlier(subject)
    other, _ = resume(subject, path)
    journal, saved = resume(subject, path)
    assert journal.path != path
    journal.follow(restored(saved)[0])
    journal.close()
    other.close()
    assert resumed(read_journal(path)) == picture
    assert resumed(read_journal(journal.path)) == picture


def test_damaged_end_is_kept_apart_before_it_is_overwritten(subject, tmp_path):
    picture = worked(subject)
    (path,) = find_earlier(subject)
    content = path.read_bytes() + b"\xff\xff\nsomething\n"
    path.write_bytes(content)
    journal, saved = resume(subject, path)
    session, labels = restored(saved)
    assert Picture.of(session, labels) == picture
    journal.follow(session)
    click(session, Z1, (5, 5))
    journal.close()
    assert read_journal(path).lost == 0
    (aside,) = (p for p in tmp_path.iterdir() if p != path)
    assert aside.read_bytes() == content


def no_folder_can_be_written(monkeypatch, folder: Path) -> None:
    """Refuse to open files for writing in a folder; root may write anywhere."""
    opened = os.open

    def refuse(path, flags, *rest, **options):
        if Path(os.fsdecode(path)).parent == folder and flags & (
            os.O_WRONLY | os.O_RDWR | os.O_CREAT
        ):
            raise PermissionError(13, "Permission denied", str(path))
        return opened(path, flags, *rest, **options)

    monkeypatch.setattr(os, "open", refuse)


def test_journal_of_a_read_only_folder_lies_in_the_data_folder(
    subject, tmp_path, data_folder, monkeypatch
):
    no_folder_can_be_written(monkeypatch, tmp_path)
    picture = worked(subject)
    assert list(tmp_path.iterdir()) == []
    (path,) = find_earlier(subject)
    assert path.parent == data_folder / "journals"
    assert resumed(read_journal(path)) == picture
    namesake = Subject(tmp_path / "sub" / "brain.nii.gz", "brain", SHAPE)
    assert find_earlier(namesake) == []


def test_work_beside_an_image_that_became_read_only_goes_on_in_the_data_folder(
    subject, tmp_path, data_folder, monkeypatch
):
    picture = worked(subject)
    before = (tmp_path / "brain.nii.gz.segnext-journal").read_bytes()
    no_folder_can_be_written(monkeypatch, tmp_path)
    (path,) = find_earlier(subject)
    journal, saved = resume(subject, path)
    session, labels = restored(saved)
    assert Picture.of(session, labels) == picture
    journal.follow(session)
    click(session, Z1, (5, 5))
    journal.close()
    assert path.read_bytes() == before
    assert journal.path.parent == data_folder / "journals"
    assert find_earlier(subject)[0] == journal.path
    assert resumed(read_journal(journal.path)) == Picture.of(session, labels)


def test_where_nothing_can_be_written_it_says_so(subject, tmp_path, monkeypatch):
    monkeypatch.setenv("NAPARI_SEGNEXT_DATA", "/dev/null")
    no_folder_can_be_written(monkeypatch, tmp_path)
    with pytest.raises(OSError, match="Permission denied"):
        start(subject)


def test_what_cannot_be_saved_beside_the_image_in_the_end_is_saved_elsewhere(
    subject, tmp_path, data_folder
):
    disk = Disk()
    opener = lambda path, mode: (  # noqa: E731
        disk if path.parent == tmp_path else Disk()
    ).open(path, mode)
    journal = start(subject, opener=opener, retry_s=0.01)
    session, labels = work(journal)
    assert journal.wait(timeout=20)
    disk.gone = True
    click(session, Z1, (5, 5))
    assert journal.close()
    disk.gone = False
    newest, other = find_earlier(subject)
    assert (newest.parent, other) == (data_folder / "journals", journal.path)
    assert resumed(read_journal(newest)) == Picture.of(session, labels)


@pytest.mark.parametrize("name", ["brain", "../../etc/passwd", "a:b*c", "...", ""])
def test_image_without_a_file_gets_a_journal_by_name(data_folder, name):
    journal = start(Subject(None, name, SHAPE))
    assert journal.path.parent == data_folder / "journals"
    assert journal.path.suffix == ".segnext-journal"
    journal.close()


# What an image without a file is known by


def image(shape=(5, 300, 400), seed=0) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, 255, shape).astype(np.uint8)


@pytest.mark.parametrize("wrap", [np.copy, da.from_array, lambda a: [a, a]])
def test_same_pixels_have_the_same_name(wrap):
    assert sample_key(wrap(image())) == sample_key(image())


@pytest.mark.parametrize(
    "other", [image(seed=1), image()[:4], image().astype(np.int16), image()[:, ::-1]]
)
def test_other_pixels_shapes_and_types_have_another_name(other):
    assert sample_key(other) != sample_key(image())


def test_only_few_pixels_of_a_large_image_are_read():
    read = []

    class Large:
        shape, dtype = (1000, 30_000, 30_000, 3), np.dtype(np.uint8)

        def __getitem__(self, where):
            read.append(where)
            return image((64, 64))

    sample_key(Large())
    ((z, rows, columns, channel),) = read
    assert (z, channel) == (500, 1)
    assert (
        len(range(*rows.indices(30_000))) * len(range(*columns.indices(30_000))) < 5000
    )

"""What an output replaces, and what is left when its writer is killed."""

from __future__ import annotations

import os
import shutil
import stat
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import zarr
from filelock import FileLock

from napari_segnext.files import (
    ObjectPrompts,
    atomic,
    read_image,
    write_labels,
    write_prompts,
)
from napari_segnext.files.atomic import clear_up, replacing

ONES = np.ones((3, 9, 9), np.uint8)


def content(folder: Path) -> set[str]:
    return {str(path.relative_to(folder)) for path in folder.rglob("*")}


def mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


@pytest.mark.parametrize("name", ["a_seg.nii", "l.nii.gz", "l.tif", "l.npy", "l.json"])
def test_a_folder_named_like_labels_stays_with_all_that_is_in_it(tmp_path, name):
    (tmp_path / name).mkdir()
    (tmp_path / name / "scan.nii").write_bytes(b"years of work")
    before = content(tmp_path)
    with pytest.raises(IsADirectoryError, match=f"{name} is a folder"):
        write_labels(tmp_path / name, ONES)
    assert content(tmp_path) == before


def test_a_folder_that_is_no_zarr_is_not_replaced_by_one(tmp_path):
    (tmp_path / "l.zarr").mkdir()
    (tmp_path / "l.zarr" / "notes.txt").write_text("mine")
    with pytest.raises(IsADirectoryError, match="never replaced"):
        write_labels(tmp_path / "l.zarr", ONES)
    assert content(tmp_path) == {"l.zarr", "l.zarr/notes.txt"}


@pytest.mark.parametrize("stranger", ["notes.txt", "raw/scan.nii"])
def test_a_zarr_with_other_things_in_it_is_not_replaced(tmp_path, stranger):
    write_labels(tmp_path / "l.zarr", ONES)
    (tmp_path / "l.zarr" / stranger).parent.mkdir(exist_ok=True)
    (tmp_path / "l.zarr" / stranger).write_text("mine")
    with pytest.raises(IsADirectoryError, match=stranger.split("/")[0]):
        write_labels(tmp_path / "l.zarr", 2 * ONES)
    assert (tmp_path / "l.zarr" / stranger).read_text() == "mine"


@pytest.mark.parametrize("version", [2, 3])
def test_a_zarr_of_any_layout_is_replaced(tmp_path, version):
    path = tmp_path / "l.zarr"
    array = zarr.create_array(
        path, shape=(4, 8), chunks=(2, 2), dtype="u1", zarr_format=version
    )
    array[:] = 1
    write_labels(path, ONES)
    assert (np.asarray(read_image(path).data) == 1).all()
    assert content(tmp_path) == {
        *("l.zarr", "l.zarr/zarr.json", "l.zarr/0", "l.zarr/0/zarr.json"),
        *("l.zarr/0/c", "l.zarr/0/c/0", "l.zarr/0/c/0/0", "l.zarr/0/c/0/0/0"),
    }


def test_a_file_is_not_replaced_by_a_zarr(tmp_path):
    (tmp_path / "l.zarr").write_text("mine")
    with pytest.raises(FileExistsError, match="not a zarr folder"):
        write_labels(tmp_path / "l.zarr", ONES)
    assert (tmp_path / "l.zarr").read_text() == "mine"


@pytest.mark.skipif(os.name != "posix", reason="no such files")
def test_a_special_file_is_not_replaced(tmp_path):
    os.mkfifo(tmp_path / "l.npy")
    with pytest.raises(FileExistsError, match="not a file"):
        write_labels(tmp_path / "l.npy", ONES)
    assert stat.S_ISFIFO((tmp_path / "l.npy").stat().st_mode)


@pytest.mark.parametrize("name", ["l.npy", "l.zarr"])
@pytest.mark.parametrize("exists", [True, False])
def test_through_a_link_its_target_is_written(tmp_path, name, exists):
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / name).symlink_to(tmp_path / "elsewhere" / name)
    if exists:
        write_labels(tmp_path / "elsewhere" / name, 2 * ONES)
    write_labels(tmp_path / name, ONES)
    assert (tmp_path / name).is_symlink()
    assert (np.asarray(read_image(tmp_path / "elsewhere" / name).data) == 1).all()
    assert {p.name for p in tmp_path.iterdir()} == {"elsewhere", name}


@pytest.mark.parametrize("name", ["l.npy", "l.nii.gz", "l.zarr"])
def test_what_is_replaced_leaves_its_permissions(tmp_path, name):
    path = tmp_path / name
    write_labels(path, ONES)
    wanted = 0o750 if path.is_dir() else 0o640
    path.chmod(wanted)
    write_labels(path, 2 * ONES, like=tmp_path)
    assert mode(path) == wanted


@pytest.mark.parametrize("name", ["l.npy", "l.tif", "l.zarr"])
def test_a_new_file_is_for_nobody_who_may_not_read_the_image(tmp_path, name):
    image = tmp_path / "patient.npy"
    np.save(image, ONES)
    image.chmod(0o600)
    write_labels(tmp_path / name, ONES, like=image)
    write_prompts(tmp_path / "p.json", [ObjectPrompts(1)], like=image)
    made = [tmp_path / name, tmp_path / "p.json", *(tmp_path / name).rglob("*")]
    assert {mode(path) for path in made} <= {0o600, 0o700}
    image.chmod(0o444)
    write_labels(tmp_path / "more.npy", ONES, like=image)
    assert mode(tmp_path / "more.npy") & 0o600 == 0o600


KILLED = """
import os, signal, sys
from pathlib import Path
import numpy as np
from napari_segnext.files import atomic, write_labels

def die(*_):
    os.kill(os.getpid(), signal.SIGKILL)

moment, path = sys.argv[1], Path(sys.argv[2])
if moment == "while writing":
    atomic._publish = die
else:
    exchange, rename = atomic._exchange, Path.rename
    if moment == "between two renames":
        atomic._exchange = lambda *_: False
    else:
        atomic._exchange = lambda *names: (exchange(*names), die())
    Path.rename = lambda self, to: (rename(self, to), die())
write_labels(path, np.full((3, 9, 9), 2, np.uint8))
"""


@pytest.mark.skipif(os.name != "posix", reason="no SIGKILL")
@pytest.mark.parametrize(
    ("moment", "left"),
    [("while writing", 1), ("between two renames", 1), ("after an exchange", 2)],
)
def test_a_killed_writer_leaves_a_whole_zarr(tmp_path, moment, left):
    path = tmp_path / "l.zarr"
    write_labels(path, ONES)
    done = subprocess.run([sys.executable, "-c", KILLED, moment, path], timeout=60)
    assert done.returncode == -9
    assert len(list(tmp_path.iterdir())) == (
        1 if moment == "between two renames" else 2
    )
    assert (np.asarray(read_image(path).data) == left).all()
    write_labels(tmp_path / "other.npy", ONES)
    assert {p.name for p in tmp_path.iterdir()} == {"l.zarr", "other.npy"}


def test_a_living_writer_and_strangers_are_left_in_peace(tmp_path):
    (tmp_path / ".segnext-mine.part").mkdir()
    (tmp_path / ".segnext-abcdefgh.part").write_text("not a folder")
    (tmp_path / ".deadbeef-l.npy").write_text("a stranger's")
    with replacing(tmp_path / "l.npy") as part:
        clear_up(tmp_path)
        write_labels(tmp_path / "other.npy", ONES)
        np.save(part, ONES)
    assert {p.name for p in tmp_path.iterdir()} == {
        *(".segnext-mine.part", ".segnext-abcdefgh.part", ".deadbeef-l.npy"),
        *("l.npy", "other.npy"),
    }


def test_a_lock_is_let_go_before_it_is_deleted(tmp_path, monkeypatch):
    # Windows deletes no file that is open.
    place = tmp_path / ".segnext-abcdefgh.part"
    place.mkdir()
    (place / "l.npy").write_bytes(b"half of it")
    rmtree = shutil.rmtree

    def as_on_windows(folder, **options):
        with FileLock(folder / "lock", timeout=0):
            pass
        rmtree(folder, **options)

    monkeypatch.setattr(shutil, "rmtree", as_on_windows)
    clear_up(tmp_path)
    assert not any(tmp_path.iterdir())


def test_a_zarr_that_cannot_be_replaced_stays(tmp_path, monkeypatch):
    path = tmp_path / "l.zarr"
    write_labels(path, ONES)
    rename = Path.rename

    def refuse(self, target):
        if ".part" in self.parts[-2] and "former" not in self.parts:
            raise OSError("the drive is gone")
        return rename(self, target)

    monkeypatch.setattr(atomic, "_exchange", lambda *_: False)
    monkeypatch.setattr(Path, "rename", refuse)
    with pytest.raises(OSError, match=r"l\.zarr was not written: the drive is gone"):
        write_labels(path, 2 * ONES)
    assert (np.asarray(read_image(path).data) == 1).all()
    assert len(list(tmp_path.iterdir())) == 1


def test_errors_name_the_output_and_not_what_is_hidden(tmp_path):
    with pytest.raises(FileNotFoundError) as told:
        write_labels(tmp_path / "no" / "l.npy", ONES)
    assert str(tmp_path / "no" / "l.npy") in str(told.value)
    assert "segnext-" not in str(told.value)

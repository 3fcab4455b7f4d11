"""What goes wrong is told in one line; what is a fault of the program is not hidden."""

from __future__ import annotations

import subprocess
import sys
import warnings

import nibabel
import numpy as np
import pytest
import tifffile
import typer
import zarr
from zarr.codecs import GzipCodec

from napari_segnext.commands import cli, errors


def fails(error: Exception):
    def run() -> None:
        raise error

    return run


class CudaError(RuntimeError):
    """As PyTorch's."""


FORESEEABLE = [
    (ValueError("a.nii is damaged"), "a.nii is damaged"),
    (FileNotFoundError("there is no file a.nii"), "there is no file a.nii"),
    (ValueError("two\nlines   of it"), "two lines of it"),
    (OSError(), "OSError"),
    (MemoryError("Unable to allocate 119 GiB"), "not enough memory (Unable to"),
    (OverflowError("int too large"), "a number is too large (int too large)"),
    (RecursionError("maximum recursion depth"), "nested too deeply"),
    (CudaError("CUDA out of memory."), "--device cpu may have more"),
    (
        RuntimeError("DefaultCPUAllocator: can't allocate memory: 8 bytes"),
        "not enough memory",
    ),
    (
        ModuleNotFoundError("No module named 'accelerate'", name="accelerate"),
        "pip install 'napari-segnext[train]'",
    ),
    (
        ModuleNotFoundError("No module named 'cv2'", name="cv2.dnn"),
        "napari-segnext[train]",
    ),
]


@pytest.mark.parametrize(("error", "expected"), FORESEEABLE, ids=lambda x: type(x))
def test_what_can_be_mended_is_told_in_one_line(error, expected, capsys):
    assert errors.run(fails(error)) == 1
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith("Error: ")
    assert expected in line


def test_the_file_that_it_is_about_is_named(capsys):
    error = OverflowError("int too large")
    error.add_note("prompts.json")
    assert errors.run(fails(error)) == 1
    assert "Error: prompts.json: a number is too large" in capsys.readouterr().err


def damaged_chunk(folder):
    array = zarr.create_array(
        folder, shape=(4,), chunks=(4,), dtype="u1", compressors=GzipCodec()
    )
    array[:] = 1
    (folder / "c" / "0").write_bytes(b"damaged")
    return array[:]


def damaged_header(folder):
    folder.mkdir()
    nibabel.Nifti1Header().set_data_dtype("c3")


@pytest.mark.parametrize("read", [damaged_chunk, damaged_header])
def test_errors_of_libraries_that_read_files_are_about_these(read, tmp_path, capsys):
    assert errors.run(lambda: read(tmp_path / "a.zarr")) == 1
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith("Error: ")


@pytest.mark.parametrize("name", ["a.nii", "a.tif"])
def test_what_libraries_note_of_a_header_is_not_said_before_the_line(name, tmp_path):
    path, prompts = tmp_path / name, tmp_path / "p.json"
    header = nibabel.Nifti1Header()
    header.set_data_shape((4, 5, 6))
    header["sform_code"] = 77
    if name == "a.nii":
        path.write_bytes(header.binaryblock)
    else:
        # The tag of a page's rows, of a type that there is not.
        tifffile.imwrite(path, np.zeros((4, 5), np.uint8), metadata=None)
        rows, damaged = b"\x01\x01\x03\0", b"\x01\x01\x80\0"
        path.write_bytes(path.read_bytes().replace(rows, damaged, 1))
    prompts.write_text('{"version": 1, "objects": []}')
    command = [sys.executable, "-m", "napari_segnext", "segment", path]
    asked = [*command, "--prompts", prompts, "--out", tmp_path / "o.tif"]
    done = subprocess.run(asked, capture_output=True, text=True, check=False)
    (line,) = done.stderr.splitlines()
    assert line.startswith("Error: ")


@pytest.mark.parametrize("fault", [KeyError("n"), TypeError("x"), RuntimeError("y")])
def test_faults_of_the_program_are_not_hidden(fault):
    with pytest.raises(type(fault)):
        errors.run(fails(fault))


def test_the_end_of_a_file_is_not_the_end_of_the_keyboard(capsys, monkeypatch):
    app = typer.Typer(cls=errors.Commands, pretty_exceptions_enable=False)
    app.callback()(lambda: None)
    app.command("read")(fails(EOFError("Ran out of input")))
    monkeypatch.setattr(sys, "argv", ["x", "read"])
    assert errors.run(app) == 1
    said = capsys.readouterr().err
    assert "Error: a file ends too early (Ran out of input)" in said
    assert "Aborted" not in said


def test_a_warning_is_one_line_without_places(capsys, monkeypatch):
    monkeypatch.setattr(warnings, "showwarning", warnings.showwarning)

    def warn() -> None:
        with warnings.catch_warnings():
            warnings.simplefilter("always")
            warnings.warn("openvino is not there:\n PyTorch answers", stacklevel=1)

    errors.run(warn)
    expected = "Warning: openvino is not there: PyTorch answers\n"
    assert capsys.readouterr().err == expected


def test_the_shell_can_complete_commands(capsys, monkeypatch):
    monkeypatch.setattr(sys, "argv", ["napari-segnext", "--help"])
    with pytest.raises(SystemExit) as ended:
        cli.main()
    assert ended.value.code == 0
    assert "--install-completion" in capsys.readouterr().out

"""One command for many images: what belongs to each, and how all of it ends."""

from __future__ import annotations

import json
import re
from pathlib import Path

import numpy as np
import pytest
import tifffile
from typer.testing import CliRunner

from napari_segnext.commands import cases, segment
from napari_segnext.commands.cases import Outcome, cases_of, in_folder
from napari_segnext.commands.cli import app
from napari_segnext.files.contents import images_in, name_of
from napari_segnext.series import Case


def click(y: int, x: int) -> str:
    prompt = {"type": "click", "at": [y, x]}
    objects = [{"id": 7, "planes": [{"index": 2, "prompts": [prompt]}]}]
    return json.dumps({"version": 1, "objects": objects})


@pytest.fixture
def folders(tmp_path: Path) -> tuple[Path, Path, Path]:
    """Write three volumes with a block each, and prompts for it, by name."""
    scans, prompts, out = (tmp_path / name for name in ("scans", "prompts", "out"))
    for folder in (scans, prompts, out):
        folder.mkdir()
    for number in (1, 2, 10):
        voxels = np.full((5, 64, 64), 40, np.uint8)
        voxels[1:4, 10:20, number : number + 12] = 200
        np.save(scans / f"p{number}.npy", voxels)
        (prompts / f"p{number}.json").write_text(click(15, number + 6))
    return scans, prompts, out


def run(*given: object):
    return CliRunner().invoke(app, [str(word) for word in given])


def words(folders: tuple[Path, Path, Path], command: str = "segment", end: str = ""):
    scans, prompts, out = folders
    return (command, scans, "--prompts", prompts, "--out", f"{out}/{end}")


def rows(output: str) -> dict[str, str]:
    """Return the state of each image, as the table has it."""
    table = output.split("state")[1].splitlines()[1:-1]
    return {row[0]: row[1] for row in (re.split("  +", line) for line in table)}


@pytest.mark.parametrize(("command", "slices"), [("segment", 1), ("propagate", 3)])
def test_a_folder_of_images_has_a_folder_of_prompts(model, folders, command, slices):
    answer = run(*words(folders, command, "{name}.npy"))
    assert answer.exit_code == 0, answer.output
    assert answer.output.rstrip().endswith("3 images: 3 done")
    assert list(rows(answer.output)) == ["p1", "p2", "p10"]
    for scan in folders[0].iterdir():
        labels = np.load(folders[2] / scan.name)
        assert set(np.unique(labels)) == {0, 7}
        assert np.array_equal(labels.any((1, 2)).sum(), slices)
        np.testing.assert_array_equal(labels[2] > 0, np.load(scan)[2] > 60)


def test_a_model_is_loaded_once(model, folders, monkeypatch) -> None:
    loaded: list[str] = []
    load = segment.load_on_engine
    monkeypatch.setattr(
        segment,
        "load_on_engine",
        lambda name, *more, **given: loaded.append(name) or load(name, *more, **given),
    )
    assert run(*words(folders)).exit_code == 0
    assert loaded == ["tiny"]
    assert (folders[2] / "p1.nii.gz").is_file()


def test_failures_are_told_and_the_others_done(model, folders) -> None:
    scans, prompts, out = folders
    (scans / "p2.npy").write_bytes(b"no array")
    (scans / "p3.npy").write_bytes((scans / "p1.npy").read_bytes())
    (scans / "p4.npy").write_bytes((scans / "p1.npy").read_bytes())
    (prompts / "p4.json").write_text(click(500, 2))
    (scans / "notes.txt").write_text("not an image")
    answer = run(*words(folders, "propagate", "{name}.npy"))
    assert answer.exit_code == 1
    told = rows(answer.output)
    assert told == {
        **{"p1": "done", "p2": "failed", "p3": "failed", "p4": "failed"},
        "p10": "done",
    }
    assert answer.output.rstrip().endswith("5 images: 2 done, 3 failed")
    assert answer.stderr.count("Error:") == 3
    assert "p2.npy is damaged" in answer.stderr
    assert "p3.json" in answer.stderr
    assert "outside the image" in answer.stderr
    assert {path.name for path in out.iterdir()} == {"p1.npy", "p10.npy"}


def test_an_object_that_is_not_followed_makes_a_case_incomplete(model, folders):
    gone = folders[1] / "p2.json"
    gone.write_text(gone.read_text().replace('"at"', '"positive": false, "at"'))
    answer = run(*words(folders, "propagate"))
    assert answer.exit_code == 1
    assert rows(answer.output)["p2"] == "incomplete"
    assert "was not followed" in answer.stderr and "p2.npy" in answer.stderr


def test_what_is_there_already_stays_unless_it_is_to_be_replaced(model, folders):
    kept = folders[2] / "p2.npy"
    kept.write_bytes(b"of before")
    answer = run(*words(folders, "segment", "{name}.npy"))
    assert answer.exit_code == 0
    assert answer.output.rstrip().endswith("3 images: 2 done, 1 there already")
    assert kept.read_bytes() == b"of before"
    answer = run(*words(folders, "segment", "{name}.npy"), "--overwrite")
    assert answer.output.rstrip().endswith("3 images: 3 done")
    assert np.load(kept).any()


def test_a_fault_of_the_program_costs_one_image(model, folders, monkeypatch):
    job = segment.segment_job
    count = iter(range(3))

    def second(*given, **more):
        if next(count) == 1:
            raise KeyError("a fault")
        return job(*given, **more)

    monkeypatch.setattr(segment, "segment_job", second)
    answer = run(*words(folders))
    assert answer.exit_code == 1
    assert "Traceback" in answer.stderr
    assert answer.output.rstrip().endswith("3 images: 2 done, 1 failed")


def test_a_series_that_is_stopped_tells_what_it_has_done(folders) -> None:
    def work(case: Case, step) -> Outcome:
        if case.name == "p2":
            raise KeyboardInterrupt
        return Outcome((case.only_image(),))

    every = [Case.of(image) for image in images_in(folders[0])]
    with pytest.raises(cases.typer.Exit) as ended:
        cases.run(every, work)
    assert ended.value.exit_code == 130


def test_files_are_named_by_the_image_or_by_its_folder(tmp_path: Path) -> None:
    case = Case.of(tmp_path / "case 7" / "t1.flair.nii.gz")
    assert case.file(Path("a/{name}.json")) == Path("a/t1.flair.json")
    assert case.file(Path("{folder}-{name}.csv")) == Path("case 7-t1.flair.csv")
    assert name_of(tmp_path / "stack.ome.tif") == "stack.ome"
    assert name_of(Path("x.dcm")) == "x"


def test_a_folder_stands_for_the_files_in_it_but_not_a_zarr(tmp_path: Path) -> None:
    assert in_folder(tmp_path, ".json") == tmp_path / "{name}.json"
    zarr = tmp_path / "labels.zarr"
    zarr.mkdir()
    assert in_folder(zarr, ".nii.gz") == zarr
    assert in_folder(tmp_path / "labels.tif", ".nii.gz") == tmp_path / "labels.tif"
    assert in_folder(None, ".csv") is None


def test_several_images_need_files_of_their_own(folders, tmp_path) -> None:
    scans, prompts, out = folders
    images = [scans / "p1.npy", scans / "p2.npy"]
    one = {"--prompts": prompts / "p1.json", "--out": out / "{name}.npy"}
    with pytest.raises(ValueError, match=r"p1.json is one file for 2 images: name a f"):
        cases_of(images, one)
    with pytest.raises(ValueError, match="--prompts - is one file for 2 images"):
        cases_of(images, {**one, "--prompts": Path("-")})
    each = {"--prompts": prompts / "{name}.json", "--out": out / "{name}.npy"}
    twins = [scans / "p1.npy", scans / "p1.tif"]
    with pytest.raises(ValueError, match=r"p1\.npy and .*p1\.tif would both have"):
        cases_of(twins, each)
    again = [tmp_path / at / "flair.nii" for at in ("a", "b")]
    with pytest.raises(ValueError, match=r"write \{folder\} for"):
        cases_of(again, each)
    apart = {
        "--prompts": tmp_path / "{folder}" / "p.json",
        "--out": out / "{folder}.tif",
    }
    assert len(cases_of(again, apart)) == 2
    assert cases_of(again[:1], one) == [Case.of(again[0])]
    assert cases_of([images[0]] * 2, one) == [Case.of(images[0])]


def test_a_folder_is_one_image_where_one_prompts_file_is_named(folders) -> None:
    scans, prompts, out = folders
    one = {"--prompts": prompts / "p1.json", "--out": out / "labels.tif"}
    with pytest.raises(ValueError, match="one file for 3 images"):
        cases_of([scans], one)
    stack = prompts / "stack"
    stack.mkdir()
    (stack / "1.png").touch()
    assert cases_of([stack], one) == [Case.of(stack)]
    missing = {**one, "--prompts": prompts / "{name}.json", "--out": out / "not there"}
    with pytest.raises(ValueError, match=r"not there is one file for 3"):
        cases_of([scans], missing)
    each = {"--prompts": prompts / "{name}.json", "--out": scans / "{name}_labels.npy"}
    np.save(scans / "p1_labels.npy", np.zeros((5, 64, 64)))
    found = [case.only_image().name for case in cases_of([scans], each)]
    assert found == ["p1.npy", "p2.npy", "p10.npy"]
    stack.joinpath("1.png").unlink()
    with pytest.raises(ValueError, match="is a folder without images"):
        cases_of([stack], each)


def test_images_in_a_folder_are_files_zarrs_and_folders_of_sections(tmp_path) -> None:
    for name in ("b10.nii", "b2.png", ".hidden.png", "notes.json"):
        (tmp_path / name).touch()
    for name in ("stack", "empty", "c.zarr"):
        (tmp_path / name).mkdir()
    (tmp_path / "stack" / "1.tif").touch()
    (tmp_path / "c.zarr" / "zarr.json").touch()
    found = [path.name for path in images_in(tmp_path)]
    assert found == ["b2.png", "b10.nii", "c.zarr", "stack"]


@pytest.mark.parametrize("wrong", ["{nam}", "{Name}", "{}"])
def test_a_misspelt_word_in_braces_is_refused_with_what_is_allowed(folders, wrong):
    scans, prompts, out = folders
    for pattern in (out / f"{wrong}.npy", out / wrong / "{name}.npy"):
        given = {"--prompts": prompts / "{name}.json", "--out": pattern}
        for images in ([scans], [scans / "p1.npy"]):
            with pytest.raises(ValueError, match=r"--out .*write \{name\} for .*\{fol"):
                cases_of(images, given)
    there = out / f"{wrong}"
    there.mkdir()
    assert cases_of([scans / "p1.npy"], {"--out": there / "l.npy"})


def test_a_folder_of_tiff_volumes_is_no_stack_of_sections(tmp_path) -> None:
    for name in ("a", "b"):
        tifffile.imwrite(tmp_path / f"{name}.tif", np.zeros((5, 64, 64), np.uint8))
    one = {"--prompts": tmp_path / "p.json", "--out": tmp_path / "l.nii.gz"}
    with pytest.raises(ValueError, match=r"one file for 2 images: .*\{name\}"):
        cases_of([tmp_path], one)


def test_modalities_of_a_case_are_not_taken_for_images(tmp_path) -> None:
    for case in ("p1", "p2"):
        (tmp_path / case).mkdir()
        for name in ("flair", "t1"):
            np.save(tmp_path / case / f"{case}_{name}.npy", np.zeros((5, 8, 8)))
    each = {"--prompts": tmp_path / "{name}.json", "--out": tmp_path / "{name}.tif"}
    answer = run("segment", tmp_path, *(word for pair in each.items() for word in pair))
    told = str(answer.exception)
    assert "p1 has the modalities flair, t1: name the images" in told
    assert told.endswith(f" as {tmp_path}/*/*_flair.npy")


def test_images_of_one_channel_of_nnunet_are_named_by_their_case(tmp_path) -> None:
    folder = tmp_path / "imagesTr"
    folder.mkdir()
    for case in ("p1", "p2"):
        np.save(folder / f"{case}_0000.npy", np.zeros((5, 8, 8)))
    each = {"--prompts": tmp_path / "{name}.json", "--out": tmp_path / "{name}.tif"}
    assert [case.name for case in cases_of([folder], each)] == ["p1", "p2"]
    np.save(folder / "p1_0001.npy", np.zeros((5, 8, 8)))
    answer = run("segment", folder, *(word for pair in each.items() for word in pair))
    told = str(answer.exception)
    assert told.startswith("p1 has the modalities 0000, 0001: name the images of one")
    assert told.endswith(f" as {folder}/*_0000.npy")


def test_nothing_on_standard_input_is_told(folders, tmp_path) -> None:
    scan = folders[0] / "p1.npy"
    given = ["segment", str(scan), "--prompts", "-", "--out", str(tmp_path / "l.npy")]
    for nothing in ("", "\n"):
        answer = CliRunner().invoke(app, given, input=nothing)
        assert "standard input is empty" in str(answer.exception)


def test_prompts_come_from_standard_input(model, folders, tmp_path) -> None:
    scan, out = folders[0] / "p1.npy", tmp_path / "l.npy"
    given = ["segment", str(scan), "--prompts", "-", "--out", str(out)]
    answer = CliRunner().invoke(app, given, input=click(15, 7))
    assert answer.exit_code == 0, answer.output
    assert np.load(out)[2, 15, 7] == 7
    for wrong in ("{", "[]", "\xff"):
        answer = CliRunner().invoke(app, [*given, "--overwrite"], input=wrong)
        assert "standard input is not a prompts file" in str(answer.exception)

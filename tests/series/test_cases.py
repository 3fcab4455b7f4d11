"""What a series of cases is: folders, tables, and what is wrong with them."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from tests.dicom import write_series

from napari_segnext.series import Case, read_series

FOUR = ("flair", "t1", "t1ce", "t2")


def fill(folder: Path, *names: str) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    for name in names:
        (folder / name).write_bytes(b"something")


def told(cases: list[Case]) -> dict[str, list[str]]:
    return {case.name: [each.name for each in case.images] for case in cases}


def test_files_of_a_folder_are_a_case_each_without_labels_on_them(tmp_path):
    fill(tmp_path, "p10.nii.gz", "p2.nii.gz", "p2.nii.gz.segnext-journal", "notes.txt")
    fill(
        tmp_path,
        "p2_objects.nii.gz",
        "p10_prompts.json",
        ".hidden.nii",
        "other_seg.nii",
    )
    assert told(read_series(tmp_path)) == {"other_seg": [""], "p2": [""], "p10": [""]}


@pytest.mark.parametrize(
    "pattern", ["{c}_{m}.nii.gz", "{m}.nii", "scan-{m}.nii.gz", "{c}-{m}.nii.gz"]
)
def test_folders_of_modalities_are_cases(tmp_path, pattern):
    for case in ("Brats18_2013_3_1", "Brats18_2013_11_1"):
        names = [pattern.format(c=case, m=each) for each in (*FOUR, "seg")]
        fill(tmp_path / case, *names, "preview.png", "list.csv")
    cases = read_series(tmp_path)
    assert told(cases) == {
        "Brats18_2013_3_1": list(FOUR),
        "Brats18_2013_11_1": list(FOUR),
    }
    assert not any(case.lacks or case.problem for case in cases)


def test_a_case_that_lacks_a_modality_is_told_and_named_as_the_others(tmp_path):
    for case in ("a", "b", "c"):
        fill(tmp_path / case, *(f"{case}_{each}.nii" for each in ("flair", "t1")))
    fill(tmp_path / "d", "scan_of_d_flair.nii")
    fill(tmp_path / "e", "e_flair.nii", "e_t1.nii", "something_else.nii")
    cases = {case.name: case for case in read_series(tmp_path)}
    assert [each.name for each in cases["d"].images] == ["flair"]
    assert {name: case.lacks for name, case in cases.items() if case.lacks} == {
        "d": ("t1",)
    }
    assert [each.name for each in cases["e"].images][:2] == ["flair", "t1"]


def test_folders_of_folders_sections_and_dicom_are_cases(tmp_path):
    fill(tmp_path / "HGG" / "p1", "p1_flair.nii", "p1_t1.nii")
    fill(tmp_path / "LGG" / "p2", "p2_flair.nii", "p2_t1.nii")
    fill(tmp_path / "stack", "1.tif", "2.tif")
    fill(tmp_path / "empty")
    for place in ("ct", "patient/ax", "patient/cor"):
        (tmp_path / place).mkdir(parents=True)
        write_series(tmp_path / place, np.zeros((2, 4, 4)))
    assert told(read_series(tmp_path)) == {
        **{"ct": [""], "p1": ["flair", "t1"], "p2": ["flair", "t1"]},
        **{"patient": ["ax", "cor"], "stack": [""]},
    }


def data_set(folder: Path, *channels: str, end: str = ".nii.gz") -> Path:
    """Lay files out as nnU-Net wants them, with a second case that lacks the last."""
    for case in ("BRATS_002", "BRATS_010"):
        numbers = range(len(channels) - (case == "BRATS_010" and len(channels) > 1))
        fill(folder / "imagesTr", *(f"{case}_{n:04}{end}" for n in numbers))
        fill(folder / "labelsTr", f"{case}{end}")
    fill(folder / "imagesTs", *(f"BRATS_003_{n:04}{end}" for n in range(len(channels))))
    named = {str(n): name for n, name in enumerate(channels)}
    told = {"channel_names": named, "file_ending": end}
    (folder / "dataset.json").write_text(json.dumps(told))
    return folder


@pytest.mark.parametrize("end", [".nii.gz", ".png", ".tif"])
@pytest.mark.parametrize("above", ["", "nnUNet_raw"])
def test_a_data_set_of_nnunet_is_its_images_by_channel(tmp_path, end, above):
    data = data_set(tmp_path / above / "Dataset001_BraTS", "FLAIR", "T1", "T2", end=end)
    three = ["FLAIR", "T1", "T2"]
    cases = read_series(data.parent if above else data)
    found = {"BRATS_002": three, "BRATS_010": three[:2], "BRATS_003": three}
    assert told(cases) == found
    lacks = {case.name: case.lacks for case in cases if case.lacks}
    assert lacks == {"BRATS_010": ("T2",)}
    assert cases[0].images[1].path == data / "imagesTr" / f"BRATS_002_0001{end}"
    assert list(told(read_series(data / "imagesTs"))) == ["BRATS_003"]


def test_images_of_one_channel_are_called_as_their_labels(tmp_path):
    found = told(read_series(data_set(tmp_path, "CT")))
    assert found == {f"BRATS_{n}": [""] for n in ("002", "010", "003")}


@pytest.mark.parametrize("content", ["[]", "{", '{"modality": {"0": "a", "1": "a"}}'])
def test_channels_without_names_have_numbers(tmp_path, content):
    data_set(tmp_path, "FLAIR", "T1")
    (tmp_path / "dataset.json").write_text(content)
    assert told(read_series(tmp_path))["BRATS_002"] == ["0000", "0001"]


def test_names_of_nnunet_are_known_without_its_file(tmp_path):
    four = [f"{n:04}" for n in range(4)]
    names = [f"{case}_{n}.nii.gz" for case in ("p2", "p10") for n in four]
    fill(tmp_path / "input", *names)
    assert told(read_series(tmp_path / "input")) == {"p2": four, "p10": four}
    assert told(read_series(tmp_path)) == {"p2": four, "p10": four}
    fill(tmp_path / "one", *names[:4])
    assert told(read_series(tmp_path / "one")) == {"p2": four}


@pytest.mark.parametrize(
    "names",
    [
        [f"time_{n:04}.nii" for n in range(20)],
        [f"section_{n:04}.tif" for n in range(4)],
        ["p1_0001.nii", "p1_0002.nii"],
        ["p1_0000.nii", "p2_0000.nii"],
        ["p1_0000.nii", "p1_0001.nii", "p2.nii"],
    ],
)
def test_other_numbers_are_no_channels(tmp_path, names):
    fill(tmp_path, *names)
    assert all(each == [""] for each in told(read_series(tmp_path)).values())
    assert len(read_series(tmp_path)) == len(names)


def test_what_files_tell_against_a_case_is_its_problem(tmp_path):
    fill(tmp_path, "p1.nii", "p1.nii.gz", "p3.nii")
    (tmp_path / "p2.nii").touch()
    problems = {
        case.images[0].path.name: case.problem for case in read_series(tmp_path)
    }
    assert problems.pop("p2.nii").endswith("p2.nii is empty")
    assert "p1.nii has the name p1 already" in problems.pop("p1.nii.gz")
    assert not any(problems.values())


@pytest.mark.parametrize("between", [",", ";", "\t"])
def test_a_table_lists_cases_by_paths_relative_to_it(tmp_path, between):
    fill(tmp_path / "scans", "f1.nii", "f2.nii", "t2.nii")
    lines = [
        ["Name", "flair", "t1", "seg"],
        ["p2", "scans/f2.nii", "scans/t2.nii", "gone.nii"],
        [],
        ["p1", str(tmp_path / "scans" / "f1.nii"), "", ""],
        ["p3", "scans/f3.nii", ""],
        ["p1", "scans/f2.nii", "", ""],
        ["", "scans/f2.nii", "", ""],
        ["p4", "", "", "gone.nii"],
        ["p5", "a", "b", "c", "d"],
    ]
    table = tmp_path / "cases.csv"
    table.write_text("\n".join(map(between.join, lines)), encoding="utf-8-sig")
    cases = read_series(table)
    assert [(case.name, case.lacks) for case in cases[:2]] == [
        ("p2", ()),
        ("p1", ("t1",)),
    ]
    assert cases[0].images[0] == ("flair", tmp_path / "scans" / "f2.nii")
    assert not cases[0].problem and not cases[1].problem
    wanted = ["no file", "has the name p1 already", "line 7 has no name"]
    wanted += ["line 8 names no image", "line 9 has 5 cells"]
    for case, words in zip(cases[2:], wanted, strict=True):
        assert words in case.problem


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"", "no column name"),
        (b"p1,a.nii\np2,b.nii\n", "no column name"),
        (b"name\np1\n", "no column name and one of images"),
        (b"name,flair\n\n", "lists no cases"),
        (b"name,t1,T1\np1,a,b\n", "two columns t1"),
        (b"name,t\xe9\np1,a\n", "UTF-8"),
        (b'name,t1\n"' + b"x" * 140_000, "no table"),
    ],
)
def test_a_table_that_is_none_is_refused_in_one_line(tmp_path, content, words):
    table = tmp_path / "cases.csv"
    table.write_bytes(content)
    with pytest.raises(ValueError, match=words) as refused:
        read_series(table)
    assert "\n" not in str(refused.value) and str(table) in str(refused.value)


def test_what_is_no_series_is_told(tmp_path):
    fill(tmp_path / "empty", "notes.txt")
    with pytest.raises(ValueError, match="folder without images"):
        read_series(tmp_path / "empty")
    with pytest.raises(ValueError, match="is no series"):
        read_series(tmp_path / "empty" / "notes.txt")
    with pytest.raises(FileNotFoundError, match="no folder and no table"):
        read_series(tmp_path / "gone")

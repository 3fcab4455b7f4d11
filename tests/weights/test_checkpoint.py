from __future__ import annotations

import json
import os
import pickle
import zipfile
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import save_file

from napari_segnext.models import ModelConfig
from napari_segnext.weights import WeightsError, load_model, save_model
from napari_segnext.weights.checkpoint import read_checkpoint


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "weights"


@pytest.fixture
def ours(published: Path, tmp_path: Path) -> Path:
    path = tmp_path / "ours.safetensors"
    save_model(load_model(published, "cpu"), path)
    return path


def refused(path: Path, said: str) -> str:
    with pytest.raises(WeightsError, match=said) as caught:
        read_checkpoint(path)
    message = str(caught.value)
    assert str(path) in message
    assert "\n" not in message
    return message


def test_a_published_file_is_read(published, published_content):
    checkpoint = read_checkpoint(published)
    assert checkpoint.config.size == 448
    assert checkpoint.tensors.keys() == published_content["state_dict"].keys()


def test_the_suffix_does_not_matter(published, path):
    path.with_suffix(".safetensors").write_bytes(published.read_bytes())
    assert read_checkpoint(path.with_suffix(".safetensors")).config.size == 448


def test_a_missing_file_is_an_os_error(path):
    with pytest.raises(FileNotFoundError, match="no such file"):
        read_checkpoint(path)


@pytest.mark.parametrize(
    ("data", "said"),
    [
        (b"", "is empty"),
        (b"<!DOCTYPE html><html>", "is a web page"),
        (b"\n <html>sign in", "is a web page"),
        (b"\x89PNG\r\n\x1a\n" + bytes(100), "is neither"),
        (pickle.dumps({"state_dict": {}}), "is neither"),
        (b"PK\x03\x04 and nothing more", "cut short or damaged"),
        ((10**9).to_bytes(8, "little") + b'{"a":', "damaged or incomplete"),
        ((5).to_bytes(8, "little") + b"{oops", "damaged or incomplete"),
    ],
)
def test_other_files_are_named_for_what_they_are(path, data, said):
    path.write_bytes(data)
    refused(path, said)


@pytest.mark.parametrize("share", [0.02, 0.5, 0.999])
@pytest.mark.parametrize("kind", ["published", "ours"])
def test_a_truncated_file_is_refused(request, path, kind, share):
    data = request.getfixturevalue(kind).read_bytes()
    path.write_bytes(data[: int(len(data) * share)])
    refused(path, "cut short|incomplete")


def test_a_changed_byte_of_a_published_file_is_found(published, path):
    data = bytearray(published.read_bytes())
    data[len(data) // 2] ^= 1
    path.write_bytes(data)
    refused(path, "is damaged")


def test_a_compressed_archive_is_refused(published, path):
    with (
        zipfile.ZipFile(published) as source,
        zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as packed,
    ):
        for member in source.infolist():
            packed.writestr(member.filename, source.read(member))
    refused(path, "compressed archive")


class Harmful:
    def __reduce__(self) -> tuple[Any, ...]:
        return os.system, ("touch harm-was-done",)


@pytest.mark.parametrize("where", ["state_dict", "config", "extra"])
def test_code_in_a_file_is_never_run(content, path, where, monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)
    content[where] = Harmful()
    torch.save(content, path)
    refused(path, "not a checkpoint of tensors and plain values")
    assert not Path("harm-was-done").exists()


def test_a_class_that_a_file_names_is_never_imported(content, path, monkeypatch):
    (path.parent / "evil_model.py").write_text("raise SystemExit('imported')")
    monkeypatch.syspath_prepend(path.parent)
    content["config"]["class"] = "evil_model.PlainVitModel"
    torch.save(content, path)
    refused(path, "evil_model.PlainVitModel")


@pytest.mark.parametrize(
    "other", [{"model": {}}, [1, 2], {"state_dict": {}}, torch.zeros(3), None]
)
def test_another_kind_of_checkpoint_is_refused(path, other):
    torch.save(other, path)
    refused(path, "lacks the entries 'state_dict' and 'config'")


def test_a_state_of_other_things_than_tensors_is_refused(content, path):
    content["state_dict"]["backbone.pos_embed"] = [1, 2]
    torch.save(content, path)
    refused(path, "other things than tensors")


@pytest.mark.parametrize("value", [None, 5, {"class": 1}, {"class": "x", "params": 3}])
def test_a_damaged_description_is_refused(content, path, value):
    content["config"] = value
    torch.save(content, path)
    refused(path, "only isegm")


def test_numbers_that_no_model_can_have_are_refused(content, path):
    content["config"]["params"]["backbone_params"]["value"]["global_atten_freq"] = 0
    torch.save(content, path)
    refused(path, "unknown to this version")


def test_wrong_names_and_shapes_are_counted(content, path):
    state = content["state_dict"]
    state["new.weight"] = state.pop("backbone.pos_embed")
    state["head.seg_conv.bias"] = torch.zeros(2)
    torch.save(content, path)
    message = refused(path, "does not fit its model")
    assert "1 missing (backbone.pos_embed)" in message
    assert "1 unknown (new.weight)" in message
    assert "1 of another shape (head.seg_conv.bias (2,) instead of (1,))" in message


@pytest.mark.parametrize("value", [float("nan"), float("inf")])
@pytest.mark.parametrize("published_style", [True, False])
def test_values_that_are_no_numbers_are_refused(
    content, published, path, value, published_style
):
    if published_style:
        content["state_dict"]["neck.down_4.0.weight"][0, 0] = value
        torch.save(content, path)
    else:
        model = load_model(published, "cpu")
        with torch.no_grad():
            model.get_parameter("neck.down_4.0.weight")[0, 0] = value
        save_model(model, path)
    refused(path, "neck.down_4.0.weight holds NaN or infinity")


@pytest.mark.parametrize("change", [torch.Tensor.to_sparse, torch.Tensor.cfloat])
def test_unusual_tensors_are_refused(content, path, change):
    state = content["state_dict"]
    state["head.seg_conv.weight"] = change(state["head.seg_conv.weight"])
    torch.save(content, path)
    refused(path, "head.seg_conv.weight is stored as|not a checkpoint")


def header_of(path: Path) -> tuple[dict[str, Any], bytes]:
    data = path.read_bytes()
    end = 8 + int.from_bytes(data[:8], "little")
    return json.loads(data[8:end]), data[end:]


def write(path: Path, header: dict[str, Any], data: bytes) -> None:
    text = json.dumps(header).encode()
    path.write_bytes(len(text).to_bytes(8, "little") + text + data)


def test_a_safetensors_file_of_others_is_refused(path):
    save_file({"weight": torch.zeros(3)}, path)
    refused(path, "has no model configuration")


@pytest.mark.parametrize(
    ("config", "said"),
    [
        ("{", "not a model configuration"),
        ("[]", "not a model configuration"),
        ("{}", "not a model configuration"),
        (ModelConfig("brand-new", 64).to_json(), "'brand-new'.*update the package"),
        (
            ModelConfig("segnext", 448, arch={"flavour": 1}).to_json(),
            "flavour.*update the package",
        ),
    ],
)
def test_an_unknown_model_is_refused(ours, path, config, said):
    header, data = header_of(ours)
    header["__metadata__"]["config"] = config
    write(path, header, data)
    refused(path, said)


def test_overlapping_tensors_are_refused(ours, path):
    header, data = header_of(ours)
    first, second, *_ = [name for name in header if name != "__metadata__"]
    header[second]["data_offsets"] = header[first]["data_offsets"]
    write(path, header, data)
    refused(path, "damaged or incomplete")


def test_a_tensor_under_the_wrong_dtype_is_refused(ours, path):
    header, data = header_of(ours)
    header["head.seg_conv.bias"]["dtype"] = "I32"
    write(path, header, data)
    refused(path, "head.seg_conv.bias is stored as torch.int32")

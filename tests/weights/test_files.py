from __future__ import annotations

import resource
from pathlib import Path

import pytest
import torch
from safetensors import safe_open

from napari_segnext.weights import (
    CATALOGUE,
    WeightsError,
    choose_device,
    convert,
    load_model,
    path_of,
    save_model,
)


@pytest.fixture
def model(published: Path):
    return load_model(published, device="cpu")


def same(first: torch.nn.Module, second: torch.nn.Module) -> bool:
    mine, other = first.state_dict(), second.state_dict()
    return mine.keys() == other.keys() and all(
        torch.equal(mine[name], other[name]) for name in mine
    )


def test_a_model_is_ready_to_use(model, published_content):
    assert not model.training
    assert model.device == torch.device("cpu")
    for name, tensor in model.state_dict().items():
        assert torch.equal(tensor, published_content["state_dict"][name])


def test_what_is_saved_is_what_is_loaded(model, tmp_path):
    path = tmp_path / "model.safetensors"
    save_model(model, path, {"trained_on": "nothing"})
    again = load_model(str(path), device="cpu")
    assert again.config == model.config
    assert same(again, model)
    with safe_open(path, framework="pt") as file:
        assert file.metadata()["trained_on"] == "nothing"
    (tmp_path / "usual").touch()
    assert path.stat().st_mode == (tmp_path / "usual").stat().st_mode


def test_half_precision_halves_the_file_and_loads_as_single(model, tmp_path):
    whole, half = tmp_path / "whole.safetensors", tmp_path / "half.safetensors"
    save_model(model, whole)
    save_model(model, half, half=True)
    assert half.stat().st_size < 0.52 * whole.stat().st_size
    again = load_model(half, device="cpu")
    for name, tensor in model.state_dict().items():
        loaded = again.state_dict()[name]
        assert loaded.dtype == torch.float32
        assert torch.equal(loaded, tensor.half().float())


def test_a_value_beyond_half_precision_is_not_lost(model, tmp_path):
    with torch.no_grad():
        model.get_parameter("head.seg_conv.bias")[0] = 1e5
    with pytest.raises(ValueError, match=r"head\.seg_conv\.bias has values too large"):
        save_model(model, tmp_path / "half.safetensors", half=True)
    assert list(tmp_path.iterdir()) == []


def test_the_configuration_in_the_header_is_the_models(model, tmp_path):
    with pytest.raises(ValueError, match="config"):
        save_model(model, tmp_path / "m.safetensors", {"config": "{}"})


def test_a_full_disk_leaves_the_old_file(model, tmp_path):
    path = tmp_path / "model.safetensors"
    save_model(model, path)
    before = path.read_bytes()
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (len(before) // 2, limits[1]))
    try:
        with pytest.raises(OSError, match="cannot write the model"):
            save_model(model, path)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
    assert path.read_bytes() == before
    assert list(tmp_path.iterdir()) == [path]


def test_a_missing_folder_is_said(model, tmp_path):
    with pytest.raises(FileNotFoundError, match="none"):
        save_model(model, tmp_path / "none" / "model.safetensors")


@pytest.mark.parametrize("name", ["vitb-sa3", "", "no/such/file.pth"])
def test_an_unknown_name_lists_the_known_ones(name, monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(OSError, match=r"neither a file nor a known model.*vitb-sa1"):
        load_model(name)


def test_a_path_is_never_taken_for_a_name(monkeypatch, tmp_path, published):
    monkeypatch.chdir(tmp_path)
    Path("tiny").write_bytes(published.read_bytes())
    assert load_model(Path("tiny"), "cpu").config.size == 448


def test_the_bundled_model_needs_no_network(monkeypatch):
    if not path_of(CATALOGUE["tiny"]).is_file():
        pytest.skip("the bundled model has not been trained yet")
    monkeypatch.setattr("socket.socket.connect", None)
    assert load_model("tiny", "cpu").config.architecture == "tiny"


@pytest.mark.parametrize("depth", [1, 2])
def test_models_of_the_tiny_kind_travel_through_files(tmp_path, depth):
    from napari_segnext.models import ModelConfig, build_model

    config = ModelConfig("tiny", 128, arch={"fusion_depth": depth})
    model = build_model(config).eval()
    save_model(model, tmp_path / "tiny.safetensors", half=False)
    again = load_model(tmp_path / "tiny.safetensors", "cpu")
    assert again.config == config
    assert same(again, model)


class TestDevice:
    @pytest.mark.parametrize(
        ("cuda", "mps", "chosen"),
        [
            (True, True, "cuda"),
            (True, False, "cuda"),
            (False, True, "mps"),
            (False, False, "cpu"),
        ],
    )
    def test_auto_takes_the_fastest(self, monkeypatch, cuda, mps, chosen):
        monkeypatch.setattr(torch.cuda, "is_available", lambda: cuda)
        monkeypatch.setattr(torch.backends.mps, "is_available", lambda: mps)
        assert choose_device("auto") == torch.device(chosen)

    def test_a_device_that_is_not_there_is_said(self, monkeypatch, published):
        monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
        with pytest.raises(ValueError, match="'cuda:1' is not on this machine"):
            load_model(published, device="cuda:1")

    def test_a_device_that_does_not_exist_is_said(self):
        with pytest.raises(ValueError, match="unknown device 'gpu'"):
            choose_device("gpu")


class TestConvert:
    def test_changes_no_bit(self, published, published_content, tmp_path):
        target = tmp_path / "small.safetensors"
        convert(published, target)
        assert same(load_model(target, "cpu"), load_model(published, "cpu"))
        with safe_open(target, framework="pt") as file:
            for name, tensor in published_content["state_dict"].items():
                assert torch.equal(file.get_tensor(name), tensor)
            assert file.metadata()["converted_from"] == "small.pth"

    @pytest.mark.parametrize("kind", ["naive", "sa1", "sa2"])
    def test_files_of_the_reference_change_no_bit(self, shared, tmp_path, kind):
        source = shared / "parity" / f"ref_small_{kind}_000.pth"
        target = tmp_path / "small.safetensors"
        convert(source, target)
        original = torch.load(source, weights_only=True)["state_dict"]
        model = load_model(target, "cpu")
        assert model.config == load_model(source, "cpu").config
        assert model.state_dict().keys() == original.keys()
        for name, tensor in original.items():
            assert torch.equal(model.state_dict()[name], tensor)

    def test_replaces_nothing(self, published, tmp_path):
        target = tmp_path / "mine.safetensors"
        target.write_bytes(b"mine")
        with pytest.raises(FileExistsError, match="choose another name"):
            convert(published, target)
        assert target.read_bytes() == b"mine"

    def test_needs_the_right_suffix(self, published, tmp_path):
        with pytest.raises(ValueError, match=r"must end in \.safetensors"):
            convert(published, tmp_path / "small.pth")

    def test_leaves_nothing_when_the_source_is_broken(self, published, tmp_path):
        source = tmp_path / "broken.pth"
        source.write_bytes(published.read_bytes()[:-1000])
        with pytest.raises(WeightsError):
            convert(source, tmp_path / "small.safetensors")
        assert list(tmp_path.iterdir()) == [source]

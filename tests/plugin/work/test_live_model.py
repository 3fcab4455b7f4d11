"""Embeddings of a file are found again, by whom they were made, and kept if wanted."""

import nibabel as nib
import numpy as np
import pytest
from napari.components import ViewerModel
from tests.doubles import TILED, IntensityModel

from napari_segnext.commands import embed
from napari_segnext.geometry.plane import Plane
from napari_segnext.images.intensity import Window
from napari_segnext.images.volume import Volume
from napari_segnext.plugin.layers.inputs import Inputs, note_change
from napari_segnext.plugin.readers import read_layers
from napari_segnext.predicting.live import LiveImageModel, LivePredictor
from napari_segnext.predicting.storage import StoragePolicy
from napari_segnext.predicting.store import EmbeddingStore

PLANES = [Plane(0, index) for index in range(3)]


@pytest.fixture
def file(tmp_path):
    """A volume of two modalities, anisotropic and turned."""
    rng = np.random.default_rng(0)
    data = rng.integers(0, 900, (40, 50, 3, 2), dtype=np.int16)
    affine = np.array([[2.0, 0, 0, 9], [0, 2, 0, -4], [0, 0, 5, 1], [0, 0, 0, 1]])
    nib.save(nib.Nifti1Image(data, affine), tmp_path / "mri.nii.gz")
    return tmp_path / "mri.nii.gz"


@pytest.fixture
def layers(file):
    """The file's layers, with their source as napari sets it."""
    viewer = ViewerModel()
    from napari.layers._source import layer_source

    for data, options, _ in read_layers(str(file)):
        with layer_source(path=str(file)):
            viewer.add_image(data, **options)
    return list(viewer.layers)


def engine(layers, model, folder, on_disk=False, memory_gb=1.0):
    volume, _ = Inputs.of(layers).volume()
    made = LiveImageModel(LivePredictor(model, volume), "double")
    return made, made.keep(StoragePolicy(memory_gb, folder, on_disk), lambda: False)


def test_what_the_command_line_embedded_is_not_embedded_again(
    layers, file, tmp_path, monkeypatch
):
    embed._predictor.cache_clear()
    command = IntensityModel(TILED)
    monkeypatch.setattr(embed, "load_model", lambda name, device: command)
    embed.embed(embed.Job(file, "double", tmp_path / "store"))
    embed._predictor.cache_clear()
    model = IntensityModel(TILED)
    found, _ = engine(layers, model, tmp_path / "store")
    assert [found.embed(plane) for plane in PLANES] == [0, 0, 0]
    assert found.embed_all(PLANES, 3) == ""
    assert command.encoded == 3 and model.encoded == 0


def test_what_is_kept_on_disk_is_found_by_the_next_session(layers, tmp_path):
    first, trouble = engine(layers, IntensityModel(TILED), tmp_path, on_disk=True)
    assert trouble == ""
    places = []
    assert first.embed(PLANES[0], works_on=places.append) > 0
    assert [plane for plane, _ in places] == [PLANES[0]]
    model = IntensityModel(TILED)
    second, _ = engine(layers, model, tmp_path)
    assert second.embed(PLANES[0]) == 0 and second.embed(PLANES[1]) > 0
    assert len(list(tmp_path.glob("*/zarr.json"))) == 1


def test_what_memory_holds_is_saved_when_it_is_to_be_kept(layers, tmp_path):
    made, _ = engine(layers, IntensityModel(TILED), tmp_path / "store")
    made.embed_all(PLANES, 3)
    assert not (tmp_path / "store").exists()
    assert made.keep(StoragePolicy(1.0, tmp_path / "store", True), lambda: False) == ""
    assert len(list((tmp_path / "store").glob("*/zarr.json"))) == 3


def test_a_changed_layer_is_not_taken_for_its_file(layers, tmp_path):
    first, _ = engine(layers, IntensityModel(TILED), tmp_path, on_disk=True)
    first.embed(PLANES[0])
    layers[0].data = layers[0].data[:, ::-1]
    second, _ = engine(layers, IntensityModel(TILED), tmp_path)
    assert second.embed(PLANES[0]) > 0


def test_a_disk_that_cannot_be_written_does_not_hurt(layers, tmp_path, monkeypatch):
    def full(self, folder, key, embedding):
        raise OSError("No space left on device")

    monkeypatch.setattr(EmbeddingStore, "_write", full)
    made, _ = engine(layers, IntensityModel(TILED), tmp_path, on_disk=True)
    with pytest.warns(UserWarning, match="No space left"):
        assert made.embed(PLANES[0]) > 0
    assert made.embed(PLANES[0]) == 0
    assert "stay in memory: No space left" in made.trouble


def test_a_folder_that_cannot_be_used_is_told(layers, tmp_path):
    (tmp_path / "file").write_text("no folder")
    made, trouble = engine(layers, IntensityModel(TILED), tmp_path / "file", True)
    assert "cannot be used" in trouble
    assert made.embed(PLANES[0]) > 0


def test_an_image_that_is_not_from_a_file_is_not_kept(tmp_path):
    layer = ViewerModel().add_image(np.ones((3, 40, 50)))
    _, trouble = engine([layer], IntensityModel(TILED), tmp_path / "store", True)
    assert "does not come from a file" in trouble
    assert not (tmp_path / "store").exists()


def test_embedding_more_than_memory_holds_is_no_use_unless_it_is_kept(layers, tmp_path):
    made, _ = engine(layers, IntensityModel(TILED), tmp_path, memory_gb=1e-4)
    assert "155 slices need about" in made.embed_all(PLANES[:1], 155)
    kept, _ = engine(layers, IntensityModel(TILED), tmp_path, True, memory_gb=1e-4)
    assert kept.embed_all(PLANES, 155) == ""


def test_embedding_begins_where_the_user_looks():
    volume = Volume(np.zeros((1, 512, 512), np.uint8))
    large = LiveImageModel(LivePredictor(IntensityModel(TILED), volume), "double")
    places, near = [], (500.0, 20.0)
    assert large.embed(Plane(0, 0), works_on=places.append, near=near) > 0
    pyramid = large.predictor.at(Plane(0, 0)).pyramid
    frames = [pyramid.frame(tile) for _, tile in places]
    away = [
        np.hypot(f.top + f.height / 2 - near[0], f.left + f.width / 2 - near[1])
        for f in frames
    ]
    assert len(frames) > 1 and away == sorted(away)


@pytest.mark.parametrize("way", ["edited", "replaced"])
def test_what_is_made_of_changed_data_is_never_kept_as_of_the_file(
    layers, file, tmp_path, way
):
    store = tmp_path / "store"
    changing, _ = engine(layers, IntensityModel(TILED), store, on_disk=True)
    told = []
    changing.edited = lambda: told.append(True)
    changing.embed(PLANES[0])
    changing.doubt()
    assert changing.embed(PLANES[0]) == 0
    before = {path: path.stat().st_mtime_ns for path in store.rglob("*")}
    if way == "edited":
        layers[0].data[:] = layers[0].data[:, ::-1].copy()
        changing.doubt()
    else:
        layers[0].data = layers[0].data[:, ::-1].copy()
        note_change(layers[0])
        changing.take(*Inputs.of(layers).volume())
    assert changing.embed(PLANES[0]) > 0
    assert changing.embed(PLANES[1]) > 0
    assert told == ([True] if way == "edited" else [])
    assert {path: path.stat().st_mtime_ns for path in store.rglob("*")} == before
    assert "does not come from a file" in changing.keep(
        StoragePolicy(1.0, store, True), lambda: False
    )
    assert {path: path.stat().st_mtime_ns for path in store.rglob("*")} == before


def test_window_follows_data_that_were_edited_unless_it_was_given(layers):
    data = layers[0].data
    volume = Volume(data, spatial=(0, 1, 2))
    free = LivePredictor(IntensityModel(TILED), volume)
    given = LivePredictor(IntensityModel(TILED), volume, window=Window((0,), (9,)))
    for predictor in (free, given):
        predictor.at(PLANES[0])
    low, high = free.window.low[0], free.window.high[0]
    data *= 3
    for predictor in (free, given):
        predictor.doubt()
        predictor.at(PLANES[0])
    assert free.window.high[0] == pytest.approx(3 * high)
    assert free.window.low[0] == pytest.approx(3 * low)
    assert given.window == Window((0,), (9,))


@pytest.mark.parametrize("axis", [0, 2])
def test_edit_of_one_pixel_of_a_large_plane_in_memory_is_seen(axis):
    data = np.zeros((2, 3000, 2500), np.uint8)
    predictor = LivePredictor(IntensityModel(TILED), Volume(data))
    edited = []
    predictor.edited = lambda: edited.append(True)
    plane = Plane(axis, 1)
    predictor.at(plane)
    data[1, 1000, 1] = 9
    predictor.at(plane)
    assert not edited
    predictor.doubt(plane)
    predictor.at(plane)
    assert edited

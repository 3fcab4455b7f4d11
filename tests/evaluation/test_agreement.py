from __future__ import annotations

import json

import numpy as np
import pytest

from napari_segnext.evaluation import agreement
from napari_segnext.evaluation.datasets import load_dataset
from napari_segnext.models import ModelConfig, build_model
from napari_segnext.predicting.predictor import Predictor
from napari_segnext.weights import save_model
from tests.doubles import WHOLE, IntensityModel
from tests.models.test_segnext import small


@pytest.fixture
def archive(tmp_path):
    image = np.full((64, 64), 20, np.uint8)
    image[10:30, 10:40], image[40:60, 5:20] = 200, 120
    mask = np.zeros((64, 64), np.uint8)
    mask[10:30, 10:40], mask[40:60, 5:20] = 1, 2
    path = tmp_path / "set.npz"
    np.savez(path, image_0=image, mask_0=mask)
    return path


class Half(IntensityModel):
    """Never sees the right half of anything."""

    def mask_logits(self, features, dense):
        logits = super().mask_logits(features, dense)
        logits[..., 25:] = -20
        return logits


def compare(archive, engine):
    selection = [(s, s.objects) for s in load_dataset("pairs", archive)]
    exact = Predictor(IntensityModel(WHOLE))
    return list(agreement.compare(exact, Predictor(engine), selection, 3))


def test_the_same_model_agrees_everywhere(archive):
    found = compare(archive, IntensityModel(WHOLE))
    assert [one.agreement for one in found] == [(1.0, 1.0, 1.0)] * 2
    assert all(one.exact == one.engine for one in found)
    assert agreement.summary(found)["share_enough"] == 1


def test_masks_are_compared_at_every_click_and_with_the_truth(archive):
    whole, other = compare(archive, Half(WHOLE))
    # Half of the columns 10 to 39 lie before column 25.
    assert whole.agreement[0] == pytest.approx(0.5)
    assert whole.engine[0] == pytest.approx(0.5)
    assert whole.exact[0] == 1
    assert other.agreement[0] == 1
    summary = agreement.summary([whole, other])
    assert summary["agreement_least"] == min(whole.agreement)
    assert summary["agreement_by_click"][0] == pytest.approx(0.75)
    assert summary["miou_engine"][0] == pytest.approx(0.75)


def test_the_approximate_engine_of_a_model_file_is_measured(archive, tmp_path):
    path, report = tmp_path / "model.safetensors", tmp_path / "report.json"
    save_model(small(224), path)
    agreement.run(
        str(path), "approximate", archive, max_clicks=2, limit=1, json_path=report
    )
    found = json.loads(report.read_text())
    assert (found["engine"], found["objects"], found["clicks"]) == ("approximate", 1, 2)
    assert 0 < found["agreement_mean"] <= 1


def test_an_engine_that_cannot_run_the_model_says_so(archive, tmp_path):
    path = tmp_path / "tiny.safetensors"
    config = ModelConfig("tiny", 64, arch={"widths": [8, 16, 24, 32]})
    save_model(build_model(config), path)
    with pytest.raises(ValueError, match="SegNext"):
        agreement.run(str(path), "approximate", archive, device="cpu")

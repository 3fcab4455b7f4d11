"""SAM, HQ-SAM and SAM 2: both verbs against the library transformers and processors."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch

pytest.importorskip("transformers", reason="the library that SAM runs in")

from tests.models.research.sam import ARCH, KINDS, SIZE, small_config, small_model
from torch.nn.functional import interpolate

from napari_segnext import Prediction, Predictor, Prompts
from napari_segnext.geometry.frame import Frame
from napari_segnext.models import Cancelled, ModelConfig, PromptBatch, build_model
from napari_segnext.models.research.sam.library import from_transformers
from napari_segnext.models.research.sam.sam import Sam
from napari_segnext.predicting.store import EmbeddingStore

CLICK = Prompts().click(30, 20)
# Prompts, and the same as the processors of transformers want them: x before y.
GIVEN: dict[str, tuple[Prompts, dict[str, Any]]] = {
    "one click": (CLICK, {"input_points": [[20, 30]], "input_labels": [1]}),
    "two clicks": (
        CLICK.click(8, 40, positive=False),
        {"input_points": [[20, 30], [40, 8]], "input_labels": [1, 0]},
    ),
    "box": (Prompts().box((50, 10), (20, 40)), {"input_boxes": [10, 20, 40, 50]}),
    "box and click": (
        Prompts().box((20, 10), (50, 40)).click(30, 20),
        {
            "input_points": [[20, 30]],
            "input_labels": [1],
            "input_boxes": [10, 20, 40, 50],
        },
    ),
}


@pytest.fixture(scope="module")
def models() -> dict[str, Sam]:
    return {kind: small_model(kind) for kind in KINDS}


def picture(height: int = SIZE, width: int = SIZE) -> np.ndarray:
    rng = np.random.default_rng(0)
    image = rng.integers(0, 255, (height, width, 3), dtype=np.uint8)
    image[height // 3 : height // 2, width // 4 : width // 2] //= 3
    return image


def processed(kind: str, image: np.ndarray, **prompts: Any) -> Any:
    """Prepare an image and prompts for one object with the model's own processor."""
    square = {"height": SIZE, "width": SIZE}
    if kind == "sam2":
        pixels = from_transformers("Sam2ImageProcessor")(size=square)
        processor = from_transformers("Sam2Processor")(pixels, target_size=SIZE)
        # Images and objects.
        nested = {name: [[given]] for name, given in prompts.items()}
    else:
        longest = {"longest_edge": SIZE}
        pixels = from_transformers("SamImageProcessor")(size=longest, pad_size=square)
        processor = from_transformers("SamProcessor")(pixels)
        nested = {name: [given] for name, given in prompts.items()}
        if "input_boxes" in nested:
            nested["input_boxes"] = [nested["input_boxes"]]
    if "input_boxes" in nested and kind == "sam2":
        nested["input_boxes"] = [[prompts["input_boxes"]]]
    return processor(images=image, return_tensors="pt", **nested)


def in_transformers(model: Sam, inputs: Any, **more: Any) -> torch.Tensor:
    """Return the logits of the best mask by the library alone, pixels to mask."""
    names = ("pixel_values", "input_points", "input_labels", "input_boxes")
    given = {name: inputs[name] for name in names if name in inputs}
    for name in ("input_points", "input_boxes"):
        if name in given:
            given[name] = given[name].float()
    with torch.inference_mode():
        output = model.network(**given, **more)
    return output.pred_masks[0, 0, output.iou_scores[0, 0].argmax()]


def predicted(model: Sam, image: np.ndarray, prompts: Prompts) -> Prediction:
    predictor = Predictor(model)
    predictor.set_image(image)
    return predictor.predict(prompts)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("name", GIVEN)
def test_masks_equal_those_of_transformers(
    models: dict[str, Sam], kind: str, name: str
) -> None:
    prompts, given = GIVEN[name]
    # SAM pads to the right, SAM 2 stretches.
    image = picture(SIZE, SIZE if kind == "sam2" else 48)
    found = predicted(models[kind], image, prompts)
    inputs = processed(kind, image, **given)
    low = in_transformers(models[kind], inputs, multimask_output=name == "one click")
    assert found.state is not None
    torch.testing.assert_close(found.state["logits"], low, atol=1e-4, rtol=1e-4)
    large = interpolate(low[None, None], (SIZE, SIZE), mode="bilinear")
    probability = large[0, 0, :, : image.shape[1]].sigmoid().numpy()
    np.testing.assert_allclose(found.probability, probability, atol=1e-4)


@pytest.mark.parametrize("kind", KINDS)
def test_the_logits_of_the_answer_go_back_in_with_the_next_click(
    models: dict[str, Sam], kind: str
) -> None:
    image, (prompts, given) = picture(), GIVEN["two clicks"]
    predictor = Predictor(models[kind])
    predictor.set_image(image)
    first = predictor.predict(CLICK)
    second = predictor.predict(prompts, previous=first)
    low = in_transformers(
        models[kind],
        processed(kind, image, **given),
        multimask_output=False,
        input_masks=first.state["logits"][None, None],
    )
    torch.testing.assert_close(second.state["logits"], low, atol=1e-4, rtol=1e-4)
    alone = predictor.predict(prompts)
    assert abs(alone.probability - second.probability).max() > 0.01


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("shape", [(100, 80), (40, 150), (50, 31)])
def test_images_are_prepared_as_the_processor_does(
    models: dict[str, Sam], kind: str, shape: tuple[int, int]
) -> None:
    model, image = models[kind], picture(*shape)
    predictor = Predictor(model)
    predictor.set_image(image)
    ours = torch.from_numpy(predictor.model_input(predictor.first_tiles()[0]))
    ours = (ours.permute(2, 0, 1) - model.mean) / model.std
    theirs = processed(kind, image).pixel_values[0]
    # The processor rounds to 8 bits after each axis.
    assert (ours - theirs).abs().max() <= 1.1 / 255 / model.std.min()


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("shape", [(100, 80), (40, 150), (50, 31)])
def test_clicks_and_boxes_land_where_the_processor_puts_them(
    models: dict[str, Sam], kind: str, shape: tuple[int, int]
) -> None:
    model = models[kind]
    inputs = processed(
        kind,
        picture(*shape),
        input_points=[[20, 30]],
        input_labels=[1],
        input_boxes=[3, 5, 28, 35],
    )
    predictor = Predictor(model)
    predictor.set_image(picture(*shape))
    frame = predictor.pyramid.frame(predictor.first_tiles()[0])
    prompts = Prompts().click(30, 20).box((5, 3), (35, 28))
    ours = model._translated(prompts.to_model(frame, model.config.style))
    # SAM counts from corners and then adds half a pixel, which here is done in time.
    off = 0 if kind == "sam2" else abs(SIZE / max(shape) - 1) / 2
    for name, mine in (("input_points", ours.points), ("input_boxes", ours.box)):
        theirs = inputs[name].numpy().reshape(np.shape(mine))
        np.testing.assert_allclose(mine, theirs, atol=off + 0.01)


@pytest.mark.parametrize("kind", KINDS)
def test_images_of_a_batch_are_answered_each_on_its_own(
    models: dict[str, Sam], kind: str
) -> None:
    model = models[kind]
    frame = Frame(0, 0, SIZE, SIZE, SIZE)
    given = [p.to_model(frame, model.config.style) for p, _ in GIVEN.values()]
    images = [picture().astype(np.float32) / n for n in (255, 300, 400, 500)]
    embeddings = model.encode_batch(images)
    features = {
        name: torch.stack([e.tensors[name] for e in embeddings])
        for name in embeddings[0].tensors
    }
    batch = PromptBatch.of(given, model.device)
    with torch.inference_mode():
        together = model.prompted_logits(features, batch)
    assert together.shape == (4, 1, SIZE, SIZE)
    for n, prompts in enumerate(given):
        alone = model.decode(embeddings[n], prompts).logits
        torch.testing.assert_close(together[n, 0], alone, atol=1e-4, rtol=1e-4)


@pytest.mark.parametrize("kind", KINDS)
def test_encoding_can_be_cancelled_between_blocks(
    models: dict[str, Sam], kind: str
) -> None:
    asked = []

    def cancelled() -> bool:
        asked.append(True)
        return len(asked) > 1

    image = picture().astype(np.float32) / 255
    with pytest.raises(Cancelled):
        models[kind].encode(image, cancelled)
    assert len(asked) == 2
    models[kind].encode(image)
    assert len(asked) == 2


@pytest.mark.parametrize("kind", KINDS)
def test_embeddings_survive_the_store(
    models: dict[str, Sam], kind: str, tmp_path: Any
) -> None:
    found = []
    for _ in range(2):
        predictor = Predictor(models[kind], EmbeddingStore(folder=tmp_path))
        predictor.set_image(picture())
        found.append(predictor.predict(CLICK))
    assert found[0].embed_ms > 0
    assert len(list(tmp_path.glob("*/zarr.json"))) == 1
    assert abs(found[0].probability - found[1].probability).max() < 0.01


@pytest.mark.parametrize("kind", KINDS)
def test_prompts_of_every_kind_change_the_mask(
    models: dict[str, Sam], kind: str
) -> None:
    mask = np.zeros((SIZE, SIZE), bool)
    mask[10:30, 10:30] = True
    kinds = [
        Prompts().scribble([(40, 5), (40, 60)]),
        Prompts().scribble(mask),
        Prompts().polygon([(10, 10), (10, 40), (40, 40)]),
        Prompts().mask(mask),
        CLICK.box((1, 1), (20, 60), positive=False),
        CLICK.polygon([(10, 10), (10, 40), (40, 40)], positive=False),
        # Nothing at all to go by, and still an answer.
        Prompts().mask(np.zeros((SIZE, SIZE))),
    ]
    masks = [predicted(models[kind], picture(), p).probability for p in kinds]
    for n, one in enumerate(masks):
        assert np.isfinite(one).all()
        assert all(abs(one - other).max() > 1e-4 for other in masks[:n])


def test_a_size_that_does_not_fit_is_refused() -> None:
    with pytest.raises(ValueError, match="multiple of 16"):
        build_model(ModelConfig("sam", 100))


@pytest.mark.parametrize("kind", KINDS)
def test_sam_can_be_the_base_of_a_refiner(models: dict[str, Sam], kind: str) -> None:
    config = small_config(kind)
    torch.manual_seed(0)
    arch = {"base": kind, "base_arch": ARCH[kind], "levels": {"image": 32}}
    refined = build_model(
        ModelConfig(
            "sam-ref",
            SIZE,
            config.resize,
            antialias=True,
            fill=config.fill,
            style=config.style,
            arch={**arch, "width": 8, "blocks": 1},
        )
    ).eval()
    refined.base.load_state_dict(models[kind].state_dict())
    image = picture(SIZE, 48)
    coarse = predicted(models[kind], image, CLICK)
    # A new refiner changes no mask.
    assert (predicted(refined, image, CLICK).mask == coarse.mask).all()

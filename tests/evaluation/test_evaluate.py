"""The loop: what is asked of a predictor, and what is made of its answers."""

from __future__ import annotations

import numpy as np
import pytest

from napari_segnext.evaluation import (
    ObjectResult,
    Sample,
    Settings,
    evaluate,
    evaluate_object,
    segment_anything_seconds,
)
from napari_segnext.evaluation.evaluate import crop_around
from napari_segnext.evaluation.metrics import iou
from napari_segnext.prompts import Box
from tests.evaluation.fakes import BlobPredictor, clicks_of, last_points


def ellipse_with_ignored_strip() -> np.ndarray:
    y, x = np.mgrid[:120, :160]
    truth = (((y - 60) / 35) ** 2 + ((x - 75) / 50) ** 2 <= 1).astype(np.int32)
    truth[:, 70:78] = -1
    return truth


def two_squares() -> Sample:
    labels = np.zeros((80, 90), np.int32)
    labels[10:30, 10:30] = 3
    labels[50:70, 50:80] = 8
    return Sample("squares", lambda: labels.astype(np.uint8), lambda: labels, (3, 8))


def test_eight_clicks_on_an_ellipse_with_an_ignored_strip() -> None:
    truth = ellipse_with_ignored_strip()
    predictor = BlobPredictor()
    predictor.set_image(np.zeros(truth.shape, np.uint8))
    ious, clicks = evaluate_object(predictor, truth, Settings(max_clicks=8))
    assert len(ious) == len(clicks) == 8
    assert all(truth[y, x] == (1 if positive else 0) for positive, y, x in clicks)
    assert len({(y, x) for _, y, x in clicks}) == 8
    assert clicks[0][0] == 1
    assert ious[-1] > ious[0]
    _, answer = predictor.calls[-1]
    assert answer is not None
    assert ious[-2] == iou(truth, answer.probability > 0.49)


def test_each_call_holds_all_prompts_so_far_and_the_last_answer() -> None:
    truth = ellipse_with_ignored_strip()
    predictor = BlobPredictor()
    predictor.set_image(truth)
    evaluate_object(predictor, truth, Settings(max_clicks=3))
    assert [len(prompts) for prompts, _ in predictor.calls] == [1, 2, 3]
    assert predictor.calls[0][1] is None
    assert predictor.calls[1][1] is not None
    first, second = clicks_of(predictor.calls[1][0])
    assert clicks_of(predictor.calls[2][0])[:2] == [first, second]


def test_the_mask_is_what_lies_above_the_threshold() -> None:
    class Lukewarm(BlobPredictor):
        def predict(self, prompts, previous=None):
            answer = super().predict(prompts, previous)
            answer.probability[:] = 0.495
            return answer

    truth = np.ones((30, 30), int)
    for threshold, expected in ((0.49, 1.0), (0.5, 0.0)):
        predictor = Lukewarm()
        predictor.set_image(truth)
        settings = Settings(max_clicks=1, threshold=threshold)
        assert evaluate_object(predictor, truth, settings)[0] == [expected]


def test_there_is_no_early_stop() -> None:
    truth = np.ones((25, 25), int)
    predictor = BlobPredictor(radius=40)
    predictor.set_image(truth)
    ious, clicks = evaluate_object(predictor, truth)
    assert len(ious) == 20
    assert ious[0] == 1
    assert clicks[1] == (0, 0, 0)


def test_objects_of_an_image_share_it() -> None:
    predictor = BlobPredictor()
    results = list(evaluate(predictor, [(two_squares(), (3, 8))], Settings(2)))
    assert len(predictor.images) == 1
    assert [(r.sample, r.object_id, r.area) for r in results] == [
        ("squares", 3, 400),
        ("squares", 8, 600),
    ]


def test_finished_objects_are_left_out_and_their_images_not_read() -> None:
    def never() -> np.ndarray:
        raise AssertionError("read for nothing")

    finished = Sample("finished", never, never, (1,))
    selection = [(finished, (1,)), (two_squares(), (3, 8))]
    done = {("finished", 1), ("squares", 3)}
    results = list(evaluate(BlobPredictor(), selection, Settings(1), done=done))
    assert [r.object_id for r in results] == [8]


def test_other_objects_are_background() -> None:
    predictor = BlobPredictor(radius=200)
    (result, _) = evaluate(predictor, [(two_squares(), (3, 8))], Settings(1))
    assert result.ious[0] == pytest.approx(400 / (80 * 90))


def test_times_tell_clicks_from_embeddings() -> None:
    computed = 0

    class Embedding(BlobPredictor):
        def predict(self, prompts, previous=None):
            nonlocal computed
            answer = super().predict(prompts, previous)
            if len(self.calls) == 1:
                computed += 1
                answer.embed_ms = 1e6
            return answer

    selection = [(two_squares(), (3, 8))]
    first, second = evaluate(
        Embedding(), selection, Settings(2), embeddings=lambda: computed
    )
    assert (first.embeddings, first.embed_ms) == (1, 1e6)
    assert (second.embeddings, second.embed_ms) == (0, 0)
    assert 0 < second.click_ms <= 1e3 * second.seconds


def test_box_is_the_first_prompt_and_clicks_correct_it() -> None:
    predictor = BlobPredictor()
    settings = Settings(4, first_prompt="box")
    (result,) = evaluate(predictor, [(two_squares(), (8,))], settings)
    assert len(result.ious) == 4
    assert len(result.clicks) == 3
    assert isinstance(predictor.calls[-1][0].items[0], Box)
    assert result.ious[0] > 0.7


@pytest.mark.parametrize("kind", ["scribble", "polygon"])
def test_other_first_prompts_go_through_the_loop(kind) -> None:
    settings = Settings(3, first_prompt=kind)
    (result,) = evaluate(BlobPredictor(4), [(two_squares(), (8,))], settings)
    assert len(result.ious) == 3
    assert len(result.clicks) == 2


def test_random_prompts_do_not_depend_on_the_order_of_objects() -> None:
    def boxes(order: tuple[int, ...]) -> dict[int, list[tuple[float, float]]]:
        predictor = BlobPredictor()
        settings = Settings(1, first_prompt="box")
        list(evaluate(predictor, [(two_squares(), order)], settings))
        drawn = [last_points(prompts) for prompts, _ in predictor.calls]
        return dict(zip(order, drawn, strict=True))

    assert boxes((3, 8)) == boxes((8, 3))


def test_jitter_moves_clicks_but_keeps_them_in_what_is_wrong() -> None:
    truth = ellipse_with_ignored_strip()

    def clicks(jitter: float) -> list[tuple[int, int, int]]:
        predictor = BlobPredictor(5)
        predictor.set_image(truth)
        return evaluate_object(predictor, truth, Settings(10, jitter=jitter))[1]

    shaken = clicks(0.5)
    assert shaken != clicks(0)
    assert shaken == clicks(0.5)
    assert all(truth[y, x] == (1 if positive else 0) for positive, y, x in shaken)


def test_each_object_has_its_own_crop() -> None:
    predictor = BlobPredictor()
    selection = [(two_squares(), (3, 8))]
    results = list(evaluate(predictor, selection, Settings(1, crop=2.0)))
    assert [image.shape for image in predictor.images] == [(40, 40), (50, 55)]
    assert [r.area for r in results] == [400, 600]


def test_crop_is_square_and_cut_at_the_border() -> None:
    truth = np.zeros((200, 200), int)
    truth[100:140, 100:120] = 1
    assert crop_around(truth, 2) == (slice(80, 160), slice(70, 150))
    corner = np.zeros((200, 200), int)
    corner[0, 0] = 1
    assert crop_around(corner, 2) == (slice(0, 16), slice(0, 16))


def test_segment_anything_clicks_the_grid_of_the_model_once_each() -> None:
    predictor = BlobPredictor()
    image = np.zeros((64, 32), np.uint8)
    seconds = segment_anything_seconds(predictor, image, size=64, grid=4)
    points = [last_points(prompts)[0] for prompts, _ in predictor.calls]
    rows = [8.0, 24.0, 40.0, 56.0]
    assert points == [(y, x) for y in rows for x in (4.0, 12.0, 20.0, 28.0)]
    assert all(previous is None for _, previous in predictor.calls)
    assert seconds > 0


@pytest.mark.parametrize(
    "wrong", [{"max_clicks": 0}, {"jitter": -1.0}, {"crop": 0.5}, {"jitter": np.nan}]
)
def test_settings_out_of_range_are_refused(wrong) -> None:
    with pytest.raises(ValueError, match=next(iter(wrong))):
        Settings(**wrong)


def test_results_compare_by_value() -> None:
    values = ("a", 1, 9, (0.5,), ((1, 2, 3),), 1.0, 0.0, 0, 0.1)
    assert ObjectResult(*values) == ObjectResult(*values)

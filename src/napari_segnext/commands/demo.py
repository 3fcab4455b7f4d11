"""What `napari-segnext demo` shows: real and generated volumes, segmented by clicks."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable
from dataclasses import dataclass
from itertools import count
from pathlib import Path
from time import perf_counter
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from napari_segnext.geometry.frame import BoolArray
from napari_segnext.geometry.plane import Plane
from napari_segnext.prompts import Click, Prompts

if TYPE_CHECKING:
    from napari_segnext.commands.picture import Row
    from napari_segnext.models import SegmentationModel
    from napari_segnext.predicting.prediction import Prediction
    from napari_segnext.training.generated import GeneratedSlice

# The slice of the real MRI in which the lateral ventricles are widest; clicks on them,
# on the tissue on both sides, and on what is missing then, the frontal horns.
VENTRICLES = Plane(0, 18)
VENTRICLE_CLICKS = (
    Click((46.0, 61.0)),
    Click((46.0, 50.0), positive=False),
    Click((46.0, 75.0), positive=False),
    Click((37.0, 56.0)),
    Click((37.0, 70.0)),
)
# How often the robot may click on an object whose truth is known.
_ROBOT_CLICKS = 5
_SEED = 3

NextClick = Callable[[BoolArray], Click | None]
Say = Callable[[str], None]


@dataclass(frozen=True, slots=True, eq=False)
class Scene:
    """A volume, and an object in one of its planes.

    Attributes
    ----------
    title
        What it is, and whether it is real or generated.
    volume
        (Z, Y, X).
    plane
        Perpendicular to the first axis.
    what
        Name of the object.
    next_click
        Takes the (H, W) mask so far; None ends.
    truth
        (H, W) mask of the object in the plane, where it is known.
    """

    title: str
    volume: NDArray[Any]
    plane: Plane
    what: str
    next_click: NextClick
    truth: BoolArray | None = None


def has_display() -> bool:
    """Tell whether a window can be opened."""
    if sys.platform in ("win32", "darwin"):
        return True
    return bool(os.environ.get("DISPLAY") or os.environ.get("WAYLAND_DISPLAY"))


def run_window(model: str) -> None:
    """Open napari on the real MRI with an object already segmented; until closed."""
    from napari_segnext.plugin.panel.demo_window import open_window, wait

    open_window(model, VENTRICLES, "lateral ventricles", VENTRICLE_CLICKS)
    wait()


def run_headless(model: str, out: Path, say: Say) -> None:
    """Segment all scenes without a viewer, and write a picture of them.

    Parameters
    ----------
    model
        See `napari_segnext.load_model`.
    out
        PNG file.
    say
        Called with one line for each step.

    Raises
    ------
    ValueError, OSError
        If the model cannot be loaded or the picture not written.
    """
    from napari_segnext.commands.picture import save
    from napari_segnext.weights import load_model

    started = perf_counter()
    loaded = load_model(model)
    took = 1e3 * (perf_counter() - started)
    say(f"model {model} on {loaded.device.type}, loaded in {took:.0f} ms")
    scenes = (real_mri(), generated_em(), generated_mri())
    save([segment_scene(loaded, scene, say) for scene in scenes], out)
    say(f"wrote {out}: image, clicks (green +, red -) and mask side by side")


def real_mri() -> Scene:
    """Return the MRI that nibabel ships; no truth is known for it."""
    from napari_segnext.plugin.sample_data import mri

    ((volume, _, _),) = mri()
    clicks = iter(VENTRICLE_CLICKS)
    title = "MRI (real, nibabel's example4d)"
    return Scene(
        title, volume, VENTRICLES, "lateral ventricles", lambda mask: next(clicks, None)
    )


def generated_em() -> Scene:
    """Return a generated stack of tissue, and its largest mitochondrion."""
    from napari_segnext.training.generated import em_stack

    title = "Electron microscopy (generated)"
    return _generated(title, em_stack, (8, 384, 384), "mitochondrion")


def generated_mri() -> Scene:
    """Return a generated stack like an MRI, and its largest lesion."""
    from napari_segnext.training.generated import mri_stack

    return _generated("MRI (generated)", mri_stack, (8, 192, 192), "lesion")


def _generated(
    title: str,
    draw: Callable[[np.random.Generator, tuple[int, int, int]], GeneratedSlice],
    shape: tuple[int, int, int],
    kind: str,
) -> Scene:
    """Draw a stack that has such an object, and show the slice where it is widest."""
    for seed in count(_SEED):
        drawn = draw(np.random.default_rng(seed), shape)
        sizes = {
            number: np.count_nonzero(layer == number, axis=(1, 2))
            for layer in drawn.layers
            for number in np.unique(layer).tolist()
            if drawn.kinds.get(number) == kind
        }
        if sizes:
            break
    number = max(sizes, key=lambda n: int(sizes[n].max()))
    plane = Plane(0, int(sizes[number].argmax()))
    layer = next(layer for layer in drawn.layers if (layer == number).any())
    truth = layer[plane.index] == number
    return Scene(title, drawn.image, plane, kind, _robot(truth), truth)


def _robot(truth: BoolArray) -> NextClick:
    """Return clicks as the evaluation gives them: each corrects the mask so far."""
    from napari_segnext.evaluation.clicker import ClickRobot

    robot, left = ClickRobot(truth.astype(np.int8)), iter(range(_ROBOT_CLICKS))

    def next_click(mask: BoolArray) -> Click | None:
        if next(left, None) is None or np.array_equal(mask, truth):
            return None
        click = robot.next_click(mask)
        return Click((click.y, click.x), click.positive)

    return next_click


def segment_scene(model: SegmentationModel, scene: Scene, say: Say) -> Row:
    """Segment a scene in a session without a viewer, saying what is done.

    Returns
    -------
    The slice after the last click. Its mask is that of the labels.
    """
    from napari_segnext.commands.picture import Row
    from napari_segnext.commands.segment import answer
    from napari_segnext.evaluation.metrics import iou
    from napari_segnext.images.volume import Volume
    from napari_segnext.predicting.image_model import ImageModel
    from napari_segnext.predicting.volume_predictor import VolumePredictor
    from napari_segnext.session import ArrayLabels, Session

    volume = Volume(scene.volume)
    predictor = VolumePredictor(model, volume)
    at_work, labels = ImageModel(predictor), np.zeros(volume.shape, np.int32)
    session = Session(ArrayLabels(labels))
    number = session.new_object(scene.what)
    caption = f"{scene.what}, slice {scene.plane.index}"
    say(f"{scene.title}, {' x '.join(map(str, volume.shape))} voxels: {caption}")
    mask, prompts, score = labels[scene.plane.index] == number, Prompts(), ""
    while (click := scene.next_click(mask)) is not None:
        prompts = prompts.add(click)
        request = session.set_prompts(scene.plane, prompts)
        assert request is not None
        prediction = answer(session, at_work, request)
        mask = labels[scene.plane.index] == number
        if scene.truth is not None:
            score = f", IoU {iou(scene.truth, mask):.2f}"
        say(f"  {_step(click, prediction)}, {int(mask.sum())} pixels{score}")
    image = predictor.window.apply(volume.read(scene.plane))
    caption = f"{caption}, {len(prompts)} clicks{score}"
    return Row(scene.title, caption, image, prompts, mask)


def _step(click: Click, prediction: Prediction) -> str:
    sign = "+" if click.positive else "-"
    y, x = click.at
    return (
        f"click {len(prediction.prompts)} {sign} at ({y:.0f}, {x:.0f}): "
        f"embed {prediction.embed_ms:.0f} ms, decode {prediction.decode_ms:.0f} ms"
    )

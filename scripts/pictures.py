"""Make the pictures of the guides anew, from the plugin at work in a real window.

    xvfb-run -a -s "-screen 0 1600x1000x24" python scripts/pictures.py docs/images

Without a screen's window manager a window is as large as it asks to be: 1500 x 900.
"""

from __future__ import annotations

import os
import tempfile
import time
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Annotated, Any

import nibabel
import numpy as np
import typer
from PIL import Image, ImageDraw
from qtpy.QtCore import QPoint, QRect, QSize
from qtpy.QtWidgets import QApplication, QScrollArea, QWidget

from napari_segnext.commands.demo import VENTRICLE_CLICKS, VENTRICLES
from napari_segnext.files.categories import Category
from napari_segnext.plugin.panel.section import Section
from napari_segnext.plugin.sample_data import em, mri
from napari_segnext.prompts import Click

_PATIENCE_S = 300.0
# Objects of the generated stack, each with a click in its middle, and their classes.
_EM_SLICE = 6
_MITOCHONDRION, _CELL = Category(1, "mitochondrion"), Category(2, "cell")
_EM = (
    ("m 1", (129.0, 128.0), _MITOCHONDRION),
    ("m 2", (188.0, 159.0), _MITOCHONDRION),
    ("m 3", (107.0, 87.0), _MITOCHONDRION),
    ("cell 1", (20.0, 200.0), _CELL),
)


# Of the moving picture.
_FILM = (900, 540)
_COLOURS = 256


class Desk:
    """A window with one image, and a session on it."""

    def __init__(self, volume: np.ndarray, about: dict[str, Any], index: int):
        self.open_window()
        self.index = index
        self.viewer.add_image(volume, **about)
        self.viewer.dims.set_current_step(0, index)
        self.start()

    def open_window(self) -> None:
        """Open a window with the panel."""
        import napari

        self.viewer = napari.Viewer(title="napari")
        window = self.viewer.window
        _, self.widget = window.add_plugin_dock_widget("napari-segnext", "SegNext")
        self.resize(900)

    def resize(self, height: int) -> None:
        """Make the window so high; it is 1500 wide."""
        self.viewer.window.resize(1500, height)

    def start(self) -> None:
        """Press Start, and wait for the model."""
        self.widget.start()
        self.until(lambda: "Ready" in self.widget.status)
        self.viewer.reset_view()

    def until(self, done: Callable[[], bool]) -> None:
        """Let the window work until something is so."""
        end = time.monotonic() + _PATIENCE_S
        while not done():
            QApplication.processEvents()
            if time.monotonic() > end:
                raise TimeoutError(self.widget.status)
        rest = time.monotonic() + 1
        while time.monotonic() < rest:
            QApplication.processEvents()

    def click(self, clicks: Iterable[Click], name: str) -> None:
        """Click on the current object, and name it."""
        annotator = self.widget.annotator
        annotator.objects.rename(annotator.current, name)
        for click in clicks:
            self.widget.say("")
            annotator.positive = click.positive
            annotator.prompts.points.add((self.index, *click.at))
            self.until(lambda: "Mask in" in self.widget.status)
        annotator.positive = True

    def unfold(self, part: QWidget) -> None:
        """Show a folded section of the panel."""
        section = part.parentWidget()
        while not isinstance(section, Section):
            section = section.parentWidget()
        section.expand()
        self.until(part.isVisible)

    def scroll_to(self, part: QWidget) -> None:
        """Bring a part of the panel into view."""
        area = part.parentWidget()
        while not isinstance(area, QScrollArea):
            area = area.parentWidget()
        area.ensureWidgetVisible(part)
        self.until(lambda: True)

    def window(self, path: Path) -> None:
        """Save a picture of the window."""
        self.viewer.screenshot(path, canvas_only=False, flash=False)

    def panel(self, path: Path, height: int | None = None) -> None:
        """Save a picture of the panel, or of the upper part of it."""
        size = QSize(self.widget.width(), height or self.widget.height())
        self.widget.grab(QRect(QPoint(0, 0), size)).save(str(path))

    def close(self) -> None:
        """Close the window."""
        self.viewer.close()


class SeriesDesk(Desk):
    """A window with a series, and a session on its first case."""

    def __init__(self, series: Path, index: int) -> None:
        self.open_window()
        self.index = index
        part = self.widget.show_series()
        part.open(series)
        self.until(lambda: len(part.model.known) == len(part.model.cases) > 0)
        self.step()
        self.viewer.dims.set_current_step(0, index)
        self.until(lambda: f"z {index}: Ready" in self.widget.status)

    def step(self) -> None:
        """Go to the next case, and wait for the model."""
        self.widget.say("")
        self.widget.series.step(1)
        self.until(lambda: "Ready" in self.widget.status)


class Film:
    """Pictures of a desk one after the other, each with a line of what is seen."""

    def __init__(self, desk: Desk) -> None:
        self._desk = desk
        self._pictures: list[Image.Image] = []
        self._milliseconds: list[int] = []

    def show(self, said: str, seconds: float = 1.5) -> None:
        """Add the window as it is."""
        pixels = self._desk.viewer.screenshot(canvas_only=False, flash=False)
        picture = Image.fromarray(pixels[..., :3]).resize(
            _FILM, Image.Resampling.LANCZOS
        )
        draw = ImageDraw.Draw(picture)
        left, top, right, bottom = draw.textbbox((0, 0), said, font_size=22)
        width, height = right - left + 24, bottom - top + 20
        at = (_FILM[0] // 2 - width // 2, _FILM[1] - height - 40)
        box = (*at, at[0] + width, at[1] + height)
        draw.rounded_rectangle(box, 8, fill=(0, 90, 90))
        place = (at[0] + 12 - left, at[1] + 10 - top)
        draw.text(place, said, fill="white", font_size=22)
        self._pictures.append(picture)
        self._milliseconds.append(round(1000 * seconds))

    def save(self, path: Path) -> None:
        """Write a GIF that runs for ever."""
        # One palette for all: colours stay, and only what changes takes bytes.
        whole = Image.new("RGB", (_FILM[0], _FILM[1] * len(self._pictures)))
        for number, picture in enumerate(self._pictures):
            whole.paste(picture, (0, number * _FILM[1]))
        palette = whole.quantize(_COLOURS, Image.Quantize.MAXCOVERAGE)
        first, *others = (
            picture.quantize(palette=palette, dither=Image.Dither.NONE)
            for picture in self._pictures
        )
        first.save(
            path,
            save_all=True,
            append_images=others,
            duration=self._milliseconds,
            loop=0,
            optimize=True,
        )


def show_film(folder: Path) -> None:
    """Show a click, its mask, and the object followed through the stack."""
    ((volume, about, _),) = em()
    desk = Desk(volume, about, _EM_SLICE)
    film, annotator = Film(desk), desk.widget.annotator
    film.show("A stack of sections")
    name, place, _ = _EM[0]
    desk.click([Click(place)], name)
    film.show("A click, and the mask is there", 2.5)
    annotator.propagation.start()
    desk.until(lambda: not annotator.propagation.running)
    film.show("U: followed through the stack", 2)
    shown = sorted(plane.index for plane in annotator.session.objects[1].results)
    for index in shown:
        desk.viewer.dims.set_current_step(0, index)
        desk.until(lambda: True)
        film.show(f"U: followed through the stack, section {index + 1}", 0.6)
    desk.viewer.dims.set_current_step(0, _EM_SLICE)
    for name, place, _ in _EM[1:3]:
        annotator.accept()
        desk.click([Click(place)], name)
        film.show("The next object", 1.2)
    film.save(folder / "click.gif")
    desk.close()


def show_mri(folder: Path) -> None:
    """Show the ventricles in a real MRI, and what Start offers next."""
    ((volume, about, _),) = mri()
    desk = Desk(volume, about, VENTRICLES.index)
    desk.click(VENTRICLE_CLICKS, "ventricles")
    desk.window(folder / "mri.png")
    desk.widget.annotator.accept()
    desk.widget.start_button.click()
    desk.start()
    desk.panel(folder / "resume.png", height=300)
    desk.close()


def show_series(folder: Path) -> None:
    """Show the ventricles in the second of three cases; those of the first are done."""
    ((volume, about, _),) = mri()
    with tempfile.TemporaryDirectory(prefix="series-") as place:
        for number, turned in enumerate((volume, volume[:, :, ::-1], volume), 1):
            case = Path(place) / "cases" / f"case {number}"
            case.mkdir(parents=True)
            affine = np.diag([*np.abs(about["scale"])[::-1], 1.0])
            for modality in ("t1", "t2"):
                image = nibabel.Nifti1Image(turned.T, affine)
                nibabel.save(image, case / f"case {number}_{modality}.nii.gz")
        desk = SeriesDesk(Path(place) / "cases", VENTRICLES.index)
        desk.click(VENTRICLE_CLICKS, "ventricles")
        desk.widget.annotator.accept()
        desk.step()
        width = volume.shape[2] - 1
        mirrored = [
            Click((y, width - x), click.positive)
            for click in VENTRICLE_CLICKS
            for y, x in [click.at]
        ]
        desk.click(mirrored, "ventricles")
        desk.window(folder / "series.png")
        desk.close()


def show_em(folder: Path) -> None:
    """Show mitochondria and a cell in a generated stack, and their list."""
    ((volume, about, _),) = em()
    desk = Desk(volume, about, _EM_SLICE)
    annotator = desk.widget.annotator
    for name, place, category in _EM:
        desk.click([Click(place)], name)
        annotator.objects.categorise([annotator.current], category)
        annotator.accept()
    desk.window(folder / "em.png")
    desk.resize(1040)
    desk.unfold(desk.widget.classes)
    desk.panel(folder / "objects.png")
    desk.close()


def show_finding(folder: Path) -> None:
    """Show what is proposed from three accepted mitochondria."""
    ((volume, about, _),) = em()
    desk = Desk(volume, about, _EM_SLICE)
    annotator = desk.widget.annotator
    for name, place, category in _EM[:3]:
        desk.click([Click(place)], name)
        annotator.objects.categorise([annotator.current], category)
        annotator.accept()
    desk.unfold(desk.widget.finding)
    annotator.finding.start()
    desk.until(lambda: not annotator.finding.running)
    annotator.reviewing.next()
    desk.scroll_to(desk.widget.finding)
    desk.window(folder / "finding.png")
    desk.close()


def main(
    folder: Annotated[Path, typer.Argument(exists=True, file_okay=False)],
) -> None:
    """Write the pictures into a folder."""
    for show in (show_mri, show_em, show_finding, show_series, show_film):
        home = tempfile.mkdtemp(prefix="pictures-")
        # Nothing of the user's is read or offered, nor of another picture.
        os.environ["NAPARI_CONFIG"] = f"{home}/settings.yaml"
        os.environ["NAPARI_SEGNEXT_DATA"] = home
        show(folder)


if __name__ == "__main__":
    typer.run(main)

"""What is to be segmented, checked before anything is loaded or computed. No torch."""

from __future__ import annotations

import sys
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from napari_segnext.files import (
    ImageFile,
    ObjectPrompts,
    check_labels_fit,
    check_output,
    check_writable,
    keeps_objects,
    parse_prompts,
    read_image,
    read_prompts,
)
from napari_segnext.files.categories import Legend, Named, semantic_values
from napari_segnext.files.checks import about
from napari_segnext.geometry.space import Space
from napari_segnext.images.layout import file_identity
from napari_segnext.labels.scan import Scanned, scan_file
from napari_segnext.session.exchange import check_objects, in_last_axes

# What stands for it where a file is asked for.
STANDARD_INPUT = Path("-")


@dataclass(frozen=True, slots=True)
class ModelChoice:
    """Which model segments, and what runs it; the same on each machine.

    Attributes
    ----------
    model
        Its name or file.
    device, engine
        See `napari_segnext.engines`.
    text
        Folder of the CLIP for phrases, if any; see `napari_segnext.load_model`.
    """

    model: str
    device: str = "auto"
    engine: str = "torch"
    text: Path | None = None

    @property
    def inputs(self) -> list[Path]:
        """What is read for it, if it is there."""
        return [
            Path(self.model).expanduser(),
            *([] if self.text is None else [self.text]),
        ]

    def state(self) -> tuple[str, ...]:
        """Name what its files hold now."""
        return tuple(file_identity(file) for file in self.inputs if file.exists())


@dataclass(frozen=True, slots=True, eq=False)
class Job:
    """Objects of a prompts file that are to be segmented in an image file.

    Attributes
    ----------
    image, out
        The image's file, and where labels go.
    file
        The image, as it was read.
    objects
        At least one, all in the image.
    legend
        Names and classes of the objects, by id.
    labels
        To start from, None for none.
    semantic
        Whether labels have the values of the objects' classes, not of the objects.
    """

    image: Path
    out: Path
    file: ImageFile
    objects: list[ObjectPrompts]
    legend: Legend
    semantic: bool = False
    labels: Scanned | None = None

    @classmethod
    def check(
        cls,
        image: Path,
        prompts: Path,
        out: Path,
        overwrite: bool = False,
        semantic: bool = False,
        inputs: Iterable[Path] = (),
        labels: Path | None = None,
    ) -> Job:
        """Read what is to be done, and check all that can be known of it.

        Parameters
        ----------
        prompts
            Their file; ``-`` for standard input.
        inputs
            What else is read, and must not be replaced: a model, say.
        labels
            A file of labels to start from.

        Raises
        ------
        ValueError, OSError
            If something cannot be read, does not fit, or cannot be written.
        """
        check_writable(out)
        known = [] if labels is None else [labels]
        check_output(out, (image, prompts, *inputs, *known), overwrite)
        with about(prompts):
            objects = _prompts(prompts)
        with about(image):
            file = read_image(image)
        shape = file.geometry.shape
        objects = in_last_axes(objects, len(shape))
        space = Space(shape)
        with about(prompts):
            check_objects(objects, space.check, space.plane_shape)
        legend = {
            item.id: Named(item.name or f"Object {item.id}", item.category)
            for item in objects
        }
        start = None if labels is None else scan_file(labels, file.geometry)
        every = {**(start.names if start else {}), **legend}
        by_class = semantic and not keeps_objects(out)
        values = semantic_values(every) if by_class else {n: n for n in every}
        check_labels_fit(out, file.geometry, max(values.values()))
        return cls(image, out, file, objects, legend, semantic, start)

    @property
    def shape(self) -> tuple[int, ...]:
        """Shape of the labels; the last three axes (two) are what planes cut."""
        return self.file.geometry.shape

    @property
    def has_phrases(self) -> bool:
        """Whether there are prompts that not every model understands."""
        prompts = (p for item in self.objects for p in item.planes.values())
        return any(each.phrase for each in prompts)

    def check_axis(self, axis: int) -> None:
        """Check that each object can be followed along an axis.

        Raises
        ------
        ValueError
            If one has no prompt in a plane along it; it is named.
        """
        if axis and len(self.shape) == 2:
            raise ValueError(
                f"axis {axis} cannot be gone along: {self.image} is a single section"
            )
        for item in self.objects:
            if not any(plane.axis == axis for plane in item.planes):
                raise ValueError(
                    f"no plane along axis {axis} shows the object "
                    f"{self.legend[item.id].name}: give it a prompt in one, or leave "
                    "the axis out"
                )


def _prompts(path: Path) -> list[ObjectPrompts]:
    if path != STANDARD_INPUT:
        return read_prompts(path)
    content = sys.stdin.buffer.read()
    if not content.strip():
        raise ValueError(
            "standard input is empty: send it a prompts file, as with < prompts.json"
        )
    return parse_prompts(content, "standard input")

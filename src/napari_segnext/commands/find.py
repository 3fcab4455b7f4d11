"""All objects of a kind in an image file, from labels of some of them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import count
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from napari_segnext.commands.job import ModelChoice
from napari_segnext.files import (
    ImageFile,
    check_labels_fit,
    check_output,
    check_writable,
    read_image,
    write_labels,
)
from napari_segnext.files.categories import Named
from napari_segnext.files.checks import about
from napari_segnext.files.label_file import read_labels
from napari_segnext.geometry.plane import Plane
from napari_segnext.geometry.regions import Extent
from napari_segnext.geometry.space import Space
from napari_segnext.images.volume import Volume
from napari_segnext.labels.chunked import blank_labels
from napari_segnext.labels.labels import Labels
from napari_segnext.labels.scan import whole_numbers
from napari_segnext.session.numbered import Numbered

if TYPE_CHECKING:
    from napari_segnext.finding import Example, Finder
    from napari_segnext.geometry.frame import Region

# Values that a format has to hold, for nobody knows yet how many objects there are.
_LIKELY = 65_535
_MOST = 2**31

Progress = Callable[[str, int, int], None]


@dataclass(frozen=True, slots=True, eq=False)
class Job:
    """What is to be found in an image file, and where.

    Attributes
    ----------
    image, out
        The image's file, and where labels go.
    file
        The image, as it was read.
    labels
        Of its shape, read where they are sliced: some objects of the kind.
    values
        All values among them but 0.
    known
        The planes that show one of them, or all objects of the kind.
    complete
        The planes in which every object of the kind is labelled.
    link
        Whether what is found in neighbouring planes is one object if it overlaps.
    """

    image: Path
    out: Path
    file: ImageFile
    labels: Any
    values: frozenset[int]
    known: tuple[Plane, ...]
    complete: frozenset[Plane]
    link: bool = False

    @classmethod
    def check(
        cls,
        image: Path,
        examples: Path,
        out: Path,
        complete: Sequence[int] = (),
        link: bool = False,
        overwrite: bool = False,
        inputs: Sequence[Path] = (),
    ) -> Job:
        """Read what is to be done, and check all that can be known of it.

        Parameters
        ----------
        complete
            Indices of planes along the first spatial axis.
        inputs
            What else is read, and must not be replaced: a model, say.

        Raises
        ------
        ValueError, OSError
            If something cannot be read, does not fit, or cannot be written.
        """
        check_writable(out)
        check_output(out, (image, examples, *inputs), overwrite)
        with about(image):
            file = read_image(image)
        check_labels_fit(out, file.geometry, _LIKELY)
        space = Space(file.geometry.shape)
        wrong = [index for index in complete if not 0 <= index < space.depth(0)]
        if wrong:
            raise ValueError(
                f"there is no plane {wrong[0]}: those of {image} along its first axis "
                f"are 0 to {space.depth(0) - 1}"
            )
        planes = space.planes(0)
        whole = frozenset(plane for plane in planes if plane.index in set(complete))
        if len(whole) == len(planes):
            raise ValueError("every plane is complete: there is none to look in")
        labels = read_labels(examples, file.geometry).data
        values, known = set[int](), []
        with about(examples):
            for plane in planes:
                found = np.unique(_page(labels, space, plane))
                shown = set(found[found > 0].tolist())
                values |= shown
                if shown or plane in whole:
                    known.append(plane)
            if not values:
                raise ValueError("there is no label in it: all of it is 0")
        return cls(
            image, out, file, labels, frozenset(values), tuple(known), whole, link
        )

    @property
    def space(self) -> Space:
        """The axes of the labels."""
        return Space(self.file.geometry.shape)

    def examples(self) -> list[Example]:
        """Return what is known of the objects."""
        from napari_segnext.finding import Example

        return [
            Example.of_labels(
                plane, _page(self.labels, self.space, plane), plane in self.complete
            )
            for plane in self.known
        ]


def indices(text: str) -> list[int]:
    """Read indices of planes, as in ``0,7``.

    Raises
    ------
    ValueError
        If they are none.
    """
    try:
        return [int(word) for word in text.split(",")] if text.strip() else []
    except ValueError as error:
        raise ValueError(
            f"complete slices are given as whole numbers, as in 0,7, not {text!r}"
        ) from error


def find_objects(
    job: Job,
    choice: ModelChoice,
    progress: Progress = lambda what, done, total: None,
) -> int:
    """Find what was checked, and write labels with the image's geometry.

    Parameters
    ----------
    choice
        Which model, and what runs it.
    progress
        Called with what is being done, how much of it is done, and how much there is.

    Returns
    -------
    The number of objects

    Raises
    ------
    ValueError, OSError
        If the model cannot be loaded, or the labels cannot be written.
    """
    from napari_segnext.commands.segment import loaded
    from napari_segnext.finding import learn
    from napari_segnext.predicting.volume_predictor import VolumePredictor

    network = loaded(choice)
    file = job.file
    with about(job.image):
        volume = Volume(file.data, spatial=file.spatial, channel=file.channel)
        predictor = VolumePredictor(network, volume)
        finder = learn(
            predictor,
            job.examples(),
            progress=lambda share: progress("learning", round(100 * share), 100),
        )
        labels = blank_labels(job.space.shape, _MOST)
        values = _search(job, finder, labels, progress)
    legend = {value: Named(f"Object {value}") for value in values.values()}
    write_labels(job.out, Numbered(labels, values), file.geometry, legend, job.image)
    return len(values)


def _search(
    job: Job, finder: Finder, labels: Labels, progress: Progress
) -> dict[int, int]:
    """Write what is found into labels; return the value of each number in the file."""
    from napari_segnext.finding.examples import labelled
    from napari_segnext.geometry.linking import continued

    free = (value for value in count(1) if value not in job.values)
    values: dict[int, int] = {}
    numbers: dict[int, int] = {}
    before: dict[int, Region] = {}
    planes = job.space.planes(0)
    progress("finding", 0, len(planes))
    for done, plane in enumerate(planes, 1):
        page = _page(job.labels, job.space, plane)
        regions = []
        if plane not in job.complete:

            def taken(extent: Extent, page: Any = page) -> Any:
                return page[extent.slices] > 0

            regions = [each.region for each in finder.find(plane, taken)]
        joined = continued(regions, before) if job.link and plane.index else {}
        shown = dict(labelled(page)) if job.link else {}
        for place, region in enumerate(regions):
            value = joined.get(place)
            # An object may have been labelled in this plane as well.
            if value is None or value in shown:
                value = next(free)
            number = numbers.setdefault(value, len(numbers) + 1)
            values[number] = value
            _write(labels, plane, region, number)
            shown[value] = region
        before = shown
        progress("finding", done, len(planes))
    return values


def _write(labels: Labels, plane: Plane, region: Region, number: int) -> None:
    rows, columns = np.nonzero(region.pixels)
    top, left = region.offset
    ids = np.full(rows.shape, number, np.int64)
    labels.write(plane, rows + top, columns + left, ids)


def _page(labels: Any, space: Space, plane: Plane) -> Any:
    """Return the (H, W) labels of a plane."""
    return whole_numbers(np.asarray(labels[space.index(plane)]))

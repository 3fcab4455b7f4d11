"""Frames of DICOM put in order by where they lie, and what keeps them from a volume."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import groupby

import numpy as np
from numpy.typing import NDArray

from napari_segnext.files.checks import FileError
from napari_segnext.files.dicom_frames import Frame

# Slices lie as far apart as this share of their distance allows.
_UNEVEN = 0.05
# Directions are written with six digits or fewer.
_TURNED = 1e-3
# Positions that differ less are the same, in mm.
_SAME_MM = 1e-3
# So many are named in a message.
_NAMED = 8


@dataclass(frozen=True, slots=True, eq=False)
class Stack:
    """Frames as a volume.

    Attributes
    ----------
    frames
        By time, then by slice along the normal.
    affine
        (4, 4), from (slice, row, column) to left, posterior, superior in mm; None if
        nobody knows where the frames lie.
    """

    frames: list[list[Frame]]
    affine: NDArray[np.float64] | None


def distinct(frames: Sequence[Frame]) -> list[Frame]:
    """Return frames without copies of the same ones."""
    return list({frame.identity: frame for frame in reversed(frames)}.values())[::-1]


def alike(one: Frame, other: Frame) -> bool:
    """Tell whether two frames can be slices of one volume."""
    if one.shape != other.shape or (one.position is None) != (other.position is None):
        return False
    pairs = ((one.orientation, other.orientation), (one.spacing, other.spacing))
    return all(
        a is b or (a is not None and b is not None and np.allclose(a, b, atol=_TURNED))
        for a, b in pairs
    )


def kinds(frames: Sequence[Frame]) -> list[list[Frame]]:
    """Return frames in groups of those that are alike."""
    found: list[list[Frame]] = []
    for frame in frames:
        for group in found:
            if alike(group[0], frame):
                group.append(frame)
                break
        else:
            found.append([frame])
    return found


def described(frame: Frame) -> str:
    """Return how the slices lie that a frame is one of."""
    if frame.orientation is None:
        return "without orientation"
    normal = np.abs(np.cross(frame.orientation[:3], frame.orientation[3:]))
    name = ("sagittal", "coronal", "axial")[int(normal.argmax())]
    oblique = "" if normal.max() > 1 - _TURNED else "oblique "
    return f"{oblique}{name}"


def listed(groups: Sequence[Sequence[Frame]], names: Sequence[str]) -> str:
    """Return groups of frames in words, with a file of each."""
    told = [
        f"{name}, {len(group)} image{'s'[: len(group) - 1]}: {group[0].source}"
        for name, group in zip(names, groups, strict=True)
    ]
    more = f"; and {len(told) - _NAMED} more" if len(told) > _NAMED else ""
    return "; ".join(told[:_NAMED]) + more


def stacked(frames: Sequence[Frame]) -> Stack:
    """Put frames that are alike in order.

    Raises
    ------
    FileError
        If slices are missing, come twice, or do not lie behind each other.
    """
    first = frames[0]
    if first.position is None or first.orientation is None or first.spacing is None:
        if len({frame.source for frame in frames}) > 1:
            raise FileError(
                f"the {len(frames)} images do not say where they lie, so that they are "
                f"no volume; name one of them: {first.source}"
            )
        return Stack([[each] for each in sorted(frames, key=_order)], None)
    normal = np.cross(first.orientation[:3], first.orientation[3:])
    if not np.isclose(np.linalg.norm(normal), 1, atol=10 * _TURNED):
        raise FileError(f"{first.source} has directions that are not at right angles")
    places = _by_place(frames, normal)
    counts = {len(each) for each in places}
    if len(counts) > 1:
        most = max(places, key=len)
        raise FileError(
            f"slices come {min(counts)} to {max(counts)} times: {most[0].source} and "
            f"{most[1].source} lie in the same place; take out what does not belong "
            "to the volume"
        )
    slices = [each[0] for each in places]
    affine = np.eye(4)
    affine[:3, 0] = _step(slices, normal)
    affine[:3, 1] = first.orientation[3:] * first.spacing[0]
    affine[:3, 2] = first.orientation[:3] * first.spacing[1]
    affine[:3, 3] = slices[0].position
    by_time = zip(*places, strict=True)
    return Stack([list(each) for each in by_time], affine)


def _order(frame: Frame) -> tuple[int, str, int]:
    return frame.order


def _along(frame: Frame, normal: NDArray[np.float64]) -> float:
    assert frame.position is not None
    return float(frame.position @ normal)


def _by_place(
    frames: Sequence[Frame], normal: NDArray[np.float64]
) -> list[list[Frame]]:
    """Return the frames of each place along the normal, in order."""
    placed = sorted(frames, key=lambda frame: _along(frame, normal))
    at = np.array([_along(frame, normal) for frame in placed])
    number = np.cumsum(np.diff(at, prepend=at[0]) > _SAME_MM)
    groups = groupby(zip(number, placed, strict=True), key=lambda pair: pair[0])
    return [sorted((frame for _, frame in group), key=_order) for _, group in groups]


def _step(slices: Sequence[Frame], normal: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the way from one slice to the next.

    Raises
    ------
    FileError
        If it is not the same everywhere, or not along the normal.
    """
    if len(slices) == 1:
        return normal * slices[0].thickness
    at = np.array([_along(frame, normal) for frame in slices])
    steps = np.diff(at)
    usual = float(np.median(steps))
    odd = np.abs(steps - usual) > _UNEVEN * usual
    if odd.any():
        before = int(np.argmax(odd))
        between = f"{slices[before].source} and {slices[before + 1].source}"
        missing = int(np.sum(np.rint(steps[odd] / usual) - 1))
        whole = np.abs(steps / usual - np.rint(steps / usual)) < 2 * _UNEVEN
        if whole.all() and missing > 0:
            raise FileError(
                f"{missing} of {len(slices) + missing} slices are missing, "
                f"between {between} and perhaps elsewhere: there are "
                f"{steps[before]:.4g} mm where the others have {usual:.4g}; add them"
            )
        raise FileError(
            f"slices are {steps.min():.4g} to {steps.max():.4g} mm apart, first "
            f"otherwise between {between}: a volume needs equal steps"
        )
    ways = np.asarray([frame.position for frame in slices]) - slices[0].position
    aside = np.linalg.norm(ways - np.outer(at - at[0], normal), axis=1)
    farthest = int(aside.argmax())
    assert slices[0].spacing is not None
    if aside[farthest] > min(slices[0].spacing):
        raise FileError(
            f"slices are shifted by {aside[farthest]:.4g} mm from {slices[0].source} "
            f"to {slices[farthest].source}, as of a tilted gantry: convert the series "
            "with dcm2niix, which resamples it, and open the .nii.gz that it makes"
        )
    return np.asarray(ways[-1] / (len(slices) - 1))

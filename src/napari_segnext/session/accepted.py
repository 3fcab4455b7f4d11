"""What the user has accepted, and the prompts that it took."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from napari_segnext.geometry.frame import Region
from napari_segnext.geometry.plane import Plane
from napari_segnext.prompts import Mask, Prompts
from napari_segnext.session.book import ObjectBook

# A model that is taught what was accepted is judged by one object of so many.
EVERY = 5


@dataclass(frozen=True, slots=True, eq=False)
class Accepted:
    """An accepted object in a plane.

    Attributes
    ----------
    object_id
        Which one.
    plane
        One in which prompts were given.
    prompts
        Those, in the user's order.
    mask
        Its pixels, as they were accepted.
    """

    object_id: int
    plane: Plane
    prompts: Prompts
    mask: Region


def accepted(session: ObjectBook) -> list[Accepted]:
    """Return what is accepted, where prompts tell how it came to be.

    Left out are planes in which the first prompt takes away, as it then corrects what
    was there before, or in which a mask was given.

    Returns
    -------
    By object in ascending order, then by plane
    """
    found = []
    for each in session.objects.values():
        for plane, prompts in sorted(each.prompts.items()):
            begun = prompts.items[0].positive
            if not each.finished or not begun or any(map(_is_mask, prompts)):
                continue
            mask = session.section(each.id, plane)
            if mask.pixels.size:
                found.append(Accepted(each.id, plane, prompts, mask))
    return found


def check_enough(accepted: Sequence[Accepted]) -> None:
    """Check that there is enough to teach a model, and to judge it by.

    Raises
    ------
    ValueError
        If there are too few objects.
    """
    count = len({each.object_id for each in accepted})
    if count < EVERY:
        raise ValueError(
            f"accept {EVERY} objects that were segmented with prompts first, as one of "
            f"them is kept back to judge by; so far there are {count}"
        )


def _is_mask(prompt: object) -> bool:
    return isinstance(prompt, Mask)

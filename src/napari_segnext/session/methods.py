"""What was done in a session, as a paragraph for a Methods section."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Mapping
from itertools import chain

from napari_segnext.session.state import SegmentedObject
from napari_segnext.session.table import PROMPTS


def methods(
    objects: Collection[SegmentedObject],
    versions: Mapping[str, str],
    model: str,
    fingerprint: str,
) -> str:
    """Return a paragraph that tells with what and how objects were segmented.

    Parameters
    ----------
    objects
        All that there is something of.
    versions
        Of programs, by their names, this one first.
    model
        The name of the one that answers prompts.
    fingerprint
        Of its configuration and tensors; empty if there is no model.
    """
    used = ", ".join(f"{name} {version}" for name, version in versions.items())
    answers = f"the model {model}" + (f" ({fingerprint})" if fingerprint else "")
    text = [f"Objects were segmented interactively with {used}, and {answers}."]
    finished = sum(each.finished for each in objects)
    told = f"There are {_many(len(objects), 'object')}, {finished} of them accepted"
    classes = Counter(each.category.name for each in objects if each.category)
    if classes:
        told += f": {', '.join(f'{n} {name}' for name, n in sorted(classes.items()))}"
    text.append(f"{told}.")
    adopted = sum(each.info.value is not None for each in objects)
    if adopted:
        text.append(f"Labels made elsewhere gave {_many(adopted, 'object')}.")
    kinds = Counter(
        type(prompt).__name__
        for each in objects
        for prompt in chain(*each.prompts.values())
    )
    given = [_many(kinds[kind], PROMPTS[kind]) for kind in PROMPTS if kinds[kind]]
    if given:
        slices = sum(len(each.prompts) for each in objects)
        text.append(
            f"Prompts were {', '.join(given)}, in {_many(slices, 'slice')} of objects."
        )
    found = [
        result
        for each in objects
        for plane, result in each.results.items()
        if plane not in each.prompts
    ]
    if found:
        text.append(f"Propagation found {_many(len(found), 'slice')} more.")
    compared = [doubt for each in objects for doubt in each.doubts.values()]
    if compared:
        text.append(f"Compared with the image were {_many(len(compared), 'slice')}.")
    checked = sum(each.checked for each in found)
    checked += sum(each.checked for each in compared)
    if checked:
        text.append(f"Checked by eye were {_many(checked, 'doubtful slice')}.")
    painted = sum(bool(each.edits) for each in objects)
    if painted:
        text.append(f"Edited by hand were {_many(painted, 'object')}.")
    minutes = round(sum(each.work.seconds for each in objects) / 60)
    clicks = sum(each.work.clicks for each in objects)
    if clicks:
        text.append(f"It took {_many(minutes, 'minute')} and {_many(clicks, 'step')}.")
    return " ".join(text)


def _many(count: int, what: str) -> str:
    """Return a number of things, in the singular of one."""
    one, many = what.removesuffix("s"), what if what.endswith("s") else f"{what}s"
    if what == "boxes":
        one = "box"
    return f"{count:,} {one if count == 1 else many}"

"""Which files are no images of a case but labels on one, as far as names tell."""

from __future__ import annotations

import re

# What parts a name into words.
BETWEEN = "_-. "
_LABELS = {
    *("seg", "segmentation", "label", "labels", "mask", "masks", "objects"),
    *("groundtruth", "gt"),
}


def is_labels(name: str) -> bool:
    """Tell whether a name, without the end of its format, is that of labels."""
    return last_word(name).lower() in _LABELS


def last_word(name: str) -> str:
    """Return the last word of a name.

    Examples
    --------
    >>> last_word("BraTS18_3_1_flair")
    'flair'
    """
    return re.split(f"[{re.escape(BETWEEN)}]", name)[-1]

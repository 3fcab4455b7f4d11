"""Torch without triton: a second LLVM in the process ends it."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def without_triton() -> Iterator[None]:
    """Keep triton from being loaded along with torch, which does without it.

    Its library brings an LLVM of its own. Where Mesa has already drawn with another one
    (software rendering, AMD), loading it ends the process. It also writes pages on
    leaks of its own as the process ends, after what a command printed. Torch looks for
    triton once, when its compiler is imported, as some models do; after that there is
    nothing to keep away.
    """
    if "triton" in sys.modules or "torch._dynamo" in sys.modules:
        yield
        return
    sys.modules["triton"] = None  # type: ignore[assignment]
    try:
        yield
    finally:
        sys.modules.pop("triton", None)

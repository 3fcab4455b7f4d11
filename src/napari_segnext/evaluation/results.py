"""What an evaluation finds: per object, and as the numbers of the papers."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from napari_segnext.evaluation import metrics
from napari_segnext.evaluation.simulate import FirstPrompt

MAX_CLICKS = 20
# Above this probability a pixel is in the mask, in the papers' evaluation.
THRESHOLD = 0.49


@dataclass(frozen=True, slots=True)
class Settings:
    """How objects are evaluated; the defaults are the papers' protocol.

    Attributes
    ----------
    max_clicks
        Prompts per object.
    first_prompt
        What the first of them is; all others are clicks.
    jitter
        Unsteadiness of clicks: standard deviation as a share of the distance to
        the border of what is wrong. 0 is the robot of the papers.
    crop
        None for whole images. Else each object is seen in a square crop whose side
        is so many times the object's.
    threshold
        Of the probability.
    seed
        For what is drawn at random.

    Raises
    ------
    ValueError
        If a number is out of range.
    """

    max_clicks: int = MAX_CLICKS
    first_prompt: FirstPrompt = "click"
    jitter: float = 0.0
    crop: float | None = None
    threshold: float = THRESHOLD
    seed: int = 0

    def __post_init__(self) -> None:
        if self.max_clicks < 1:
            raise ValueError(f"max_clicks must be at least 1, not {self.max_clicks}")
        if not self.jitter >= 0:
            raise ValueError(f"jitter must not be negative, as {self.jitter} is")
        if self.crop is not None and not self.crop >= 1:
            raise ValueError(f"a crop holds the object: at least 1, not {self.crop}")


@dataclass(frozen=True, slots=True)
class ObjectResult:
    """One object's evaluation.

    Attributes
    ----------
    sample, object_id
        Which object.
    area
        Its pixels.
    ious
        After prompt 1, 2, ...
    clicks
        Rows (positive, y, x), in pixels of the crop if there is one; a first
        prompt that is not a click has none.
    click_ms
        All prompts together: decode, resize and threshold, without embedding.
    embed_ms, embeddings
        What was embedded for this object, and how many times. Objects of an image
        share, so it is 0 for most.
    seconds
        All time since the object before, reading the image included.
    given
        How many of the prompts, the first ones, were a user's own.
    """

    sample: str
    object_id: int
    area: int
    ious: tuple[float, ...]
    clicks: tuple[tuple[int, int, int], ...]
    click_ms: float
    embed_ms: float
    embeddings: int
    seconds: float
    given: int = 0


@dataclass(frozen=True)
class Result:
    """An evaluation of one model on one set."""

    model: str
    dataset: str
    objects: Sequence[ObjectResult]
    settings: Settings = field(default_factory=Settings)
    sat_s: float | None = None

    @property
    def miou(self) -> list[float]:
        """Mean IoU (0..1) at exactly click 1, 2, ..."""
        return [float(v) for v in metrics.mean_iou([o.ious for o in self.objects])]

    def noc(self, threshold: float) -> tuple[float, int]:
        """Return number of clicks and number of failures at an IoU threshold."""
        ious = [o.ious for o in self.objects]
        return metrics.noc(ious, threshold, self.settings.max_clicks)

    def by_size(self) -> dict[str, Result]:
        """Split by object size; sizes without objects are left out."""
        groups: dict[str, list[ObjectResult]] = {}
        for o in self.objects:
            groups.setdefault(metrics.size_of(o.area), []).append(o)
        return {
            name: Result(self.model, self.dataset, groups[name], self.settings)
            for name in metrics.SIZES
            if name in groups
        }

    def given(self) -> dict[str, float]:
        """Return how many prompts users gave, and the IoU after them, on average.

        Nothing where all prompts were simulated.
        """
        users = [o for o in self.objects if o.given]
        if not users:
            return {}
        return {
            "prompts": sum(o.given for o in users) / len(users),
            "miou": sum(o.ious[o.given - 1] for o in users) / len(users),
        }

    def summary(self) -> dict[str, Any]:
        """Return the numbers as plain values, ready for JSON.

        Milliseconds are means: `spc_ms` per click (decode, resize and mask),
        `spc_reference_ms` all time over all clicks as the papers define it,
        `embed_ms` per embedding.
        """
        clicks = sum(len(o.ious) for o in self.objects)
        embeddings = sum(o.embeddings for o in self.objects)
        scores = {f"{t}": self.noc(t / 100) for t in (85, 90, 95)}
        settings = self.settings
        return {
            "model": self.model,
            "dataset": self.dataset,
            "objects": len(self.objects),
            "max_clicks": settings.max_clicks,
            "miou": {str(k): v for k, v in enumerate(self.miou, 1)},
            **{f"noc{t}": noc for t, (noc, _) in scores.items()},
            **{f"nof{t}": nof for t, (_, nof) in scores.items()},
            "spc_ms": sum(o.click_ms for o in self.objects) / clicks,
            "spc_reference_ms": 1e3 * sum(o.seconds for o in self.objects) / clicks,
            "embed_ms": sum(o.embed_ms for o in self.objects) / max(1, embeddings),
            "sat_s": self.sat_s,
            "embeddings_per_object": embeddings / len(self.objects),
            "first_prompt": settings.first_prompt,
            "jitter": settings.jitter,
            "crop": settings.crop,
            "given": self.given(),
            "by_size": {
                name: {
                    "objects": len(part.objects),
                    "miou": {str(k): v for k, v in enumerate(part.miou, 1)},
                }
                for name, part in self.by_size().items()
            },
        }

"""What an evaluation writes."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from napari_segnext.evaluation import failures, report
from napari_segnext.evaluation.evaluate import InteractivePredictor
from napari_segnext.evaluation.results import Result, Settings
from napari_segnext.evaluation.sample import Sample


@dataclass(frozen=True, slots=True)
class Files:
    """Where the numbers and pictures of an evaluation go; None is not written.

    Attributes
    ----------
    json
        The numbers. Finished objects are kept beside it in ``NAME.partial.jsonl``, from
        which an interrupted evaluation goes on; at the end it becomes
        ``NAME.objects.jsonl``.
    plot
        PNG of the mean IoU over clicks; needs the extra ``eval``.
    failures
        PNG of the worst objects; first prompts must be clicks.
    """

    json: Path | None = None
    plot: Path | None = None
    failures: Path | None = None

    @property
    def partial(self) -> Path | None:
        """Where finished objects are kept."""
        return self.json and self.json.with_suffix(".partial.jsonl")

    def check(self, settings: Settings) -> None:
        """Refuse, before anything runs, what could not be written at the end.

        Raises
        ------
        ValueError
            If failures cannot be drawn of such an evaluation.
        ImportError
            If the plot needs what is not installed.
        """
        if self.plot is not None:
            report.require_matplotlib()
        if self.failures is not None and settings.first_prompt != "click":
            raise ValueError(
                "failures are drawn of evaluations that start with a click"
            )

    def write(
        self, result: Result, predictor: InteractivePredictor, samples: Sequence[Sample]
    ) -> None:
        """Write all; the failures are predicted once more."""
        if self.json is not None and self.partial is not None:
            report.write_json(result, self.json)
            if self.partial.exists():
                self.partial.replace(self.json.with_suffix(".objects.jsonl"))
        if self.plot is not None:
            report.plot([result], self.plot)
        if self.failures is not None:
            failures.save(
                predictor, samples, result.objects, result.settings, self.failures
            )

"""Masks of an object in many planes, written as one step."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from types import MappingProxyType

from napari_segnext.geometry.plane import Plane
from napari_segnext.labels.diffs import Diff, PlaneDiff
from napari_segnext.labels.sparse import Sparse
from napari_segnext.prompts import Prompts
from napari_segnext.session.masks import concerned, repaint
from napari_segnext.session.messages import Record
from napari_segnext.session.probability import Map, Probability, as_patch
from napari_segnext.session.reshaping import Reshaping
from napari_segnext.session.state import Delta, Result

_UNKNOWN: Mapping[Plane, float] = MappingProxyType({})


@dataclass(frozen=True, slots=True, eq=False)
class Drawn:
    """What a mask changes in a plane, and what is kept of it."""

    part: PlaneDiff
    diff: Diff
    result: Result


class Stacking(Reshaping):
    """Objects that get masks in planes in which they have no prompts.

    Parameters and attributes are those of `ObjectBook`.
    """

    def commit_planes(
        self,
        object_id: int,
        probabilities: Mapping[Plane, Map],
        name: str,
        confidence: Mapping[Plane, float] = _UNKNOWN,
    ) -> None:
        """Write masks of an object in planes that it has no prompts in: one step.

        What is protected from `commit` is protected here too, and planes in which
        the object has prompts by now are left to these.

        Parameters
        ----------
        probabilities
            0 to 1, (H, W) float32, a part or as it is kept, of planes that do not
            cross.
        name
            What the step is called.
        confidence
            0 to 1, of those of which it is known.

        Raises
        ------
        ValueError
            If a map does not fit its plane or is not finite, a confidence is none,
            planes cross, there is no such object, or it is finished. Nothing has
            changed then.
        """
        self._write_drawn(
            object_id, name, self._draw(object_id, probabilities, confidence)
        )

    def commit_planes_in_turns(
        self, object_id: int, probabilities: Mapping[Plane, Map], name: str
    ) -> Iterator[float]:
        """Do what `commit_planes` does, plane by plane; all is written after the last.

        Between two planes the session may change: what is left is then done at once.
        Whoever goes on no further has changed nothing.

        Yields
        ------
        The share of the planes that is done, 0 to 1

        Raises
        ------
        ValueError
            As `commit_planes`.
        """
        changes = list[str]()

        def note(record: Record) -> None:
            changes.append(record.name)

        drawn = list[Drawn]()
        self.recorders.append(note)
        try:
            for each in self._draw(object_id, probabilities, _UNKNOWN):
                drawn.append(each)
                yield len(drawn) / len(probabilities)
                self.labels.settle()
                if changes:
                    break
        finally:
            self.recorders.remove(note)
        if changes:
            self.commit_planes(object_id, probabilities, name)
        else:
            self._write_drawn(object_id, name, drawn)

    def _draw(
        self,
        object_id: int,
        probabilities: Mapping[Plane, Map],
        confidence: Mapping[Plane, float],
    ) -> Iterator[Drawn]:
        """Yield what masks change, plane by plane; nothing is written."""
        self.labels.settle()
        known = self._open(object_id)
        for plane, probability in probabilities.items():
            self.space.check(plane)
            self._check_probability(plane, probability)
        if len({plane.axis for plane in probabilities}) > 1:
            raise ValueError("masks of planes that cross cannot be written at once")
        view = self._view()
        for plane in sorted(probabilities.keys() - known.prompts.keys()):
            key, former = (object_id, plane), known.results.get(plane)
            base = Sparse() if former is None else former.base
            kept = Probability.of(probabilities[plane])
            part = concerned(view, key, kept.extent)
            page = self._painter.labels.read(plane, part)
            written, section = repaint(view, key, page, part, kept, base)
            diff = Diff.across(self.space, [written])
            base = Sparse(diff.before).updated(base)
            sure = confidence.get(plane)
            result = Result.of(Prompts(), kept, section, base, sure)
            yield Drawn(written, diff, result)

    def _write_drawn(self, object_id: int, name: str, drawn: Iterable[Drawn]) -> None:
        drawn = list(drawn)
        if not drawn:
            return
        after = Delta()
        for each in drawn:
            result = each.result if each.result.shown else None
            after.results[object_id, each.part.plane] = result
        step = self._step(name, object_id, None, after)
        step.settles = set(after.results)
        step.diff = Diff.joined(each.diff for each in drawn)
        self._take(step, [each.part for each in drawn])

    def _check_probability(self, plane: Plane, probability: Map) -> None:
        shape = self.space.plane_shape(plane)
        if isinstance(probability, Probability):
            fits = probability.shape == shape
        else:
            patch = as_patch(probability)
            fits = patch.shape == shape and patch.finite
        if not fits:
            raise ValueError(
                f"a probability map for {plane} is finite and of shape {shape}, not "
                f"{probability.shape}"
            )

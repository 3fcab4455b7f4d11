"""One who does things at random."""

from __future__ import annotations

import contextlib

import numpy as np

from napari_segnext.files.categories import Category
from napari_segnext.geometry.frame import Region
from napari_segnext.prompts import Prompts
from napari_segnext.session import Request, Session
from napari_segnext.session.proposed import Proposed
from tests.session.doubles import X6, Y5, Z1, Z2, decoded, page_shape
from tests.session.model import Model

PLANES = [Z1, Z2, Y5, X6]


class Player:
    """Draws actions at random and does them."""

    def __init__(self, seed: int, session: Session, labels: np.ndarray) -> None:
        self.rng = np.random.default_rng(seed)
        self.session, self.labels = session, labels

    def open_object(self) -> int | None:
        ids = [n for n, each in self.session.objects.items() if not each.finished]
        return int(self.rng.choice(ids)) if ids else None

    def plane(self):
        return PLANES[self.rng.integers(len(PLANES))]

    def pixels(self, plane, count: int) -> list[tuple[int, int]]:
        height, width = page_shape(plane)
        flat = self.rng.choice(height * width, count, replace=False)
        return [(int(at // width), int(at % width)) for at in flat]

    def new_prompts(self, number: int, plane) -> Prompts:
        """One more, one moved, one less, or none."""
        items = list(self.session.objects[number].prompts.get(plane, Prompts()))
        (at,) = self.pixels(plane, 1)
        fresh = Prompts().click(*at, positive=bool(self.rng.random() < 0.7)).items[0]
        draw = self.rng.random()
        if not items or draw < 0.6:
            items.append(fresh)
        elif draw < 0.75:
            items[self.rng.integers(len(items))] = fresh
        elif draw < 0.9:
            del items[self.rng.integers(len(items))]
        else:
            items.clear()
        return Prompts(tuple(items))

    def answer(self, request):
        probability = decoded(request.prompts, page_shape(request.plane))
        return self.session.commit(request, probability), probability

    def follow(self, number: int) -> None:
        """Find an object in planes, not always knowing how surely."""
        maps = {
            plane: decoded(self.new_prompts(number, plane), page_shape(plane))
            for plane in (Z1, Z2)
        }
        sure = {plane: self.rng.random() for plane in (Z1, Z2)[: self.rng.integers(3)]}
        self.session.commit_planes(number, maps, "propagate", sure)

    def repair(self, number: int) -> None:
        """Give an object another shape, or split it, if its mask is known."""
        session, rng = self.session, self.rng
        if any(request.object_id == number for request in session.requests()):
            return
        voxels = np.sort(rng.choice(self.labels.size, 40, replace=False))
        own = session.voxels(number)
        if len(own) > 1 and rng.random() < 0.4:
            session.split(number, own[: rng.integers(1, len(own))])
        else:
            gained, lost = np.setdiff1d(voxels, own), np.intersect1d(voxels, own)
            session.reshape(number, "repair", gained, lost)

    def nest(self) -> None:
        """Give an object a class, or let a class lie inside another."""
        session, rng = self.session, self.rng
        if len(session.categories) > 1 and rng.random() < 0.5:
            session.nest(1, int(rng.choice([0, 2])))
        else:
            number = int(rng.choice(list(session.objects)))
            value = int(rng.integers(1, 3))
            session.categorise([number], Category(value, f"class {value}"))

    def look_at_it(self) -> None:
        """Find a result right, or see classes or objects."""
        session, rng = self.session, self.rng
        results = [(n, p) for n, o in session.objects.items() for p in o.results]
        if results and rng.random() < 0.7:
            session.check(*results[rng.integers(len(results))])
        else:
            session.view_by_class(bool(rng.random() < 0.5))

    def review(self) -> list[Request]:
        """Find something in a plane, or decide about what was found."""
        session, rng = self.session, self.rng
        plane, waiting = self.plane(), session.findings.waiting
        alike = [n for n, each in waiting.items() if each.plane.axis == plane.axis]
        draw, join = rng.random(), bool(rng.random() < 0.5)
        if draw < 0.4 or not alike:
            found = []
            for y, x in self.pixels(plane, 4):
                pixels = np.ones((3, 3), bool)[: page_shape(plane)[0] - y]
                region = Region((y, x), pixels[:, : page_shape(plane)[1] - x])
                found.append(Proposed.of(plane, region, (y, x), rng.random()))
            session.propose(plane, None, found)
        elif draw < 0.6:
            with contextlib.suppress(ValueError):
                session.accept_proposals(alike, join)
        elif draw < 0.7:
            session.reject_proposals(alike[:1])
        elif draw < 0.8:
            session.mark_complete(None, plane, join)
        else:
            at = waiting[alike[0]].plane
            more = self.new_prompts(session.current, at)
            with contextlib.suppress(ValueError):
                return session.correct_proposal(alike[0], more, join)
        return []

    def operate(self, model: Model | None = None) -> None:
        """Do something to objects."""
        session, rng = self.session, self.rng
        ids = list(session.objects)
        number = int(rng.choice(ids))
        what = rng.choice(
            [
                "accept",
                "accept_and_begin",
                "reopen",
                "discard",
                "delete",
                "merge",
                "new",
                "name",
            ]
        )
        if what == "new":
            made = session.new_object()
            if model:
                model.step()
                model.names[made] = f"Object {made}"
        elif what == "name":
            session.rename(number, str(rng.random()))
            if model:
                model.step()
                model.names[number] = session.objects[number].name
        elif what == "accept_and_begin":
            made = session.accept_and_begin(number)
            if model:
                model.step()
                model.finished.add(number)
                model.names[made] = f"Object {made}"
        elif len(ids) > 1 or what in ("accept", "reopen"):
            others = [n for n in ids if n != number]
            pair = [number, int(rng.choice(others))] if what == "merge" else [number]
            getattr(session, what)(*pair)
            if model:
                model.step()
                if what == "accept":
                    model.finished.add(number)
                elif what == "reopen":
                    model.finished.discard(number)
                else:
                    getattr(model, what)(*pair)

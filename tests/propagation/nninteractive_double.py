"""A server that speaks the protocol of nnInteractive, with a model of a few lines."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import numpy as np
from nnInteractive.inference.remote.serialization import pack_array, unpack_array
from scipy.ndimage import find_objects, label

CAPABILITIES: dict[str, Any] = {
    "supported_interactions": {
        "points": True,
        "scribble": True,
        "lasso": True,
        "bbox2d": True,
    },
    "channel_mapping": {},
    "num_interaction_channels": 7,
    "supports_initial_label": True,
    "supports_zero_shot_label_refinement": False,
    "preferred_scribble_thickness": [2, 2, 2],
    "interaction_decay": 0.9,
    "inference_session_version": 2,
}


@dataclass
class Double:
    """What the server knows, and what it was told.

    Its model takes all that is as bright as the lassos and hangs together with them;
    what is marked as none of it is cut out, with all that only hangs on it.
    """

    key: str = ""
    places: int = 1
    capabilities: dict[str, Any] = field(default_factory=lambda: dict(CAPABILITIES))
    failing: str = ""
    dying: bool = False
    answers: Callable[[np.ndarray], np.ndarray] = np.asarray
    may_answer: threading.Event = field(default_factory=threading.Event)
    leases: set[str] = field(default_factory=set)
    images: list[np.ndarray] = field(default_factory=list)
    told: list[tuple[str, Any, bool]] = field(default_factory=list)
    address: str = ""
    answered: Any = None
    _inside: Any = None
    _outside: Any = None

    def begin(self) -> None:
        self.told.clear()
        self._inside = np.zeros(self.images[-1].shape[1:], bool)
        self.answered = self._inside.astype(np.uint8)
        self._outside = self._inside.copy()

    def tell(self, kind: str, where: Any, drawn: Any, include: bool) -> None:
        self.told.append((kind, where, include))
        marks = self._inside if include else self._outside
        if kind == "points":
            marks[tuple(where)] = True
        else:
            part = tuple(slice(*each) for each in where)
            marks[part] |= drawn != 0

    def answer(self) -> np.ndarray:
        image = self.images[-1][0]
        like = np.abs(image - image[self._inside].mean()) < 0.25
        bodies, _ = label((like | self._inside) & ~self._outside)
        return np.isin(bodies, np.unique(bodies[self._inside & ~self._outside]))


class _Handler(BaseHTTPRequestHandler):
    double: Double

    def log_message(self, *said: Any) -> None:
        """Say nothing."""

    def _reply(self, body: bytes, code: int = 200, meta: Any = None) -> None:
        self.send_response(code)
        self.send_header("Content-Length", str(len(body)))
        if meta is not None:
            self.send_header("X-Meta", json.dumps(meta))
        self.end_headers()
        self.wfile.write(body)

    def _say(self, said: Any, code: int = 200) -> None:
        self._reply(json.dumps(said).encode(), code)

    def do_GET(self) -> None:
        self._say(self.double.capabilities)

    def do_POST(self) -> None:
        double, lease = self.double, self.headers.get("X-Lease-Token")
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        wanted = f"Bearer {double.key}" if double.key else None
        if self.headers.get("Authorization") != wanted:
            return self._say({"detail": "Missing bearer token"}, 401)
        if self.path == "/claim":
            if len(double.leases) >= double.places:
                return self._say({"detail": "server is at capacity"}, 503)
            token = f"lease {id(self)}"
            double.leases.add(token)
            return self._say({"lease_token": token})
        if self.path == "/release":
            double.leases.discard(lease)
            return self._say({})
        if lease not in double.leases:
            return self._say({"detail": "lease expired or unknown"}, 410)
        if double.failing:
            return self._say({"detail": double.failing}, 400)
        return self._act(body)

    def _act(self, body: bytes) -> None:
        double, meta = self.double, json.loads(self.headers.get("X-Meta") or "{}")
        match self.path:
            case "/set_image":
                double.images.append(unpack_array(body))
                return self._say({"original_image_shape": double.images[-1].shape})
            case "/set_target_buffer":
                return self._say({})
            case "/reset_interactions":
                double.begin()
                return self._say({})
            case "/add_point_interaction":
                meta = json.loads(body)
                double.tell(
                    "points", meta["coordinates"], None, meta["include_interaction"]
                )
            case "/add_scribble_interaction" | "/add_lasso_interaction":
                kind = self.path.split("_")[1]
                where, drawn = meta["interaction_bbox"], unpack_array(body)
                assert drawn.shape == tuple(stop - start for start, stop in where)
                double.tell(kind, where, drawn, meta["include_interaction"])
            case _:
                return self._say({"detail": "no such path"}, 404)
        if not meta["run_prediction"]:
            return self._reply(b"", meta={"ran_prediction": False})
        double.may_answer.wait(60)
        if double.dying:
            return self.connection.close()
        mask = double.answer().astype(np.uint8)
        # Only what changes is sent.
        changed = (mask != double.answered).astype(np.uint8)
        where = find_objects(changed) or [(slice(0, 1),) * 3]
        double.answered = mask
        part = [[each.start, each.stop] for each in where[0]]
        return self._reply(
            pack_array(double.answers(mask[where[0]])),
            meta={"ran_prediction": True, "bbox": part},
        )


@contextmanager
def serving(double: Double) -> Iterator[Double]:
    """Have it answer on a port of this machine."""
    double.may_answer.set()
    handler = type("Handler", (_Handler,), {"double": double})
    server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    double.address = f"http://127.0.0.1:{server.server_port}"
    try:
        yield double
    finally:
        server.shutdown()
        server.server_close()

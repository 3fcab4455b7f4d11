"""A local HTTP server that truncates, stalls and lies."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import urlsplit

PAGE = b"<!DOCTYPE html><html><body>Please sign in</body></html>"
CHUNK = 64 * 1024


@dataclass
class Server:
    """What is served and how, and what was asked.

    Attributes
    ----------
    faults
        One per request, then `always`: "truncate" and "stall" send half of the
        body, "short" and "long" announce a wrong length, "unannounced" announces
        none and sends half, "html" sends a page, a number is a status, "" is right.
        A resumed download asks twice: for the whole, which it drops unread, and
        for the rest.
    ranges, served
        What the requests asked for, and how many bytes of bodies were sent.
    """

    url: str = ""
    files: dict[str, bytes] = field(default_factory=dict)
    faults: list[str] = field(default_factory=list)
    always: str = ""
    ignores_range: bool = False
    ranges: list[str | None] = field(default_factory=list)
    served: int = 0
    stalled: threading.Event = field(default_factory=threading.Event)
    released: threading.Event = field(default_factory=threading.Event)


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server_state: Server

    def do_GET(self) -> None:
        state = self.server_state
        asked = None if state.ignores_range else self.headers.get("Range")
        state.ranges.append(self.headers.get("Range"))
        fault = state.faults.pop(0) if state.faults else state.always
        if fault.isdigit():
            self.send_error(int(fault))
            return
        body = PAGE if fault == "html" else state.files[urlsplit(self.path).path]
        start = int(asked.removeprefix("bytes=").removesuffix("-")) if asked else 0
        self.send_response(206 if asked else 200)
        self.send_header("Connection", "close")
        if asked:
            self.send_header(
                "Content-Range", f"bytes {start}-{len(body) - 1}/{len(body)}"
            )
        page = body.startswith(b"<")
        self.send_header("Content-Type", "text/html" if page else "application/zip")
        if not page:
            self.send_header("Content-Disposition", 'attachment; filename="x.pth"')
        self._send(body[start:], fault)

    def _send(self, body: bytes, fault: str) -> None:
        announced = {"short": len(body) // 2, "long": len(body) + 1000}
        if fault != "unannounced":
            self.send_header("Content-Length", str(announced.get(fault, len(body))))
        self.end_headers()
        if fault in ("truncate", "stall", "unannounced"):
            body = body[: len(body) // 2]
        try:
            for begin in range(0, len(body), CHUNK):
                self.wfile.write(body[begin : begin + CHUNK])
                self.server_state.served += len(body[begin : begin + CHUNK])
                time.sleep(0.003)
        except OSError:
            return
        if fault == "stall":
            self.server_state.stalled.set()
            self.server_state.released.wait(20)

    def log_message(self, *_: object) -> None:
        pass


@contextmanager
def serving() -> Iterator[Server]:
    state = Server()
    handler = type("StatefulHandler", (Handler,), {"server_state": state})
    server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
    state.url = f"http://127.0.0.1:{server.server_port}"
    thread = threading.Thread(target=server.serve_forever, args=(0.01,))
    thread.start()
    try:
        yield state
    finally:
        state.released.set()
        server.shutdown()
        thread.join()
        server.server_close()

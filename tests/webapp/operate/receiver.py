"""A real HTTP server on loopback that answers as it is told and keeps what it got."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer


@dataclass
class Got:
    headers: dict[str, str]
    body: bytes


@dataclass
class Receiver:
    """`status` is answered from now on; 302 leads to itself; `drips` answers a byte now and then, for ever."""

    url: str
    status: int = 200
    text: bytes = b"thanks"
    drips: bool = False
    got: list[Got] = field(default_factory=list)


@contextmanager
def receiver() -> Iterator[Receiver]:
    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            found.got.append(Got(dict(self.headers), body))
            if found.drips:
                self._drip()
                return
            self.send_response(found.status)
            if 300 <= found.status < 400:
                self.send_header("Location", found.url)
            self.send_header("Content-Length", str(len(found.text)))
            self.end_headers()
            self.wfile.write(found.text)

        def _drip(self) -> None:
            try:
                while not stopped.is_set():
                    self.wfile.write(b"H")
                    self.wfile.flush()
                    time.sleep(0.02)
            except OSError:
                self.close_connection = True

        def log_message(self, *_: object) -> None:
            """Tests speak for themselves."""

    stopped = threading.Event()
    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    found = Receiver(f"http://127.0.0.1:{server.server_port}/hooks/abcdefgh1234?x=1")
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True)
    thread.start()
    try:
        yield found
    finally:
        stopped.set()
        server.shutdown()
        server.server_close()
        thread.join()

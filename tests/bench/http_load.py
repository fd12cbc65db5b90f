"""`python -m tests.bench.http_load`: a load generator in a process of its own, so light that what it measures is the server.

Reads one JSON line {host, port, requests: [base64 of a whole HTTP request], clients, rate_per_s (0: closed loop), duration_s, must_have}
on standard input, sends the requests in turn over kept connections with one epoll loop, and answers one line {latencies_s, took_s,
num_errors, error}. Closed loop: each client asks again as soon as it is answered. Open loop: request i is due at i / rate whatever happened
before, and its latency counts from then. An answer is good when it is a 200 that holds the bytes `must_have`. Only this machine is asked.
"""

from __future__ import annotations

import base64
import json
import selectors
import socket
import sys
import time
from collections import deque
from dataclasses import dataclass, field
from typing import Any

PATIENCE_S = 30.0


@dataclass
class Connection:
    socket: socket.socket
    received: bytearray = field(default_factory=bytearray)
    asked_s: float = 0.0


class Load:
    """One run. Not thread-safe."""

    def __init__(self, order: dict[str, Any]) -> None:
        assert order["host"] in {"127.0.0.1", "::1", "localhost"}, f"not this machine: {order['host']}"
        self._address = (order["host"], int(order["port"]))
        self._requests = [base64.b64decode(one) for one in order["requests"]]
        self._must_have = order["must_have"].encode()
        self._rate_per_s = float(order["rate_per_s"])
        self._duration_s = float(order["duration_s"])
        self._num_sent = 0
        self._selector = selectors.DefaultSelector()
        self._idle: deque[Connection] = deque()
        for _ in range(int(order["clients"])):
            self._connect()
        self.latencies_s: list[float] = []
        self.num_errors = 0
        self.error = ""

    def run(self) -> dict[str, Any]:
        started = time.perf_counter()
        num_due = int(self._rate_per_s * self._duration_s)
        while True:
            now = time.perf_counter()
            is_over = now - started >= self._duration_s if not self._rate_per_s else self._num_sent >= num_due
            if is_over and len(self._idle) == len(self._selector.get_map()):
                break
            assert now - started < self._duration_s + PATIENCE_S, "the server does not answer"
            while self._idle and not is_over:
                due = started + self._num_sent / self._rate_per_s if self._rate_per_s else now
                if due > now:
                    break
                self._send(self._idle.popleft(), due)
                is_over = bool(self._rate_per_s) and self._num_sent >= num_due
            for key, _ in self._selector.select(self._pause_s(started, num_due)):
                self._receive(key.data)
        took_s = time.perf_counter() - started
        return {
            "latencies_s": self.latencies_s,
            "took_s": took_s,
            "num_errors": self.num_errors,
            "error": self.error,
        }

    def _pause_s(self, started: float, num_due: int) -> float:
        if not self._rate_per_s or not self._idle or self._num_sent >= num_due:
            return 0.1
        return max(0.0, started + self._num_sent / self._rate_per_s - time.perf_counter())

    def _connect(self) -> None:
        opened = socket.create_connection(self._address, timeout=PATIENCE_S)
        opened.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        connection = Connection(opened)
        self._selector.register(opened, selectors.EVENT_READ, connection)
        self._idle.append(connection)

    def _send(self, connection: Connection, asked_s: float) -> None:
        connection.asked_s = asked_s
        connection.socket.sendall(self._requests[self._num_sent % len(self._requests)])
        self._num_sent += 1

    def _receive(self, connection: Connection) -> None:
        data = connection.socket.recv(262_144)
        if not data:
            self._selector.unregister(connection.socket)
            connection.socket.close()
            if connection not in self._idle:
                self._fail(b"the connection was closed")
            else:
                self._idle.remove(connection)
            self._connect()
            return
        connection.received += data
        head_end = connection.received.find(b"\r\n\r\n")
        if head_end < 0:
            return
        head = bytes(connection.received[:head_end]).lower()
        place = head.find(b"content-length:")
        assert place >= 0, head
        length = int(head[place + 15 :].split(b"\r\n", 1)[0])
        if len(connection.received) < head_end + 4 + length:
            return
        if not head.startswith(b"http/1.1 200") or self._must_have not in connection.received:
            self._fail(bytes(connection.received[:600]))
        self.latencies_s.append(time.perf_counter() - connection.asked_s)
        connection.received.clear()
        self._idle.append(connection)

    def _fail(self, what: bytes) -> None:
        self.num_errors += 1
        self.error = self.error or what.decode(errors="replace")


def main() -> int:
    for line in sys.stdin:
        sys.stdout.write(json.dumps(Load(json.loads(line)).run()) + "\n")
        sys.stdout.flush()
    return 0


if __name__ == "__main__":
    sys.exit(main())

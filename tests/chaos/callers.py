"""A steady load of recommendation requests, and what each was answered."""

from __future__ import annotations

import threading
import time
from collections import Counter
from dataclasses import dataclass, field

import httpx

K = 5


@dataclass
class Answers:
    """Counts since the last `take`. `errors` is by status, or by the kind of failure to get an answer."""

    num_good: int = 0
    num_degraded: int = 0
    errors: Counter[str] = field(default_factory=Counter)
    slowest_ms: float = 0.0

    @property
    def num_errors(self) -> int:
        return sum(self.errors.values())


class Callers:
    """Asks for one user after another at a steady rate, each once: an error is an error."""

    def __init__(self, base_url: str, api_key: str, *, requests_per_s: float, patience_s: float = 15.0) -> None:
        self._client = httpx.Client(
            base_url=base_url,
            headers={"Authorization": f"Bearer {api_key}"},
            timeout=httpx.Timeout(patience_s),
            # a server that dies takes its kept connections along; that is the client's to know, not the service's
            limits=httpx.Limits(max_keepalive_connections=0),
        )
        self._pause_s = 1.0 / requests_per_s
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._call, name="callers")
        self._lock = threading.Lock()
        self._answers = Answers()
        self._num_calls = 0

    def start(self) -> None:
        self._thread.start()

    def stop(self) -> None:
        self._stopping.set()
        self._thread.join()

    def take(self) -> Answers:
        """What was answered since the last call of this."""
        with self._lock:
            taken, self._answers = self._answers, Answers()
        return taken

    def _call(self) -> None:
        with self._client:
            while not self._stopping.wait(self._pause_s):
                self._one()

    def _one(self) -> None:
        self._num_calls += 1
        body = {"user_id": f"caller-{self._num_calls % 50}", "k": K}
        started = time.monotonic()
        try:
            reply = self._client.post("/api/v1/recommend", json=body)
        except httpx.TransportError as error:
            self._note(error=type(error).__name__, took_s=time.monotonic() - started)
            return
        took_s = time.monotonic() - started
        if reply.status_code != 200:
            self._note(error=str(reply.status_code), took_s=took_s)
        else:
            self._note(is_degraded=bool(reply.json()["degraded"]), took_s=took_s)

    def _note(self, *, error: str | None = None, is_degraded: bool = False, took_s: float) -> None:
        with self._lock:
            if error is not None:
                self._answers.errors[error] += 1
            elif is_degraded:
                self._answers.num_degraded += 1
            else:
                self._answers.num_good += 1
            self._answers.slowest_ms = max(self._answers.slowest_ms, round(1000 * took_s, 1))

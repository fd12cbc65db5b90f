"""The thread that keeps a replica up with the log."""

from __future__ import annotations

import logging
import threading
from typing import Final

# np.unique imports it at its first call, for which requests would wait fifty milliseconds.
import numpy.ma  # noqa: F401

from engine.serving.replica import Replica

logger = logging.getLogger(__name__)

MUCH: Final = 200
"""Records and items at one poll."""


class ReplicaLoop:
    """Polls every `idle_s`, or after `pause_s` while there is much to do (`MUCH`): a poll is a bounded piece of work, and requests
    need the interpreter between two of them. A few events are taken together: looking for each as it comes cost requests a tenth of
    the processor. After a failure it waits `retry_s` and goes on.
    """

    def __init__(self, replica: Replica, *, idle_s: float = 0.05, pause_s: float = 0.01, retry_s: float = 1.0) -> None:
        self._replica = replica
        self._idle_s = idle_s
        self._pause_s = pause_s
        self._retry_s = retry_s
        self._stopping = threading.Event()
        self._thread: threading.Thread | None = None

    def start(self) -> None:
        """Raises `RuntimeError` when it runs already."""
        if self._thread is not None:
            raise RuntimeError("the loop runs already")
        self._stopping.clear()
        self._thread = threading.Thread(target=self._run, name=f"{self._replica.name}-loop", daemon=True)
        self._thread.start()

    def stop(self) -> None:
        """Returns when the last poll has ended and what is known of users is kept; stopping twice is harmless."""
        self._stopping.set()
        if self._thread is not None:
            self._thread.join()
            self._thread = None
            self._replica.close()

    def poll(self) -> int:
        """One turn, for those who hold the loop in their own hands."""
        return self._replica.poll()

    def _run(self) -> None:
        while not self._stopping.is_set():
            try:
                num_done = self._replica.poll()
            except Exception:
                # A replica that stops following without a word would serve old parameters for ever.
                logger.exception("replica %s: a poll failed", self._replica.name)
                self._stopping.wait(self._retry_s)
                continue
            self._stopping.wait(self._pause_s if num_done >= MUCH else self._idle_s)

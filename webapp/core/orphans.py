"""A web process whose parent was killed ends by itself: otherwise it keeps the port, and the next parent cannot have it."""

from __future__ import annotations

import multiprocessing
import os
import signal
import threading
from collections.abc import Callable
from multiprocessing.process import BaseProcess


def end_with_parent(
    end: Callable[[], None] | None = None, parent: Callable[[], BaseProcess | None] = multiprocessing.parent_process
) -> threading.Thread | None:
    """In a process that multiprocessing made (uvicorn's workers are): when the one that made it is gone, this one gets SIGTERM and
    finishes what it is answering. Elsewhere nothing; then None.
    """
    maker = parent()
    if maker is None:
        return None
    thread = threading.Thread(target=_wait, args=(maker, end or _terminate), name="parent", daemon=True)
    thread.start()
    return thread


def _wait(maker: BaseProcess, end: Callable[[], None]) -> None:
    maker.join()
    end()


def _terminate() -> None:
    os.kill(os.getpid(), signal.SIGTERM)

"""How a long job learns that it should end: the worker shuts down, the job's process gets SIGTERM, or its parent is gone."""

from __future__ import annotations

import ctypes
import mmap
import os
import signal
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType

_PR_SET_PDEATHSIG = 1


class StopFlag:
    """One byte of memory shared with the children that are forked from the process which made it.

    Setting it takes no lock, so a signal handler may.
    """

    def __init__(self, parent_pid: Callable[[], int] = os.getppid) -> None:
        self._shared = mmap.mmap(-1, 1)
        self._here = threading.Event()
        self._parent_pid = parent_pid

    def tell_children(self) -> None:
        self._shared[0] = 1

    def request(self) -> None:
        """Ask the job of this process to end."""
        self._here.set()

    @contextmanager
    def watching(self) -> Iterator[Callable[[], bool]]:
        """While the block runs SIGTERM asks for an end instead of killing; answers whether the job should end.

        A job whose parent died (kill -9 of the worker) ends too: nobody could stop it any more, and a new worker waits.
        """
        self._here.clear()
        parent = self._parent_pid()

        def on_signal(_number: int, _frame: FrameType | None) -> None:
            self.request()

        is_main = threading.current_thread() is threading.main_thread()
        previous = signal.signal(signal.SIGTERM, on_signal) if is_main else None
        try:
            yield lambda: self._here.is_set() or self._shared[0] == 1 or self._parent_pid() != parent
        finally:
            if is_main:
                signal.signal(signal.SIGTERM, previous)


def end_with_parent() -> None:
    """Ask the kernel for SIGTERM when the parent dies: Celery's own children would wait for work for ever.

    Linux only; elsewhere a busy child finds out by itself (`StopFlag.watching`), an idle one has to be killed by hand.
    """
    if sys.platform == "linux":
        ctypes.CDLL(None, use_errno=True).prctl(_PR_SET_PDEATHSIG, int(signal.SIGTERM), 0, 0, 0)


STOP = StopFlag()
"""Of this worker; made before the pool forks."""

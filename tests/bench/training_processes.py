"""The parent's side of `training_peer.py`: starts a contestant, gives it commands, waits for answers, ends it."""

from __future__ import annotations

import json
import os
import select
import subprocess
import tempfile
import time
from contextlib import suppress
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from deploy.launcher.environment import ROOT

ENVIRONMENT = {
    "GLIBC_TUNABLES": "glibc.malloc.hugetlb=1",  # everybody's memory in huge pages, as Freshet asks for its own
    "CUDA_VISIBLE_DEVICES": "-1",
    "TF_CPP_MIN_LOG_LEVEL": "3",
    "PYTHONWARNINGS": "ignore",
    "OMP_NUM_THREADS": "2",
}
ENDING_S = 10.0


class Failed(Exception):
    """A contestant that ended or kept silent; the message says why, in a line."""


def peer_command(interpreter: Path, name: str) -> list[str]:
    return [str(interpreter), "-m", "tests.bench.training_peer", name]


class PeerProcess:
    """A process that answers each line with a line. To be closed."""

    def __init__(self, command: list[str], patience_s: float) -> None:
        """`patience_s`: how long an answer may take. The process starts at once; its first answer waits for its imports."""
        self._patience_s = patience_s
        self._errors = tempfile.TemporaryFile()  # noqa: SIM115 - `close` closes it
        self._process = subprocess.Popen(
            command,
            cwd=ROOT,
            env=os.environ | ENVIRONMENT,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self._errors,
            bufsize=0,
        )

    def ask(self, **command: Any) -> dict[str, Any]:
        """Raises Failed when it ends, or does not answer within its time."""
        assert self._process.stdin is not None
        try:
            self._process.stdin.write(json.dumps(command).encode() + b"\n")
        except BrokenPipeError as error:
            raise Failed(self._last_words()) from error
        answer: dict[str, Any] = json.loads(self._line())
        return answer

    def _line(self) -> bytes:
        assert self._process.stdout is not None
        file = self._process.stdout.fileno()
        until, line = time.monotonic() + self._patience_s, b""
        while not line.endswith(b"\n"):
            ready, _, _ = select.select([file], [], [], max(0.0, until - time.monotonic()))
            if not ready:
                raise Failed(f"no answer within {self._patience_s:g} s")
            piece = os.read(file, 65_536)
            if not piece:
                raise Failed(self._last_words())
            line += piece
        return line

    def _last_words(self) -> str:
        with suppress(subprocess.TimeoutExpired):
            self._process.wait(ENDING_S)
        self._errors.seek(0)
        lines = [line.strip() for line in self._errors.read().decode(errors="replace").splitlines() if line.strip()]
        return lines[-1] if lines else f"ended with status {self._process.returncode}"

    def close(self) -> None:
        """Its input ends, so it does; one that computes on is killed. Closing again changes nothing."""
        if self._errors.closed:
            return
        assert self._process.stdin is not None and self._process.stdout is not None
        with suppress(BrokenPipeError):
            self._process.stdin.close()
        try:
            self._process.wait(ENDING_S)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        self._process.stdout.close()
        self._errors.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

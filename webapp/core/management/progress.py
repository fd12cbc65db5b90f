"""Progress of a long command: a bar on a terminal, a line every few seconds anywhere else."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Never, Protocol

from tqdm import tqdm

LINE_EVERY_S = 5.0


class TextStream(Protocol):
    def write(self, text: str, /) -> object: ...

    def isatty(self) -> bool: ...


class Progress:
    """`update` says how much is done of `total` (None: unknown) and what else is worth knowing. Use as a context manager."""

    def __init__(
        self,
        stream: TextStream,
        *,
        what: str,
        unit: str,
        total: float | None = None,
        done: float = 0,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._stream, self._what, self._unit, self._total = stream, what, unit, total
        self._clock = clock
        self._first: tuple[float, float] | None = None
        self._next_line_at = clock() + LINE_EVERY_S
        self._bar: tqdm[Never] | None = None
        if stream.isatty():
            self._bar = tqdm(desc=what, total=total, initial=done, unit=unit, unit_scale=total != 1, leave=False)

    def update(self, done: float, note: str = "") -> None:
        if self._first is None:
            self._first = (self._clock(), done)
        if self._bar is not None:
            self._bar.set_postfix_str(note, refresh=False)
            self._bar.update(done - self._bar.n)
        elif self._clock() >= self._next_line_at:
            self._next_line_at = self._clock() + LINE_EVERY_S
            of_total = f" of {self._total:,.12g}" if self._total else ""
            elapsed_s, since = self._clock() - self._first[0], done - self._first[1]
            at_rate = "" if self._total == 1 or since <= 0 else f", {since / elapsed_s:,.0f} {self._unit}/s"
            shown = f"{done:.0%}" if self._total == 1 else f"{done:,.12g}{of_total} {self._unit}"
            self._stream.write(f"{self._what}: {shown}{at_rate}{', ' + note if note else ''}\n")

    def close(self) -> None:
        if self._bar is not None:
            self._bar.close()

    def __enter__(self) -> Progress:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

"""The bare gather, the keys and the rows of `tests/bench/engine_cc`, so that a contestant in Python meets the same ones."""

from __future__ import annotations

import ctypes
from pathlib import Path
from types import TracebackType
from typing import Protocol, Self

import numpy as np
from numpy.typing import NDArray

DIM = 16
Fids = NDArray[np.uint64]
Floats = NDArray[np.float32]
Rows = NDArray[np.uint32]
"""Row numbers of known keys: key number i has row i."""


class KeySource(Protocol):
    """Keys 0 .. num_rows - 1 and the vector that each was given."""

    num_rows: int

    def draw(self, num: int, *, is_zipf: bool) -> Rows: ...

    def fids(self, rows: Rows) -> Fids: ...

    def vectors(self, fids: Fids) -> Floats: ...


_POINTER, _SIZE = ctypes.c_void_p, ctypes.c_size_t
_SIGNATURES: dict[str, tuple[type[ctypes.c_void_p] | None, list[type]]] = {
    "bench_gather_make": (_POINTER, [ctypes.c_uint32]),
    "bench_gather_free": (None, [_POINTER]),
    "bench_gather_lookup": (None, [_POINTER, _POINTER, _SIZE, _POINTER]),
    "bench_update_make": (_POINTER, [ctypes.c_uint32]),
    "bench_update_free": (None, [_POINTER]),
    "bench_update": (None, [_POINTER, _POINTER, _SIZE, _POINTER]),
    "bench_places_make": (_POINTER, [ctypes.c_uint32, ctypes.c_int, ctypes.c_uint64]),
    "bench_places_free": (None, [_POINTER]),
    "bench_places_draw": (None, [_POINTER, _SIZE, _POINTER]),
    "bench_keys": (None, [_POINTER, _SIZE, _POINTER]),
    "bench_vectors": (None, [_POINTER, _SIZE, _POINTER]),
}


class Reference:
    """`num_rows` rows in C++ memory. Calls release the interpreter lock. Use as a context manager: it frees what it made."""

    def __init__(self, library: Path, num_rows: int) -> None:
        self._core = ctypes.CDLL(str(library))
        for name, (result, arguments) in _SIGNATURES.items():
            function = getattr(self._core, name)
            function.restype, function.argtypes = result, arguments
        self.num_rows = num_rows
        self._gather = self._core.bench_gather_make(num_rows)
        self._update = self._core.bench_update_make(num_rows)
        self._places = {is_zipf: self._core.bench_places_make(num_rows, is_zipf, 19) for is_zipf in (False, True)}

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._core.bench_gather_free(self._gather)
        self._core.bench_update_free(self._update)
        for places in self._places.values():
            self._core.bench_places_free(places)

    def draw(self, num: int, *, is_zipf: bool) -> Rows:
        rows = np.empty(num, np.uint32)
        self._core.bench_places_draw(self._places[is_zipf], num, rows.ctypes.data)
        return rows

    def fids(self, rows: Rows) -> Fids:
        fids = np.empty(len(rows), np.uint64)
        self._core.bench_keys(rows.ctypes.data, len(rows), fids.ctypes.data)
        return fids

    def vectors(self, fids: Fids) -> Floats:
        """The rows that these keys were given, float32 [n, 16]."""
        vectors = np.empty((len(fids), DIM), np.float32)
        self._core.bench_vectors(fids.ctypes.data, len(fids), vectors.ctypes.data)
        return vectors

    def gather(self, rows: Rows, out: Floats) -> None:
        self._core.bench_gather_lookup(self._gather, rows.ctypes.data, len(rows), out.ctypes.data)

    def gather_and_write(self, rows: Rows, grads: Floats) -> None:
        """Threads must be given rows that differ."""
        self._core.bench_update(self._update, rows.ctypes.data, len(rows), grads.ctypes.data)

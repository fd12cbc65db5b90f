"""Which processes `make bench-engine` runs: a contestant, a size, with or without accumulators, and what is measured."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from tests.bench.contestants import CONTESTANTS as IN_PYTHON

MILLION = 1_000_000
MAIN_ROWS, QUICK_ROWS, LARGE_ROWS = 10 * MILLION, MILLION, 50 * MILLION
SMALL_SIZES = (100_000, MILLION)


@dataclass(frozen=True, slots=True)
class Listed:
    """`family`: whose headers it needs. Peak bytes a row, the limit's rows and warm pages included, plain and with state."""

    title: str
    family: str
    peak_bytes: tuple[int, int]
    at_50m: bool = False
    learns: bool = True


IN_CPP = {
    "freshet": Listed("Freshet Table", "", (260, 520), at_50m=True),
    "serving_float32": Listed("Freshet ServingTable float32", "", (260, 0), learns=False),
    "serving_float16": Listed("Freshet ServingTable float16", "", (200, 0), at_50m=True, learns=False),
    "serving_int8": Listed("Freshet ServingTable int8", "", (180, 0), learns=False),
    "absl_index": Listed("absl::flat_hash_map to arena", "absl", (200, 400), at_50m=True),
    "absl_inline": Listed("absl::flat_hash_map inline", "absl", (330, 700)),
    "boost_inline": Listed("boost::unordered_flat_map inline", "boost", (280, 620), at_50m=True),
    "boost_concurrent": Listed("boost::concurrent_flat_map bulk", "boost", (280, 620)),
    "cuckoo": Listed("libcuckoo::cuckoohash_map", "cuckoo", (330, 700), at_50m=True),
    "std": Listed("std::unordered_map", "", (260, 480)),
}


CREATED = "freshet_created"
"""Freshet's table grown by `lookup_or_create`; "freshet" is grown like the others, by rows that are given."""


@dataclass(frozen=True, slots=True)
class Run:
    """One process. `measure` is what bench_engine's --measure takes, or "python"."""

    contestant: str
    measure: str
    num_rows: int
    with_state: bool = False
    every_setting: bool = False
    num_rounds: int = 0

    @property
    def needs_bytes(self) -> int:
        if self.contestant not in IN_CPP or self.measure in {"python", "delta", "checkpoint"}:
            return 1_000 * self.num_rows
        return IN_CPP[self.contestant].peak_bytes[self.with_state] * self.num_rows

    @property
    def described(self) -> str:
        title = _title(self)
        state = " with Adagrad" if self.with_state else ""
        return f"{title}, {self.num_rows:,} rows{state}: {self.measure}"

    @property
    def arguments(self) -> list[str]:
        """For bench_engine."""
        return [
            f"--contestant={self.contestant}",
            f"--measure={self.measure}",
            f"--rows={self.num_rows}",
            f"--state={int(self.with_state)}",
            f"--rounds={self.num_rounds}",
            f"--every-setting={int(self.every_setting)}",
        ]


def _title(run: Run) -> str:
    if run.measure == "python":
        return IN_PYTHON[run.contestant].title
    return "Freshet Table, lookup_or_create" if run.contestant == CREATED else IN_CPP[run.contestant].title


def main_rows(*, quick: bool) -> int:
    """The size whose figures have plain names."""
    return QUICK_ROWS if quick else MAIN_ROWS


def runs(*, quick: bool) -> Iterator[Run]:
    """Memory first: a machine gives memory never touched more slowly than memory that it has had a moment ago."""
    num_rows, num_rounds = main_rows(quick=quick), 5 if quick else 11
    for name, listed in IN_CPP.items():
        for with_state in (False, True) if listed.learns else (False,):
            for size in (*SMALL_SIZES[: 1 if quick else 2], num_rows):
                yield Run(name, "memory", size, with_state)
            yield Run(name, "speed", num_rows, with_state, not quick, num_rounds)
    for with_state in (False, True):
        yield Run(CREATED, "growth", num_rows, with_state)
    yield Run("serving_float16", "beside", num_rows, num_rounds=num_rounds)
    yield Run("freshet", "delta", num_rows, num_rounds=num_rounds)
    yield Run("freshet", "checkpoint", num_rows, num_rounds=3)
    for name in IN_PYTHON:
        yield Run(name, "python", num_rows, num_rounds=3 if quick else 5)
    if not quick:
        yield from _large_runs()


def _large_runs() -> Iterator[Run]:
    for name, listed in IN_CPP.items():
        if listed.at_50m:
            yield Run(name, "speed", LARGE_ROWS, num_rounds=5)
    yield Run("freshet", "speed", LARGE_ROWS, with_state=True, num_rounds=5)

"""`python -m tests.bench index`: what it costs to find the 200 items nearest to a user, to move an item and to remove one."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from typing import Any, Final

from tests.bench.index_contestants import CONTESTANTS
from tests.bench.index_peer import GOAL, NUM, WRITES_A_SECOND, Setting, asked
from tests.bench.peer_path import add_peers
from tests.bench.report import Report, say, say_table

_SETTINGS: Final = (
    ("clustered", 10_000, 32),
    ("clustered", 10_000, 64),
    ("uniform", 10_000, 32),
    ("clustered", 100_000, 32),
    ("clustered", 100_000, 64),
    ("uniform", 100_000, 32),
    ("clustered", 1_000_000, 32),
    ("clustered", 1_000_000, 64),
    ("uniform", 1_000_000, 32),
)
_QUICK: Final = (("clustered", 10_000, 32), ("clustered", 100_000, 32))
_BIG: Final = 1_000_000
_PATIENCE_S: Final = 1_800

_HEAD: Final = (
    ("", ""),
    ("recall", "recall"),
    ("ms", "alone_p50_ms"),
    ("p99", "alone_p99_ms"),
    ("half", "allowed_50_p50_ms"),
    ("recall", "allowed_50_recall"),
    ("5 %", "allowed_5_p50_ms"),
    ("recall", "allowed_5_recall"),
    ("write us", "write_us"),
    ("del us", "remove_us"),
    ("beside ms", "beside_p50_ms"),
    ("p99", "beside_p99_ms"),
    ("writes/s", "beside_writes_per_s"),
    ("2 threads", "threads_share"),
    ("build s", "build_s"),
    ("MiB", "memory_mib"),
)

Figures = dict[str, Any]


def run(*, quick: bool) -> None:
    """Print a table for each world, size and dim, and write `reports/bench-index.json`: `<world>_<items>_<dim>`, by contestant, the
    figures of `tests.bench.index_peer.measure`; `missing` says why where a library is not there.
    """
    report = Report("bench-index")
    add_peers()
    found: dict[str, dict[str, Figures]] = {}
    for world, num_items, dim in _QUICK if quick else _SETTINGS:
        key = f"{world}_{num_items}_{dim}"
        say(f"{num_items:,} {world} vectors of dim {dim}: top {NUM}, one thread")
        found[key] = {
            name: _measured(Setting(name, world, num_items, dim, 0.3 if quick else 1.0))
            for name in CONTESTANTS
            if _is_worth_it(name, world, num_items, dim)
        }
        say_table([head for head, _ in _HEAD], [_row(name, figures) for name, figures in found[key].items()])
        say()
    say(
        f"effort is the least with a recall of {GOAL:g}; ms are medians; half and 5 % are of items that a filter allows; beside is while a"
    )
    say(
        f"thread writes {WRITES_A_SECOND:,} vectors a second, or as many as it can; 2 threads is their searches over those of one"
    )
    report.write(dict(found))


def _is_worth_it(name: str, world: str, num_items: int, dim: int) -> bool:
    """A graph of a million takes minutes to build: once is enough to see what it does."""
    return num_items < _BIG or not name.startswith("graph") or (world, dim) == ("clustered", 32)


def _measured(setting: Setting) -> Figures:
    environment = {**os.environ, "OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"}
    ran = subprocess.run(
        [sys.executable, "-m", "tests.bench.index_peer", asked(setting)],
        env=environment,
        capture_output=True,
        text=True,
        check=False,
        timeout=_PATIENCE_S,
    )
    if ran.returncode:
        return {"missing": f"failed: {(ran.stderr.strip().splitlines() or ['?'])[-1]}"}
    figures: Figures = json.loads(ran.stdout)
    return figures


def _row(name: str, figures: Figures) -> list[str]:
    if "missing" in figures:
        return [f"{name}: missing, {figures['missing']}", *[""] * (len(_HEAD) - 1)]
    return [name, *(_cell(key, figures.get(key)) for _, key in _HEAD[1:])]


def _cell(key: str, value: float | None) -> str:
    if value is None:
        return "-"
    if key.endswith("recall"):
        return f"{value:.3f}"
    return f"{value:.2f}" if value < 10 else f"{value:,.0f}"

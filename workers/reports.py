"""What a measuring command leaves behind: a table for people and `reports/<name>.json` for programs."""

from __future__ import annotations

import json
import os
import platform
import subprocess
import sys
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Final, TextIO

ROOT: Final = Path(__file__).resolve().parent.parent
REPORTS: Final = ROOT / "reports"


def provenance() -> dict[str, object]:
    """The commit (`+`: files differ from it), the machine, the command and the time."""
    changed = bool(_git("status", "--porcelain", "--untracked-files=no"))
    return {
        "commit": f"{_git('rev-parse', 'HEAD') or 'unknown'}{'+' if changed else ''}",
        "machine": f"{_processor()}, {os.cpu_count()} cores, {_memory_gib():.0f} GiB, Python {platform.python_version()}",
        "command": " ".join(["python", *sys.orig_argv[1:]]),
        "measured_at": datetime.now(UTC).isoformat(timespec="seconds"),
    }


class Report:
    """Notes the machine's load when made, so that a reader can tell a quiet machine from a shared one."""

    def __init__(self, name: str, folder: Path = REPORTS) -> None:
        self.path = folder / f"{name}.json"
        self._load_at_start = os.getloadavg()[0]

    def write(self, values: Mapping[str, object]) -> Path:
        """`values` beside the provenance and load averages. Raises OSError."""
        loads = {
            "load_average_at_start": round(self._load_at_start, 2),
            "load_average_at_end": round(os.getloadavg()[0], 2),
        }
        self.path.parent.mkdir(parents=True, exist_ok=True)
        self.path.write_text(json.dumps({**provenance(), **loads, **values}, indent=2) + "\n")
        return self.path


def write_table(out: TextIO, head: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
    """The first column flush left, the others flush right."""
    widths = [max(len(row[column]) for row in [head, *rows]) for column in range(len(head))]
    for row in [head, *rows]:
        cells = [row[0].ljust(widths[0]), *(cell.rjust(width) for cell, width in zip(row[1:], widths[1:], strict=True))]
        out.write("  " + "  ".join(cells).rstrip() + "\n")


def _git(*arguments: str) -> str:
    said = subprocess.run(["git", *arguments], cwd=ROOT, capture_output=True, text=True, check=False)  # noqa: S603, S607
    return said.stdout.strip()


def _processor() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        return platform.machine()
    return next((line.partition(":")[2].strip() for line in lines if line.startswith("model name")), platform.machine())


def _memory_gib() -> float:
    return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30

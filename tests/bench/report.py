"""What a benchmark leaves behind: a table for people and `reports/<name>.json` for programs."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

from deploy.launcher.environment import ROOT
from tests.chaos.provenance import provenance


class Report:
    """Notes the machine's load when made, so that a reader can tell a quiet box from a shared one."""

    def __init__(self, name: str) -> None:
        self.name = name
        self._load_at_start = os.getloadavg()[0]

    def write(self, values: Mapping[str, object], folder: Path = ROOT / "reports") -> Path:
        """Flat `values` beside commit (`+`: files differ from it), machine, command and load averages. Raises OSError."""
        described = provenance()
        described["commit"] = f"{described['commit']}{'+' if _has_changes() else ''}"
        described["machine"] = f"{_processor()}, {os.cpu_count()} cores, {_memory_gib():.0f} GiB"
        described["load_average_at_start"] = round(self._load_at_start, 2)
        described["load_average_at_end"] = round(os.getloadavg()[0], 2)
        folder.mkdir(parents=True, exist_ok=True)
        path = folder / f"{self.name}.json"
        path.write_text(json.dumps({**described, **values}, indent=2) + "\n")
        say(f"{described['machine']}, load {described['load_average_at_start']} to {described['load_average_at_end']}")
        say(f"written to {path}")
        return path


def say(text: str = "") -> None:
    sys.stdout.write(text + "\n")
    sys.stdout.flush()


def say_table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
    """The first column flush left, the others flush right."""
    widths = [max(len(row[column]) for row in [head, *rows]) for column in range(len(head))]
    for row in [head, *rows]:
        cells = [row[0].ljust(widths[0]), *(cell.rjust(width) for cell, width in zip(row[1:], widths[1:], strict=True))]
        say("  " + "  ".join(cells).rstrip())


def _has_changes() -> bool:
    command = ["git", "status", "--porcelain", "--untracked-files=no"]
    return bool(subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False).stdout.strip())


def _processor() -> str:
    for line in Path("/proc/cpuinfo").read_text().splitlines():
        if line.startswith("model name"):
            return line.partition(":")[2].strip()
    return os.uname().machine


def _memory_gib() -> float:
    return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30

"""What a benchmark leaves behind: a table for people and `reports/<name>.json` for programs."""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

from workers import reports


class Report(reports.Report):
    """Says where it was written."""

    def write(self, values: Mapping[str, object]) -> Path:
        """As `workers.reports.Report.write`. Raises OSError."""
        path = super().write(values)
        say(f"written to {path}")
        return path


def say(text: str = "") -> None:
    sys.stdout.write(text + "\n")
    sys.stdout.flush()


def say_table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
    """The first column flush left, the others flush right."""
    reports.write_table(sys.stdout, head, rows)
    sys.stdout.flush()

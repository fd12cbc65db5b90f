"""What every evaluation's command shares: where data lies, its progress on the terminal, its table and its report."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any, NoReturn

from django.core.management.base import CommandError, CommandParser, OutputWrapper
from tqdm import tqdm

from engine.evaluation.findings import Findings
from workers.reports import REPORTS, ROOT, Report, write_table


def data_folder() -> Path:
    """`FRESHET_DATA`, or `../shared/data` beside the repository."""
    return Path(os.environ.get("FRESHET_DATA") or ROOT.parent / "shared" / "data")


def existing(path: Path) -> Path:
    """The path, if there is a file. Raises CommandError."""
    if not path.is_file():
        raise CommandError(f"{path} is not there; give the file, or its folder in FRESHET_DATA")
    return path


class Bars(AbstractContextManager["Bars"]):
    """One progress bar after another on standard error; calling it moves the bar of that name on."""

    def __init__(self, unit: str) -> None:
        self._unit = unit
        self._name: str | None = None
        self._bar: tqdm[NoReturn] | None = None

    def __call__(self, name: str, num: int, total: int) -> None:
        bar = self._bar
        if bar is None or name != self._name:
            self.close()
            bar = tqdm(total=total, desc=name, unit=self._unit, unit_scale=True, mininterval=1.0, file=sys.stderr)
            self._name, self._bar = name, bar
        bar.update(num)

    def close(self) -> None:
        if self._bar is not None:
            self._bar.close()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


@dataclass(frozen=True, slots=True)
class Entry:
    """A protocol or an experiment: what its help says, its arguments, and what runs it."""

    text: str
    add_arguments: Callable[[CommandParser], None]
    run: Callable[[dict[str, Any], Bars], Findings]


def finish(findings: Findings, name: str, out: OutputWrapper, report: Report) -> None:
    """Print the table and write the report."""
    out.write(findings.title)
    head, rows = findings.table()
    write_table(out, head, rows)  # type: ignore[arg-type]
    out.write(f"written to {report.path}")
    report.write({"name": name, **findings.as_values()})


def run_reported(
    name: str, out: OutputWrapper, unit: str, work: Callable[[Bars], Findings], folder: Path | None = None
) -> Findings:
    """Do the work under progress bars, then print and write what it found."""
    report = Report(name, folder or REPORTS)
    with Bars(unit) as bars:
        findings = work(bars)
    finish(findings, name, out, report)
    return findings

"""What every evaluation's command shares: where data lies, its progress on the terminal, its table and its report."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any, NoReturn

from django.core.management.base import CommandError, CommandParser, OutputWrapper
from tqdm import tqdm

from engine.errors import EngineError
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


def named(names: Sequence[str]) -> tuple[str, ...]:
    """Columns given as one text, separated by commas, or as several."""
    return tuple(name.strip() for given in names for name in given.split(",") if name.strip())


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


def add_entries(parser: CommandParser, entries: Mapping[str, Entry], dest: str, prefix: str) -> None:
    """A subcommand for each entry."""
    commands = parser.add_subparsers(dest=dest, required=True, metavar=dest)
    for name, entry in entries.items():
        own = commands.add_parser(name, help=entry.text, description=entry.text)
        own.add_argument("--name", default=f"{prefix}-{name}", help="of the report (default %(default)s)")
        own.add_argument("--reports", type=Path, default=REPORTS, metavar="FOLDER", help="where it is written")
        entry.add_arguments(own)


def run_entry(entry: Entry, options: dict[str, Any], out: OutputWrapper) -> None:
    """Do the work under progress bars, then print and write what it found. Raises CommandError for what the input is at fault for."""
    report = Report(options["name"], options["reports"])
    try:
        with Bars("rows") as bars:
            findings = entry.run(options, bars)
    except (EngineError, OSError) as error:
        raise CommandError(str(error)) from error
    finish(findings, options["name"], out, report)

"""A small file of events turned into the rows that `events_ingest` takes. Rules are the validator's; nothing is judged here."""

from __future__ import annotations

import csv
import io
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from itertools import islice
from typing import Any, BinaryIO

from django.conf import settings

from engine.spec.schema import Property, PropertyType, Schema
from webapp.accounts.models import Project
from webapp.catalog import services
from webapp.core.errors import Invalid
from webapp.core.strict_json import BrokenJson, read_json

REJECTED_SHOWN = 100
LIST_SEPARATOR = "|"
TRUE_WORDS = frozenset({"true", "1", "yes"})
FALSE_WORDS = frozenset({"false", "0", "no"})


@dataclass(frozen=True)
class RejectedLine:
    """`line` counts from 1, the CSV header included."""

    line: int
    problems: list[dict[str, str]]


@dataclass
class UploadReport:
    num_accepted: int = 0
    num_repeated: int = 0
    num_rejected: int = 0
    rejected: list[RejectedLine] = field(default_factory=list)

    @property
    def num_rows(self) -> int:
        return self.num_accepted + self.num_repeated + self.num_rejected


@dataclass(frozen=True)
class CsvMapping:
    """Which header holds which field of an event; `event_type` is the type of every row that has no column for it."""

    columns: Mapping[str, str]
    event_type: str = ""
    time_form: str = "text"


def upload_events(
    *, project: Project, schema: Schema, file: BinaryIO, file_name: str, mapping: CsvMapping
) -> UploadReport:
    """Ingest the file in batches. Raises `Invalid` for a file that is not UTF-8 or lacks a mapped column."""
    numbered = _csv_rows(file, schema, mapping) if file_name.lower().endswith(".csv") else _jsonl_rows(file)
    report = UploadReport()
    while batch := list(islice(numbered, settings.MAX_EVENTS_PER_REQUEST)):
        _ingest(project, batch, f"upload:{file_name}"[:200], report)
    return report


def _ingest(project: Project, batch: list[tuple[int, object]], source: str, report: UploadReport) -> None:
    rows = [row for _, row in batch]
    answered = services.events_ingest(project=project, rows=rows, source=source, first_row_number=batch[0][0])
    report.num_accepted += answered.num_accepted
    report.num_repeated += answered.num_repeated
    report.num_rejected += answered.num_rejected
    for result in answered.results:
        if result.status == "rejected" and len(report.rejected) < REJECTED_SHOWN:
            line = batch[result.index][0]
            report.rejected.append(RejectedLine(line, [problem.as_dict() for problem in result.problems]))


def _jsonl_rows(file: BinaryIO) -> Iterator[tuple[int, object]]:
    for line, text in enumerate(_lines(file), start=1):
        if not text.strip():
            continue
        try:
            yield line, read_json(text)
        except BrokenJson:
            yield line, text.rstrip("\r\n")


def _csv_rows(file: BinaryIO, schema: Schema, mapping: CsvMapping) -> Iterator[tuple[int, object]]:
    reader = csv.DictReader(_lines(file))
    headers = list(reader.fieldnames or [])
    missing = [header for header in mapping.columns.values() if header not in headers]
    if missing:
        raise Invalid.field(
            "columns", f"must be headers of the file, which has {', '.join(headers)}", ", ".join(missing)
        )
    try:
        for row in reader:
            yield reader.line_num, _event_row(row, schema, mapping)
    except csv.Error as error:
        raise Invalid.field("file", f"is not readable as CSV at line {reader.line_num}: {error}", "") from error


def _event_row(row: Mapping[str, str | None], schema: Schema, mapping: CsvMapping) -> dict[str, Any]:
    event: dict[str, Any] = {name: row[header] for name, header in mapping.columns.items() if row.get(header)}
    event.setdefault("type", mapping.event_type)
    if "timestamp" in event:
        event["timestamp"] = _timestamp(event["timestamp"], mapping.time_form)
    declared = schema.events.get(event["type"])
    properties = {
        name: _typed(value, prop)
        for name, prop in (declared.properties.items() if declared else ())
        if (value := row.get(name)) not in (None, "") and name not in mapping.columns.values()
    }
    if properties:
        event["properties"] = properties
    return event


def _timestamp(text: str, form: str) -> str | int:
    """Milliseconds for numeric forms; text that is not a number stays as it is, for the validator to refuse."""
    if form == "text":
        return text
    try:
        return round(float(text) * (1000 if form == "s" else 1))
    except (ValueError, OverflowError):
        return text


_PARSED: dict[PropertyType, Callable[[str], Any]] = {
    PropertyType.INTEGER: int,
    PropertyType.FLOAT: float,
    PropertyType.VECTOR: lambda text: [float(part) for part in text.split(LIST_SEPARATOR)],
}


def _typed(text: str | None, declared: Property) -> Any:
    """A CSV cell as its declared type; what cannot be read stays text."""
    text = text or ""
    if declared.type in _PARSED:
        try:
            return _PARSED[declared.type](text)
        except ValueError:
            return text
    if declared.type is PropertyType.BOOLEAN and text.lower() in TRUE_WORDS | FALSE_WORDS:
        return text.lower() in TRUE_WORDS
    if declared.type is PropertyType.STRING_LIST:
        return [part for part in text.split(LIST_SEPARATOR) if part]
    return text


def _lines(file: BinaryIO) -> Iterator[str]:
    reader = io.TextIOWrapper(file, encoding="utf-8-sig", newline="")
    try:
        yield from reader
    except UnicodeDecodeError as error:
        raise Invalid.field("file", f"must be UTF-8 text: {error.reason} at byte {error.start}", "") from error

"""Arguments and opening of a file of events, as `load_events` and `replay` share them."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

from django.core.management.base import CommandError, CommandParser

from webapp.accounts.models import Project
from webapp.catalog.importing.opening import EventFile, read_mapping
from webapp.catalog.importing.ordering import TimeRange
from webapp.catalog.importing.times import parse_moment
from webapp.registry.selectors import schema_document


def moment(text: str) -> int:
    """An argparse type: milliseconds since the epoch."""
    try:
        return parse_moment(text)
    except ValueError:
        raise argparse.ArgumentTypeError(
            f"must be a date, RFC 3339 (2017-10-02T00:00:00Z) or milliseconds (received {text!r})"
        ) from None


def add_file_arguments(parser: CommandParser) -> None:
    parser.add_argument("file", type=Path, metavar="FILE", help="CSV, JSONL or Parquet; gzip or zstd")
    parser.add_argument("--map", type=Path, required=True, metavar="mapping.json", help="how columns become events")
    parser.add_argument("--from", dest="from_ms", type=moment, metavar="T", help="events at or after this time")
    parser.add_argument("--until", dest="until_ms", type=moment, metavar="T", help="events before this time")


def open_event_file(project: Project, options: dict[str, Any], *, sort: bool) -> EventFile:
    """Raises `InvalidDocument`, OSError, CommandError."""
    within = TimeRange(options["from_ms"], options["until_ms"])
    if within.from_ms is not None and within.until_ms is not None and within.from_ms >= within.until_ms:
        raise CommandError("--from must be before --until")
    mapping = read_mapping(options["map"])
    return EventFile(options["file"], mapping, schema_document(project=project), within, sort or mapping.sort)

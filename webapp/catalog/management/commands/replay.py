"""`manage.py replay`: a file of past events as a live stream."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from typing import Any

import pyarrow as pa
from django.core.management.base import CommandError, CommandParser

from webapp.accounts.models import Project
from webapp.catalog import services
from webapp.catalog.importing.opening import EventFile
from webapp.catalog.importing.replaying import Replayer, ReplayProgress
from webapp.catalog.importing.rows import Row
from webapp.catalog.management.event_file import add_file_arguments, open_event_file
from webapp.core.management.progress import Progress
from webapp.core.management.project_command import ProjectCommand


class Command(ProjectCommand):
    help = (
        "Send a file's events as a live stream: in the order of time, as many times faster as --speed says. "
        "Events that are there already are not doubled."
    )

    def add_own_arguments(self, parser: CommandParser) -> None:
        add_file_arguments(parser)
        parser.add_argument("--speed", type=float, default=600.0, help="seconds of event time a second (default 600)")
        parser.add_argument("--batch", type=int, default=500, help="most events in one transaction (default 500)")

    def work(self, project: Project, options: dict[str, Any]) -> str | None:
        if options["speed"] <= 0 or options["batch"] < 1:
            raise CommandError("--speed must be above 0 and --batch at least 1")
        source = open_event_file(project, options, sort=True)
        counts = dict.fromkeys(("accepted", "repeated", "rejected"), 0)

        def send(rows: Sequence[Row]) -> None:
            report = services.events_ingest(
                project=project, rows=[row.event for row in rows], source=f"replay:{source.path.name}"
            )
            counts["accepted"] += report.num_accepted
            counts["repeated"] += report.num_repeated
            counts["rejected"] += report.num_rejected

        self.stdout.write("reading and sorting by time")
        replayer = Replayer(_readable(source), send, speed=options["speed"], batch_size=options["batch"])
        try:
            with Progress(self.stdout, what="events", unit="events") as bar:
                replayer.run(lambda progress: bar.update(progress.num_sent, _place(progress)))
        except KeyboardInterrupt:
            self.stdout.write("stopped")
        except pa.ArrowInvalid as error:
            raise CommandError(f"{source.path.name} cannot be read: {error}") from error
        return _summary(replayer.progress, counts)


def _readable(source: EventFile) -> Iterator[Row]:
    return (row for row in source.rows() if isinstance(row, Row))


def _moment(event_time_ms: int) -> str:
    return datetime.fromtimestamp(event_time_ms / 1000, UTC).isoformat(timespec="seconds").replace("+00:00", "Z")


def _place(progress: ReplayProgress) -> str:
    return f"at {_moment(progress.event_time_ms)}, {progress.lag_s:,.0f} s of event time behind"


def _summary(progress: ReplayProgress, counts: dict[str, int]) -> str:
    if progress.num_sent == 0:
        return "no event in this range"
    became = ", ".join(f"{number:,} {name}" for name, number in counts.items())
    return (
        f"{progress.num_sent:,} events in {progress.elapsed_s:,.1f} s ({progress.events_per_s:,.0f}/s): {became}; "
        f"continue with --from {progress.event_time_ms} ({_moment(progress.event_time_ms)})"
    )

"""`manage.py load_events`: a file of past events through the same door as the API's."""

from __future__ import annotations

import time
from pathlib import Path
from typing import IO, Any

import orjson
import pyarrow as pa
from django.core.management.base import CommandError, CommandParser

from engine.errors import EngineError
from webapp.accounts.models import Project
from webapp.catalog.importing.items import load_items
from webapp.catalog.importing.loading import Totals, import_begin, import_failed, load
from webapp.catalog.importing.opening import EventFile
from webapp.catalog.management.event_file import add_file_arguments, open_event_file
from webapp.catalog.models import Import
from webapp.core.management.progress import Progress
from webapp.core.management.project_command import ProjectCommand


class Command(ProjectCommand):
    help = (
        "Load events from a file. The same rules as the API's; run it again to continue where it stopped: "
        "an event that is there already is not doubled."
    )

    def add_own_arguments(self, parser: CommandParser) -> None:
        add_file_arguments(parser)
        parser.add_argument("--batch", type=int, default=2000, help="rows in one transaction (default 2000)")
        parser.add_argument("--rejected", type=Path, metavar="out.jsonl", help="write refused rows here")
        parser.add_argument(
            "--sort-by-time", action="store_true", help="sort in memory first, as `sort` in the mapping"
        )
        parser.add_argument("--restart", action="store_true", help="go through the file from its start again")

    def work(self, project: Project, options: dict[str, Any]) -> str | None:
        if not 1 <= options["batch"] <= 100_000:
            raise CommandError(f"--batch must be 1 to 100000 (received {options['batch']})")
        source = open_event_file(project, options, sort=options["sort_by_time"])
        loading = import_begin(
            project=project,
            file_name=source.path.name,
            fingerprint=source.fingerprint(),
            restart=options["restart"],
        )
        if loading.state == Import.State.FINISHED:
            return f"{source.path.name} is loaded already ({_counts(loading)}); --restart goes through it again"
        if loading.num_rows_done:
            self.stdout.write(f"continuing after row {loading.num_rows_done:,}")
        num_items = self._items(project, source, options)
        rejected: IO[bytes] | None = None
        if options["rejected"] is not None:
            rejected = options["rejected"].open("ab" if loading.num_rows_done else "wb")
        started, num_before = time.monotonic(), loading.num_rows_done
        try:
            totals = self._load(loading, source, options["batch"], rejected)
        except KeyboardInterrupt:
            raise CommandError("stopped; run the same command again to continue", returncode=130) from None
        except (EngineError, pa.ArrowInvalid, OSError) as error:
            import_failed(loading=loading, error=str(error))
            raise CommandError(f"{error}\nwhat was loaded is kept; run the same command again to continue") from error
        finally:
            if rejected is not None:
                rejected.close()
        items = f", {num_items:,} items" if num_items else ""
        elapsed_s = time.monotonic() - started
        rate = f"{elapsed_s:,.1f} s, {(totals.num_rows - num_before) / max(elapsed_s, 1e-9):,.0f} rows/s"
        return f"{source.path.name}: {_counts(totals)}{items} in {rate}"

    def _items(self, project: Project, source: EventFile, options: dict[str, Any]) -> int:
        rule = source.mapping.items
        if rule is None:
            return 0
        with Progress(self.stdout, what="items", unit="items") as progress:
            report = load_items(
                project=project,
                rule=rule,
                folder=options["map"].parent,
                schema=source.schema,
                on_batch=progress.update,
            )
        if report.num_rejected:
            self.stderr.write(f"{report.num_rejected:,} items were refused, the first: {report.first_problem}")
        return report.num_written

    def _load(self, loading: Import, source: EventFile, batch_size: int, rejected: IO[bytes] | None) -> Totals:
        def keep_rejected(number: int, problems: list[dict[str, str]], row: Any) -> None:
            if rejected is not None:
                line = {"row": number, "problems": problems, "received": row}
                rejected.write(orjson.dumps(line, default=str, option=orjson.OPT_APPEND_NEWLINE))

        if source.sort:
            self.stdout.write("reading and sorting by time")
        with Progress(self.stdout, what="events", unit="rows", done=loading.num_rows_done) as progress:
            return load(
                loading=loading,
                rows=source.rows(),
                batch_size=batch_size,
                on_batch=lambda totals: progress.update(totals.num_rows, _brief(totals)),
                on_rejected=keep_rejected,
            )


def _brief(totals: Totals) -> str:
    return f"{totals.num_repeated:,} repeated, {totals.num_rejected:,} rejected"


def _counts(done: Totals | Import) -> str:
    accepted = f"{done.num_accepted:,} accepted"
    return f"{accepted}, {done.num_repeated:,} repeated, {done.num_rejected:,} rejected"

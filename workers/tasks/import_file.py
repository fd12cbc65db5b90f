"""An uploaded file taken in under its lease: batch by batch, each noted, so that another worker goes on where one was killed."""

from __future__ import annotations

import time
from typing import Final

import pyarrow as pa
import pyarrow.parquet as pq

from webapp.catalog.back_pressure import joiner_lag
from webapp.catalog.importing.loading import Totals, load
from webapp.catalog.importing.mapping import FileFormat
from webapp.catalog.importing.reading import format_of, open_binary
from webapp.catalog.imports import services
from webapp.catalog.imports.choices import Choices
from webapp.catalog.imports.rejected import RejectedFile
from webapp.catalog.imports.rows import rows_of_file
from webapp.catalog.models import Import
from webapp.core.errors import Invalid
from webapp.core.jobs import Job
from webapp.long_jobs.services import long_job_started
from webapp.registry.selectors import schema_document
from workers.celery_app import app
from workers.long_job import Attempt, take_up

ROWS_PER_BATCH: Final = 2_000
MAX_LAG: Final = 200_000
"""Further ahead of the joiner an import does not run: what users do now would wait behind it."""

WAIT_S: Final = 0.5
_CHUNK_BYTES: Final = 1 << 20


@app.task(name=Job.IMPORT_FILE.value)
def import_file(import_id: int) -> None:
    take_up(Import, import_id, _take)


def _take(attempt: Attempt[Import]) -> None:
    long_job_started(job=attempt.job)
    try:
        _take_rows(attempt)
    except (pa.ArrowException, OSError) as error:
        raise Invalid(f"The file could not be read on: {error}") from error


def _take_rows(attempt: Attempt[Import]) -> None:
    """To the last row. Raises `Interrupted`, `LeaseLost`, and what reading and writing raise."""
    loading = attempt.job
    if loading.num_rows is None:
        services.import_counted(loading=loading, num_rows=num_rows_of(loading))

    def look(_: Totals | None = None) -> None:
        attempt.look()
        _wait_for_joiner(attempt)

    look()
    rejected = RejectedFile(loading.rejected_file, loading.num_rejected)
    try:
        load(
            loading=loading,
            rows=rows_of_file(
                loading.file, Choices.parse(loading.choices, "choices"), schema_document(project=loading.project)
            ),
            batch_size=ROWS_PER_BATCH,
            on_batch=look,
            on_rejected=rejected.write,
        )
    finally:
        rejected.close()


def _wait_for_joiner(attempt: Attempt[Import]) -> None:
    while attempt.job.kind == Import.Kind.EVENTS and joiner_lag(attempt.job.project) > MAX_LAG:
        time.sleep(WAIT_S)
        attempt.look()


def num_rows_of(loading: Import) -> int:
    """Rows of the file: of Parquet as it says, of text its lines (a header is none), which quoted line breaks make too many."""
    if format_of(loading.file) is FileFormat.PARQUET:
        return int(pq.read_metadata(loading.file).num_rows)
    num_lines, last = 0, b"\n"
    with open_binary(loading.file) as file:
        while chunk := file.read(_CHUNK_BYTES):
            num_lines, last = num_lines + chunk.count(b"\n"), chunk
    num_lines += not last.endswith(b"\n")
    return max(0, num_lines - (format_of(loading.file) is FileFormat.CSV))

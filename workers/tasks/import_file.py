"""An uploaded file taken in under its lease: batch by batch, each noted, so that another worker goes on where one was killed."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable
from typing import Final

import pyarrow as pa
import pyarrow.parquet as pq

from engine.errors import Interrupted, InvalidDocument, LeaseLost
from webapp.catalog.back_pressure import joiner_lag
from webapp.catalog.importing.loading import Totals, load
from webapp.catalog.importing.mapping import FileFormat
from webapp.catalog.importing.reading import format_of, open_binary
from webapp.catalog.imports import services
from webapp.catalog.imports.choices import Choices
from webapp.catalog.imports.rejected import RejectedFile
from webapp.catalog.imports.rows import rows_of_file
from webapp.catalog.models import Import
from webapp.core.errors import AppError
from webapp.core.jobs import Job
from webapp.registry.selectors import schema_document
from workers import sent
from workers.celery_app import app
from workers.fresh_connection import drop_broken_connection
from workers.leases import HeldLease, held
from workers.runs import OUTAGES
from workers.stopping import STOP

logger = logging.getLogger(__name__)

ROWS_PER_BATCH: Final = 2_000
MAX_LAG: Final = 200_000
"""Further ahead of the joiner an import does not run: what users do now would wait behind it."""

WAIT_S: Final = 0.5
_CHUNK_BYTES: Final = 1 << 20


@app.task(name=Job.IMPORT_FILE.value)
def import_file(import_id: int) -> None:
    """Work under a lease. An interrupted import stays wanted, so that `freshet.revive` sends it again."""
    found = Import.objects.select_related("project").filter(pk=import_id).first()
    if found is None:
        return
    with held(found.lease_name) as lease:
        found.refresh_from_db()
        if lease is None or not found.wanted or found.state in services.ENDED:
            return
        sent.forget_sent(Job.IMPORT_FILE, found.pk)
        with STOP.watching() as should_end:
            _attempt(found, lease, should_end)


def _attempt(loading: Import, lease: HeldLease, should_end: Callable[[], bool]) -> None:
    try:
        _take(loading, lease, should_end)
    except LeaseLost as error:
        logger.warning("import %s: %s; its new holder carries on", loading.pk, error)
    except Interrupted:
        if not Import.objects.filter(pk=loading.pk, wanted=True).exists():
            services.import_finished(loading=loading, state=Import.State.STOPPED)
    except (InvalidDocument, AppError) as error:
        services.import_finished(loading=loading, state=Import.State.FAILED, error=error.message)
    except OUTAGES as error:
        logger.warning("import %s: a server is away (%s); it will be tried again", loading.pk, error)
    except (pa.ArrowException, OSError) as error:
        message = f"The file could not be read on: {error}"
        services.import_finished(loading=loading, state=Import.State.FAILED, error=message)
    except Exception as error:
        logger.exception("import %s failed", loading.pk)
        services.import_finished(loading=loading, state=Import.State.FAILED, error=f"{type(error).__name__}: {error}")


def _take(loading: Import, lease: HeldLease, should_end: Callable[[], bool]) -> None:
    """To the last row. Raises `Interrupted`, `LeaseLost`, and what reading and writing raise."""
    services.import_started(loading=loading)
    if loading.num_rows is None:
        services.import_counted(loading=loading, num_rows=num_rows_of(loading))

    def look(_: Totals | None = None) -> None:
        drop_broken_connection()
        lease.fence()
        if should_end() or not Import.objects.filter(pk=loading.pk, wanted=True).exists():
            raise Interrupted("the import is to stop")
        _wait_for_joiner(loading, lease, should_end)

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


def _wait_for_joiner(loading: Import, lease: HeldLease, should_end: Callable[[], bool]) -> None:
    while loading.kind == Import.Kind.EVENTS and joiner_lag(loading.project) > MAX_LAG:
        if should_end() or not Import.objects.filter(pk=loading.pk, wanted=True).exists():
            raise Interrupted("the import is to stop")
        time.sleep(WAIT_S)
        lease.fence()


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

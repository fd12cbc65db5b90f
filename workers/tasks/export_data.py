"""An export under its lease: pages of rows, each written as a part and noted before the next."""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import Final

from engine.errors import Interrupted, LeaseLost
from webapp.core.errors import AppError
from webapp.core.jobs import Job
from webapp.exports import services
from webapp.exports.models import Export
from webapp.exports.rows import columns_of, num_rows_of, page_of
from workers import sent
from workers.celery_app import app
from workers.export_files import ExportFiles
from workers.fresh_connection import drop_broken_connection
from workers.leases import HeldLease, held
from workers.runs import OUTAGES
from workers.stopping import STOP

logger = logging.getLogger(__name__)

MAX_ROWS: Final = 20_000_000


@app.task(name=Job.EXPORT_DATA.value)
def export_data(export_id: int) -> None:
    """Work under a lease. An interrupted export stays wanted, so that `freshet.revive` sends it again."""
    found = Export.objects.select_related("project").filter(pk=export_id).first()
    if found is None:
        return
    with held(found.lease_name) as lease:
        found.refresh_from_db()
        if lease is None or not found.wanted or found.state in services.ENDED:
            return
        sent.forget_sent(Job.EXPORT_DATA, found.pk)
        with STOP.watching() as should_end:
            _attempt(found, lease, should_end)


def _attempt(export: Export, lease: HeldLease, should_end: Callable[[], bool]) -> None:
    try:
        _write(export, lease, should_end)
    except LeaseLost as error:
        logger.warning("export %s: %s; its new holder carries on", export.pk, error)
    except Interrupted:
        if not Export.objects.filter(pk=export.pk, wanted=True).exists():
            services.export_finished(export=export, state=Export.State.STOPPED)
    except AppError as error:
        services.export_finished(export=export, state=Export.State.FAILED, error=error.message)
    except OUTAGES as error:
        logger.warning("export %s: a server is away (%s); it will be tried again", export.pk, error)
    except Exception as error:
        logger.exception("export %s failed", export.pk)
        services.export_finished(export=export, state=Export.State.FAILED, error=f"{type(error).__name__}: {error}")


def _write(export: Export, lease: HeldLease, should_end: Callable[[], bool]) -> None:
    """To the last row. Raises `Interrupted`, `LeaseLost`, OSError and what reading raises."""
    services.export_started(export=export, num_rows=num_rows_of(export))
    files = ExportFiles(export, columns_of(export))
    is_last = False
    while not is_last and export.num_done < MAX_ROWS:
        drop_broken_connection()
        lease.fence()
        if should_end() or not Export.objects.filter(pk=export.pk, wanted=True).exists():
            raise Interrupted("the export is to stop")
        page = page_of(export, export.position)
        is_last = page.is_last
        if page.num_looked_at or page.position != export.position:
            files.write_part(export.num_parts, page.documents)
            services.export_part_done(
                export=export, position=page.position, num_looked_at=page.num_looked_at, num_rows=len(page.documents)
            )
    num_bytes = files.join(export.num_parts)
    services.export_finished(export=export, state=Export.State.SUCCEEDED, num_bytes=num_bytes, is_cut=not is_last)

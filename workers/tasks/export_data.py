"""An export under its lease: pages of rows, each written as a part and noted before the next."""

from __future__ import annotations

from typing import Final

from webapp.core.jobs import Job
from webapp.exports import services
from webapp.exports.models import Export
from webapp.exports.rows import columns_of, num_rows_of, page_of
from webapp.long_jobs.services import long_job_finished, long_job_started
from workers.celery_app import app
from workers.export_files import ExportFiles
from workers.long_job import Attempt, take_up

MAX_ROWS: Final = 20_000_000


@app.task(name=Job.EXPORT_DATA.value)
def export_data(export_id: int) -> None:
    take_up(Export, export_id, _write)


def _write(attempt: Attempt[Export]) -> None:
    """To the last row. Raises `Interrupted`, `LeaseLost`, OSError and what reading raises."""
    export = attempt.job
    long_job_started(job=export, num_rows=num_rows_of(export))
    files = ExportFiles(export, columns_of(export))
    is_last = False
    while not is_last and export.num_done < MAX_ROWS:
        attempt.look()
        page = page_of(export, export.position)
        is_last = page.is_last
        if page.num_looked_at or page.position != export.position:
            files.write_part(export.num_parts, page.documents)
            services.export_part_done(
                export=export, position=page.position, num_looked_at=page.num_looked_at, num_rows=len(page.documents)
            )
    num_bytes = files.join(export.num_parts)
    long_job_finished(job=export, state=Export.DONE, num_bytes=num_bytes, is_cut=not is_last)

"""A batch's file on its way to who asked for it."""

from __future__ import annotations

from django.http import FileResponse

from webapp.batches.models import Batch
from webapp.long_jobs.files import long_job_file


def opened(batch: Batch) -> FileResponse:
    """As `long_job_file`."""
    return long_job_file(job=batch, file=batch.result, name=f"recommendations-{batch.pk}.{batch.format}")

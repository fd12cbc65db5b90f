"""The file that a long job has written, on its way to who asked for it."""

from __future__ import annotations

from pathlib import Path
from typing import Final

from django.http import FileResponse

from webapp.core.errors import Conflict, NotFound
from webapp.long_jobs.models import LongJob

CONTENT_TYPES: Final = {
    ".jsonl": "application/x-ndjson",
    ".csv": "text/csv",
    ".parquet": "application/vnd.apache.parquet",
}


def long_job_file(*, job: LongJob, file: Path, name: str) -> FileResponse:
    """`file`, to be saved as `name`. Raises `Conflict` until it is there, `NotFound` when somebody has removed it from the disk."""
    if job.state != job.DONE:
        raise Conflict(f"{job.NOUN.capitalize()} {job.pk} is {job.state}; its file is there when it has {job.DONE}.")
    try:
        opened = file.open("rb")
    except FileNotFoundError:
        raise NotFound(f"The file of {job.NOUN} {job.pk} is no longer on the disk.") from None
    return FileResponse(opened, as_attachment=True, filename=name, content_type=CONTENT_TYPES[file.suffix])

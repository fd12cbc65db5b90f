"""A batch's file on its way to who asked for it."""

from __future__ import annotations

from django.http import FileResponse

from webapp.batches.models import Batch
from webapp.core.errors import Conflict, NotFound

CONTENT_TYPES = {
    Batch.Format.JSONL.value: "application/x-ndjson",
    Batch.Format.PARQUET.value: "application/vnd.apache.parquet",
}


def opened(batch: Batch) -> FileResponse:
    """Raises `Conflict` until it is there, `NotFound` when somebody has removed it from the disk."""
    if batch.state != Batch.State.SUCCEEDED:
        raise Conflict(f"Batch {batch.pk} is {batch.state}; its file is there when it has succeeded.")
    try:
        file = batch.result.open("rb")
    except FileNotFoundError:
        raise NotFound(f"The file of batch {batch.pk} is no longer on the disk.") from None
    name = f"recommendations-{batch.pk}.{batch.format}"
    return FileResponse(file, as_attachment=True, filename=name, content_type=CONTENT_TYPES[batch.format])

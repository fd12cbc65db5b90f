"""When parameters travel from the trainer to the replicas."""

from __future__ import annotations

from pydantic import Field

from engine.spec.document import Document


class Sync(Document):
    interval_s: float = Field(
        default=1.0, gt=0, le=7 * 86_400, description="a delta of touched rows each so many seconds, up to a week"
    )
    dense_interval_s: float = Field(default=5.0, gt=0, description="dense weights travel at most this often")
    snapshot_every_s: float = Field(
        default=60.0,
        gt=0,
        description="a complete serving copy each so many seconds, from which replicas start and resync",
    )
    max_delta_bytes: int = Field(
        default=4 * 2**20, ge=2**16, le=2**26, description="a larger delta is cut into several, numbered each"
    )

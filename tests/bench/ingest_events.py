"""What `make bench-ingest` sends: clicks with ids never used before (a repeat would be cheaper), in batches."""

from __future__ import annotations

import gzip
import time
import uuid
from typing import TYPE_CHECKING

import numpy as np
import orjson

if TYPE_CHECKING:
    from engine.streams.log import Record

BATCH = 500
NUM_USERS, NUM_ITEMS = 10_000, 2_000
SCHEMA: dict[str, object] = {
    "items": {},
    "users": {},
    "events": {
        "impression": {"role": "impression"},
        "click": {"role": "action", "properties": {"device": {"type": "string"}}},
    },
}
Rows = list[dict[str, object]]


class Events:
    """The same users and items in each run."""

    def __init__(self) -> None:
        self._random = np.random.default_rng(17)

    def batches(self, num: int) -> list[Rows]:
        return [self._batch() for _ in range(num)]

    def _batch(self) -> Rows:
        users, items = self._random.integers(NUM_USERS, size=BATCH), self._random.integers(NUM_ITEMS, size=BATCH)
        now_ms = int(time.time() * 1000)
        return [
            {
                "event_id": uuid.uuid4().hex,
                "type": "click",
                "user_id": f"user-{user}",
                "item_id": f"item-{item}",
                "timestamp": now_ms,
                "properties": {"device": "phone"},
            }
            for user, item in zip(users.tolist(), items.tolist(), strict=True)
        ]


def as_json(rows: Rows) -> bytes:
    return orjson.dumps(rows)


def as_packed_lines(rows: Rows) -> bytes:
    """JSON lines, gzip at the level that costs a client least."""
    return gzip.compress(b"\n".join(map(orjson.dumps, rows)), compresslevel=1)


def as_records(rows: Rows) -> list[Record]:
    """The bytes that the service writes for these rows."""
    from engine.spec.block_validation import BlockValidator
    from engine.spec.schema import Schema
    from engine.streams.log import Record

    validator = BlockValidator(Schema.parse(SCHEMA, "schema"))
    encoded = validator.encode(rows, received_ms=int(time.time() * 1000))
    return list(map(Record, encoded.user_ids, encoded.values, encoded.timestamps_ms))

"""Deltas: what a trainer publishes and replicas apply, one record of the `params` topic each.

A record is `magic | length of the header, uint32 LE | header, JSON | body | xxh64 of all before, uint64 LE`. The body is
Arrow IPC streams: of `rows` two, upserts (fid, slot, vector) and deletes (fid); of `dense` one (name, shape, values); a
`snapshot` has none. Readable with pyarrow alone. Larger ones are compressed with zstd, as each stream says of itself: floats
give a tenth, slots nearly all.
"""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum
from typing import Any, Final, TypeVar

import numpy as np
import pyarrow as pa
import xxhash
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from engine.embedding.rows import TableDelta
from engine.errors import CorruptRecord

MAGIC: Final = b"FRD1"
COMPRESSED_FROM_BYTES: Final = 4096
_ZSTD_LEVEL: Final = 1
_LENGTH_BYTES: Final = 4
_CHECKSUM_BYTES: Final = 8

_Scalar = TypeVar("_Scalar", bound=np.generic)

Weights = Mapping[str, NDArray[np.float32]]


class DeltaKind(StrEnum):
    """`rows`: upserts and deletes of one table. `dense`: all dense weights. `snapshot`: load this folder in place of everything."""

    ROWS = "rows"
    DENSE = "dense"
    SNAPSHOT = "snapshot"


class TrainedThrough(BaseModel):
    """How far training had come: for each topic, partition -> next offset; the newest event's time and its receipt, in ms."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    events: dict[int, int] = Field(default_factory=dict)
    examples: dict[int, int] = Field(default_factory=dict)
    event_time_ms: int = 0
    received_ms: int = 0


class DeltaHeader(BaseModel):
    """What a delta is. `sequence` counts from 1 without gaps; `previous_sequence` is what a replica must stand at to apply it.

    `trained_through` holds once this delta is applied. `snapshot` is the name of a folder beside the model's other snapshots.
    `digests`, by table, are the trainer's once this delta is applied; a delta after which the tables still differ has none.
    `epoch` is that of the trainer's lease: after a delta of a newer epoch one of an older says nothing, whatever its number. 0 is
    older than all, and what deltas had before there were epochs.
    `checksum` is the record's trailer, filled in by `encode_delta` and `decode_delta`.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    project: str
    model: str
    version: int
    kind: DeltaKind
    sequence: int = Field(ge=1)
    previous_sequence: int = Field(ge=0)
    trained_through: TrainedThrough
    created_ms: int
    table: str = ""
    num_upserts: int = Field(default=0, ge=0)
    num_deletes: int = Field(default=0, ge=0)
    digests: dict[str, int] = Field(default_factory=dict)
    epoch: int = Field(default=0, ge=0)
    snapshot: str | None = Field(default=None, pattern=r"^[A-Za-z0-9][A-Za-z0-9_.-]*$")
    checksum: int = 0


class Delta:
    """A decoded record. `rows` is there for kind `rows` with a table, `weights` for kind `dense`."""

    __slots__ = ("header", "rows", "weights")

    def __init__(
        self, header: DeltaHeader, rows: TableDelta | None = None, weights: dict[str, NDArray[np.float32]] | None = None
    ) -> None:
        self.header = header
        self.rows = rows
        self.weights = weights


def encode_rows(delta: TableDelta) -> bytes:
    """The body of kind `rows`."""
    dim = delta.vectors.shape[1]
    values = pa.array(np.ascontiguousarray(delta.vectors).reshape(-1), pa.float32())
    upserts = pa.record_batch(
        [
            pa.array(delta.fids, pa.uint64()),
            pa.array(delta.slots, pa.uint16()),
            pa.FixedSizeListArray.from_arrays(values, dim),
        ],
        names=["fid", "slot", "vector"],
    )
    deletes = pa.record_batch([pa.array(delta.deleted, pa.uint64())], names=["fid"])
    return _streams(upserts, deletes)


def encode_weights(weights: Weights) -> bytes:
    """The body of kind `dense`. Raises ValueError for a weight that is not float32."""
    for name, weight in weights.items():
        if weight.dtype != np.float32:
            raise ValueError(f"dense weight {name!r} must be float32, received {weight.dtype}")
    batch = pa.record_batch(
        [
            pa.array(list(weights), pa.string()),
            pa.array([list(weight.shape) for weight in weights.values()], pa.list_(pa.int64())),
            pa.array([np.ravel(weight) for weight in weights.values()], pa.large_list(pa.float32())),
        ],
        names=["name", "shape", "values"],
    )
    return _streams(batch)


def encode_delta(header: DeltaHeader, body: bytes = b"") -> bytes:
    """The record's bytes; `header.checksum` is computed, whatever it was."""
    described = header.model_dump_json(exclude={"checksum"}).encode()
    unsigned = MAGIC + len(described).to_bytes(_LENGTH_BYTES, "little") + described + body
    return unsigned + xxhash.xxh64_intdigest(unsigned).to_bytes(_CHECKSUM_BYTES, "little")


def decode_header(data: bytes) -> DeltaHeader:
    """The header of a whole record whose checksum holds. Raises `CorruptRecord`."""
    return _split(data)[0]


def decode_delta(data: bytes) -> Delta:
    """Raises `CorruptRecord` when the checksum, the header, or the body's shape or counts are wrong."""
    header, body = _split(data)
    try:
        if header.kind is DeltaKind.DENSE:
            return Delta(header, weights=_decode_weights(body))
        if header.kind is DeltaKind.SNAPSHOT and header.snapshot is None:
            raise CorruptRecord("a delta of kind snapshot must name its folder")
        if header.kind is DeltaKind.ROWS and header.table:
            return Delta(header, rows=_decode_rows(header, body))
    except (pa.ArrowException, ValueError, KeyError, TypeError, AttributeError) as error:
        raise CorruptRecord(f"delta {header.sequence} has an unreadable body: {error}") from error
    return Delta(header)


def _split(data: bytes) -> tuple[DeltaHeader, memoryview]:
    start = len(MAGIC) + _LENGTH_BYTES
    if len(data) < start + _CHECKSUM_BYTES or not data.startswith(MAGIC):
        raise CorruptRecord(f"not a delta: {len(data)} bytes starting with {data[: len(MAGIC)]!r}")
    view = memoryview(data)
    unsigned = view[:-_CHECKSUM_BYTES]
    checksum = int.from_bytes(view[-_CHECKSUM_BYTES:], "little")
    computed = xxhash.xxh64_intdigest(unsigned)
    if checksum != computed:
        raise CorruptRecord(f"a delta's checksum is {computed:016x}, its trailer says {checksum:016x}")
    end = start + int.from_bytes(view[len(MAGIC) : start], "little")
    if end > len(unsigned):
        raise CorruptRecord(f"a delta's header claims {end - start} bytes of {len(unsigned) - start}")
    try:
        header = DeltaHeader.model_validate_json(bytes(view[start:end]))
    except ValidationError as error:
        raise CorruptRecord(f"a delta's header breaks its rules: {error}") from error
    return header.model_copy(update={"checksum": checksum}), unsigned[end:]


def _decode_rows(header: DeltaHeader, body: memoryview) -> TableDelta:
    source = pa.BufferReader(pa.py_buffer(body))
    upserts, deletes = _next_table(source), _next_table(source)
    # The stubs do not know fixed-size lists.
    vectors: Any = upserts.column("vector").combine_chunks()
    dim = vectors.type.list_size
    delta = TableDelta(
        fids=_numpy(upserts.column("fid"), np.uint64),
        slots=_numpy(upserts.column("slot"), np.uint16),
        vectors=np.array(vectors.flatten(), dtype=np.float32).reshape(-1, dim),
        deleted=_numpy(deletes.column("fid"), np.uint64),
    )
    if (len(delta.fids), len(delta.deleted)) != (header.num_upserts, header.num_deletes):
        raise CorruptRecord(
            f"delta {header.sequence} holds {len(delta.fids)} upserts and {len(delta.deleted)} deletes; "
            f"its header says {header.num_upserts} and {header.num_deletes}"
        )
    return delta


def _decode_weights(body: memoryview) -> dict[str, NDArray[np.float32]]:
    table = _next_table(pa.BufferReader(pa.py_buffer(body)))
    values: Any = table.column("values").combine_chunks()
    names, shapes = table.column("name").to_pylist(), table.column("shape").to_pylist()
    return {
        str(name): np.array(values[row].values, dtype=np.float32).reshape(shape)
        for row, (name, shape) in enumerate(zip(names, shapes, strict=True))
    }


def _streams(*batches: pa.RecordBatch) -> bytes:
    sink = pa.BufferOutputStream()
    for batch in batches:
        is_small = batch.get_total_buffer_size() < COMPRESSED_FROM_BYTES
        options = pa.ipc.IpcWriteOptions(compression=None if is_small else pa.Codec("zstd", _ZSTD_LEVEL))
        with pa.ipc.new_stream(sink, batch.schema, options=options) as writer:
            writer.write_batch(batch)
    return sink.getvalue().to_pybytes()


def _next_table(source: pa.BufferReader) -> pa.Table:
    with pa.ipc.open_stream(source) as reader:
        return reader.read_all()


def _numpy(column: Any, dtype: type[_Scalar]) -> NDArray[_Scalar]:
    return np.array(column.combine_chunks(), dtype=dtype)

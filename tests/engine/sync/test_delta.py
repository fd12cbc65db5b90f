"""A delta comes back as it went, or not at all."""

from __future__ import annotations

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.embedding.rows import TableDelta
from engine.errors import CorruptRecord
from engine.sync.delta import (
    DeltaHeader,
    DeltaKind,
    TrainedThrough,
    decode_delta,
    decode_header,
    encode_delta,
    encode_rows,
    encode_weights,
)

THROUGH = TrainedThrough(events={0: 12, 1: 3}, examples={0: 9}, event_time_ms=1_700_000_000_123, received_ms=5)


def header(**changes: object) -> DeltaHeader:
    values: dict[str, object] = {
        "project": "shop",
        "model": "clicks",
        "version": 3,
        "kind": DeltaKind.ROWS,
        "sequence": 8,
        "previous_sequence": 7,
        "trained_through": THROUGH,
        "created_ms": 99,
    }
    return DeltaHeader.model_validate(values | changes)


def rows_of(num_rows: int, dim: int, num_deletes: int) -> TableDelta:
    generator = np.random.default_rng(num_rows * 100 + dim)
    return TableDelta(
        generator.integers(0, 2**64, num_rows, np.uint64),
        generator.integers(1, 2**12, num_rows, np.uint16),
        generator.normal(size=(num_rows, dim)).astype(np.float32),
        generator.integers(0, 2**64, num_deletes, np.uint64),
    )


def encoded_rows(rows: TableDelta) -> bytes:
    described = header(table="dim4", num_upserts=len(rows.fids), num_deletes=len(rows.deleted))
    return encode_delta(described, encode_rows(rows))


def test_large_body_is_compressed_and_one_of_before_is_read_all_the_same() -> None:
    rows = rows_of(2000, 16, 500)
    body = encode_rows(rows)
    sink = pa.BufferOutputStream()
    source = pa.BufferReader(body)
    for _ in range(2):
        with pa.ipc.open_stream(source) as reader:
            table = reader.read_all()
        with pa.ipc.new_stream(sink, table.schema) as writer:
            writer.write_table(table)
    plain = sink.getvalue().to_pybytes()
    assert len(body) < 0.95 * len(plain)
    described = header(table="dim16", num_upserts=2000, num_deletes=500)
    for each in (body, plain):
        decoded = decode_delta(encode_delta(described, each)).rows
        assert decoded is not None
        np.testing.assert_array_equal(decoded.vectors, rows.vectors)
        np.testing.assert_array_equal(decoded.deleted, rows.deleted)


def test_header_without_an_epoch_is_of_before_there_were_any() -> None:
    document = header(epoch=7).model_dump(mode="json", exclude={"epoch", "checksum"})
    assert DeltaHeader.model_validate(document).epoch == 0
    assert decode_header(encode_delta(header(epoch=7))).epoch == 7


@pytest.mark.parametrize(("num_rows", "dim", "num_deletes"), [(0, 4, 0), (1, 1, 0), (0, 16, 3), (200, 16, 7)])
def test_rows_come_back_bit_for_bit(num_rows: int, dim: int, num_deletes: int) -> None:
    rows = rows_of(num_rows, dim, num_deletes)
    decoded = decode_delta(encoded_rows(rows))
    assert decoded.rows is not None
    assert decoded.header.trained_through == THROUGH
    for name in ("fids", "slots", "vectors", "deleted"):
        before, after = getattr(rows, name), getattr(decoded.rows, name)
        assert after.dtype == before.dtype
        assert after.shape == before.shape
        assert np.array_equal(after, before)
        assert after.flags["C_CONTIGUOUS"]


def test_weights_come_back_with_their_names_and_shapes() -> None:
    weights = {
        "tower/kernel": np.arange(6, dtype=np.float32).reshape(2, 3),
        "bias": np.array(0.5, np.float32),
        "empty": np.zeros((0, 4), np.float32),
        "strided": np.arange(8, dtype=np.float32).reshape(2, 4)[:, ::2],
    }
    decoded = decode_delta(encode_delta(header(kind=DeltaKind.DENSE), encode_weights(weights))).weights
    assert decoded is not None
    assert list(decoded) == list(weights)
    for name, weight in weights.items():
        assert decoded[name].shape == weight.shape
        assert decoded[name].dtype == np.float32
        assert np.array_equal(decoded[name], weight)


def test_a_weight_that_is_not_float32_is_refused_by_name() -> None:
    with pytest.raises(ValueError, match="'bias' must be float32, received float64"):
        encode_weights({"bias": np.zeros(2)})  # type: ignore[dict-item]


def test_an_empty_delta_and_a_snapshot_have_no_body() -> None:
    decoded = decode_delta(encode_delta(header()))
    assert (decoded.rows, decoded.weights) == (None, None)
    assert decode_delta(encode_delta(header(kind=DeltaKind.SNAPSHOT, snapshot="0001"))).header.snapshot == "0001"


@pytest.mark.parametrize("name", ["../etc", "a/b", ".hidden", "", None])
def test_a_snapshot_must_name_a_folder_beside_the_others(name: str | None) -> None:
    bad = header(kind=DeltaKind.SNAPSHOT).model_copy(update={"snapshot": name})
    with pytest.raises(CorruptRecord):
        decode_delta(encode_delta(bad))


@given(st.data())
def test_any_changed_bit_is_noticed(data: st.DataObject) -> None:
    encoded = bytearray(encoded_rows(rows_of(3, 4, 1)))
    place = data.draw(st.integers(0, len(encoded) - 1))
    encoded[place] ^= 1 << data.draw(st.integers(0, 7))
    with pytest.raises(CorruptRecord):
        decode_delta(bytes(encoded))


@given(st.integers(0, 10_000), st.binary(max_size=40))
def test_any_cut_or_foreign_record_is_refused(length: int, foreign: bytes) -> None:
    encoded = encoded_rows(rows_of(3, 4, 1))
    for bad in (encoded[: length % len(encoded)], foreign, encoded + b"x", b"FRD1" + foreign):
        with pytest.raises(CorruptRecord):
            decode_delta(bad)


def test_counts_that_differ_from_the_header_are_refused() -> None:
    body = encode_rows(rows_of(3, 4, 1))
    with pytest.raises(CorruptRecord, match="holds 3 upserts and 1 deletes; its header says 2 and 1"):
        decode_delta(encode_delta(header(table="dim4", num_upserts=2, num_deletes=1), body))


def test_a_body_of_another_kind_is_refused_although_its_checksum_holds() -> None:
    weights = encode_weights({"a": np.zeros(2, np.float32)})
    with pytest.raises(CorruptRecord):
        decode_delta(encode_delta(header(table="dim4"), weights))
    with pytest.raises(CorruptRecord):
        decode_delta(encode_delta(header(kind=DeltaKind.DENSE), encode_rows(rows_of(1, 4, 0))))


def test_the_header_alone_can_be_read_and_carries_the_checksum() -> None:
    encoded = encoded_rows(rows_of(3, 4, 1))
    read = decode_header(encoded)
    assert read.sequence == 8
    assert read.checksum == int.from_bytes(encoded[-8:], "little")


def test_the_body_is_plain_arrow_that_others_can_open() -> None:
    rows = rows_of(3, 4, 2)
    source = pa.BufferReader(encode_rows(rows))
    upserts, deletes = pa.ipc.open_stream(source).read_all(), pa.ipc.open_stream(source).read_all()
    assert upserts.column_names == ["fid", "slot", "vector"]
    assert upserts.column("fid").to_pylist() == rows.fids.tolist()
    assert deletes.column("fid").to_pylist() == rows.deleted.tolist()

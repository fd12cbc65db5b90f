"""A wrong argument is named, with what was received, and changes nothing."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import engine_cc
from engine.embedding.options import SlotRule, TableOptions
from engine.embedding.rows import TableRows
from engine.embedding.table import EmbeddingTable
from engine.spec.serving_copy import Precision

FIDS = np.array([1, 2, 3], np.uint64)
SLOTS = np.ones(3, np.uint16)
FLOATS = np.full((3, 4), 0.5, np.float32)
STAMPS = np.ones(3, np.uint32)
DOUBLES: Any = np.zeros((3, 4))
OPTIONS = TableOptions(4, 1)


@pytest.fixture
def table() -> EmbeddingTable:
    return EmbeddingTable(OPTIONS)


def foreign_batch() -> engine_cc.SightedBatch:
    return EmbeddingTable(OPTIONS).sight(FIDS, SLOTS, 1)


WRONG: list[tuple[Callable[[EmbeddingTable], Any], type[Exception], str]] = [
    (lambda t: t.lookup(FIDS.astype(np.int64)), TypeError, "fids must be a NumPy array of uint64, received int64"),
    (lambda t: t.lookup(FIDS.tolist()), TypeError, "fids must be a NumPy array of uint64, received list"),
    (lambda t: t.lookup(FIDS.reshape(1, 3)), ValueError, r"fids must have 1 dimension\(s\), received 2"),
    (lambda t: t.lookup(np.arange(6, dtype=np.uint64)[::2]), ValueError, "fids must be C-contiguous and aligned"),
    (lambda t: t.lookup(FIDS.astype(">u8")), TypeError, "fids must be a NumPy array of uint64, received >u8"),
    (
        lambda t: t.lookup(FIDS, np.zeros((3, 5), np.float32)),
        ValueError,
        r"out must have shape \(3, 4\), received \(3, 5\)",
    ),
    (lambda t: t.lookup(FIDS, DOUBLES), TypeError, "out must be a NumPy array of float32, received float64"),
    (lambda t: t.lookup(FIDS, np.asfortranarray(FLOATS)), ValueError, "out must be C-contiguous"),
    (lambda t: t.lookup(FIDS, None, "nothing"), ValueError, "absent must be zeros or initial, received nothing"),  # type: ignore[arg-type]
    (
        lambda t: t.lookup_or_create(FIDS, SLOTS[:2], 1),
        ValueError,
        "slots must have one element per FID: 3, received 2",
    ),
    (lambda t: t.lookup_or_create(FIDS, SLOTS.astype(np.int64), 1), TypeError, "slots must be a NumPy array of uint16"),
    (lambda t: t.sight(FIDS, SLOTS, STAMPS[:2]), ValueError, "seen_at_s must have one element, or one per FID: 3"),
    (lambda t: t.sight(FIDS, SLOTS, STAMPS.astype(np.int64)), TypeError, "seen_at_s must be a NumPy array of uint32"),
    (lambda t: t.sight(FIDS, SLOTS, -1), ValueError, "seen_at_s must be 0 to 4294967295, received -1"),
    (lambda t: t.sight(FIDS, SLOTS, 2**70), ValueError, "seen_at_s must be 0 to 4294967295"),
    (lambda t: t.sight(FIDS, SLOTS, 1.5), TypeError, "seen_at_s must be an integer or a NumPy array"),  # type: ignore[arg-type]
    (lambda t: t.gather(foreign_batch()), ValueError, "batch must be of this table's sight"),
    (lambda t: t.apply(foreign_batch(), FLOATS, 0.1), ValueError, "batch must be of this table's sight"),
    (lambda t: t.apply_gradients(FIDS, FLOATS[:2], 0.1), ValueError, r"grads must have shape \(3, 4\)"),
    (lambda t: t.apply_gradients(FIDS, FLOATS, float("nan")), ValueError, "learning_rate must be finite"),
    (lambda t: t.assign(FIDS, SLOTS, FLOATS * np.float32(np.inf)), ValueError, "vectors must be finite, received inf"),
    (lambda t: list(t.rows(0)), ValueError, "min_rows must be 1 to"),
    (
        lambda t: t.import_rows(TableRows(FIDS, SLOTS, FLOATS, states=FLOATS[:, :3].copy())),
        ValueError,
        r"states must have shape \(3, 4\)",
    ),
    (
        lambda t: t.import_rows(TableRows(FIDS, SLOTS, FLOATS, STAMPS[:1])),
        ValueError,
        "seen_at_s must be empty or have 3",
    ),
    (lambda t: t.import_state_words(FIDS), ValueError, "state must have .* words, received 3"),
]


@pytest.mark.parametrize(("call", "error", "message"), WRONG)
def test_a_wrong_argument_is_named(
    table: EmbeddingTable, call: Callable[[EmbeddingTable], Any], error: type[Exception], message: str
) -> None:
    with pytest.raises(error, match=message):
        call(table)
    assert len(table) == 0


def test_an_out_array_that_may_not_be_written_is_refused(table: EmbeddingTable) -> None:
    out = FLOATS.copy()
    out.flags.writeable = False
    with pytest.raises(ValueError, match="out must be writeable"):
        table.lookup(FIDS, out)


def test_an_out_array_is_filled_and_answered(table: EmbeddingTable) -> None:
    out = np.full((3, 4), np.nan, np.float32)
    created = table.lookup_or_create(FIDS, SLOTS, 1)
    assert table.lookup(FIDS, out) is out
    np.testing.assert_array_equal(out, created)
    batch = table.sight(FIDS, SLOTS, 2)
    assert table.gather(batch, out) is out
    np.testing.assert_array_equal(out[batch.members], created)


def test_an_absent_fid_looks_as_its_row_will_begin(table: EmbeddingTable) -> None:
    promised = table.lookup(FIDS, absent="initial")
    assert not table.contains(FIDS).any()
    assert promised.any()
    np.testing.assert_array_equal(table.lookup_or_create(FIDS, SLOTS, 1), promised)


def test_exported_arrays_own_their_memory(table: EmbeddingTable) -> None:
    table.assign(FIDS, SLOTS, FLOATS)
    delta = table.export_delta(10)
    table.assign(FIDS, SLOTS, FLOATS * 2)
    del table
    np.testing.assert_array_equal(delta.vectors, FLOATS)


def test_a_sighted_batch_is_a_view_that_nobody_writes_and_that_outlives_its_table() -> None:
    batch = EmbeddingTable(OPTIONS).sight(FIDS, SLOTS, 1)
    fids = batch.fids
    with pytest.raises(ValueError, match="read-only"):
        fids[0] = 9
    with pytest.raises(ValueError, match="read-only"):
        batch.members[0] = 9
    del batch
    assert sorted(fids.tolist()) == [1, 2, 3]


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"dim": 0}, "dim must be 1 to 4096, received 0"),
        ({"dim": 5000}, "dim must be 1 to 4096, received 5000"),
        ({"seed": -1}, "seed must be 0 to"),
        ({"max_rows": -1}, "max_rows must be 0 to"),
        ({"max_candidates": 8}, "max_candidates must be 16 to"),
    ],
)
def test_an_option_out_of_range_is_refused(options: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        TableOptions(**{"dim": 4, **options})


@pytest.mark.parametrize(
    ("changed", "error", "message"),
    [
        ({"optimizer": "lion"}, ValueError, "lion"),
        (
            {"optimizer_options": {"warmth": 1.0}},
            ValueError,
            "optimizer_options must be fields of an optimizer, received warmth",
        ),
        ({"optimizer_options": {"momentum": "much"}}, TypeError, "momentum must be a number, received str"),
        ({"optimizer_options": {"initial_accumulator": 0.0}}, ValueError, "initial_accumulator must be"),
        ({"initializer": "ones"}, ValueError, "ones"),
        ({"init_scale": float("nan")}, ValueError, "scale"),
        ({"digest_precision": "float8"}, ValueError, "precision must be float32, float16 or int8, received float8"),
        ({"evict": "largest"}, ValueError, "evict must be least_recent or least_often, received largest"),
        (
            {"slot_rules": [(1, "sometimes", 1, 1.0, 0, 0)]},
            ValueError,
            "admission must be always, min_count or probability",
        ),
        ({"slot_rules": [(1, "min_count", 0, 1.0, 0, 0)]}, ValueError, "min_count: must be at least 1"),
        ({"slot_rules": [(1, "probability", 1, 1.5, 0, 0)]}, ValueError, "probability: must be above 0 and at most 1"),
        ({"slot_rules": [(70_000, "always", 1, 1.0, 0, 0)]}, TypeError, "slot_rules must be tuples"),
    ],
)
def test_the_core_refuses_options_by_name(changed: dict[str, Any], error: type[Exception], message: str) -> None:
    given: dict[str, Any] = {
        "dim": 4,
        "seed": 1,
        "index_salt": 2,
        "initializer": "uniform",
        "init_scale": 0.1,
        "optimizer": "adagrad",
        "optimizer_options": {},
        "slot_rules": [SlotRule(1).to_core()],
        "digest_precision": Precision.FLOAT32,
        "max_rows": 0,
        "evict": "least_recent",
        "max_candidates": 16,
    }
    engine_cc.Table(**given)
    with pytest.raises(error, match=message):
        engine_cc.Table(**{**given, **changed})


def test_an_empty_batch_does_nothing(table: EmbeddingTable) -> None:
    none = np.array([], np.uint64)
    assert table.lookup(none).shape == (0, 4)
    assert table.lookup_or_create(none, np.array([], np.uint16), np.array([], np.uint32)).shape == (0, 4)
    assert table.apply_gradients(none, np.zeros((0, 4), np.float32), 0.1).num_applied == 0
    assert table.gather(table.sight(none, np.array([], np.uint16), 5)).shape == (0, 4)
    assert table.erase(none) == 0

"""A wrong argument is named, with what was received, and changes nothing."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from engine.embedding.table import EmbeddingTable

FIDS = np.array([1, 2, 3], np.uint64)
SLOTS = np.ones(3, np.uint16)
FLOATS = np.full((3, 4), 0.5, np.float32)
DOUBLES: Any = np.zeros((3, 4))


@pytest.fixture
def table() -> EmbeddingTable:
    return EmbeddingTable(4, seed=1, init_scale=0.1, initial_accumulator=0.1)


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
    (lambda t: t.lookup_or_create(FIDS, SLOTS[:2]), ValueError, "slots must have one element per FID: 3, received 2"),
    (lambda t: t.lookup_or_create(FIDS, SLOTS.astype(np.int64)), TypeError, "slots must be a NumPy array of uint16"),
    (lambda t: t.apply_gradients(FIDS, FLOATS[:2], 0.1), ValueError, r"grads must have shape \(3, 4\)"),
    (lambda t: t.apply_gradients(FIDS, FLOATS, float("nan")), ValueError, "learning_rate must be finite"),
    (lambda t: t.assign(FIDS, SLOTS, FLOATS * np.float32(np.inf)), ValueError, "vectors must be finite, received inf"),
    (lambda t: list(t.rows(0)), ValueError, "max_rows must be 1 to"),
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
    created = table.lookup_or_create(FIDS, SLOTS)
    assert table.lookup(FIDS, out) is out
    np.testing.assert_array_equal(out, created)


def test_exported_arrays_own_their_memory(table: EmbeddingTable) -> None:
    table.assign(FIDS, SLOTS, FLOATS)
    delta = table.export_delta(10)
    table.assign(FIDS, SLOTS, FLOATS * 2)
    del table
    np.testing.assert_array_equal(delta.vectors, FLOATS)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"dim": 0}, "dim must be 1 to 4096, received 0"),
        ({"dim": 5000}, "dim must be 1 to 4096, received 5000"),
        ({"seed": -1}, "seed must be 0 to"),
        ({"init_scale": -0.5}, "init_scale must be finite and not negative"),
        ({"initial_accumulator": 0.0}, "initial_accumulator must be finite and positive"),
    ],
)
def test_an_option_out_of_range_is_refused(options: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        EmbeddingTable(**{"dim": 4, "seed": 1, "init_scale": 0.1, "initial_accumulator": 0.1, **options})


def test_an_empty_batch_does_nothing(table: EmbeddingTable) -> None:
    none = np.array([], np.uint64)
    assert table.lookup(none).shape == (0, 4)
    assert table.lookup_or_create(none, np.array([], np.uint16)).shape == (0, 4)
    assert table.apply_gradients(none, np.zeros((0, 4), np.float32), 0.1).num_applied == 0
    assert table.erase(none) == 0

"""A step may learn from rows that it has not seen: they earn nothing and keep nothing alive. And what was published is saved as that."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from engine.embedding.options import SlotRule, TableOptions
from engine.embedding.rows import NOT_SEEN
from engine.embedding.table import EmbeddingTable
from engine.embedding.table_restore import restore_table
from engine.embedding.table_saver import StoreImage
from engine.spec.slot import AdmitMinCount, Expiry

RULES = (SlotRule(1, AdmitMinCount(min_count=3)), SlotRule(2, expiry=Expiry(ttl_s=10)))


def new_table() -> EmbeddingTable:
    return EmbeddingTable(TableOptions(2, rules=RULES))


def fids(*ids: int) -> np.ndarray:
    return np.array(ids, np.uint64)


def slots(slot: int, num: int = 1) -> np.ndarray:
    return np.full(num, slot, np.uint16)


def test_only_what_was_seen_counts_towards_admission() -> None:
    table = new_table()
    mixed = np.array([NOT_SEEN, 5, NOT_SEEN, 6], np.uint32)
    batch = table.sight(fids(7, 7, 7, 7), slots(1, 4), mixed)
    assert (batch.num_unique, batch.members.tolist()) == (1, [0, 0, 0, 0])
    for _ in range(9):
        table.sight(fids(7), slots(1), NOT_SEEN)
    assert (len(table), table.counters.num_turned_away, table.candidates().counts.tolist()) == (0, 2, [2])
    table.sight(fids(7), slots(1), 7)
    assert len(table) == 1


def test_row_that_was_not_seen_learns_and_keeps_its_stamp() -> None:
    table = new_table()
    table.lookup_or_create(fids(8), slots(2), 100)
    table.forget_touched()
    batch = table.sight(fids(8), slots(2), NOT_SEEN)
    before = table.gather(batch).copy()
    assert table.apply(batch, np.ones((1, 2), np.float32), 0.1).num_applied == 1
    assert (table.lookup(fids(8)) < before).all()
    assert table.num_touched == 1
    (rows,) = table.rows()
    assert rows.seen_at_s is not None and rows.counts is not None
    assert (rows.seen_at_s.tolist(), rows.counts.tolist()) == ([100], [1])
    assert table.expire(111, 10) == 1


def test_id_that_was_never_seen_gets_no_row_whatever_its_slots_rule() -> None:
    table = new_table()
    assert table.lookup_or_create(fids(1, 2), slots(2, 2), NOT_SEEN).tolist() == [[0, 0], [0, 0]]
    assert (len(table), table.counters.num_turned_away) == (0, 0)


def test_increment_knows_that_rows_were_published_since(tmp_path: Path) -> None:
    for published in ("acknowledged", "forgotten"):
        table = EmbeddingTable(TableOptions(2), index_salt=1)
        table.lookup_or_create(fids(*range(100)), slots(1, 100), 0)
        folders = [tmp_path / published / name for name in ("full", "increment")]
        for folder in folders:
            folder.mkdir(parents=True)
            with StoreImage({"t": table}, incremental=True) as image:
                image.write(folder)
                image.confirm()
            if published == "acknowledged":
                table.export_delta(60)
                table.acknowledge_delta()
            else:
                table.forget_touched()
        first, last = (restore_table(table.options, folders[:num], "t") for num in (1, 2))
        assert (first.num_touched, last.num_touched) == (100, 40 if published == "acknowledged" else 0)

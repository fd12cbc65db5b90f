"""What a publisher sends, how it numbers it, and that a failure loses nothing."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from engine.errors import LeaseLost, LogError
from engine.streams.log import Record
from engine.streams.memory import MemoryLog
from engine.sync.delta import DeltaKind, decode_delta, decode_header
from tests.engine.sync.parties import TOPIC, Trainer, through, train


def headers(log: MemoryLog, offset: int = 0) -> list[Any]:
    return [decode_header(record.value) for record in log.read(TOPIC, 0, offset)]


def test_touched_rows_of_every_table_are_published_once_and_numbered_from_one(log: MemoryLog, trainer: Trainer) -> None:
    train(trainer.store, [1, 2, 3])
    report = trainer.publisher.publish_rows(through(5))
    assert (report.num_rows, report.num_deletes, report.sequences) == (6, 0, [1, 2])
    assert report.num_bytes == sum(len(record.value) for record in log.read(TOPIC, 0, 0))
    assert [(h.sequence, h.previous_sequence, h.table, h.num_upserts) for h in headers(log)] == [
        (1, 0, "dim2", 3),
        (2, 1, "dim8", 3),
    ]
    assert trainer.publisher.publish_rows(through(5)).sequences == []


def test_deletes_travel_too(log: MemoryLog, trainer: Trainer) -> None:
    train(trainer.store, [1, 2, 3])
    trainer.publisher.publish_rows(through(5))
    trainer.store.tables["dim2"].erase(np.array([2], np.uint64))
    report = trainer.publisher.publish_rows(through(6))
    assert (report.num_rows, report.num_deletes) == (0, 1)
    rows = decode_delta(log.read(TOPIC, 0, 2)[0].value).rows
    assert rows is not None
    assert rows.deleted.tolist() == [2]


def test_only_the_last_delta_of_a_call_says_that_training_came_this_far(log: MemoryLog, trainer: Trainer) -> None:
    train(trainer.store, [1])
    trainer.publisher.publish_rows(through(5))
    train(trainer.store, [1])
    trainer.publisher.publish_rows(through(9))
    assert [h.trained_through.events.get(0) for h in headers(log)] == [None, 5, 5, 9]


def test_with_nothing_touched_an_empty_delta_says_how_far_training_came(log: MemoryLog, trainer: Trainer) -> None:
    assert trainer.publisher.publish_rows(through(1)).sequences == [1]
    assert trainer.publisher.publish_rows(through(1)).sequences == []
    assert trainer.publisher.publish_rows(through(2)).sequences == [2]
    assert [(h.kind, h.table, h.num_upserts) for h in headers(log)] == [(DeltaKind.ROWS, "", 0)] * 2


def test_a_large_delta_is_cut_below_its_limit_and_appended_at_once(log: MemoryLog, tmp_path: Path) -> None:
    trainer = Trainer(log, tmp_path, max_delta_bytes=2**16)
    train(trainer.store, list(range(5000)))
    appends: list[int] = []
    append = log.append

    def counting(topic: str, records: Any) -> Any:
        appends.append(len(records))
        return append(topic, records)

    log.append = counting  # type: ignore[method-assign]
    report = trainer.publisher.publish_rows(through(1))
    records = log.read(TOPIC, 0, 0)
    assert report.num_rows == 10_000
    assert appends == [len(records)]
    assert len(records) == 6  # 5000 rows of 18 bytes, then of 42, in 57,344 bytes each: 2 and 4
    assert max(len(record.value) for record in records) <= 2**16


def test_what_is_too_large_for_one_append_goes_in_several(
    log: MemoryLog, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("engine.sync.publisher.MAX_APPEND_BYTES", 100_000)
    trainer = Trainer(log, tmp_path, max_delta_bytes=2**16)
    train(trainer.store, list(range(5000)))
    sizes: list[int] = []
    append = log.append

    def failing(topic: str, records: Any) -> Any:
        if len(sizes) == 1:
            sizes.append(0)
            raise LogError("the disk is full")
        sizes.append(sum(len(record.value) for record in records))
        return append(topic, records)

    log.append = failing  # type: ignore[method-assign]
    with pytest.raises(LogError, match="full"):
        trainer.publisher.publish_rows(through(1))
    sent = sum(h.num_upserts for h in headers(log))
    assert 0 < sent < 10_000
    assert trainer.publisher.publish_rows(through(1)).num_rows == 10_000 - sent
    assert [h.sequence for h in headers(log)] == list(range(1, len(headers(log)) + 1))
    assert headers(log)[-1].trained_through == through(1)
    assert max(sizes) < 200_000


def test_an_append_that_fails_keeps_the_rows_for_the_next_call(log: MemoryLog, trainer: Trainer) -> None:
    train(trainer.store, [1, 2])
    append = log.append

    def failing(topic: str, records: Any) -> Any:
        raise LogError("the database is away")

    log.append = failing  # type: ignore[method-assign]
    with pytest.raises(LogError, match="away"):
        trainer.publisher.publish_rows(through(1))
    log.append = append  # type: ignore[method-assign]
    report = trainer.publisher.publish_rows(through(1))
    assert (report.num_rows, report.sequences) == (4, [1, 2])


def test_an_append_of_unknown_outcome_takes_no_number_twice(log: MemoryLog, trainer: Trainer) -> None:
    train(trainer.store, [1, 2])
    append = log.append

    def landing(topic: str, records: Any) -> Any:
        append(topic, records)
        raise LogError("the connection broke", outcome="unknown")

    log.append = landing  # type: ignore[method-assign]
    with pytest.raises(LogError, match="broke"):
        trainer.publisher.publish_rows(through(1))
    log.append = append  # type: ignore[method-assign]
    assert trainer.publisher.publish_rows(through(1)).sequences == [3, 4]


def test_a_lost_lease_publishes_nothing_and_loses_nothing(log: MemoryLog, tmp_path: Path) -> None:
    lost = [True]

    def fence() -> None:
        if lost[0]:
            raise LeaseLost("the lease went to another")

    trainer = Trainer(log, tmp_path, fence=fence)
    train(trainer.store, [1])
    with pytest.raises(LeaseLost):
        trainer.publisher.publish_rows(through(1))
    assert log.end_offsets(TOPIC) == {0: 0}
    lost[0] = False
    assert trainer.publisher.publish_rows(through(1)).num_rows == 2


def test_the_next_publisher_continues_the_numbers_and_knows_what_was_last(log: MemoryLog, tmp_path: Path) -> None:
    first = Trainer(log, tmp_path)
    assert first.publisher.last_published is None
    train(first.store, [1])
    first.publisher.publish_rows(through(7))
    second = Trainer(log, tmp_path).publisher
    assert second.last_published is not None
    assert (second.sequence, second.next_offset, second.last_published.trained_through) == (2, 2, through(7))
    assert second.publish_rows(through(8)).sequences == [3]


def test_an_unreadable_last_record_took_a_number_too(log: MemoryLog, tmp_path: Path) -> None:
    first = Trainer(log, tmp_path)
    first.publisher.publish_rows(through(7))
    log.append(TOPIC, [Record("rows", b"damaged", 0)])
    assert Trainer(log, tmp_path).publisher.publish_rows(through(8)).sequences == [3]


def test_numbers_taken_by_a_trainer_that_lost_its_lease_are_not_used_again(log: MemoryLog, tmp_path: Path) -> None:
    zombie, trainer = Trainer(log, tmp_path), Trainer(log, tmp_path)
    zombie.publisher.publish_rows(through(1))
    zombie.publisher.publish_rows(through(2))
    train(trainer.store, [1])
    report = trainer.publisher.publish_rows(through(3))
    # Its first try took 1 and 2 as well, which replicas ignore as repeats.
    assert report.sequences == [3, 4]
    assert [h.sequence for h in headers(log)] == [1, 2, 1, 2, 3, 4]


def test_trimming_keeps_the_record_that_tells_the_sequence(log: MemoryLog, trainer: Trainer, tmp_path: Path) -> None:
    for number in range(5):
        trainer.publisher.publish_rows(through(number + 1))
    trainer.publisher.trim_before(3)
    assert log.earliest_offsets(TOPIC) == {0: 3}
    trainer.publisher.trim_before(99)
    assert log.earliest_offsets(TOPIC) == {0: 4}
    assert Trainer(log, tmp_path).publisher.sequence == 5


def test_rows_are_counted_by_the_slot_they_are_of(trainer: Trainer) -> None:
    train(trainer.store, [1, 2, 3])
    report = trainer.publisher.publish_rows(through(5))
    assert sum(report.rows_by_slot.values()) == report.num_rows == 6
    slots = [table.export_delta(10).slots.tolist() for table in trainer.store.tables.values()]
    assert slots == [[], []], "what was published is not touched any more"
    train(trainer.store, [2])
    assert sum(trainer.publisher.publish_rows(through(6)).rows_by_slot.values()) == 2

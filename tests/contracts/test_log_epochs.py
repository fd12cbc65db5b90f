"""The logs that keep epochs refuse an old holder in the very transaction that would have appended."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor

import psycopg
import pytest

from engine.errors import LeaseLost, UnknownTopic
from engine.streams.fencing import Fence, FencingLog, append_fenced, begin_epoch
from engine.streams.log import EventLog, Record
from engine.streams.postgres import SCHEMA_SQL, PostgresLog

RECORDS = [Record(f"key-{number}", b"x", number) for number in range(20)]


def held(epoch: int) -> Fence:
    return Fence(lambda: None, epoch)


@pytest.fixture
def topic(one_machine_log: EventLog, request: pytest.FixtureRequest) -> str:
    name = f"epochs.{request.node.name}"
    one_machine_log.create_topic(name, 4)
    return name


def num_records(log: EventLog, topic: str) -> int:
    return sum(log.end_offsets(topic).values())


def test_older_epoch_is_refused_once_a_newer_one_has_begun(one_machine_log: EventLog, topic: str) -> None:
    log = one_machine_log
    assert isinstance(log, FencingLog)
    assert begin_epoch(log, topic, held(5))
    append_fenced(log, topic, RECORDS, held(5))
    assert begin_epoch(log, topic, held(9))
    with pytest.raises(LeaseLost) as refused:
        append_fenced(log, topic, RECORDS, held(5))
    assert (refused.value.extra["epoch"], refused.value.extra["newer"]) == (5, 9)
    with pytest.raises(LeaseLost):
        begin_epoch(log, topic, held(5))
    append_fenced(log, topic, RECORDS, held(9))
    assert num_records(log, topic) == 40
    assert [record.offset for record in log.read(topic, 0, 0)] == list(range(log.end_offsets(topic)[0]))


def test_writers_without_an_epoch_go_on(one_machine_log: EventLog, topic: str) -> None:
    begin_epoch(one_machine_log, topic, held(5))
    one_machine_log.append(topic, RECORDS)
    append_fenced(one_machine_log, topic, RECORDS, lambda: None)
    assert num_records(one_machine_log, topic) == 40


def test_topics_have_epochs_of_their_own(one_machine_log: EventLog, topic: str) -> None:
    one_machine_log.create_topic(f"{topic}.other")
    begin_epoch(one_machine_log, topic, held(5))
    append_fenced(one_machine_log, f"{topic}.other", RECORDS, held(1))
    with pytest.raises(UnknownTopic):
        begin_epoch(one_machine_log, f"{topic}.nowhere", held(1))


def test_no_append_of_an_old_holder_is_behind_the_first_look_of_the_new_one(
    one_machine_log: EventLog, topic: str
) -> None:
    """Whatever an old holder's threads do meanwhile, the end that a new one sees after it began is the old one's last."""
    log = one_machine_log
    begin_epoch(log, topic, held(1))
    refused = threading.Event()

    def write_until_refused() -> int:
        num = 0
        try:
            while not refused.is_set():
                append_fenced(log, topic, RECORDS[:3], held(1))
                num += 3
        except LeaseLost:
            refused.set()
        return num

    with ThreadPoolExecutor(3) as pool:
        writers = [pool.submit(write_until_refused) for _ in range(3)]
        while num_records(log, topic) < 30:
            pass
        begin_epoch(log, topic, held(2))
        seen = num_records(log, topic)
        num_written = [writer.result(timeout=60) for writer in writers]
    assert refused.is_set()
    assert num_records(log, topic) == seen == sum(num_written)


def test_log_of_this_morning_gets_its_epochs_by_migration(postgres_dsn: str) -> None:
    with psycopg.connect(postgres_dsn, autocommit=True) as connection:
        connection.execute(SCHEMA_SQL)
        connection.execute("ALTER TABLE freshet_log.partition DROP COLUMN epoch")
        connection.execute(SCHEMA_SQL)
        connection.execute(SCHEMA_SQL)
    log = PostgresLog(postgres_dsn)
    try:
        log.create_topic("epochs.migrated")
        begin_epoch(log, "epochs.migrated", held(2))
        with pytest.raises(LeaseLost):
            append_fenced(log, "epochs.migrated", RECORDS, held(1))
    finally:
        log.close()

"""What only the PostgreSQL log has to promise: processes, broken connections, restarts."""

from __future__ import annotations

import multiprocessing
import uuid
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import psycopg
import pytest

from engine.errors import LogError
from engine.streams import open_log
from engine.streams.log import Record
from engine.streams.postgres import _READ, SCHEMA_SQL, PostgresLog
from engine.streams.postgres_statement import MAX_RECORDS


@pytest.fixture
def log(log_dsn: str) -> Iterator[PostgresLog]:
    opened = PostgresLog(log_dsn)
    yield opened
    opened.close()


@pytest.fixture
def topic(log: PostgresLog) -> str:
    name = uuid.uuid4().hex
    log.create_topic(name, 4)
    return name


def end_every_other_session(dsn: str) -> None:
    with psycopg.connect(dsn) as connection:
        connection.execute(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity "
            "WHERE pid <> pg_backend_pid() AND datname = current_database() AND backend_type = 'client backend'"
        )


def test_the_schema_can_be_made_twice(log_dsn: str, log: PostgresLog, topic: str) -> None:
    log.append(topic, [Record("a", b"1", 1)])
    with psycopg.connect(log_dsn) as connection:
        connection.execute(SCHEMA_SQL)
    assert sum(log.end_offsets(topic).values()) == 1


def test_a_second_process_reads_what_the_first_appended(log_dsn: str, log: PostgresLog, topic: str) -> None:
    log.append(topic, [Record(str(n), b"1", 1) for n in range(50)])
    other = open_log(log_dsn)
    assert isinstance(other, PostgresLog)
    assert sum(len(other.read(topic, partition, 0)) for partition in other.partitions(topic)) == 50
    other.close()


def test_an_append_that_fails_midway_leaves_no_record_and_no_gap(log_dsn: str, log: PostgresLog, topic: str) -> None:
    log.append(topic, [Record(str(n), b"", 1) for n in range(20)])
    before = log.end_offsets(topic)
    with psycopg.connect(log_dsn) as connection:
        connection.execute("ALTER TABLE freshet_log.record ADD CONSTRAINT no_poison CHECK (key <> 'poison')")
    try:
        with pytest.raises(LogError, match="refused the append") as caught:
            log.append(topic, [*(Record(str(n), b"", 1) for n in range(50)), Record("poison", b"", 1)])
        assert caught.value.extra["outcome"] == "not appended"
    finally:
        with psycopg.connect(log_dsn) as connection:
            connection.execute("ALTER TABLE freshet_log.record DROP CONSTRAINT no_poison")
    assert log.end_offsets(topic) == before
    log.append(topic, [Record(str(n), b"", 1) for n in range(20)])
    for partition, end in log.end_offsets(topic).items():
        assert [stored.offset for stored in log.read(topic, partition, 0)] == list(range(end))


def test_reads_and_appends_go_on_after_the_server_dropped_the_connections(
    log_dsn: str, log: PostgresLog, topic: str
) -> None:
    assert len(log.append(topic, [Record("a", b"1", 1)])) == 1
    end_every_other_session(log_dsn)
    assert sum(log.end_offsets(topic).values()) == 1
    end_every_other_session(log_dsn)
    assert len(log.append(topic, [Record("a", b"2", 1)])) == 1
    assert sum(log.end_offsets(topic).values()) == 2


def test_an_append_whose_commit_was_cut_off_says_that_its_outcome_is_unknown(
    log_dsn: str, log: PostgresLog, topic: str
) -> None:
    # A deferred trigger runs inside COMMIT and ends its own session there: the client cannot know what became of it.
    with psycopg.connect(log_dsn) as connection:
        connection.execute(
            "CREATE FUNCTION freshet_log.cut() RETURNS trigger LANGUAGE plpgsql AS "
            "$$ BEGIN PERFORM pg_terminate_backend(pg_backend_pid()); RETURN NULL; END $$;"
            "CREATE CONSTRAINT TRIGGER cut AFTER INSERT ON freshet_log.record "
            "DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION freshet_log.cut()"
        )
    try:
        with pytest.raises(LogError, match="may or may not be in the log") as caught:
            log.append(topic, [Record("a", b"1", 1)])
        assert caught.value.extra["outcome"] == "unknown"
    finally:
        with psycopg.connect(log_dsn) as connection:
            connection.execute("DROP TRIGGER cut ON freshet_log.record; DROP FUNCTION freshet_log.cut()")
    assert len(log.append(topic, [Record("a", b"1", 1)])) == 1
    assert sum(log.end_offsets(topic).values()) == 1


def test_a_server_that_cannot_be_reached_is_a_log_error() -> None:
    log = PostgresLog("postgresql://nobody@127.0.0.1:1/none?connect_timeout=2")
    with pytest.raises(LogError):
        log.partitions("shop.events")
    with pytest.raises(LogError) as caught:
        log.append("shop.events", [Record("a", b"", 1)])
    assert caught.value.extra["outcome"] == "not appended"
    log.close()


def test_a_missing_schema_is_a_log_error_that_names_the_table(log_dsn: str) -> None:
    with psycopg.connect(log_dsn, autocommit=True) as connection:
        connection.execute("CREATE DATABASE empty_of_logs")
        log = PostgresLog(psycopg.conninfo.make_conninfo(log_dsn, dbname="empty_of_logs"))
        with pytest.raises(LogError, match="freshet_log"):
            log.partitions("shop.events")
        log.close()
        connection.execute("DROP DATABASE empty_of_logs")


def test_more_threads_than_connections_take_turns(log_dsn: str, topic: str) -> None:
    narrow = PostgresLog(log_dsn, max_connections=2)
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(lambda n: narrow.append(topic, [Record(str(n), b"", 1)]), range(64)))
    assert sum(narrow.end_offsets(topic).values()) == 64
    narrow.close()


def test_a_waiting_read_looks_again_at_its_interval_and_holds_no_connection(log_dsn: str, topic: str) -> None:
    sleeps: list[float] = []
    now = [0.0]

    def sleep(seconds: float) -> None:
        sleeps.append(round(seconds, 3))
        now[0] += seconds
        if len(sleeps) == 3:
            waiting.append(topic, [Record("a", b"late", 1)])

    waiting = PostgresLog(log_dsn, max_connections=1, sleep=sleep, monotonic=lambda: now[0])
    partition = waiting.append(topic, [Record("a", b"first", 1)])[0].partition
    assert [stored.value for stored in waiting.read(topic, partition, 1, timeout_s=60)] == [b"late"]
    assert sleeps == [0.05, 0.05, 0.05]
    assert waiting.read(topic, partition, 2, timeout_s=0.12) == []
    assert sleeps[3:] == [0.05, 0.05, 0.02]
    waiting.close()


def append_in_child(log: PostgresLog, topic: str) -> None:
    log.append(topic, [Record("a", b"child", 1) for _ in range(20)])


def test_a_forked_child_opens_connections_of_its_own(log: PostgresLog, topic: str) -> None:
    log.append(topic, [Record("a", b"parent", 1)])
    child = multiprocessing.get_context("fork").Process(target=append_in_child, args=(log, topic))
    child.start()
    for _ in range(20):
        log.append(topic, [Record("a", b"parent", 1)])
    child.join(60)
    assert child.exitcode == 0
    assert sum(log.end_offsets(topic).values()) == 41


def test_a_closed_log_refuses_to_work(log: PostgresLog, topic: str) -> None:
    log.close()
    with pytest.raises(LogError, match="closed"):
        log.append(topic, [Record("a", b"", 1)])


def test_few_records_go_in_one_statement_and_take_their_places_between_others(log: PostgresLog) -> None:
    topic = f"one-{uuid.uuid4().hex[:8]}"
    log.create_topic(topic)
    few = [Record("a", b"1", -5), Record("b\u00e9", b"", 7)]
    assert [one.offset for one in log.append(topic, few)] == [0, 1]
    many = [Record("m", b"x", 9)] * (MAX_RECORDS + 1)
    with ThreadPoolExecutor(4) as threads:
        appended = list(threads.map(lambda number: log.append(topic, many if number % 5 == 0 else few), range(20)))
    offsets = [place.offset for places in appended for place in places]
    assert sorted(offsets) == list(range(2, 2 + len(offsets)))
    for places in appended:
        assert [place.offset for place in places] == list(range(places[0].offset, places[0].offset + len(places)))
    stored = log.read(topic, 0, 0, max_records=2)
    assert [(one.key, one.value, one.timestamp_ms) for one in stored] == [("a", b"1", -5), ("b\u00e9", b"", 7)]


def test_few_records_find_a_topic_that_was_made_anew_with_more_partitions(
    log_dsn: str, log: PostgresLog, topic: str
) -> None:
    log.append(topic, [Record("a", b"1", 0)])
    with psycopg.connect(log_dsn, autocommit=True) as other:
        other.execute("DELETE FROM freshet_log.topic WHERE name = %s", (topic,))
    log.create_topic(topic, 8)
    places = [log.append(topic, [Record(f"key-{number}", b"1", 0)])[0] for number in range(40)]
    assert {place.partition for place in places} == set(range(8))
    assert log.end_offsets(topic) == {one: sum(place.partition == one for place in places) for one in range(8)}


def test_few_records_of_several_partitions_are_appended_together(log: PostgresLog) -> None:
    name = f"several-{uuid.uuid4().hex[:8]}"
    log.create_topic(name, 4)
    records = [Record(f"key-{number}", b"1", 0) for number in range(20)]
    for _ in range(2):
        log.append(name, records)
    assert sum(log.end_offsets(name).values()) == 40


def test_reads_are_planned_once_and_go_by_the_key(log_dsn: str) -> None:
    log = PostgresLog(log_dsn, max_connections=1)
    topic = f"shop.{uuid.uuid4().hex}"
    log.create_topic(topic)
    log.append(topic, [Record("a", b"v", number) for number in range(500)])
    for offset in range(20):
        assert log.read(topic, 0, offset, 1)[0].offset == offset
    with log._pool.connection() as connection:
        reads = connection.execute(
            "SELECT name, custom_plans FROM pg_prepared_statements WHERE statement LIKE '%LATERAL%'"
        ).fetchall()
        assert [planned for _, planned in reads] == [0]
        connection.execute(f"PREPARE again (bigint, bigint, text, integer) AS {_numbered(_READ)}")
        plan = connection.execute("EXPLAIN EXECUTE again (0, 10, 'shop', 0)").fetchall()
    log.close()
    assert any("record_pkey" in line for (line,) in plan), plan


def _numbered(statement: str) -> str:
    for number in range(1, statement.count("%s") + 1):
        statement = statement.replace("%s", f"${number}", 1)
    return statement

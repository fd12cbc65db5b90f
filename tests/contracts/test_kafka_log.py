"""What only the Kafka log has to promise: its topics, other producers, forks, groups that Kafka's own tools see."""

from __future__ import annotations

import multiprocessing
import time
import uuid
from collections.abc import Iterator

import pytest
from kafka import KafkaAdminClient, KafkaProducer, TopicPartition
from kafka.admin import ConfigResource, ConfigResourceType

from engine.errors import LogError, LogUnavailable, OffsetOutOfRange, UnknownTopic
from engine.streams import topics
from engine.streams.kafka import KafkaLog
from engine.streams.kafka_settings import KafkaSettings
from engine.streams.log import Position, Record, StoredRecord

pytestmark = pytest.mark.kafka


@pytest.fixture
def log(kafka_servers: str) -> Iterator[KafkaLog]:
    opened = KafkaLog(KafkaSettings((kafka_servers,)))
    yield opened
    opened.close()


@pytest.fixture(scope="module")
def admin(kafka_servers: str) -> Iterator[KafkaAdminClient]:
    client = KafkaAdminClient(bootstrap_servers=kafka_servers)
    yield client
    client.close()


@pytest.fixture
def project() -> str:
    return f"shop-{uuid.uuid4().hex[:8]}"


def topic_configuration(admin: KafkaAdminClient, name: str) -> dict[str, str]:
    answered = admin.describe_configs([ConfigResource(ConfigResourceType.TOPIC, name)], config_filter="all")
    return {key: value["value"] for key, value in answered["topic"][name].items()}


def test_topics_are_made_with_the_settings_that_the_guarantees_need(
    log: KafkaLog, admin: KafkaAdminClient, project: str
) -> None:
    log.create_topic(topics.params(project, "clicks", 1))
    made = topic_configuration(admin, topics.params(project, "clicks", 1))
    assert made["cleanup.policy"] == "delete"
    assert made["retention.ms"] == "-1"
    assert made["max.message.bytes"] == str(32 * 2**20)
    assert made["message.timestamp.type"] == "CreateTime"


def test_events_and_examples_get_the_partitions_that_were_configured(kafka_servers: str, project: str) -> None:
    log = KafkaLog(KafkaSettings((kafka_servers,), num_partitions=3))
    for name in (topics.events, topics.examples, topics.catalog, topics.events_dead):
        log.create_topic(name(project))
    log.create_topic(topics.params(project, "clicks", 1))
    assert log.partitions(topics.events(project)) == [0, 1, 2]
    assert log.partitions(topics.examples(project)) == [0, 1, 2]
    assert log.partitions(topics.catalog(project)) == [0]
    assert log.partitions(topics.events_dead(project)) == [0]
    assert log.partitions(topics.params(project, "clicks", 1)) == [0]
    log.close()


def test_a_prefix_keeps_two_installations_on_one_cluster_apart(
    kafka_servers: str, log: KafkaLog, admin: KafkaAdminClient, project: str
) -> None:
    staging = KafkaLog(KafkaSettings((kafka_servers,), topic_prefix="staging.", group_prefix="staging."))
    staging.create_topic(topics.events(project))
    staging.append(topics.events(project), [Record("a", b"1", 1)])
    staging.commit("joiner", topics.events(project), {0: 1})
    assert f"staging.{project}.events" in admin.list_topics()
    with pytest.raises(UnknownTopic):
        log.partitions(topics.events(project))
    staging.close()


def test_kafkas_own_tools_see_what_a_group_has_yet_to_read(
    log: KafkaLog, admin: KafkaAdminClient, project: str
) -> None:
    topic = topics.events(project)
    log.create_topic(topic)
    log.append(topic, [Record(str(n), b"", n) for n in range(10)])
    log.commit("joiner", topic, {0: 7})
    place = TopicPartition(topic, 0)
    assert admin.list_group_offsets({"freshet.joiner": [place]})["freshet.joiner"][place].offset == 7


def test_records_of_other_producers_are_read_whatever_they_lack(
    kafka_servers: str, log: KafkaLog, project: str
) -> None:
    topic = topics.events(project)
    log.create_topic(topic)
    with KafkaProducer(bootstrap_servers=kafka_servers) as producer:
        producer.send(topic, value=b"no key", timestamp_ms=5)
        producer.send(topic, value=None, key=b"tombstone", timestamp_ms=6)
        producer.send(topic, value=b"not text", key=b"\xff", timestamp_ms=7)
        producer.flush()
    assert log.read(topic, 0, 0) == [
        StoredRecord(0, 0, "", b"no key", 5),
        StoredRecord(0, 1, "tombstone", b"", 6),
        StoredRecord(0, 2, "�", b"not text", 7),
    ]


def test_what_another_producers_transaction_took_back_is_never_read(
    kafka_servers: str, log: KafkaLog, project: str
) -> None:
    topic = topics.events(project)
    log.create_topic(topic)
    with KafkaProducer(bootstrap_servers=kafka_servers, transactional_id=project) as producer:
        producer.init_transactions()
        producer.begin_transaction()
        producer.send(topic, value=b"taken back", key=b"a", timestamp_ms=1)
        producer.flush()
        assert log.end_offsets(topic) == {0: 0}
        assert log.read(topic, 0, 0) == []
        producer.abort_transaction()
        producer.begin_transaction()
        producer.send(topic, value=b"kept", key=b"a", timestamp_ms=1)
        producer.commit_transaction()
    # 0 is the record taken back, 1 and 3 are marks of the transactions' ends
    assert [(stored.offset, stored.value) for stored in log.read(topic, 0, 0, timeout_s=10)] == [(2, b"kept")]
    assert log.read(topic, 0, 3) == []
    assert log.append(topic, [Record("a", b"ours", 1)]) == [Position(0, 4)]
    assert [stored.offset for stored in log.read(topic, 0, 3)] == [4]


def test_a_record_above_the_topics_limit_is_refused_before_anything_is_sent(
    log: KafkaLog, admin: KafkaAdminClient, project: str
) -> None:
    topic = topics.events(project)
    admin.create_topics({topic: {"configs": {"max.message.bytes": "100000"}}}, wait_for_metadata=True)
    with pytest.raises(LogError, match=r"100001 bytes is too large .* Kafka takes 100000") as caught:
        log.append(topic, [Record("a", b"fine", 1), Record("b", bytes(100_001), 1)])
    assert caught.value.extra["outcome"] == "not appended"
    assert log.end_offsets(topic) == {0: 0}
    # more than one batch may hold, in several
    positions = log.append(topic, [Record("a", bytes(30_000), n) for n in range(10)])
    assert [position.offset for position in positions] == list(range(10))


def test_times_before_1970_are_kept_and_found(log: KafkaLog, project: str) -> None:
    topic = topics.events(project)
    log.create_topic(topic)
    log.append(topic, [Record("a", b"", time_ms) for time_ms in (-9, -5, 0, 3)])
    assert [stored.timestamp_ms for stored in log.read(topic, 0, 0)] == [-9, -5, 0, 3]
    assert [log.offset_at(topic, 0, time_ms) for time_ms in (-10, -9, -8, -4, 0, 1, 4)] == [0, 0, 1, 2, 2, 3, 4]


def test_a_topic_that_was_deleted_is_unknown_and_can_be_made_again(
    kafka_servers: str, admin: KafkaAdminClient, project: str
) -> None:
    log = KafkaLog(KafkaSettings((kafka_servers,), request_timeout_ms=1000, delivery_timeout_ms=2000))
    topic = topics.catalog(project)
    log.create_topic(topic)
    log.append(topic, [Record("a", b"", 1)])
    admin.delete_topics([topic])
    deadline = time.monotonic() + 30
    while topic in admin.list_topics() and time.monotonic() < deadline:
        time.sleep(0.05)
    with pytest.raises(LogError):
        log.append(topic, [Record("a", b"", 1)])
    with pytest.raises(UnknownTopic):
        log.append(topic, [Record("a", b"", 1)])
    log.create_topic(topic)
    assert log.append(topic, [Record("a", b"", 1)]) == [Position(0, 0)]
    log.close()


def test_a_trim_by_another_process_is_noticed(kafka_servers: str, log: KafkaLog, project: str) -> None:
    topic = topics.catalog(project)
    log.create_topic(topic)
    log.append(topic, [Record(str(n), b"", n) for n in range(10)])
    assert len(log.read(topic, 0, 0, max_records=10)) == 10
    other = KafkaLog(KafkaSettings((kafka_servers,)))
    other.trim(topic, 0, 8)
    other.close()
    with pytest.raises(OffsetOutOfRange) as caught:
        log.read(topic, 0, 2)
    assert caught.value.extra["earliest"] == 8


def append_in_child(log: KafkaLog, topic: str) -> None:
    for _ in range(20):
        log.append(topic, [Record("a", b"child", 1)])


def test_a_forked_child_opens_connections_of_its_own(log: KafkaLog, project: str) -> None:
    topic = topics.catalog(project)
    log.create_topic(topic)
    log.append(topic, [Record("a", b"parent", 1)])
    log.read(topic, 0, 0)
    child = multiprocessing.get_context("fork").Process(target=append_in_child, args=(log, topic))
    child.start()
    for _ in range(20):
        log.append(topic, [Record("a", b"parent", 1)])
    child.join(60)
    assert child.exitcode == 0
    assert log.end_offsets(topic) == {0: 41}
    assert len(log.read(topic, 0, 0)) == 41


def test_a_broker_that_cannot_be_reached_is_worth_another_try_and_says_so_soon() -> None:
    log = KafkaLog(KafkaSettings(("127.0.0.1:1",), request_timeout_ms=500, delivery_timeout_ms=1500))
    started = time.monotonic()
    with pytest.raises(LogUnavailable):
        log.partitions("shop.events")
    with pytest.raises(LogUnavailable):
        log.append("shop.events", [Record("a", b"", 1)])
    assert time.monotonic() - started < 15
    log.close()


def test_a_closed_log_refuses_to_work(log: KafkaLog, project: str) -> None:
    topic = topics.catalog(project)
    log.create_topic(topic)
    log.close()
    with pytest.raises(LogError, match="closed"):
        log.append(topic, [Record("a", b"", 1)])
    with pytest.raises(LogError, match="closed"):
        log.read(topic, 0, 0)
    with pytest.raises(LogError, match="closed"):
        log.end_offsets(topic)

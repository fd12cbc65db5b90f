"""A broker of the test's own that is killed, stopped for a while, or wants to know who asks."""

from __future__ import annotations

import signal
import subprocess
import threading
import time
import uuid
from collections.abc import Iterator
from pathlib import Path

import pytest

from deploy.kafka.broker import Kafka
from engine.errors import LogError, LogUnavailable
from engine.streams.kafka import KafkaLog
from engine.streams.kafka_settings import KafkaSettings
from engine.streams.log import Record

pytestmark = pytest.mark.kafka

PATIENCE_S = 90.0


@pytest.fixture(scope="module")
def broker(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Kafka]:
    """One for all: each test leaves it running."""
    folder = tmp_path_factory.mktemp("outage")
    kafka = Kafka(folder / "kafka", log=folder / "kafka.log")
    kafka.start()
    yield kafka
    kafka.kill()


@pytest.fixture
def topic() -> str:
    return f"shop-{uuid.uuid4().hex[:8]}.events"


def opened(broker: Kafka, delivery_timeout_ms: int = 2000) -> KafkaLog:
    return KafkaLog(
        KafkaSettings((broker.bootstrap_servers,), request_timeout_ms=1000, delivery_timeout_ms=delivery_timeout_ms)
    )


def numbers(log: KafkaLog, topic: str) -> list[int]:
    """Everything in the topic's only partition."""
    found: list[int] = []
    while records := log.read(topic, 0, len(found)):
        assert [record.offset for record in records] == list(range(len(found), len(found) + len(records)))
        found += [int(record.value) for record in records]
    return found


def test_a_killed_broker_loses_nothing_acknowledged_and_everyone_goes_on(broker: Kafka, topic: str) -> None:
    log = opened(broker)
    log.create_topic(topic)
    acknowledged: list[int] = []
    refused: list[str] = []
    stopping = threading.Event()

    def write() -> None:
        number = 0
        while not stopping.is_set():
            batch = list(range(number, number + 20))
            number += 20
            try:
                log.append(topic, [Record("user", str(one).encode(), 1) for one in batch])
                acknowledged.extend(batch)
            except LogUnavailable as error:
                refused.append(error.extra.get("outcome", "not appended"))

    def read_on(seen: list[int]) -> None:
        while not stopping.is_set() or len(seen) < log.end_offsets(topic)[0]:
            try:
                seen += [int(record.value) for record in log.read(topic, 0, len(seen), timeout_s=0.2)]
            except LogUnavailable:
                stopping.wait(0.1)  # as the workers do: try again

    seen: list[int] = []
    threads = [threading.Thread(target=write), threading.Thread(target=read_on, args=(seen,))]
    for thread in threads:
        thread.start()
    wait_for(lambda: len(acknowledged) > 200)
    broker.kill()
    wait_for(lambda: len(refused) > 0)
    broker.start()
    before = len(acknowledged)
    wait_for(lambda: len(acknowledged) > before + 200)
    stopping.set()
    for thread in threads:
        thread.join(PATIENCE_S)
    in_log = numbers(log, topic)
    assert set(acknowledged) <= set(in_log)
    assert len(in_log) == len(set(in_log)), "an append was repeated"
    assert [one for one in in_log if one in set(acknowledged)] == acknowledged, "the order changed"
    assert seen == in_log
    assert set(refused) <= {"not appended", "unknown"}
    log.close()


def test_an_append_outlives_a_broker_that_is_back_within_the_delivery_timeout(broker: Kafka, topic: str) -> None:
    log = opened(broker, delivery_timeout_ms=60_000)
    log.create_topic(topic)
    log.append(topic, [Record("user", b"0", 1)])
    broker.kill()
    appending = threading.Thread(target=log.append, args=(topic, [Record("user", b"1", 1)]))
    appending.start()
    broker.start()
    appending.join(PATIENCE_S)
    assert numbers(log, topic) == [0, 1]
    log.close()


def test_a_broker_that_hangs_is_given_up_in_time_and_answers_again_when_it_goes_on(broker: Kafka, topic: str) -> None:
    log = opened(broker)
    log.create_topic(topic)
    log.append(topic, [Record("user", b"0", 1)])
    log.commit("joiner", topic, {0: 1})
    assert broker.process is not None
    broker.process.send_signal(signal.SIGSTOP)
    started = time.monotonic()
    for call in (
        lambda: log.append(topic, [Record("user", b"1", 1)]),
        lambda: log.read(topic, 0, 1),
        lambda: log.end_offsets(topic),
        lambda: log.commit("joiner", topic, {0: 1}),
    ):
        with pytest.raises(LogUnavailable):
            call()
    assert time.monotonic() - started < 60
    broker.process.send_signal(signal.SIGCONT)
    wait_for(lambda: answers(log, topic))
    # the append that was given up may have arrived: it said that it was unknown
    assert numbers(log, topic) in ([0], [0, 1])
    assert log.committed("joiner", topic) == {0: 1}
    log.close()


def answers(log: KafkaLog, topic: str) -> bool:
    try:
        log.end_offsets(topic)
    except LogUnavailable:
        return False
    return True


def wait_for(holds: object) -> None:
    assert callable(holds)
    deadline = time.monotonic() + PATIENCE_S
    while not holds():
        assert time.monotonic() < deadline, "waited too long"
        time.sleep(0.02)


@pytest.fixture
def certificate(tmp_path: Path) -> Path:
    """A key and its self-signed certificate for 127.0.0.1, one after the other in a PEM file."""
    pem, key = tmp_path / "own.pem", tmp_path / "own.key"
    subprocess.run(
        ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", "-subj", "/CN=127.0.0.1",
         "-addext", "subjectAltName=IP:127.0.0.1", "-keyout", str(key), "-out", str(tmp_path / "ca.pem")],
        check=True, capture_output=True,
    )  # fmt: skip
    pem.write_text(key.read_text() + (tmp_path / "ca.pem").read_text())
    return pem


def test_a_broker_behind_tls_and_a_password_takes_who_knows_it_and_nobody_else(
    tmp_path: Path, certificate: Path
) -> None:
    jaas = (
        "org.apache.kafka.common.security.plain.PlainLoginModule required "
        'username="broker" password="b" user_broker="b" user_freshet="hunter2";'
    )
    broker = Kafka(
        tmp_path / "kafka",
        log=tmp_path / "kafka.log",
        protocol="SASL_SSL",
        settings={
            "sasl.enabled.mechanisms": "PLAIN",
            "sasl.mechanism.inter.broker.protocol": "PLAIN",
            "listener.name.clients.plain.sasl.jaas.config": jaas,
            "ssl.keystore.type": "PEM",
            "ssl.keystore.location": str(certificate),
            "ssl.truststore.type": "PEM",
            "ssl.truststore.location": str(tmp_path / "ca.pem"),
        },
    )
    broker.start()
    given = {
        "KAFKA_BOOTSTRAP_SERVERS": broker.bootstrap_servers,
        "KAFKA_SECURITY_PROTOCOL": "SASL_SSL",
        "KAFKA_SASL_USERNAME": "freshet",
        "KAFKA_SASL_PASSWORD": "hunter2",
        "KAFKA_SSL_CAFILE": str(tmp_path / "ca.pem"),
        "KAFKA_REQUEST_TIMEOUT_MS": "3000",
    }
    try:
        log = KafkaLog(KafkaSettings.from_environment(given))
        log.create_topic("shop.events")
        log.append("shop.events", [Record("user", b"0", 1)])
        assert numbers(log, "shop.events") == [0]
        log.close()
        stranger = KafkaLog(KafkaSettings.from_environment(given | {"KAFKA_SASL_PASSWORD": "guessed"}))
        with pytest.raises(LogError, match=r"(?i)auth") as caught:
            stranger.partitions("shop.events")
        assert "guessed" not in str(caught.value)
        stranger.close()
    finally:
        broker.kill()

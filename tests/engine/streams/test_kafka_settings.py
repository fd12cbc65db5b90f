"""What the environment says about Kafka, before any broker is asked."""

from __future__ import annotations

import logging

import pytest

from engine.errors import InvalidDocument
from engine.streams import topics
from engine.streams.kafka_settings import KafkaSettings, quieten_client_logs
from engine.streams.kafka_topics import topic_settings

SIGNED_IN = {
    "KAFKA_BOOTSTRAP_SERVERS": "one:9093, two:9093",
    "KAFKA_SECURITY_PROTOCOL": "sasl_ssl",
    "KAFKA_SASL_MECHANISM": "SCRAM-SHA-512",
    "KAFKA_SASL_USERNAME": "freshet",
    "KAFKA_SASL_PASSWORD": "hunter2",
    "KAFKA_SSL_CAFILE": "/etc/ca.pem",
    "KAFKA_SSL_CERTFILE": "/etc/own.pem",
    "KAFKA_SSL_KEYFILE": "/etc/own.key",
    "KAFKA_SSL_KEY_PASSWORD": "swordfish",
    "KAFKA_SSL_CHECK_HOSTNAME": "false",
}


def test_the_address_alone_is_enough() -> None:
    settings = KafkaSettings.from_environment({"KAFKA_BOOTSTRAP_SERVERS": "localhost:9092"})
    assert settings.bootstrap_servers == ("localhost:9092",)
    assert settings.num_partitions == 1
    assert "sasl_mechanism" not in settings.connection()
    assert not any(name.startswith("ssl_") for name in settings.connection())


def test_security_goes_to_every_client() -> None:
    connection = KafkaSettings.from_environment(SIGNED_IN).connection()
    assert connection["bootstrap_servers"] == ["one:9093", "two:9093"]
    assert connection["security_protocol"] == "SASL_SSL"
    assert connection["sasl_mechanism"] == "SCRAM-SHA-512"
    assert (connection["sasl_plain_username"], connection["sasl_plain_password"]) == ("freshet", "hunter2")
    assert connection["ssl_cafile"] == "/etc/ca.pem"
    assert (connection["ssl_certfile"], connection["ssl_keyfile"]) == ("/etc/own.pem", "/etc/own.key")
    assert connection["ssl_password"] == "swordfish"
    assert connection["ssl_check_hostname"] is False


def test_passwords_are_in_no_representation() -> None:
    settings = KafkaSettings.from_environment(SIGNED_IN)
    assert "hunter2" not in repr(settings)
    assert "swordfish" not in repr(settings)
    assert "freshet" in repr(settings)


def test_the_admin_client_cannot_log_its_passwords(caplog: pytest.LogCaptureFixture) -> None:
    quieten_client_logs()
    client_logger = logging.getLogger("kafka.admin.client")
    with caplog.at_level(logging.DEBUG, logger="kafka.admin.client"):
        # the library's own words
        client_logger.debug("Starting KafkaAdminClient with configuration: %s", {"sasl_plain_password": "hunter2"})
        client_logger.debug("KafkaAdminClient started.")
    assert caplog.messages == ["KafkaAdminClient started."]


def test_every_wrong_variable_is_named_at_once_and_no_secret_repeated() -> None:
    wrong = {
        "KAFKA_BOOTSTRAP_SERVERS": "localhost",
        "KAFKA_SECURITY_PROTOCOL": "SASL_PLAINTEXT",
        "KAFKA_SASL_MECHANISM": "GSSAPI",
        "KAFKA_SASL_PASSWORD": "hunter2",
        "KAFKA_NUM_PARTITIONS": "many",
        "KAFKA_MAX_MESSAGE_BYTES": "12",
        "KAFKA_COMPRESSION": "brotli",
        "KAFKA_TOPIC_PREFIX": "team one/",
        "KAFKA_DELIVERY_TIMEOUT_MS": "5000",
        "KAFKA_SSL_CERTFILE": "/etc/own.pem",
    }
    with pytest.raises(InvalidDocument) as caught:
        KafkaSettings.from_environment(wrong)
    assert {problem.field for problem in caught.value.problems} == {
        "KAFKA_SASL_MECHANISM",
        "KAFKA_SASL_USERNAME",
        "KAFKA_BOOTSTRAP_SERVERS",
        "KAFKA_TOPIC_PREFIX",
        "KAFKA_NUM_PARTITIONS",
        "KAFKA_MAX_MESSAGE_BYTES",
        "KAFKA_COMPRESSION",
        "KAFKA_DELIVERY_TIMEOUT_MS",
        "KAFKA_SSL_CERTFILE",
    }
    assert "hunter2" not in str(caught.value)


def test_only_the_catalog_is_compacted_and_time_limits_are_off() -> None:
    settings = KafkaSettings(("localhost:9092",))
    policies = {
        topics.events("shop"): "delete",
        topics.examples("shop"): "delete",
        topics.params("shop", "clicks", 1): "delete",
        topics.catalog("shop"): "compact,delete",
    }
    for topic, policy in policies.items():
        made = topic_settings(topic, settings)
        assert made["cleanup.policy"] == policy
        assert (made["retention.ms"], made["retention.bytes"]) == ("-1", "-1")
        assert made["message.timestamp.before.max.ms"] == made["message.timestamp.after.max.ms"] == str(2**63 - 1)


def test_the_brokers_own_retention_touches_events_and_examples_only() -> None:
    settings = KafkaSettings(("localhost:9092",), retention_ms=86_400_000, min_insync_replicas=2)
    assert topic_settings(topics.events("shop"), settings)["retention.ms"] == "86400000"
    assert topic_settings(topics.examples("shop"), settings)["retention.ms"] == "86400000"
    for kept in (topics.params("shop", "clicks", 1), topics.catalog("shop"), topics.events_dead("shop")):
        assert topic_settings(kept, settings)["retention.ms"] == "-1"
        assert topic_settings(kept, settings)["min.insync.replicas"] == "2"

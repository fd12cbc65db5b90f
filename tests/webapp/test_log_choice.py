"""Which event log the whole product uses."""

from __future__ import annotations

import pytest
from django.core.exceptions import ImproperlyConfigured

from webapp import environment

DATABASE = "postgresql://db/freshet"


@pytest.fixture(autouse=True)
def no_variables(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("FRESHET_LOG_URL", "KAFKA_BOOTSTRAP_SERVERS", "KAFKA_SECURITY_PROTOCOL", "KAFKA_SASL_PASSWORD"):
        monkeypatch.delenv(name, raising=False)


def test_it_is_the_database_when_nothing_is_said() -> None:
    assert environment.log_url(DATABASE) == DATABASE


def test_it_is_kafka_when_its_servers_are_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("KAFKA_BOOTSTRAP_SERVERS", "one:9092,two:9092")
    assert environment.log_url(DATABASE) == "kafka://one:9092,two:9092"


def test_it_is_what_the_log_url_says_before_all(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("KAFKA_BOOTSTRAP_SERVERS", "one:9092")
    monkeypatch.setenv("FRESHET_LOG_URL", "postgresql://other/log")
    assert environment.log_url(DATABASE) == "postgresql://other/log"


def test_it_does_not_start_with_a_wrong_kafka_variable(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("KAFKA_BOOTSTRAP_SERVERS", "one:9092")
    monkeypatch.setenv("KAFKA_SECURITY_PROTOCOL", "TLS")
    with pytest.raises(ImproperlyConfigured, match="KAFKA_SECURITY_PROTOCOL: must be one of PLAINTEXT, SSL"):
        environment.log_url(DATABASE)

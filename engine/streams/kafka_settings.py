"""How to reach Kafka and how to make topics there, read from environment variables."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from engine.errors import InvalidDocument, Problem

SECURITY_PROTOCOLS = ("PLAINTEXT", "SSL", "SASL_PLAINTEXT", "SASL_SSL")
SASL_MECHANISMS = ("PLAIN", "SCRAM-SHA-256", "SCRAM-SHA-512")
COMPRESSIONS = ("none", "gzip", "zstd")
MIB = 2**20
MOST_MESSAGE_BYTES = 90 * MIB  # a broker takes no request above `socket.request.max.bytes`, 100 MiB unless told


@dataclass(frozen=True, slots=True)
class KafkaSettings:
    """`docs/kafka.md` has the table. Passwords are left out of `repr`, so that no message or log line can show them.

    `replication_factor` -1 and `min_insync_replicas` 0 leave the choice to the broker. `retention_ms` is the broker's own
    deletion of `events` and `examples`; -1 leaves it to Freshet, which knows what is still to be read.
    """

    bootstrap_servers: tuple[str, ...]
    security_protocol: str = "PLAINTEXT"
    sasl_mechanism: str = ""
    sasl_username: str = ""
    sasl_password: str = field(default="", repr=False)
    ssl_cafile: str = ""
    ssl_certfile: str = ""
    ssl_keyfile: str = ""
    ssl_key_password: str = field(default="", repr=False)
    ssl_check_hostname: bool = True
    topic_prefix: str = ""
    group_prefix: str = "freshet."
    num_partitions: int = 1
    replication_factor: int = -1
    min_insync_replicas: int = 0
    max_message_bytes: int = 32 * MIB
    retention_ms: int = -1
    compression: str = "none"
    request_timeout_ms: int = 5_000
    delivery_timeout_ms: int = 10_000

    @classmethod
    def from_environment(cls, environment: Mapping[str, str], bootstrap_servers: str = "") -> KafkaSettings:
        """Read KAFKA_*; `bootstrap_servers` goes before KAFKA_BOOTSTRAP_SERVERS. Raises `InvalidDocument` with every problem."""
        reader = _Reader(environment)
        security = reader.one_of("KAFKA_SECURITY_PROTOCOL", SECURITY_PROTOCOLS, "PLAINTEXT")
        has_sasl = security.startswith("SASL_")
        settings = cls(
            bootstrap_servers=reader.servers("KAFKA_BOOTSTRAP_SERVERS", bootstrap_servers),
            security_protocol=security,
            sasl_mechanism=reader.one_of("KAFKA_SASL_MECHANISM", SASL_MECHANISMS, "PLAIN") if has_sasl else "",
            sasl_username=reader.needed("KAFKA_SASL_USERNAME") if has_sasl else "",
            sasl_password=reader.needed("KAFKA_SASL_PASSWORD") if has_sasl else "",
            ssl_cafile=reader.text("KAFKA_SSL_CAFILE"),
            ssl_certfile=reader.text("KAFKA_SSL_CERTFILE"),
            ssl_keyfile=reader.text("KAFKA_SSL_KEYFILE"),
            ssl_key_password=reader.text("KAFKA_SSL_KEY_PASSWORD"),
            ssl_check_hostname=reader.one_of("KAFKA_SSL_CHECK_HOSTNAME", ("TRUE", "FALSE"), "TRUE") == "TRUE",
            topic_prefix=reader.name("KAFKA_TOPIC_PREFIX", ""),
            group_prefix=reader.name("KAFKA_GROUP_PREFIX", "freshet."),
            num_partitions=reader.integer("KAFKA_NUM_PARTITIONS", 1, least=1, most=1000),
            replication_factor=reader.integer("KAFKA_REPLICATION_FACTOR", -1, least=-1, most=100),
            min_insync_replicas=reader.integer("KAFKA_MIN_INSYNC_REPLICAS", 0, least=0, most=100),
            max_message_bytes=reader.integer(
                "KAFKA_MAX_MESSAGE_BYTES", 32 * MIB, least=64 * 1024, most=MOST_MESSAGE_BYTES
            ),
            retention_ms=reader.integer("KAFKA_RETENTION_MS", -1, least=-1, most=2**63 - 1),
            compression=reader.one_of("KAFKA_COMPRESSION", COMPRESSIONS, "none"),
            request_timeout_ms=reader.integer("KAFKA_REQUEST_TIMEOUT_MS", 5_000, least=500, most=600_000),
            delivery_timeout_ms=reader.integer("KAFKA_DELIVERY_TIMEOUT_MS", 10_000, least=500, most=600_000),
        )
        reader.raise_problems(settings)
        return settings

    def connection(self) -> dict[str, Any]:
        """What every client of kafka-python is told about reaching the brokers."""
        arguments: dict[str, Any] = {
            "bootstrap_servers": list(self.bootstrap_servers),
            "client_id": "freshet",
            "security_protocol": self.security_protocol,
            "request_timeout_ms": self.request_timeout_ms,
            "bootstrap_timeout_ms": self.request_timeout_ms,
            # a broker that is back is found within a second, however long it was away
            "reconnect_backoff_max_ms": 1_000,
        }
        if self.sasl_mechanism:
            arguments["sasl_mechanism"] = self.sasl_mechanism
            arguments["sasl_plain_username"] = self.sasl_username
            arguments["sasl_plain_password"] = self.sasl_password
        if self.security_protocol.endswith("SSL"):
            arguments["ssl_check_hostname"] = self.ssl_check_hostname
            arguments["ssl_cafile"] = self.ssl_cafile or None
            arguments["ssl_certfile"] = self.ssl_certfile or None
            arguments["ssl_keyfile"] = self.ssl_keyfile or None
            arguments["ssl_password"] = self.ssl_key_password or None
        return arguments


class _Reader:
    """Reads variables and collects what is wrong with them."""

    def __init__(self, environment: Mapping[str, str]) -> None:
        self._environment = environment
        self._problems: list[Problem] = []

    def text(self, name: str) -> str:
        return self._environment.get(name, "")

    def needed(self, name: str) -> str:
        value = self.text(name)
        if not value:
            self._problem(name, "must be given with a SASL security protocol", "nothing")
        return value

    def name(self, name: str, default: str) -> str:
        value = self._environment.get(name, default)
        if not all(letter.isascii() and (letter.isalnum() or letter in "._-") for letter in value):
            self._problem(name, "may have letters, digits, '.', '_' and '-'", value)
        return value

    def one_of(self, name: str, allowed: tuple[str, ...], default: str) -> str:
        raw = self.text(name)
        matching = [choice for choice in allowed if choice.lower() == raw.lower()]
        if raw and not matching:
            self._problem(name, f"must be one of {', '.join(allowed)}", raw)
        return matching[0] if matching else default

    def integer(self, name: str, default: int, *, least: int, most: int) -> int:
        raw = self.text(name)
        try:
            value = int(raw) if raw else default
        except ValueError:
            self._problem(name, "must be a whole number", raw)
            return default
        if not least <= value <= most:
            self._problem(name, f"must be from {least} to {most}", raw)
        return value

    def servers(self, name: str, given: str) -> tuple[str, ...]:
        raw = given or self.text(name)
        servers = tuple(part.strip() for part in raw.split(",") if part.strip())
        if not servers:
            self._problem(name, "must name at least one host:port", raw or "nothing")
        for server in servers:
            host, _, port = server.rpartition(":")
            if not host or not port.isdigit() or not 0 < int(port) < 65536:
                self._problem(name, "must be host:port, several with commas between", server)
        return servers

    def raise_problems(self, settings: KafkaSettings) -> None:
        if settings.delivery_timeout_ms < settings.request_timeout_ms + 1_000:
            least = f"must be at least 1000 more than KAFKA_REQUEST_TIMEOUT_MS ({settings.request_timeout_ms})"
            self._problem("KAFKA_DELIVERY_TIMEOUT_MS", least, str(settings.delivery_timeout_ms))
        if bool(settings.ssl_certfile) != bool(settings.ssl_keyfile):
            self._problem("KAFKA_SSL_CERTFILE", "and KAFKA_SSL_KEYFILE are given together or not at all", "one of them")
        if self._problems:
            raise InvalidDocument("the Kafka configuration", self._problems)

    def _problem(self, name: str, rule: str, received: str) -> None:
        self._problems.append(Problem(name, rule, received[:80]))


def quieten_client_logs() -> None:
    """Keep kafka-python from writing passwords: its admin client logs its whole configuration at DEBUG.

    Its warnings and errors are left out too, unless a level was set for it: what fails is raised as our error with the cause, and
    while a broker is away each client would write ten lines a second.
    """
    logger = logging.getLogger("kafka")
    if logger.level == logging.NOTSET:
        logger.setLevel(logging.CRITICAL)
    admin = logging.getLogger("kafka.admin.client")
    if _hides_configuration not in admin.filters:
        admin.addFilter(_hides_configuration)


def _hides_configuration(record: logging.LogRecord) -> bool:
    return "configuration" not in str(record.msg)

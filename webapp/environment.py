"""Typed readers of environment variables: each says which variable, which rule and what was received."""

from __future__ import annotations

import os
from pathlib import Path

from django.core.exceptions import ImproperlyConfigured

from engine.errors import InvalidDocument
from engine.streams.kafka_settings import KafkaSettings


def text(name: str, default: str) -> str:
    return os.environ.get(name, "") or default


def integer(name: str, default: int) -> int:
    raw = os.environ.get(name, "")
    if not raw:
        return default
    try:
        return int(raw)
    except ValueError:
        raise ImproperlyConfigured(f"{name} must be a whole number (received {raw!r})") from None


def flag(name: str, default: bool) -> bool:
    raw = os.environ.get(name, "").lower()
    if not raw:
        return default
    if raw in {"1", "true", "yes", "on"}:
        return True
    if raw in {"0", "false", "no", "off"}:
        return False
    raise ImproperlyConfigured(f"{name} must be true or false (received {raw!r})")


def names(name: str, default: list[str]) -> list[str]:
    raw = os.environ.get(name, "")
    return [part.strip() for part in raw.split(",") if part.strip()] or default


def log_url(database_url: str) -> str:
    """Where the event log is: FRESHET_LOG_URL, or else Kafka when KAFKA_BOOTSTRAP_SERVERS is given, or else the database.

    With Kafka every KAFKA_* variable is looked at now, so that a wrong one stops the start and not the first event.
    """
    servers = os.environ.get("KAFKA_BOOTSTRAP_SERVERS", "")
    chosen = text("FRESHET_LOG_URL", f"kafka://{servers}" if servers else database_url)
    if chosen.startswith("kafka://"):
        try:
            KafkaSettings.from_environment(os.environ, chosen.removeprefix("kafka://"))
        except InvalidDocument as error:
            raise ImproperlyConfigured(error.message) from None
    return chosen


def folder(name: str, default: Path) -> Path:
    return Path(text(name, str(default))).expanduser().resolve()

"""kafka-python's errors as Freshet's."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from kafka import errors as kafka_errors

from engine.errors import LogError, LogUnavailable, UnknownTopic


@contextmanager
def translated(doing: str, **extra: Any) -> Iterator[None]:
    """Raise `UnknownTopic`, `LogUnavailable` (worth trying again) or `LogError` (not) for what kafka-python raises.

    `doing` ends the sentence "while …" and names the topic; `extra` goes on the error.
    """
    try:
        yield
    except kafka_errors.UnknownTopicOrPartitionError as error:
        raise UnknownTopic(f"Kafka does not know the topic or partition: {doing}", **extra) from error
    except (kafka_errors.KafkaError, OSError, RuntimeError) as error:
        raise as_log_error(error, doing, **extra) from error


def as_log_error(error: BaseException, doing: str, **extra: Any) -> LogError:
    """`LogUnavailable` when trying again may help, otherwise `LogError`."""
    says = str(error) or type(error).__name__
    if isinstance(error, OSError | RuntimeError) or getattr(error, "retriable", False):
        return LogUnavailable(f"Kafka does not answer while {doing}: {says[:300]}", **extra)
    return LogError(f"Kafka refused, while {doing}: {type(error).__name__}: {says[:300]}", **extra)

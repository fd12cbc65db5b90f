"""A record of `events` that was no event, as it lies in `events.dead`: where it came from, what was wrong with it, and what it was."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any, Final

import orjson

from engine.errors import CorruptRecord
from engine.spec.intake import NOT_AN_EVENT, RefusedEvent

INBOX_GROUP: Final = "inbox"
"""The consumer group whose committed offsets in `events.dead` say what the inbox has taken."""

MAX_VALUE_BYTES: Final = 8192
MAX_PROBLEMS: Final = 20


@dataclass(frozen=True, slots=True)
class DeadLetter:
    """`reason` is a stable code; `field`, `rule` and `received` are of the first of `problems`, `field` with `*` for a place in a list.

    `value` is the first `MAX_VALUE_BYTES` bytes as text, bytes that are no UTF-8 as `\\xff`; `value_bytes` is how many there were, and
    `is_whole` says that `value` is all of them, unchanged. `timestamp_ms` is the record's own time, `buried_ms` when it was refused.
    """

    topic: str
    partition: int
    offset: int
    reason: str
    field: str
    rule: str
    received: str
    value: str
    value_bytes: int
    is_whole: bool
    timestamp_ms: int
    buried_ms: int
    key: str = ""
    problems: tuple[dict[str, str], ...] = ()

    @property
    def id(self) -> str:
        """`partition:offset` in `events`, the same however often the record is read."""
        return f"{self.partition}:{self.offset}"

    def to_bytes(self) -> bytes:
        return orjson.dumps({"id": self.id, **asdict(self)})

    @classmethod
    def from_bytes(cls, data: bytes) -> DeadLetter:
        """The inverse of `to_bytes`; takes what earlier releases buried too. Raises `CorruptRecord`."""
        try:
            raw = orjson.loads(data)
            if "rule" not in raw:
                raw = _as_now(raw)
            known = {name: raw[name] for name in cls.__dataclass_fields__ if name in raw}
            letter = cls(**known | {"problems": tuple(raw["problems"])})
            _check(letter)
        except (ValueError, TypeError, KeyError, AttributeError) as error:
            raise CorruptRecord(f"not a dead letter: {error}") from error
        return letter


def bury(
    *,
    topic: str,
    partition: int,
    offset: int,
    key: str,
    value: bytes,
    timestamp_ms: int,
    refused: RefusedEvent,
    now_ms: int,
) -> DeadLetter:
    """The letter about a record that was refused."""
    first = refused.problems[0]
    text = value[:MAX_VALUE_BYTES].decode(errors="backslashreplace")
    return DeadLetter(
        topic=topic,
        partition=partition,
        offset=offset,
        reason=refused.reason,
        field=refused.field[:300],
        rule=first.rule,
        received=first.received,
        value=text,
        value_bytes=len(value),
        is_whole=text.encode() == value,
        timestamp_ms=timestamp_ms,
        buried_ms=now_ms,
        key=key,
        problems=tuple(problem.as_dict() for problem in refused.problems[:MAX_PROBLEMS]),
    )


def _as_now(raw: dict[str, Any]) -> dict[str, Any]:
    """A letter of an earlier release, which had a sentence for a reason and the value as text, whole."""
    value, sentence = str(raw["value"]), str(raw["reason"])
    return {
        "topic": "",
        "partition": raw["partition"],
        "offset": raw["offset"],
        "reason": NOT_AN_EVENT,
        "field": "(record)",
        "rule": sentence,
        "received": "",
        "value": value[:MAX_VALUE_BYTES],
        "value_bytes": len(value.encode(errors="replace")),
        "is_whole": len(value) <= MAX_VALUE_BYTES,
        "timestamp_ms": 0,
        "buried_ms": 0,
        "problems": [{"field": "(record)", "rule": sentence, "received": ""}],
    }


def _check(letter: DeadLetter) -> None:
    for name in ("partition", "offset", "value_bytes", "timestamp_ms", "buried_ms"):
        if type(getattr(letter, name)) is not int:
            raise TypeError(f"{name} must be an integer")
    for name in ("topic", "reason", "field", "rule", "received", "value", "key"):
        if type(getattr(letter, name)) is not str:
            raise TypeError(f"{name} must be text")
    if letter.partition < 0 or letter.offset < 0:
        raise ValueError("partition and offset must be 0 or more")

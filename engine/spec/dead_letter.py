"""A record of `events` that was no event, as it lies in `events.dead`: where it came from, what was wrong with it, and what it was."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any, Final

import orjson

from engine.errors import CorruptRecord
from engine.spec.intake import NOT_AN_EVENT, RefusedEvent
from engine.spec.values import MAX_ID_LENGTH

INBOX_GROUP: Final = "inbox"
"""The consumer group whose committed offsets in `events.dead` say what the inbox has taken."""

MAX_VALUE_BYTES: Final = 8192
MAX_PROBLEMS: Final = 20

_MOST: Final = 2**63 - 1
_RANGES: Final = {
    "partition": (0, 2**31 - 1),
    "offset": (0, _MOST),
    "value_bytes": (0, _MOST),
    "timestamp_ms": (-_MOST, _MOST),
    "buried_ms": (0, 32_503_680_000_000),  # the year 3000
}


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
        # Keys of others may be of any length, and no log takes a NUL in one.
        key=key[:MAX_ID_LENGTH].replace("\x00", "\\x00"),
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
    for name, (least, most) in _RANGES.items():
        number = getattr(letter, name)
        if type(number) is not int or not least <= number <= most:
            raise ValueError(f"{name} must be an integer from {least} to {most}")
    for name in ("topic", "reason", "field", "rule", "received", "value", "key"):
        if type(getattr(letter, name)) is not str:
            raise TypeError(f"{name} must be text")
    for problem in letter.problems:
        if type(problem) is not dict:
            raise TypeError("problems must be objects")

"""Events as a replica needs them: an impression without the features that were logged with it, which are most of its bytes."""

from __future__ import annotations

import re
from typing import Final

from engine.errors import CorruptRecord
from engine.spec.event import Event
from engine.spec.intake import Intake

_IMPRESSION: Final = re.compile(rb'\{"event_id":"[^"\\]*","type":"[^"\\]*","role":"impression",')
_FEATURES: Final = b',"features":{'


def read_event(value: bytes, timestamp_ms: int, intake: Intake | None) -> Event:
    """The event of a record; an impression in the log's own form has no features, nor what served it. Raises `CorruptRecord`."""
    short = _without_features(value)
    if short is not None:
        try:
            return Event.from_bytes(short)
        except CorruptRecord:
            pass  # "features" was a key of something else
    return Event.from_bytes(value) if intake is None else intake.read(value, timestamp_ms)


def _without_features(value: bytes) -> bytes | None:
    """Quotes within strings are escaped, so that a match is a key; of an inner object the rest does not parse."""
    if _IMPRESSION.match(value) is None:
        return None
    at = value.find(_FEATURES)
    return None if at < 0 else value[:at] + b"}"

"""Timestamps of a file as integer milliseconds since the epoch."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from webapp.catalog.importing.mapping import TimeUnit

_LARGEST_MS = 253_402_300_799_999  # the end of the year 9999


def to_ms(value: Any, unit: TimeUnit) -> int | None:
    """One cell as milliseconds; None when it is no time, so that validation can say what was received."""
    try:
        if isinstance(value, datetime):
            moment = value if value.tzinfo else value.replace(tzinfo=UTC)
            return round(moment.timestamp() * 1000)
        if unit is TimeUnit.ISO:
            moment = datetime.fromisoformat(str(value))
            # RFC 3339 asks for an offset; without one the moment is unknown
            return round(moment.timestamp() * 1000) if moment.tzinfo else None
        if unit is TimeUnit.TEXT_UTC:
            moment = value if isinstance(value, datetime) else datetime.fromisoformat(str(value))
            return round((moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp() * 1000)
        number = _counted(value, unit)
    except (TypeError, ValueError, OverflowError):
        return None
    return number if 0 <= number <= _LARGEST_MS else None


def _counted(value: Any, unit: TimeUnit) -> int:
    if unit is TimeUnit.MS:
        return int(value)
    return int(value) // 1000 if unit is TimeUnit.US else round(float(value) * 1000)


def parse_moment(text: str) -> int:
    """A moment typed by a person: RFC 3339, a date (midnight UTC), or integer milliseconds. Raises ValueError."""
    if text.isdigit():
        return int(text)
    moment = datetime.fromisoformat(text)
    return round((moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp() * 1000)

"""A property's value as columns and filters take it; what is not of the declared type counts as null.

The schema may have changed since the value was stored, and an older value must neither match by accident nor stop a request.
"""

from __future__ import annotations

import math
from typing import Any, Final

NULL_NUMBER: Final = math.nan


def as_number(value: Any) -> float:
    """Of an integer, float or timestamp (milliseconds); NaN for null. Whole numbers are exact up to 2**53."""
    if type(value) is float:
        return value if math.isfinite(value) else NULL_NUMBER
    if type(value) is int:
        try:
            return float(value)
        except OverflowError:
            return NULL_NUMBER
    return NULL_NUMBER


def as_flag(value: Any) -> bool | None:
    return value if type(value) is bool else None


def as_text(value: Any) -> str | None:
    return value if type(value) is str else None


def as_texts(value: Any) -> tuple[str, ...] | None:
    """Each different text once, in the order of the list."""
    if type(value) is not list and type(value) is not tuple:
        return None
    return tuple(dict.fromkeys(one for one in value if type(one) is str))
